"""Sort a folder of many DICOM studies into one folder a study, under names that say nothing.

    python -m workflow.liverseg.dicom_sorting SOURCE TARGET

TARGET then holds links to the files of SOURCE (copies where links are not to be had) and a table
`patients.tsv` for `patients:`; the studies of one person share a group. Persons are named by a
digest keyed with a random secret, which stays in TARGET: keep it to get the same names again, and
give it to nobody.
"""

import argparse
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from workflow.liverseg.dicom_persons import birth_of, number_of
from workflow.liverseg.dicom_series import (
    CT_CLASSES,
    RTSTRUCT_CLASS,
    SEG_CLASSES,
    kind_of,
    quiet,
    read_header,
)
from workflow.liverseg.errors import fault
from workflow.liverseg.files import write_text
from workflow.liverseg.pseudonyms import SECRET, keyed, secret_at

LEAST_SLICES = 2


@dataclass
class Study:
    """The files of one study that matter: slices of CTs, and labels."""

    person: str
    slices: list[Path] = field(default_factory=list)
    labels: list[Path] = field(default_factory=list)


def find_studies(files: Iterable[Path]) -> dict[str, Study]:
    """Sort files by study UID; what is neither CT, SEG nor RTSTRUCT is left out."""
    quiet()
    studies: dict[str, Study] = {}
    for path in sorted(files):
        header = read_header(path)
        if header is None:
            continue
        kind = kind_of(header)
        is_label = kind in SEG_CLASSES or kind == RTSTRUCT_CLASS
        if kind not in CT_CLASSES and not is_label:
            continue
        study = studies.setdefault(_study_of(header), Study(_person_of(header)))
        (study.labels if is_label else study.slices).append(path)
    return studies


def _study_of(header: pydicom.Dataset) -> str:
    return str(header.get("StudyInstanceUID") or header.get("SeriesInstanceUID") or "")


def _person_of(header: pydicom.Dataset) -> str:
    """What tells the person: the id, else name and date of birth; else the study is a person's."""
    return number_of(header) or birth_of(header) or _study_of(header)


def sort_studies(source: Path, target: Path) -> Path:
    """Link the studies of `source` into `target`, write and return the table of the patients.

    Raises LiversegError where there is no CT at all. Run again, it starts anew, under the same
    names as long as the secret is there.
    """
    studies = find_studies(path for path in source.rglob("*") if path.is_file())
    studies = {uid: s for uid, s in studies.items() if len(s.slices) >= LEAST_SLICES}
    if not studies:
        raise fault(
            file=source.name,
            found="no CT series",
            expected="DICOM files of CTs, in any depth of folders",
            remedy="check the path",
        )
    target.mkdir(parents=True, exist_ok=True)
    secret = secret_at(target / SECRET)
    rows = ["patient\timage\tlabel\tgroup"]
    for uid, study in studies.items():
        person = f"p{keyed(secret, study.person)}"
        patient = f"{person}-{keyed(secret, uid)[:4]}"
        _link(study.slices, target / patient / "ct")
        _link(study.labels, target / patient / "label")
        # Which of several labels is meant, only the user knows.
        label = f"{patient}/label/0001.dcm" if len(study.labels) == 1 else ""
        rows.append(f"{patient}\t{patient}/ct\t{label}\t{person}")
    table = target / "patients.tsv"
    write_text(table, "\n".join([rows[0], *sorted(rows[1:])]) + "\n")
    return table


def _link(files: list[Path], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for number, path in enumerate(files, start=1):
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"{number:04d}.dcm"
        try:
            place.symlink_to(os.path.realpath(path))
        except OSError:  # Windows without the right to make links
            shutil.copyfile(path, place)


def main() -> None:
    """Read the command line and sort."""
    parser = argparse.ArgumentParser(
        description="Sort a folder of DICOM studies into one folder a study, pseudonymised."
    )
    parser.add_argument("source", type=Path, help="folder of DICOM files, in any depth")
    parser.add_argument("target", type=Path, help="folder to make: links and patients.tsv")
    arguments = parser.parse_args()
    print(f"patients: {sort_studies(arguments.source, arguments.target)}")


if __name__ == "__main__":
    main()
