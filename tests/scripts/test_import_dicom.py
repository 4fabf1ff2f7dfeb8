"""`import_dicom` writes a volume and a record."""

from pathlib import Path

import numpy as np

from tests.dicom_files import hu_volume, write_series
from workflow.liverseg.files import read_json, sha256
from workflow.liverseg.images import read_image
from workflow.liverseg.imports import digest_of_files
from workflow.scripts.import_dicom import main


def test_writes_the_ct_and_its_record(tmp_path: Path):
    files = write_series(tmp_path / "dicom", hu_volume())
    ct, record = tmp_path / "out/ct.nii.gz", tmp_path / "out/ct.json"
    main(files, [], ct, record, str(tmp_path / ".secret"))
    assert np.array_equal(read_image(ct).data, hu_volume())
    assert read_json(record)["series"]["slices"] == 6


def test_digest_is_that_of_the_files_in_any_order_and_under_any_name(tmp_path: Path):
    (one, *_), (other, *_) = [write_series(tmp_path / name, hu_volume()) for name in "ab"]
    digest = digest_of_files([one, other])
    assert digest == digest_of_files([other, one.rename(tmp_path / "c.dcm")])
    assert digest_of_files([other]) == sha256(other) != digest


def test_digest_of_a_header_counts_the_file_of_its_voxels(tmp_path: Path):
    header = tmp_path / "ct.mhd"
    header.write_text("NDims = 3\nElementDataFile = ct.raw\n")
    digests = set()
    for content in (b"1", b"2"):
        (tmp_path / "ct.raw").write_bytes(content)
        digests.add(digest_of_files([header]))
    assert len({*digests, sha256(header)}) == 3
