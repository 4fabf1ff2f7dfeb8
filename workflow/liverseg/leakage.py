"""Whether a person stands in two splits, counted anew from the tables for the reader of the page.

`split_patients` has asserted it; here the finished tables are asked, which an edit by hand reaches.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from workflow.liverseg.splitting import SPLITS, join_groups, members_of, scored_as

DUPLICATES = ("duplicate_scan", "duplicate_labels_differ")


@dataclass(frozen=True)
class LeakageCheck:
    """What was counted; `leaks` names each person found in two splits, and is empty if all is well.

    scans: those in train, validation or test. persons: whose they are. repeated: persons with
    several scans there. duplicates: scans refused as the double of another. arrangements: splits
    looked through, one, or one a fold.
    """

    scans: int
    persons: int
    repeated: int
    duplicates: int
    arrangements: int
    leaks: tuple[str, ...]


def check_leakage(
    cohort: pd.DataFrame, rejected: pd.DataFrame, split: pd.DataFrame
) -> LeakageCheck:
    """Count persons, their scans and doubles in `cohort.tsv`, `rejected.tsv` and `split.tsv`.

    A person is a group, with all groups that share a scan's voxels.
    """
    members = members_of(cohort)
    person = join_groups(members)
    labelled = {member.patient for member in members if member.labelled}
    columns = [name for name in split if str(name).startswith("fold-")] or ["split"]
    patients = split.loc[split[columns].isin(SPLITS).any(axis=1), "patient"]
    scans = patients.map(person).value_counts()
    leaks = []
    for column in columns:
        place = dict(zip(split["patient"], split[column], strict=True))
        place = {patient: place[patient] for patient in place if patient in labelled}
        leaks += [
            f"{text} in {column}" if len(columns) > 1 else text for text in _torn(person, place)
        ]
    return LeakageCheck(
        scans=len(patients),
        persons=len(scans),
        repeated=int((scans > 1).sum()),
        duplicates=int(rejected.loc[rejected["code"].isin(DUPLICATES), "patient"].nunique()),
        arrangements=len(columns),
        leaks=tuple(leaks),
    )


def _torn(person: Mapping[str, str], place: Mapping[str, str]) -> list[str]:
    """Name the patients of each person who stands in two splits, with the split of each."""
    found: dict[str, list[str]] = {}
    for patient in sorted(place):
        found.setdefault(person[patient], []).append(patient)
    return [
        ", ".join(f"{patient} ({place[patient]})" for patient in patients)
        for patients in found.values()
        if len({scored_as(place[patient]) for patient in patients}) > 1
    ]
