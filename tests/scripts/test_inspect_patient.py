"""The script writes a record for a sound patient and for one to be rejected alike."""

import json

import numpy as np

from tests.intake_cases import SETTINGS, body, case, liver, nifti, write
from workflow.liverseg.files import read_json, write_json
from workflow.scripts.inspect_patient import main

LABELS = [{"name": "liver", "values": "positive"}]
ALL = {"inspection": SETTINGS, "labels": LABELS}


def test_sound_pair_gets_a_full_record(tmp_path):
    ct, label = case(tmp_path)
    main(ct, label, tmp_path / "r.json", "p1", ALL)
    record = read_json(tmp_path / "r.json")
    assert (record["patient"], record["verdict"]) == ("p1", "admitted")
    assert record["geometry"]["shape"] == [40, 36, 24]
    assert record["label"]["volume_ml"] == {"liver": 588.8}
    assert set(record["sha256"]) == {"ct", "label"}


def test_damaged_ct_is_a_record_not_a_failure(tmp_path):
    ct = write(tmp_path / "ct.nii.gz", nifti(body()))
    ct.write_bytes(ct.read_bytes()[:-30])
    main(ct, [], tmp_path / "r.json", "p1", ALL)
    record = read_json(tmp_path / "r.json")
    assert (record["verdict"], record["labelled"]) == ("rejected", False)


def test_changed_file_and_given_spacing_are_said(tmp_path):
    ct, _ = case(tmp_path)
    manifest = json.dumps({"ct": "0" * 64})
    main(ct, [], tmp_path / "r.json", "p1", ALL, None, None, manifest, json.dumps([8, 8, 8]))
    codes = [finding["code"] for finding in read_json(tmp_path / "r.json")["findings"]]
    assert codes == ["spacing_given", "manifest_differs"]


def test_manifest_holds_of_the_users_files_whatever_is_made_of_them(tmp_path):
    ct, label = case(tmp_path)
    main(ct, label, tmp_path / "r.json", "p1", ALL)
    own = read_json(tmp_path / "r.json")["sha256"]
    respaced = write(tmp_path / "respaced.nii.gz", nifti(body(), np.diag([5.0, 5, 5, 1])))
    moved = write(tmp_path / "label.nii.gz", nifti(liver(), np.diag([5.0, 5, 5, 1])))
    sources, entry = [ct, label], json.dumps(own)
    main(respaced, moved, tmp_path / "r.json", "p1", ALL, None, sources, entry, "[5, 5, 5]")
    record = read_json(tmp_path / "r.json")
    assert record["sha256"] == own
    assert not any(found["code"].startswith("manifest") for found in record["findings"])


def test_manifest_holds_of_what_was_imported_also_where_that_failed(tmp_path):
    ct = write(tmp_path / "ct.nii.gz", b"")
    finding = {"code": "dicom_gap", "verdict": "reject", "part": "ct"}
    finding |= dict.fromkeys(("found", "expected", "remedy"), "x")
    write_json(tmp_path / "in/ct.json", {"sha256": "a" * 64, "findings": [finding]})
    imported, entry = [tmp_path / "in/ct.json"], json.dumps({"ct": "b" * 64})
    main(ct, [], tmp_path / "r.json", "p1", ALL, imported, None, entry)
    record = read_json(tmp_path / "r.json")
    assert record["sha256"] == {"ct": "a" * 64}
    assert [found["code"] for found in record["findings"]] == ["dicom_gap", "manifest_differs"]


def test_nothing_of_path_or_header_text_reaches_the_record(tmp_path):
    folder = tmp_path / "DOE^JANE"
    content = nifti(body(), fields={"descrip": b"MRN4711", "db_name": b"DOE^JANE"})
    ct = write(folder / "JANE.nii.gz", content)
    main(ct, [], tmp_path / "r.json", "p1", ALL)
    text = (tmp_path / "r.json").read_text()
    assert "private_text" in text
    assert not any(token in text for token in ("DOE", "JANE", "MRN4711"))
