"""Plant persons under several names and see whether a split ever tears one apart.

    python benchmarks/leakage.py --cases 10000

Each case (Hypothesis) is a cohort of some persons, each with several scans. What joins the scans of
a person is a group of the table, a case of LiTS and one of 3D-IRCADb that are known to be one, or
the voxels: a scan may stand there again, renamed, flipped, with its axes in another order and
another affine, under a group of its own; or the headers of DICOM files. Some scans are rejected, as
their spacing is lost: they join all the same. Digests, groups, admission and split are those of the
workflow. A case counts only where somebody could have been torn apart; another is drawn for the
rest. That leaks are found where there are some is shown by splitting at random.
"""

import argparse
import functools
import itertools
import random
import sys
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workflow.liverseg.admission import Person, admit
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.findings import reject
from workflow.liverseg.intensities import measure
from workflow.liverseg.nifti_header import Header
from workflow.liverseg.nifti_stream import Volume
from workflow.liverseg.persons import join_known, name_groups
from workflow.liverseg.splitting import Member, members_of, split_patients

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}
ORDERS = list(itertools.permutations(range(3)))
PERSONS = 10
LITS = ("volume-{}", "LiTS{}", "liver_{}")
IRCADB = ("3Dircadb1.{}", "ircadb{:02d}", "3D-IRCADb-01-{}")


class Scan(NamedTuple):
    """A line of the table: whose scan, how it is stored, and how the table calls it."""

    person: int
    scan: int  # which of the person's scans
    order: int  # of the axes
    flips: int
    labelled: bool
    other_label: bool  # another than the scan's copies have
    refused: bool
    tie: str  # "group", "lits", "ircadb" by the id, "voxels" of a scan that is there, "headers"


scans = st.builds(
    Scan,
    st.integers(0, PERSONS - 1),
    st.integers(0, 2),
    st.integers(0, 5),
    st.integers(0, 7),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False] * 9 + [True]),
    st.sampled_from([False] * 5 + [True]),
    st.sampled_from(["group", "group", "lits", "ircadb", "voxels", "headers"]),
)
cohorts = st.lists(scans, min_size=8, max_size=20)
Splitter = Callable[[Sequence[Member], int], dict[str, str]]


@dataclass(frozen=True)
class Case:
    """What became of one cohort: persons with several scans in the splits, and those torn apart."""

    exposed: int
    leaks: int


def by_the_workflow(members: Sequence[Member], seed: int) -> dict[str, str]:
    """Split as the workflow does."""
    return {a.patient: a.split for a in split_patients(members, fractions=FRACTIONS, seed=seed)}


def at_random(members: Sequence[Member], seed: int) -> dict[str, str]:
    """Split patient by patient, blind to persons: what the count has to find leaks in."""
    drawn = random.Random(seed)
    splits = list(FRACTIONS)
    return {m.patient: drawn.choice(splits) if m.labelled else "predict" for m in members}


@functools.cache
def digest(person: int, scan: int, order: int, flips: int) -> str:
    """Return the voxel digest of a scan as it is stored after renaming, turning and flipping."""
    data = np.random.default_rng([person, scan]).integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
    step = [1 - 2 * (flips >> axis & 1) for axis in range(3)]
    turned = data.transpose(ORDERS[order])[:: step[0], :: step[1], :: step[2]]
    affine = np.diag([0.7, 0.7, float(flips + 1), 1.0])
    header = Header(turned.shape, turned.dtype, 352, 1.0, 0.0, affine, "sform", (), ())
    return measure(Volume(turned, header, "", ())).digest


def record(row: Scan, name: str, voxel_digest: str, label: str | None) -> dict:
    """Return what an inspection would say of a scan, sound but perhaps for its spacing."""
    lost = reject(
        "spacing_placeholder", "ct", found="1 mm", expected="its own", remedy="restore it"
    )
    content: dict[str, Any] = {
        "patient": name,
        "verdict": "rejected" if row.refused else "admitted",
        "labelled": label is not None,
        "ct": {"voxel_digest": voxel_digest},
        "geometry": {"shape": [4, 5, 6], "slice_axis": 2, "spacing_mm": [1, 1, 1],
                     "orientation": "RAS"},
        "findings": [lost.to_json()] if row.refused else [],
    }  # fmt: skip
    if row.tie == "headers":
        content["imported"] = [{"person": {"number": str(row.person)}}]
    return content if label is None else {**content, "label": {"voxel_digest": label}}


def table(rows: Sequence[Scan]) -> list[tuple[str, str]]:
    """Return id and group of each line, such that each line of a person is joined with the others.

    Where both LiTS and 3D-IRCADb name a person, their ids join, and but for the first are given
    groups of their own. A scan that stands there already is joined by its voxels, one of a person
    whose headers are there by its headers. All others have the person's group.
    """
    ties: dict[int, set[str]] = {}
    for row in rows:
        ties.setdefault(row.person, set()).add(row.tie)
    bridged: set[int] = set()
    tied: set[tuple[int, int | str]] = set()
    lines: dict[str, str] = {}
    for number, row in enumerate(rows):
        name = known_id(row, lines)
        group = f"person {row.person}"
        if name and {"lits", "ircadb"} <= ties[row.person]:
            if row.person in bridged:
                group = f"own {number}" if number % 2 else ""
            bridged.add(row.person)
        elif (row.person, {"voxels": row.scan}.get(row.tie, row.tie)) in tied:
            group = f"own {number}"
        tied |= {(row.person, row.scan), *[(row.person, "headers")] * (row.tie == "headers")}
        lines[name or f"p{number:02d}"] = group
    return list(lines.items())


def known_id(row: Scan, taken: Container[str]) -> str | None:
    """Return an id by which the table of known overlaps knows the person; None if none is left."""
    spellings, first = {"lits": (LITS, 28), "ircadb": (IRCADB, 1)}.get(row.tie, ((), 0))
    names = (spelling.format(first + row.person) for spelling in spellings)
    return next((name for name in names if name not in taken), None)


def run_case(rows: Sequence[Scan], seed: int, splitter: Splitter) -> Case | None:
    """Run one cohort; None where no split could be made of it."""
    lines = table(rows)
    sheet = dict(lines)
    groups, _ = join_known(name_groups(sheet), sheet)
    records, persons = [], {}
    for number, (row, (name, _)) in enumerate(zip(rows, lines, strict=True)):
        label = f"{row.person}-{row.scan}-{number if row.other_label else ''}"
        voxels = digest(row.person, row.scan, row.order, row.flips)
        records.append(record(row, name, voxels, label if row.labelled else None))
        persons[name] = row.person
    people = {name: Person(group) for name, group in groups.items()}
    cohort = admit(records, people=people).cohort
    try:
        places = splitter(members_of(cohort), seed)
    except LiversegError as error:
        if "at least one admitted patient" in str(error):
            return None
        raise
    found: dict[int, list[str]] = {}
    for patient, split in places.items():
        if split != "predict":
            found.setdefault(persons[patient], []).append(split)
    several = [splits for splits in found.values() if len(splits) > 1]
    return Case(len(several), sum(len(set(splits)) > 1 for splits in several))


def main() -> None:
    """Print how many cases were run, how many persons could have been torn apart, and the leaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    cases = parser.parse_args().cases
    tally = {"cases": 0, "persons with several scans in the splits": 0, "leaks": 0,
             "leaks of a random split (control)": 0}  # fmt: skip

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cohorts, st.integers(0, 99))
    def run(rows: list[Scan], seed: int) -> None:
        case = run_case(rows, seed, by_the_workflow)
        assume(case is not None and case.exposed)
        control = run_case(rows, seed, at_random)
        tally["cases"] += 1
        tally["persons with several scans in the splits"] += case.exposed
        tally["leaks"] += case.leaks
        tally["leaks of a random split (control)"] += control.leaks if control else 0

    run()
    for name, number in tally.items():
        print(f"{name}: {number}")
    sys.exit(bool(tally["leaks"]) or tally["cases"] < cases or not tally[list(tally)[-1]])


if __name__ == "__main__":
    main()
