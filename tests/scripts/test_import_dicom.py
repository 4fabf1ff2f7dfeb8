"""`import_dicom` writes a volume and a record."""

from pathlib import Path

import numpy as np

from tests.dicom_files import hu_volume, write_series
from workflow.liverseg.files import read_json
from workflow.liverseg.images import read_image
from workflow.scripts.import_dicom import main


def test_writes_the_ct_and_its_record(tmp_path: Path):
    files = write_series(tmp_path / "dicom", hu_volume())
    ct, record = tmp_path / "out/ct.nii.gz", tmp_path / "out/ct.json"
    main(files, [], ct, record)
    assert np.array_equal(read_image(ct).data, hu_volume())
    assert read_json(record)["series"]["slices"] == 6
