"""`export_dicom_seg` finds the volume again that `import_dicom` took out of several."""

from pathlib import Path

import numpy as np
import pydicom
import yaml
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.conftest import ROOT
from tests.dicom_files import hu_volume, write_series
from workflow.liverseg.images import read_image, write_image
from workflow.scripts import export_dicom_seg, import_dicom


def test_a_mask_of_one_phase_refers_to_the_images_of_that_phase(tmp_path: Path):
    series, sources = generate_uid(), []
    for acquisition in (2, 1):

        def change(image: Dataset, k: int, number: int = acquisition) -> Dataset:
            image.AcquisitionNumber = number
            return image

        sources += write_series(
            tmp_path / "dicom", hu_volume(), series=series, change=change, prefix=f"{acquisition}-"
        )
    ct, record, mask = (tmp_path / name for name in ("ct.nii.gz", "ct.json", "mask.nii.gz"))
    import_dicom.main(sources, [], ct, record, str(tmp_path / ".secret"))
    image = read_image(ct)
    write_image(mask, np.ones(image.data.shape, np.uint8), image.affine)
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    seg = tmp_path / "mask.seg.dcm"
    export_dicom_seg.main(mask, sources, record, [], seg, "p", "unet", settings)
    referenced = pydicom.dcmread(seg).ReferencedSeriesSequence[0].ReferencedInstanceSequence
    taken = {pydicom.dcmread(path).SOPInstanceUID for path in sources if path.name[0] == "1"}
    assert {item.ReferencedSOPInstanceUID for item in referenced} == taken
