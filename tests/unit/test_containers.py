"""What a container sees of the machine."""

import os
from pathlib import Path

import pytest

from workflow.liverseg.containers import MOST_FOLDERS, bind, folders_to_bind
from workflow.liverseg.errors import LiversegError


def test_the_workflow_and_the_patients_folders_are_bound(tmp_path: Path) -> None:
    for name in ("root", "cts/a", "archive"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "archive/ct.nii.gz").touch()
    link = tmp_path / "cts/a/ct.nii.gz"
    link.symlink_to(tmp_path / "archive/ct.nii.gz")
    files = [link, tmp_path / "cts/label.nii.gz"]
    bound = folders_to_bind(tmp_path / "root", files)
    assert bound == ",".join(str(tmp_path / name) for name in ("archive", "cts", "root"))


def test_what_the_user_binds_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPTAINER_BIND", "/scratch")
    bind("/data,/liverseg")
    assert os.environ["APPTAINER_BIND"] == "/scratch,/data,/liverseg"


def test_of_very_many_folders_those_above_are_bound() -> None:
    files = [Path(f"/data/dicom/p{number}/1.dcm") for number in range(MOST_FOLDERS + 1)]
    assert folders_to_bind(Path("/liverseg"), files) == "/data/dicom,/liverseg"


def test_a_crowded_folder_does_not_raise_one_that_lies_elsewhere() -> None:
    files = [Path(f"/mnt/dicom/p{number}/s1/1.dcm") for number in range(131)]
    bound = folders_to_bind(Path("/liverseg"), [*files, Path("/models/x/model.safetensors")])
    assert bound == "/liverseg,/mnt/dicom,/models/x"


def test_a_name_that_apptainer_would_misread_is_refused() -> None:
    with pytest.raises(LiversegError, match="a comma or a colon"):
        folders_to_bind(Path("/liverseg"), [Path("/data/a,b/ct.nii.gz")])
