"""The script writes a record for a sound patient and for one to be rejected alike."""

import json

from tests.intake_cases import SETTINGS, body, case, nifti, write
from workflow.liverseg.files import read_json
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
    main(ct, [], tmp_path / "r.json", "p1", ALL, None, manifest, json.dumps([8, 8, 8]))
    codes = [finding["code"] for finding in read_json(tmp_path / "r.json")["findings"]]
    assert codes == ["spacing_given", "manifest_differs"]


def test_nothing_of_path_or_header_text_reaches_the_record(tmp_path):
    folder = tmp_path / "DOE^JANE"
    content = nifti(body(), fields={"descrip": b"MRN4711", "db_name": b"DOE^JANE"})
    ct = write(folder / "JANE.nii.gz", content)
    main(ct, [], tmp_path / "r.json", "p1", ALL)
    text = (tmp_path / "r.json").read_text()
    assert "private_text" in text
    assert not any(token in text for token in ("DOE", "JANE", "MRN4711"))
