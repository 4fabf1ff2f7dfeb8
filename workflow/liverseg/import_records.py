"""What the inspection takes over from the imports; apart, so that it need not read an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workflow.liverseg.files import read_json
from workflow.liverseg.findings import finding_from_json, worst

# What the record itself says, of all imports together.
TAKEN_OVER = ("verdict", "findings", "sha256")


def with_imports(record: dict[str, Any], import_records: Sequence[Path]) -> dict[str, Any]:
    """Return an inspection's record with what the imports of the patient found.

    What could not be imported is an empty file: then the import's own finding says why, and what
    the inspection found about that file is left out. Without a CT nothing can be said of a label.
    """
    imports = [read_json(path) for path in import_records]
    if not imports:
        return record
    findings = [finding_from_json(one) for found in imports for one in found["findings"]]
    refused = {finding.part for finding in findings if finding.verdict == "reject"}
    if "ct" not in refused:
        inspected = [finding_from_json(one) for one in record["findings"]]
        findings += [one for one in inspected if one.part not in refused]
    return {
        **record,
        "verdict": worst(findings),
        "imported": [
            {
                key: value
                for key, value in found.items()
                if key not in ("verdict", "findings", "sha256")
            }
            for found in imports
        ],
        "findings": [finding.to_json() for finding in findings],
    }
