"""Plant one person under several names and see whether a split ever tears them apart.

    python benchmarks/leakage.py --cases 10000

Each case (Hypothesis) is a cohort of some persons; some scans stand in it again, renamed, flipped,
with their axes in another order and another affine, under a group of their own; some persons have
a second, different scan in the same group. Digests, admission and split are those of the workflow.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workflow.liverseg.admission import Person, admit
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.intensities import measure
from workflow.liverseg.nifti_header import Header
from workflow.liverseg.nifti_stream import Volume
from workflow.liverseg.splitting import members_of, split_patients

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}
ORDERS = list(itertools.permutations(range(3)))
scans = st.tuples(
    st.integers(0, 9),  # the person
    st.integers(0, 1),  # which of the person's two scans
    st.integers(0, 5),  # order of axes
    st.integers(0, 7),  # flips
    st.booleans(),  # labelled
    st.integers(0, 9),  # 0: another label than the other copies have
)


def digest(person: int, scan: int, order: int, flips: int) -> str:
    """Return the voxel digest of a scan as it is stored after renaming, turning and flipping."""
    data = np.random.default_rng([person, scan]).integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
    step = [1 - 2 * (flips >> axis & 1) for axis in range(3)]
    turned = data.transpose(ORDERS[order])[:: step[0], :: step[1], :: step[2]]
    affine = np.diag([0.7, 0.7, float(flips + 1), 1.0])
    header = Header(turned.shape, turned.dtype, 352, 1.0, 0.0, affine, "sform", (), ())
    return measure(Volume(turned, header, "", ())).digest


def record(name: str, voxel_digest: str, label: str | None) -> dict:
    """Return what an inspection would say of a sound scan."""
    content = {
        "patient": name,
        "verdict": "admitted",
        "labelled": label is not None,
        "ct": {"voxel_digest": voxel_digest},
        "geometry": {"shape": [4, 5, 6], "slice_axis": 2, "spacing_mm": [1, 1, 1],
                     "orientation": "RAS"},
        "findings": [],
    }  # fmt: skip
    return content if label is None else {**content, "label": {"voxel_digest": label}}


def leaks(rows: Sequence[tuple[int, int, int, int, bool, int]], seed: int) -> int:
    """Run one cohort; returns how many persons stand in more than one split."""
    records, people, persons = [], {}, {}
    for number, (person, scan, order, flips, labelled, other) in enumerate(rows):
        name = f"p{number:02d}"
        label = f"{person}-{scan}-{number if other == 0 else ''}" if labelled else None
        records.append(record(name, digest(person, scan, order, flips), label))
        # The first scan of a person stands alone: only its voxels tell. The second is grouped.
        people[name] = Person(f"person-{person}" if scan else name)
        persons[name] = (person, scan)
    cohort = admit(records, people=people).cohort
    try:
        assignments = split_patients(members_of(cohort), fractions=FRACTIONS, seed=seed)
    except LiversegError as error:
        if "at least one admitted patient" in str(error):
            return 0
        raise
    places: dict[tuple[int, int], set[str]] = {}
    for one in assignments:
        if one.split != "predict":
            places.setdefault(persons[one.patient], set()).add(one.split)
    return sum(len(where) > 1 for where in places.values())


def main() -> None:
    """Print how many cases were run, how many had doubles, and the leaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    cases = parser.parse_args().cases
    tally = {"cases": 0, "with planted doubles": 0, "leaks": 0}

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(scans, min_size=3, max_size=16), st.integers(0, 99))
    def run(rows: list[tuple[int, int, int, int, bool, int]], seed: int) -> None:
        tally["cases"] += 1
        tally["with planted doubles"] += len({row[:2] for row in rows}) < len(rows)
        tally["leaks"] += leaks(rows, seed)

    run()
    for name, number in tally.items():
        print(f"{name}: {number}")
    sys.exit(bool(tally["leaks"]))


if __name__ == "__main__":
    main()
