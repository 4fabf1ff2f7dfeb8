"""The script lists the digests that the inspections took."""

import json

from workflow.liverseg.files import write_json
from workflow.liverseg.manifest import read_manifest
from workflow.scripts.write_manifest import main


def test_manifest_lists_each_sound_file(tmp_path):
    digests = {"ct": "a" * 64, "label": "b" * 64}
    write_json(tmp_path / "p.json", {"patient": "p", "findings": [], "sha256": digests})
    main([tmp_path / "p.json"], tmp_path / "manifest.tsv", "null")
    assert read_manifest(tmp_path / "manifest.tsv") == {"p": digests}


def test_what_changes_against_the_manifest_in_use_is_told(tmp_path, capsys):
    record = {"patient": "p", "findings": [], "sha256": {"ct": "a" * 64}}
    write_json(tmp_path / "p.json", record)
    main([tmp_path / "p.json"], tmp_path / "manifest.tsv", json.dumps({"q": {"ct": "b" * 64}}))
    told = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in told] == ["p (ct): added", "q (ct): taken out"]
