"""`import_label` writes a label on the grid of its CT."""

from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from tests.dicom_files import hu_volume, write_seg, write_series
from workflow.liverseg.images import read_image
from workflow.scripts.import_dicom import main as import_ct
from workflow.scripts.import_label import main


def test_writes_the_label(tmp_path: Path):
    series, mask = generate_uid(), np.zeros((12, 10, 6), bool)
    mask[3:6, 2:5, 1:3] = True
    files = write_series(tmp_path / "dicom", hu_volume(), series=series)
    seg = write_seg(tmp_path / "s.dcm", {"Liver": mask}, series=series, origin=(-11, 22, -33))
    ct, ct_record = tmp_path / "ct.nii.gz", tmp_path / "ct.json"
    import_ct(files, [seg], ct, ct_record, str(tmp_path / ".secret"))
    label = tmp_path / "label.nii.gz"
    settings = {"dicom": {"structures": [{"name": "liver", "value": 1}]}}
    main([seg], ct, ct_record, label, tmp_path / "label.json", settings)
    assert np.array_equal(read_image(label, None).data, mask)
