"""Every fault of the data that is known: found, and said in the words that stand here."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.fault_cases import FAULTS, GOOD, LABEL, Case, pair
from tests.intake_cases import AFFINE, LIVER, SETTINGS, SHAPE, body, liver, nifti, write
from workflow.liverseg.files import read_json
from workflow.liverseg.images import write_image
from workflow.liverseg.inspection import inspect
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.volume_files import read_volume
from workflow.scripts import prepare_volume, score_patient

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/faults.md"
MESSAGES = yaml.safe_load((ROOT / "tests/unit/fault_messages.yaml").read_text(encoding="utf-8"))
NUMBERS = {*range(1, 34), 48, 49, 51, 53}
MODULES = [
    "admission",
    "inspection",
    "intake",
    "intensities",
    "label_checks",
    "manifest",
    "nifti_header",
    "nifti_stream",
    "patients",
    "persons",
    "privacy",
    "slice_order",
]


def named(cases: list[Case]) -> dict[str, Case]:
    """Cases by number, code, and which of that code they are."""
    count: Counter[str] = Counter()
    names = {}
    for case in cases:
        name = f"{case.number} {case.code}"
        count[name] += 1
        names[f"{name} {count[name]}"] = case
    return names


CASES = named(FAULTS)


@pytest.mark.parametrize("name", CASES)
def test_fault_is_found_with_its_verdict_and_its_words(tmp_path, name):
    case = CASES[name]
    told = case.told(tmp_path)
    wanted = {"verdict": case.verdict, "code": case.code, **MESSAGES[name]}
    assert wanted in told, f"fault {case.number}: {told}"


def test_messages_are_those_of_the_cases():
    assert list(MESSAGES) == list(CASES)


def test_case_without_tumour_is_sound_where_the_config_names_tumours(tmp_path):
    """Fault 6 is none: liver alone is prepared, and an absent tumour is scored as such."""
    regions = [{"name": "liver", "values": [1, 2]}, {"name": "tumour", "values": [2]}]
    image, label = pair(GOOD, LABEL)(tmp_path)
    labels = LabelMap.from_settings(regions)
    record = inspect(image=image, label=label, patient="p", labels=labels, settings=SETTINGS)
    assert (record["verdict"], record["findings"]) == ("admitted", [])
    assert record["label"]["volume_ml"]["tumour"] == 0 < record["label"]["volume_ml"]["liver"]
    volumes = {"spacing_mm": None, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}}
    settings = {"labels": regions, "volumes": volumes, "scores": {"surface_tolerance_mm": 1.0}}
    prepare_volume.main(image, label, tmp_path / "v.npz", "p", settings)
    prepared = read_volume(tmp_path / "v.npz").label
    assert prepared is not None and np.unique(prepared).tolist() == [0, 1]
    write_image(tmp_path / "mask.nii.gz", liver(), AFFINE)
    score_patient.main(
        tmp_path / "mask.nii.gz", label, tmp_path / "scores.json", "p", "m", settings
    )
    scores = read_json(tmp_path / "scores.json")["regions"]
    assert scores["liver"]["dice"] == 1.0
    assert (scores["tumour"]["dice"], scores["tumour"]["recall"]) == (1.0, None)


def organs() -> np.ndarray:
    """A label of several organs: the liver is 6, its neighbours 1 and 3."""
    label = liver() * np.uint8(6)
    label[2:6, 10:14, 8:12], label[30:34, 10:14, 8:12] = 1, 3
    return label


@pytest.mark.parametrize("ignored", [[1, 3], "others"])
def test_other_organs_are_background_where_the_config_says_so(tmp_path, ignored):
    regions = [{"name": "liver", "values": [6]}]
    image, label = pair(GOOD, nifti(organs()))(tmp_path)
    record = inspect(
        image=image,
        label=label,
        patient="p",
        labels=LabelMap.from_settings(regions),
        settings=SETTINGS | {"ignored_values": ignored},
    )
    assert (record["verdict"], record["findings"]) == ("admitted", [])
    assert record["label"]["ignored_values"] == [1, 3]
    assert record["label"]["components"] == 1
    assert set(record["label"]["values"]) == {"0", "1", "3", "6"}
    volumes = {"spacing_mm": None, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}}
    prepare_volume.main(
        image, label, tmp_path / "v.npz", "p", {"labels": regions, "volumes": volumes}
    )
    prepared = read_volume(tmp_path / "v.npz").label
    assert prepared is not None and prepared.sum() == liver().sum()


@pytest.mark.parametrize("ignored", [[], [1]])
def test_a_value_that_is_not_ignored_rejects(tmp_path, ignored):
    image, label = pair(GOOD, nifti(organs()))(tmp_path)
    record = inspect(
        image=image,
        label=label,
        patient="p",
        labels=LabelMap.from_settings([{"name": "liver", "values": [6]}]),
        settings=SETTINGS | {"ignored_values": ignored},
    )
    assert record["findings"][-1]["code"] == "label_values_unknown"


def test_sound_pair_is_admitted_without_any_finding(tmp_path):
    image, label = pair(GOOD, LABEL)(tmp_path)
    record = inspect(image=image, label=label, patient="p", labels=LIVER, settings=SETTINGS)
    assert (record["verdict"], record["findings"]) == ("admitted", [])
    assert set(record["sha256"]) == {"ct", "label"}


@pytest.mark.parametrize("name", ["it's a CT", 'a "quoted" one', "größe 日本", "$(x);&*?#", "-x"])
def test_any_name_of_a_file_is_read(tmp_path, name):
    image = write(tmp_path / name / f"{name}.nii.gz", nifti(body()))
    record = inspect(image=image, label=None, patient="p", labels=LIVER, settings=SETTINGS)
    assert (record["verdict"], record["geometry"]["shape"]) == ("admitted", list(SHAPE))


def test_every_code_stands_in_the_table_of_faults():
    modules = [ROOT / f"workflow/liverseg/{name}.py" for name in MODULES]
    source = "".join(path.read_text(encoding="utf-8") for path in modules)
    codes = re.findall(r'(?:\breject|\brepair|\b_?warn|Finding)\(\s*"([a-z_]+)"', source)
    documented = re.findall(r"^\| `([a-z_]+)`", DOCS.read_text(encoding="utf-8"), re.M)
    assert sorted(set(codes) - set(documented)) == []
    assert sorted(set(documented) - set(codes)) == []


def test_every_number_has_a_case_and_a_line_that_names_its_codes():
    lines = dict(re.findall(r"^\| (\d+) (\|.+)$", DOCS.read_text(encoding="utf-8"), re.M))
    assert {int(number) for number in lines} == NUMBERS
    assert {case.number for case in FAULTS} == NUMBERS - {6}  # 6 is none, and has its own test
    unnamed = {
        (case.number, case.code)
        for case in FAULTS
        if case.code != "error" and f"`{case.code}`" not in lines[str(case.number)]
    }
    assert unnamed == set()


def test_every_code_that_the_numbers_name_is_explained():
    text = DOCS.read_text(encoding="utf-8")
    text += (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z_]+)`", text, re.M))
    lines = re.findall(r"^\| \d+ \|.+$", text, re.M)
    named_there = set(re.findall(r"`([a-z]+_[a-z_]+)`", "\n".join(lines)))
    assert sorted(named_there - explained) == []
