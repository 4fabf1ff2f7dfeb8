"""The script writes an image again with the spacing of the table."""

import numpy as np

from tests.intake_cases import LIVER, SETTINGS, body, nifti, write
from workflow.liverseg.images import read_image
from workflow.liverseg.inspection import inspect
from workflow.scripts.correct_spacing import main


def test_image_has_the_spacing_of_the_table(tmp_path):
    source = write(tmp_path / "ct.nii", nifti(body(), np.eye(4)))
    main(source, source, tmp_path / "out/ct.nii.gz", "ct", "[0.5, 0.5, 2.5]")
    assert read_image(tmp_path / "out/ct.nii.gz").spacing_mm == (0.5, 0.5, 2.5)


def test_scaled_image_with_nan_is_handed_on_for_the_inspection_to_reject(tmp_path):
    data = body().astype(np.float32)
    data[1, 2, 3] = np.nan
    source = write(tmp_path / "ct.nii", nifti(data, fields={"scl_slope": 2}))
    main(source, source, tmp_path / "out/ct.nii.gz", "ct", "[0.5, 0.5, 2.5]")
    record = inspect(
        image=tmp_path / "out/ct.nii.gz",
        label=None,
        patient="p",
        labels=LIVER,
        settings=SETTINGS,
        spacing_mm=[0.5, 0.5, 2.5],
    )
    assert record["verdict"] == "rejected"
    assert record["findings"][-1]["code"] == "voxels_not_finite"
