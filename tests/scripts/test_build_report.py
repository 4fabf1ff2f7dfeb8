"""The page shows what the steps wrote, and nothing in their records can act on it."""

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tests.report_tree import HOSTILE, SETTINGS, write_page, write_records
from workflow.liverseg.files import read_json, write_json
from workflow.liverseg.report_inputs import read_cases
from workflow.scripts.build_report import main


class Tags(HTMLParser):
    """Collects tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("run")
    records = write_records(root)
    lost = {"code": "spacing_placeholder", "verdict": "warn", "part": "ct", "found": "-"}
    scored = {path.stem for path in records.scores}
    record = next(path for path in records.inspections if path.stem in scored)
    write_json(record, {**read_json(record), "findings": [lost]})
    sources = vars(records) | {"benchmarks": str(root / "results" / "benchmarks")}
    out: Path = root / "results" / "report" / "index.html"
    main(page=out, settings=SETTINGS, **sources)
    return out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "words",
    [
        "truncated_gzip",
        "mm, ml doubtful",
        "no mm and no ml is to be trusted",
        "copy again",
        "do not trust",
        "unet3d",
        "predict_patient",
        "Versions of the software that built this page",
        "versions it was trained with</summary>",
        "Of 12 chunks of 3 patients, 6 are trained on",
        "saves 0.8 of 1.5 MB",
        "0.958 [0.948, 0.968]",
        "Agreement of volumes",
        "SHA-256 of the CTs of 8 patients",
    ],
)
def test_the_page_shows(page: str, words: str) -> None:
    assert words in page


@pytest.mark.parametrize("name", ["scores", "predictions", "meshes", "p.1"])
def test_a_patient_may_be_called_like_a_folder_of_the_results(tmp_path: Path, name: str) -> None:
    places = [tmp_path / f"results/{kind}/m/{name}" for kind in ("predictions", "meshes")]
    paths = [places[0] / "prediction.json", places[1] / "mesh.json"]
    paths.append(tmp_path / f"results/scores/m/{name}.json")
    for path in paths:
        write_json(path, {"of": path.name})
    split = pd.DataFrame({"patient": [name], "split": ["test"]})
    predicted, meshed, scored = ([path] for path in paths)
    (case,) = read_cases(predictions=predicted, scores=scored, meshes=meshed, split=split)
    assert (case.model, case.patient, case.split) == ("m", name, "test")
    assert case.prediction and case.scores and case.mesh


def test_the_card_leads_to_every_file_of_its_patient(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    for name in ("mask.nii.gz", "mask.seg.nrrd", "mask.seg.dcm"):
        assert f"../predictions/unet/p05/{name}" in tags.addresses
    for name in ("liver.stl", "scene.glb"):
        assert f"../meshes/unet/p05/{name}" in tags.addresses
    assert "../features.csv" in tags.addresses


def test_the_page_and_its_data_keep_within_their_size(tmp_path: Path) -> None:
    page = write_page(tmp_path, patients=8)
    data = list(page.parent.rglob("*.js"))
    assert {path.parent.name for path in data} == {"scans", "unet"}
    assert max(path.stat().st_size for path in data) < 1_000_000
    total = page.stat().st_size + sum(path.stat().st_size for path in data)
    assert total < 5_000_000 + 4 * 1_000_000  # four of the eight are predicted


@pytest.mark.parametrize(
    ("seg", "linked", "warned"), [("named", 1, 1), ("unnamed", 1, 0), ("none", 0, 0)]
)
def test_a_dicom_seg_is_linked_where_there_is_one(
    tmp_path: Path, seg: str, linked: int, warned: int
) -> None:
    sources = vars(write_records(tmp_path, patients=6)) | {"benchmarks": str(tmp_path)}
    main(page=tmp_path / "index.html", settings=SETTINGS | {"dicom": {"seg": seg}}, **sources)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    # Two patients were predicted, of whom one came as DICOM.
    assert page.count("predictions/unet/p05/mask.seg.dcm") == linked
    assert "p06/mask.seg.dcm" not in page
    assert page.count("bears the patient's name") == warned


def test_what_records_say_is_text_and_no_tag(page: str) -> None:
    assert HOSTILE not in page
    tags = Tags()
    tags.feed(page)
    assert tags.found.count("script") == 1


def test_the_page_asks_the_network_for_nothing(page: str) -> None:
    tags = Tags()
    tags.feed(page)
    assert [a for a in tags.addresses if "//" in a] == []
    assert "default-src &#39;none&#39;" in page


def test_a_run_that_predicts_nobody_has_a_page(tmp_path: Path) -> None:
    steps = ("predictions", "scores", "summaries", "meshes", "comparison")
    nobody: dict[str, list[Path]] = {step: [] for step in steps}
    out = tmp_path / "index.html"
    main(page=out, settings=SETTINGS, **vars(write_records(tmp_path)) | nobody)
    assert "there is nothing to score against" in out.read_text(encoding="utf-8")
