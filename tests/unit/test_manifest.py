"""A manifest finds what no other check can: a changed voxel in a file that is sound."""

import pytest

from tests.intake_cases import LIVER, SETTINGS, body, nifti, write
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.inspection import inspect
from workflow.liverseg.manifest import read_manifest, write_manifest


def look(path, manifest=None):
    return inspect(
        image=path, label=None, patient="p", labels=LIVER, settings=SETTINGS, manifest=manifest
    )


def test_flipped_bit_in_a_plain_file_is_found_by_the_manifest_alone(tmp_path):
    ct = write(tmp_path / "ct.nii", nifti(body()))
    write_manifest(tmp_path / "manifest.tsv", [look(ct)])
    manifest = read_manifest(tmp_path / "manifest.tsv")["p"]
    assert look(ct, manifest)["verdict"] == "admitted"
    content = bytearray(ct.read_bytes())
    content[5000] ^= 1
    ct.write_bytes(bytes(content))
    assert look(ct)["verdict"] == "admitted"
    codes = [finding["code"] for finding in look(ct, manifest)["findings"]]
    assert codes == ["manifest_differs"]


def test_file_that_is_not_listed_is_warned_of(tmp_path):
    ct = write(tmp_path / "ct.nii", nifti(body()))
    codes = [finding["code"] for finding in look(ct, {})["findings"]]
    assert codes == ["manifest_missing"]


def test_rejected_files_do_not_enter(tmp_path):
    bad = {"patient": "q", "verdict": "rejected", "sha256": {"ct": "0" * 64}}
    write_manifest(tmp_path / "m.tsv", [bad])
    assert read_manifest(tmp_path / "m.tsv") == {}


@pytest.mark.parametrize("text", ["patient\tct\np\tx\n", "patient\tpart\tsha256\np\tct\tnone\n"])
def test_other_tables_are_refused(tmp_path, text):
    path = tmp_path / "m.tsv"
    path.write_text(text)
    with pytest.raises(LiversegError, match="write_manifest"):
        read_manifest(path)


def test_manifest_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_bytes("patient\tpart\tsha256\nM\u00fcller".encode("latin-1"))
    with pytest.raises(LiversegError, match="not UTF-8"):
        read_manifest(path)
