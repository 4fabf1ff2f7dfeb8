"""A manifest finds what no other check can: a changed voxel in a file that is sound."""

import pytest

from tests.intake_cases import LIVER, SETTINGS, body, nifti, write
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.inspection import inspect
from workflow.liverseg.manifest import (
    changes,
    check_secret,
    gone_patients,
    read_manifest,
    renewed,
    with_manifest,
    write_manifest,
)


def look(path, manifest=None):
    found = inspect(image=path, label=None, patient="p", labels=LIVER, settings=SETTINGS)
    return with_manifest(found, manifest, {})


def test_flipped_bit_in_a_plain_file_is_found_by_the_manifest_alone(tmp_path):
    ct = write(tmp_path / "ct.nii", nifti(body()))
    write_manifest(tmp_path / "manifest.tsv", renewed([look(ct)], {}))
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


def test_label_that_is_gone_rejects(tmp_path):
    ct = write(tmp_path / "ct.nii", nifti(body()))
    entry = {**look(ct)["sha256"], "label": "0" * 64}
    record = look(ct, entry)
    assert [finding["code"] for finding in record["findings"]] == ["manifest_gone"]
    assert record["verdict"] == "rejected"


def test_patients_who_are_gone_are_remarked_by_their_id_only():
    gone = gone_patients({"p": {}, "q": {}, "Doe, Jane": {}}, {"p"})
    assert [refusal.patient for refusal in gone] == ["-", "q"]


def test_rejected_files_do_not_enter():
    bad = {"patient": "q", "sha256": {"ct": "0" * 64}}
    bad["findings"] = [{"code": "gzip_damaged", "verdict": "reject"}]
    assert renewed([bad], {}) == {}


def test_a_file_that_differs_keeps_its_old_digest_until_its_row_is_gone(tmp_path):
    ct = write(tmp_path / "ct.nii", nifti(body()))
    before = {"p": {"ct": "0" * 64}, "gone": {"ct": "1" * 64}}
    changed, new = look(ct, before["p"]), {**look(ct, {}), "patient": "q"}
    assert changed["verdict"] == "rejected"
    manifest = renewed([changed, new], before)
    assert manifest == {"p": before["p"], "q": new["sha256"]}
    assert [line.split(",")[0] for line in changes(manifest, before, [changed, new])] == [
        "gone (ct): taken out",
        "p (ct): kept as it was",
        "q (ct): added",
    ]
    assert renewed([look(ct, {})], {}) == {"p": look(ct)["sha256"]}


def test_a_manifest_written_with_another_secret_is_refused(tmp_path):
    here, there = "patient-0123456789", "patient-abcdef0123"
    with pytest.raises(LiversegError, match=r"copy \.liverseg-secret"):
        check_secret(tmp_path / "m.tsv", {there: {}, "p": {}}, {here, "p"})


@pytest.mark.parametrize("known", [{"p"}, {"p", "patient-0123456789", "patient-abcdef0123"}])
def test_hidden_patients_who_are_gone_or_new_do_not_stop_a_run(tmp_path, known):
    check_secret(tmp_path / "m.tsv", {"patient-abcdef0123": {}, "p": {}}, known)


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
