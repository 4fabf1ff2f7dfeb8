"""Whose scans are whose: the groups of the table, joined with what is known of public datasets.

A group leaves under the id of its first patient. What the table says of it is often a name or a
hospital's number, of which even a digest could be found out by trying them all.
"""

from collections.abc import Mapping

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
