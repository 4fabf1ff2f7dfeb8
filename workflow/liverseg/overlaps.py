"""Known overlaps of public datasets: the same person under two names.

`workflow/tables/known_overlaps.tsv` says how a dataset names its cases, `same_persons.tsv` which
of them are one person, each line with its source. Where sources disagree (LiTS 45 to 48 with
3D-IRCADb 18 to 20) all that any of them joins is kept together: too large a group costs little, a
person in two splits costs the test.
"""

import csv
import functools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow.liverseg.unions import joined

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
    """Return the person of each patient id whom a table knows under another of these ids as well.

    What two datasets share matters only where both are there: within one of them each case is a
    person of its own.
    """
    namings, same = _tables()
    named = {patient: name for patient in patients if (name := _named(patient, namings))}
    root = joined(same)
    families: dict[str, set[str]] = {}
    for name in named.values():
        families.setdefault(root.get(name, name), set()).add(_family(name))
    person = {}
    for patient, name in named.items():
        both = root.get(name, name)
        person[patient] = both if len(families[both]) > 1 else name
    times = Counter(person.values())
    return {patient: name for patient, name in person.items() if times[name] > 1}


def _named(patient: str, namings: Iterable[Naming]) -> str | None:
    """Return the name of a case that all spellings of its dataset share."""
    for naming in namings:
        match = naming.pattern.fullmatch(patient)
        if match:
            return naming.person.format(match[0], *match.groups())
    return None


def _family(name: str) -> str:
    """Return the dataset that a case's name stands for; the Decathlon's liver task is LiTS."""
    return name.rpartition("-")[0]
