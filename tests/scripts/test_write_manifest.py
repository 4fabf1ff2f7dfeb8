"""The script lists the digests that the inspections took."""

from workflow.liverseg.files import write_json
from workflow.liverseg.manifest import read_manifest
from workflow.scripts.write_manifest import main


def test_manifest_lists_each_sound_file(tmp_path):
    digests = {"ct": "a" * 64, "label": "b" * 64}
    write_json(tmp_path / "p.json", {"patient": "p", "findings": [], "sha256": digests})
    main([tmp_path / "p.json"], tmp_path / "manifest.tsv")
    assert read_manifest(tmp_path / "manifest.tsv") == {"p": digests}
