"""Whose scans are whose: the groups of the table, joined with what else is known of persons.

That is what is known of public datasets, and what DICOM headers say. A group leaves under the id
of its first patient. What the table says of it is often a name or a hospital's number, of which
even a digest could be found out by trying them all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow.liverseg.findings import Finding, Refusal, warn
from workflow.liverseg.overlaps import known_persons
from workflow.liverseg.unions import joined


def name_groups(sheet: Mapping[str, str]) -> dict[str, str]:
    """Name the group of each patient after its first; `sheet` holds what the table calls it.

    A patient whose cell is empty is a group of his own, which another's cell may name by his id.
    """
    first: dict[str, str] = {}
    for patient in sorted(sheet):
        first.setdefault(sheet[patient] or patient, patient)
    return {patient: first[group or patient] for patient, group in sheet.items()}


def join_known(
    groups: Mapping[str, str], sheet: Mapping[str, str]
) -> tuple[dict[str, str], tuple[Refusal, ...]]:
    """Join groups whose patients a table knows as one person, and remark on each of these.

    `groups` are those of the patients by the sheet's own account. A person of the table gives
    all that is joined the name, the first where there are several.
    """
    persons = known_persons(groups)
    known, own = 0, 1  # so that a person comes before a group
    roots = joined(
        [(own, group), (known, persons[patient])] if patient in persons else [(own, group)]
        for patient, group in groups.items()
    )
    remarks = []
    for patient, person in sorted(persons.items()):
        others = [one for one in sorted(persons) if persons[one] == person and one != patient]
        told_apart = len({sheet[one] for one in (patient, *others) if sheet[one]}) > 1
        remarks.append(Refusal(patient, _known_person(others, told_apart)))
    return {patient: roots[own, group][1] for patient, group in groups.items()}, tuple(remarks)


def _known_person(others: list[str], told_apart: bool) -> Finding:
    return warn(
        "person_known",
        "patient",
        found=f"the same person as {', '.join(others)}, by the table of known overlaps",
        expected="each person once",
        remedy="correct the group column, which tells them apart: their groups were joined"
        if told_apart
        else "nothing: they share a group, which one split keeps together",
    )


@dataclass(frozen=True)
class Told:
    """Patients who are one person by their DICOM headers; `unlike` if name or birth differ."""

    patients: tuple[str, ...]
    unlike: bool = False


def told_persons(records: Iterable[Mapping[str, Any]]) -> list[Told]:
    """Find the records of inspections whose DICOM headers tell of one person.

    Equal numbers do, and equal name and date of birth where one of them lacks a number.
    """
    numbers: dict[str, list[tuple[str, str]]] = {}
    births: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        said = _said(record)
        number, birth = said.get("number", ""), said.get("birth", "")
        if number:
            numbers.setdefault(number, []).append((record["patient"], birth))
        if birth:
            births.setdefault(birth, []).append((record["patient"], number))
    told = [
        Told(tuple(patient for patient, _ in same), len({birth for _, birth in same} - {""}) > 1)
        for same in numbers.values()
    ]
    told += [
        Told(tuple(patient for patient, _ in same))
        for same in births.values()
        if not all(number for _, number in same)
    ]
    return [one for one in told if len(one.patients) > 1]


def _said(record: Mapping[str, Any]) -> Mapping[str, str]:
    return next((one["person"] for one in record.get("imported", ()) if one.get("person")), {})


def remarks_on(
    told: Iterable[Told], records: Sequence[Mapping[str, Any]], groups: Mapping[str, str]
) -> list[Refusal]:
    """Remark on persons whom `groups`, by patient, tell apart, and on headers that say nothing."""
    remarks = []
    for one in told:
        if len({groups[patient] for patient in one.patients}) > 1:
            for patient in one.patients:
                others = [other for other in one.patients if other != patient]
                remarks.append(Refusal(patient, _person_told(others, one.unlike)))
    owners = list(groups.values())
    silent = [
        record["patient"]
        for record in records
        if any("person" in one for one in record.get("imported", ())) and not _said(record)
    ]
    alone = sum(owners.count(groups[patient]) == 1 for patient in silent)
    return [*remarks, Refusal("-", _persons_unsaid(alone))] if alone > 1 else remarks


def _person_told(others: list[str], unlike: bool) -> Finding:
    return warn(
        "person_told",
        "patient",
        found=f"the same person as {', '.join(others)}, by the DICOM headers"
        + (", though name or date of birth differ" if unlike else ""),
        expected="one group for one person",
        remedy="their groups were joined; if they are several persons, give each a PatientID of "
        "its own and export again"
        if unlike
        else "nothing: their groups were joined; write one group into the table",
    )


def _persons_unsaid(number: int) -> Finding:
    return warn(
        "persons_unsaid",
        "patient",
        found=f"{number} patients whose DICOM headers do not say who they are (no PatientID, or "
        "one such as ANONYMOUS)",
        expected="a PatientID a person",
        remedy="if several are one person, write one group for them into the table",
    )
