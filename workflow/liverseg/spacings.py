"""True spacings for CTs whose header lost them (LiTS 28 to 47), from the user's table."""

import csv
import math
from dataclasses import replace
from pathlib import Path

from workflow.liverseg.errors import fault
from workflow.liverseg.patients import Cohort, Patient

COLUMNS = ("patient", "x", "y", "z")


def read_spacings(path: Path) -> dict[str, tuple[float, float, float]]:
    """Read a TSV with the columns patient, x, y, z (mm along the stored axes i, j, k)."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise fault(
            file=path,
            found=error.strerror or "no file",
            expected="the table that inspection.spacing_table names",
            remedy="correct the path, or set inspection.spacing_table: null",
        ) from error
    rows = csv.DictReader(lines, delimiter="\t")
    return {row["patient"]: _spacing(row, rows.line_num, path) for row in rows}


def _spacing(row: dict[str, str], line: int, path: Path) -> tuple[float, float, float]:
    try:
        x, y, z = (float(row[name]) for name in COLUMNS[1:])
    except (KeyError, TypeError, ValueError):
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

    Only patients with NIfTI files of their own: an import has spacings from its own headers.
    """
    if table is None:
        return cohort
    spacings = read_spacings(Path(table))
    patients = tuple(
        _with_spacing(patient, spacings[patient.patient])
        if patient.kind == "nifti" and patient.patient in spacings
        else patient
        for patient in cohort.patients
    )
    return replace(cohort, patients=patients)


def _with_spacing(patient: Patient, spacing_mm: tuple[float, float, float]) -> Patient:
    folder = Path("results/respaced") / patient.patient
    unspaced = {"ct": patient.image} | ({"label": patient.label} if patient.label else {})
    return replace(
        patient,
        image=folder / "ct.nii.gz",
        label=folder / "label.nii.gz" if patient.label else None,
        spacing_mm=spacing_mm,
        unspaced=unspaced,
    )
