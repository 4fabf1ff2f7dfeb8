"""Importing reads the user's files and writes nothing beside them."""

from pathlib import Path

from tests.dicom_files import hu_volume, write_series
from tests.listing import listing, read_only
from workflow.scripts.import_dicom import main


def test_the_import_of_a_series_leaves_its_folder_as_it_was(tmp_path: Path) -> None:
    series = tmp_path / "dicom"
    files = write_series(series, hu_volume())
    before = listing(series)
    with read_only(series):
        secret = str(tmp_path / ".secret")
        main(files, [], tmp_path / "out/ct.nii.gz", tmp_path / "out/ct.json", secret)
    assert len(before) > 6
    assert listing(series) == before
