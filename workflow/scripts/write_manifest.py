"""Write the SHA-256 of every inspected file that is sound, by patient and part."""

import json
from pathlib import Path

from workflow.liverseg import manifest as manifests
from workflow.liverseg.files import read_json
from workflow.liverseg.jobs import terminal


def main(records: list[Path], manifest: Path, before: str) -> None:
    """Write the manifest from the inspections' records; `before` is the one in use, as JSON.

    What changes against it is told in the log, and where the user looks.
    """
    found, old = [read_json(path) for path in records], json.loads(before) or {}
    new = manifests.renewed(found, old)
    manifests.write_manifest(manifest, new)
    text = "\n".join(manifests.changes(new, old, found) if old else [])
    print(text)
    if text and (screen := terminal()):
        with screen:
            print(text, file=screen)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
