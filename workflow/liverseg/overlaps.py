"""Known overlaps of public datasets: the same person under two names.

`workflow/tables/known_overlaps.tsv` says how a dataset names its cases, `same_persons.tsv` which
of them are one person, each line with its source. Where sources disagree (LiTS 45 to 48 with
3D-IRCADb 18 to 20) all that any of them joins is kept together: too large a group costs little, a
person in two splits costs the test.
"""

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TABLES = Path(__file__).resolve().parents[1] / "tables"


@dataclass(frozen=True)
class Naming:
    """How one dataset names its cases; `person` is a template for the pattern's groups."""

    dataset: str
    pattern: re.Pattern[str]
    person: str


@functools.cache
def _tables() -> tuple[tuple[Naming, ...], tuple[tuple[str, str], ...]]:
    namings = tuple(
        Naming(row["dataset"], re.compile(row["pattern"]), row["person"])
        for row in _rows("known_overlaps.tsv")
    )
    return namings, tuple((row["person"], row["also"]) for row in _rows("same_persons.tsv"))


def _rows(name: str) -> list[dict[str, str]]:
    lines = (TABLES / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t"))


def known_persons(patients: Iterable[str]) -> dict[str, str]:
    """Return the person of each patient id that a table knows, where it matters.

    It matters where ids of two datasets meet; within one dataset each case is a person of its own
    and nothing is returned.
    """
    namings, same = _tables()
    person: dict[str, str] = {}
    datasets = set()
    for patient in patients:
        for naming in namings:
            match = naming.pattern.fullmatch(patient)
            if match:
                person[patient] = naming.person.format(match[0], *match.groups())
                datasets.add(naming.dataset)
                break
    if len(datasets) < 2:
        return {}
    root = _joined(same)
    return {patient: root.get(name, name) for patient, name in person.items()}


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the name of each person's set, the first by name of all that pairs chain together."""
    sets: dict[str, set[str]] = {}
    for one, other in pairs:
        both = sets.get(one, {one}) | sets.get(other, {other})
        for name in both:
            sets[name] = both
    return {name: min(both) for name, both in sets.items()}
