"""Real CTs: whole ones, slabs and crops are admitted, an MR is not."""

from pathlib import Path

import pytest

from tests.intake_cases import SETTINGS
from workflow.liverseg.inspection import inspect
from workflow.liverseg.labels import LabelMap

LABELS = LabelMap.from_settings([{"name": "liver", "values": "positive"}])
LABELLED = {
    "chaos_ct03": set(),
    "amos_0018": {"hu_clipped"},
    "totalseg_example": {"hu_outside"},
    "amos_0001_slab": {"few_slices"},
    "amos_0013_slab": {"few_slices"},
    "lits117_crop": {"spacing_placeholder"},
}
UNLABELLED = {
    "ts_aorta_ct_cropped": "warned",
    "ts_pulmonary_ct_cropped": "warned",
    "ts_example_mr_sm_NOT_CT": "rejected",
}


def look(image: Path, label: Path | None) -> tuple[str, set[str]]:
    record = inspect(image=image, label=label, patient="p", labels=LABELS, settings=SETTINGS)
    return record["verdict"], {finding["code"] for finding in record["findings"]}


@pytest.mark.parametrize("name", LABELLED)
def test_real_pair_is_admitted_with_the_warnings_that_are_due(real_data, name):
    folder = real_data / name
    verdict, codes = look(folder / "ct.nii.gz", folder / "liver.nii.gz")
    assert verdict != "rejected"
    assert codes >= LABELLED[name]
    assert "label_side" not in codes


@pytest.mark.parametrize("name", UNLABELLED)
def test_real_scan_without_label_is_told_from_an_mr(real_data, name):
    verdict, codes = look(real_data / "unlabelled" / f"{name}.nii.gz", None)
    assert verdict == UNLABELLED[name]
    assert ("not_ct" in codes) == (verdict == "rejected")
