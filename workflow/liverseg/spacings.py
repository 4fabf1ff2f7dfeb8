"""True spacings for CTs whose header lost them (LiTS 28 to 47), from the user's table."""

import math
from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from workflow.liverseg.errors import fault
from workflow.liverseg.findings import Finding, Refusal, warn
from workflow.liverseg.layouts import PATIENT_ID
from workflow.liverseg.patients import Cohort, Patient, read_table

COLUMNS = ("patient", "x", "y", "z")


def read_spacings(path: Path) -> dict[str, tuple[float, float, float]]:
    """Read a TSV or CSV with the columns patient, x, y, z (mm along the stored axes i, j, k)."""
    remedy = "correct the path, or set inspection.spacing_table: null"
    spacings: dict[str, tuple[float, float, float]] = {}
    for line, row in read_table(path, _check_columns, remedy):
        if row["patient"] in spacings:
            raise fault(
                file=path,
                found=f"a line (number {line}) of a patient who stands there already",
                expected="each patient once",
                remedy="take out the line that is wrong",
            )
        spacings[row["patient"]] = _spacing(row, line, path)
    return spacings


def _check_columns(path: Path, names: list[str]) -> None:
    if sorted(names) != sorted(COLUMNS):
        raise fault(
            file=path,
            found=f"the columns {', '.join(names) or '(none)'}",
            expected="the columns patient, x, y, z, in mm",
            remedy="correct the first line of the table",
        )


def _spacing(row: dict[str, str], line: int, path: Path) -> tuple[float, float, float]:
    try:
        x, y, z = (float(row[name]) for name in COLUMNS[1:])
    except ValueError:
        x = y = z = math.nan
    if not all(math.isfinite(value) and value > 0 for value in (x, y, z)):
        raise fault(
            file=path,
            found=f"a line (number {line}) without three positive numbers",
            expected="the columns patient, x, y, z, in mm",
            remedy="correct that line of the table",
        )
    return x, y, z


def respaced(cohort: Cohort, table: str | None) -> Cohort:
    """Let the patients of the table be read from `results/respaced`, where their spacing is right.

    Only CTs that are NIfTI files of the user's own: an import has its spacing from its own
    headers, which is remarked. LiversegError where the table names somebody who is not there.
    """
    if table is None:
        return cohort
    spacings = read_spacings(Path(table))
    refused = {refusal.patient for refusal in cohort.refused}
    _check_known(Path(table), spacings, {p.patient for p in cohort.patients} | refused)
    patients = []
    remarks = []
    for patient in cohort.patients:
        if patient.patient not in spacings:
            patients.append(patient)
        elif patient.image_sources or patient.kind == "phantom":
            patients.append(patient)
            remarks.append(Refusal(patient.patient, _not_used()))
        else:
            patients.append(_with_spacing(patient, spacings[patient.patient]))
    return replace(cohort, patients=tuple(patients), remarks=(*cohort.remarks, *remarks))


def _check_known(path: Path, named: Collection[str], known: Collection[str]) -> None:
    """Stop at an id that nobody has: whom it was meant for would be measured in wrong mm."""
    for patient in named:
        if patient in known:
            continue
        near = get_close_matches(patient, known, 1)
        # What cannot be an id may be a person's name, and is not repeated.
        shown = repr(patient) if PATIENT_ID.fullmatch(patient) else "that cannot be one"
        raise fault(
            file=path,
            found=f"an id that no patient has: {shown}",
            expected="ids of the cohort (LiTS by folder: lits-28)",
            remedy=f"did you mean {near[0]!r}?" if near else "correct the id, or take the line out",
        )


def _not_used() -> Finding:
    return warn(
        "spacing_not_used",
        "ct",
        found="a spacing in the table for a CT that is no NIfTI file",
        expected="NIfTI files whose header lost the spacing",
        remedy="take the line out; where an import's spacing is wrong, convert the CT to NIfTI",
    )


def _with_spacing(patient: Patient, spacing_mm: tuple[float, float, float]) -> Patient:
    """Correct the user's own files; an imported label is brought onto the corrected CT anyway."""
    folder = Path("results/respaced") / patient.patient
    own_label = patient.label if not patient.label_sources else None
    unspaced = {"ct": patient.image} | ({"label": own_label} if own_label else {})
    return replace(
        patient,
        image=folder / "ct.nii.gz",
        label=folder / "label.nii.gz" if own_label else patient.label,
        spacing_mm=spacing_mm,
        unspaced=unspaced,
    )
