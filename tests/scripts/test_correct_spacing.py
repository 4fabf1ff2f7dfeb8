"""The script writes an image again with the spacing of the table."""

import numpy as np

from tests.intake_cases import body, nifti, write
from workflow.liverseg.images import read_image
from workflow.scripts.correct_spacing import main


def test_image_has_the_spacing_of_the_table(tmp_path):
    source = write(tmp_path / "ct.nii", nifti(body(), np.eye(4)))
    main(source, source, tmp_path / "out/ct.nii.gz", "ct", "[0.5, 0.5, 2.5]")
    assert read_image(tmp_path / "out/ct.nii.gz").spacing_mm == (0.5, 0.5, 2.5)
