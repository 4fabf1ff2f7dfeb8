"""What a container must see of the machine besides the folder that it works in."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workflow.liverseg.errors import fault, is_users_own
from workflow.liverseg.patients import Patient

MOST_FOLDERS = 40  # bound one by one; of more than these the folders above


def files_of(patient: Patient) -> list[Path]:
    """The user's own files of a patient."""
    files = [patient.image, *patient.image_sources, *patient.label_sources]
    files += [*patient.unspaced.values(), *([patient.label] if patient.label else [])]
    return [path for path in files if is_users_own(str(path))]


def folders_to_bind(root: Path, files: Iterable[Path]) -> str:
    """The workflow's folder and those of the files, in the form that APPTAINER_BIND has.

    A link counts with the file that it leads to. LiversegError for a name that cannot be told
    to Apptainer.
    """
    places = {path.absolute() for path in files}
    places |= {path.resolve() for path in places}
    folders = _outermost({path.parent for path in places})
    while len(folders) > MOST_FOLDERS and (above := _most_crowded(folders)):
        folders = _outermost({*folders, above})
    folders = _outermost(folders | {root.resolve()})
    for folder in folders:
        if set(str(folder)) & set(",:"):
            raise fault(
                file=folder,
                found="a comma or a colon in the name of a folder that the container must see",
                remedy="rename it, or run without a container",
            )
    return ",".join(sorted(map(str, folders)))


def bind(folders: str) -> None:
    """Let Apptainer, started by this process or below it, bind folders besides the user's own."""
    bound = filter(None, [os.environ.get("APPTAINER_BIND", ""), folders])
    os.environ["APPTAINER_BIND"] = ",".join(bound)


def _most_crowded(folders: set[Path]) -> Path | None:
    """The folder right above most of the deepest ones; never the root, which would hide all."""
    deepest = max(len(folder.parts) for folder in folders)
    counts = Counter(folder.parent for folder in folders if len(folder.parts) == deepest)
    above, _ = max(counts.items(), key=lambda item: (item[1], str(item[0])))
    return above if len(above.parts) > 1 else None


def _outermost(folders: set[Path]) -> set[Path]:
    return {folder for folder in folders if not folders & set(folder.parents)}
