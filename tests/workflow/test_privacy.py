"""What hospitals write into headers, tags, names and groups reaches no output, log or page.

The whole road is run: import, inspection, training, masks, surfaces, scores, report, provenance.
Snakemake's own database, `.snakemake/metadata`, holds paths as well; its
log and what it prints do not.
"""

import gzip
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.dicom_files import PERSON, write_seg, write_series
from tests.intake_cases import body, liver, nifti, write

ROOT = Path(__file__).resolve().parents[2]
NIFTI_PATIENTS, DICOM_PATIENTS = 8, 2
FIELDS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
TAGS = (
    "PatientName", "PatientID", "SeriesDescription", "StudyDescription", "AccessionNumber",
    "StudyID", "InstitutionName", "ReferringPhysicianName", "OperatorsName", "StationName",
    "PatientComments", "ImageComments", "ProtocolName", "OtherPatientNames",
)  # fmt: skip
ORIGIN = (-160.0, -140.0, -100.0)
NAME_AS_ID = "Doe_Jane_19600101"  # the user's own words in the table: kept, and warned of


class Planter:
    """Gives out tokens, each once, and remembers them."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def __call__(self) -> str:
        self.tokens.append(f"TKN{len(self.tokens):04d}")
        return self.tokens[-1]


def extension(code: int, text: str) -> bytes:
    content = text.encode().ljust(24, b"\0")
    return np.array([len(content) + 8, code], "<i4").tobytes() + content


def nifti_patient(folder: Path, number: int, token: Planter) -> tuple[Path, Path]:
    """Write a CT and a label with tokens in names, headers and extensions: 18 tokens."""
    place = folder / f"{token()} {token()}"
    paths = []
    for data in (body(seed=number), liver()):
        fields = {name: token().encode() for name in FIELDS}
        front = b"\1\0\0\0" + extension(2, token()) + extension(6, token())
        content = nifti(data, fields=fields, front=front)
        if number == 3:
            content = content[:-500]
        paths.append(write(place / f"{token()}.nii.gz", content))
    return paths[0], paths[1]


def dicom_patient(folder: Path, number: int, token: Planter) -> tuple[Path, Path]:
    """Write a series and a SEG with tokens in names and tags: 19 tokens."""
    place, series = folder / token(), generate_uid()
    tags = {tag: token() for tag in TAGS}
    private = token()

    def change(dataset: Dataset, k: int) -> Dataset:
        for tag, value in tags.items():
            setattr(dataset, tag, value)
        dataset.private_block(0x0011, "SITE", create=True).add_new(1, "LO", private)
        dataset.PixelSpacing = [8.0, 8.0]
        return dataset

    hu = np.maximum(body(seed=number)[:, ::-1], -1024)
    step = (0.0, 0.0, 8.0)
    write_series(place, hu, series=series, origin=ORIGIN, step=step, change=change, prefix=token())
    masks = {"Liver": liver()[:, ::-1] > 0, token(): hu > 300}
    seg = write_seg(place / f"{token()}.dcm", masks, series=series, origin=ORIGIN,
                    step_mm=8.0, spacing=(8.0, 8.0))  # fmt: skip
    return place, seg


def planted(folder: Path) -> tuple[Path, list[str]]:
    """Write a cohort with twenty tokens a patient; returns its table and all tokens."""
    token = Planter()
    lines = ["patient,image,label,group"]
    for number in range(NIFTI_PATIENTS + DICOM_PATIENTS):
        if number < NIFTI_PATIENTS:
            image, label = nifti_patient(folder, number, token)
            group = f"{token()} {token()}"
        else:
            image, label = dicom_patient(folder, number, token)
            group = token()
        # The last patient has no label: the SEG that lies beside the CT is not asked for.
        named = "" if number == NIFTI_PATIENTS + DICOM_PATIENTS - 1 else label
        patient = NAME_AS_ID if number == NIFTI_PATIENTS - 1 else f"p{number}"
        lines.append(f"{patient},{image},{named},{group}")
    table = folder / "patients.csv"
    table.write_text("\n".join(lines) + "\n")
    return table, token.tokens


def contents(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        return gzip.decompress(raw)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())
    return raw


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[str]]:
    """Everything that a whole run leaves behind, by its path, and the planted tokens."""
    place = tmp_path_factory.mktemp("privacy")
    table, tokens = planted(place / "data")
    run = place / "run"
    run.mkdir()
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "2"]
    command += ["--directory", run, "--configfile", Path(__file__).with_name("tiny.yaml")]
    command += ["--config", f"patients={table}", "--", "all", "inspect", "write_manifest"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    left = {str(path.relative_to(run)): contents(path) for path in files_of(run)}
    return {**left, "terminal": (done.stdout + done.stderr).encode()}, tokens


def files_of(run: Path) -> Iterator[Path]:
    for folder in (run / "results", run / ".snakemake/log"):
        yield from (path for path in folder.rglob("*") if path.is_file())


def test_none_of_200_tokens_is_in_any_result_log_or_page(searched):
    left, tokens = searched
    assert len(tokens) == 200
    wanted = [*(token.encode() for token in tokens), PERSON.encode()]
    found = {
        name: [token for token in wanted if token in name.encode() + content]
        for name, content in left.items()
    }
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize(
    "ending",
    [
        "mask.nii.gz", "mask.seg.dcm", "masked_ct.nii.gz", "mask.seg.nrrd", "liver.stl",
        "liver.glb", "mesh.json", "overlay.png", "features.csv", "summary.csv", "report/index.html",
        "cohort/index.html", "cohort/rejected.tsv", "cohort/manifest.tsv", "split/split.tsv",
        "ro-crate-metadata.json", "imported/p8/ct.json", "imported/p8/label.json",
        "inspection/p9.json", "model.safetensors", "train_model/tiny.log", ".snakemake.log",
        "terminal",
    ],
)  # fmt: skip
def test_the_search_met_every_kind_of_output(searched, ending):
    left, _ = searched
    met = [content for name, content in left.items() if name.endswith(ending)]
    assert met
    assert any(met) or ending.endswith("train_model/tiny.log")


def test_the_user_is_warned(searched):
    left, _ = searched
    assert b"private_text" in left["results/cohort/inspection/p0.json"]
    assert b"file_truncated" in left["results/cohort/rejected.tsv"]
    remarks = left["results/cohort/remarks.tsv"].decode()
    assert "names_kept" in remarks and NAME_AS_ID not in remarks
