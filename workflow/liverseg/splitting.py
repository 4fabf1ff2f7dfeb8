"""Who trains, who validates, who tests: by person, seeded, and stable when patients are added.

Groups (one person, or several scans known to be of one) are ranked by a keyed hash of their name,
which is that of their first patient with a label: who comes without one moves nobody. The ranking
does not depend on the order of the table, and a new group enters it at one place, so that at most
a neighbour or two cross a border.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.unions import joined

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Member:
    """An admitted patient: `split` is what the sheet asks for, `digests` those of the voxels."""

    patient: str
    group: str
    labelled: bool = True
    split: str | None = None
    digests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assignment:
    """The place of one patient; `group` is that of the person, joined where scans are equal."""

    patient: str
    group: str
    split: str


def members_of(cohort: "pd.DataFrame") -> list[Member]:
    """Read the members off `cohort.tsv`."""
    rows = cohort.fillna("").to_dict("records")
    return [
        Member(
            patient=row["patient"],
            group=row["group"],
            labelled=row["labelled"] == "yes",
            split=row["split"] or None,
            digests=tuple(filter(None, [row["voxel_digest"]])),
        )
        for row in rows
    ]


def split_patients(
    members: Sequence[Member], *, fractions: Mapping[str, float], seed: int
) -> list[Assignment]:
    """Assign every patient to train, validation, test or predict; sorted by patient.

    Patients without a label are to predict. Patients who share a group, or a voxel digest, stay
    together. A `split` given in the sheet holds for its whole group; LiversegError where two of a
    group disagree, or where a split is empty that neither the sheet nor a fraction of 0 left so.
    """
    groups = join_groups(members)
    labelled = shared_out(members, groups)
    given = given_splits(labelled, groups)
    sizes = group_sizes(labelled, groups)
    fractions = {name: fractions[name] for name in SPLITS}
    places = {**fill(sizes, given, fractions, seed), **given}
    assignments = [
        Assignment(
            member.patient,
            groups[member.patient],
            places[groups[member.patient]] if member in set(labelled) else "predict",
        )
        for member in sorted(members, key=lambda member: member.patient)
    ]
    if fractions["train"] > 0:  # else nothing is to be trained
        all_given = bool(given) and set(given) == set(sizes)
        optional = {name for name in ("validation", "test") if all_given or not fractions[name]}
        check_filled([assignment.split for assignment in assignments], optional)
    assert_no_leak(assignments, members)
    return assignments


def join_groups(members: Iterable[Member]) -> dict[str, str]:
    """Name each patient's group; groups that share a digest become one.

    A group is named after its first patient with a label, else after its first patient.
    """
    members = list(members)
    sharing: dict[str, list[str]] = {}
    for member in members:
        for digest in member.digests:
            sharing.setdefault(digest, []).append(member.group)
    roots = joined([*sharing.values(), *([member.group] for member in members)])
    first: dict[str, str] = {}
    for member in sorted(members, key=lambda member: (not member.labelled, member.patient)):
        first.setdefault(roots[member.group], member.patient)
    return {member.patient: first[roots[member.group]] for member in members}


def shared_out(members: Sequence[Member], groups: Mapping[str, str]) -> list[Member]:
    """The members who train, validate or test: labelled, and not kept to predict by the sheet.

    One who is kept and has a label is scored. So the whole person is kept, but for what the sheet
    tests; LiversegError where it wants another scan of the person learnt. Without a label nothing
    is scored: such a scan may be of a person who trains.
    """
    kept = {groups[m.patient]: m for m in members if m.labelled and m.split == "predict"}
    open_to = [m for m in members if m.labelled and m.split != "predict"]
    for member in open_to:
        if member.split in ("train", "validation") and groups[member.patient] in kept:
            raise _learnt_and_scored(member, kept[groups[member.patient]])
    tested = {groups[m.patient] for m in open_to if m.split == "test"}
    return [m for m in open_to if groups[m.patient] in tested or groups[m.patient] not in kept]


def _learnt_and_scored(learnt: Member, kept: Member) -> LiversegError:
    return fault(
        patient=f"{learnt.patient} and {kept.patient}",
        found=f"the splits {learnt.split} and predict for one person, both with a label",
        expected="no score of a person who trains or validates",
        remedy=f"leave out the label of {kept.patient}, or write the same split for both",
    )


def group_sizes(members: Iterable[Member], groups: Mapping[str, str]) -> dict[str, int]:
    """Number of patients of each group."""
    sizes: dict[str, int] = {}
    for member in members:
        group = groups[member.patient]
        sizes[group] = sizes.get(group, 0) + 1
    return sizes


def given_splits(labelled: Iterable[Member], groups: Mapping[str, str]) -> dict[str, str]:
    """Return the split that the sheet gives to a group."""
    given: dict[str, tuple[str, str]] = {}
    for member in sorted(labelled, key=lambda member: member.patient):
        if member.split is None:
            continue
        group = groups[member.patient]
        known = given.setdefault(group, (member.split, member.patient))
        if known[0] != member.split:
            raise fault(
                patient=f"{known[1]} and {member.patient}",
                found=f"the splits {known[0]} and {member.split} for one person",
                expected="one split for all scans of a person (same group, or equal voxels)",
                remedy="correct the split column, or the group column",
            )
    return {group: split for group, (split, _) in given.items()}


def rank(group: str, seed: int | str) -> str:
    """Return a group's place in the ranking: a keyed hash, the same on every machine."""
    key = str(seed).encode()
    return hashlib.blake2b(group.encode("utf-8"), key=key, digest_size=16).hexdigest()


def targets(count: int, fractions: Mapping[str, float]) -> dict[str, int]:
    """Cut `count` into whole sizes, each within one of the exact fraction.

    Borders lie at the rounded cumulative fractions. From three patients on no split is left
    empty: it takes from the largest.
    """
    total = sum(fractions.values())
    borders, cumulative = [0], 0.0
    for fraction in fractions.values():
        cumulative += fraction / total
        borders.append(int(count * cumulative + 0.5 + 1e-9))
    borders[-1] = count
    sizes = {name: borders[i + 1] - borders[i] for i, name in enumerate(fractions)}
    wanted = [name for name, fraction in fractions.items() if fraction > 0]
    for name in wanted:
        largest = max(sizes, key=lambda other: sizes[other])
        if sizes[name] == 0 and count >= len(wanted) and sizes[largest] > 1:
            sizes[name] += 1
            sizes[largest] -= 1
    return sizes


def fill(
    sizes: Mapping[str, int],
    given: Mapping[str, str],
    fractions: Mapping[str, float],
    seed: int | str,
) -> dict[str, str]:
    """Place the groups that the sheet leaves open, so that all together come near the fractions.

    sizes: patients of each group. fractions: the places, in the order in which the ranking is cut.
    """
    wanted = targets(sum(sizes.values()), fractions)
    for group, split in given.items():
        if split in wanted:
            wanted[split] = max(0, wanted[split] - sizes[group])
    queue = sorted((group for group in sizes if group not in given), key=lambda g: rank(g, seed))
    return _cut(queue, sizes, wanted, set(given.values()))


def _cut(
    queue: list[str], sizes: Mapping[str, int], wanted: Mapping[str, int], filled: set[str]
) -> dict[str, str]:
    """Cut the ranking at the borders that lie nearest to the wanted sizes."""
    left = sum(sizes[group] for group in queue)
    scale = left / max(1, sum(wanted.values()))
    names = tuple(wanted)
    borders, cumulative = [], 0.0
    for name in names:
        cumulative += wanted[name] * scale
        borders.append(cumulative)
    borders[-1] = float(left)
    places: dict[str, str] = {}
    done, index = 0.0, 0
    for group in queue:
        middle = done + sizes[group] / 2
        while index < len(names) - 1 and middle > borders[index]:
            index += 1
        places[group] = names[index]
        done += sizes[group]
    needed = [name for name in names if wanted[name] > 0 and name not in filled]
    return _without_gaps(queue, places, names, needed)


def _without_gaps(
    queue: list[str], places: dict[str, str], names: tuple[str, ...], needed: list[str]
) -> dict[str, str]:
    """Give an empty split the nearest group of one that has several, if there are enough groups."""
    for name in needed:
        members = {split: [g for g in queue if places[g] == split] for split in names}
        if members[name] or len(queue) < len(needed):
            continue
        donor = max(names, key=lambda split: len(members[split]))
        before = names.index(donor) < names.index(name)
        places[members[donor][-1 if before else 0]] = name
    return places


def check_filled(splits: Iterable[str], optional: Collection[str]) -> None:
    """LiversegError where a split is empty that is not `optional`.

    Without validation the last epoch's weights are used; without test no score is made. Both are
    the user's choice, by the sheet or by a fraction of 0, and `warnings` says what follows.
    """
    count = dict.fromkeys(SPLITS, 0)
    for split in splits:
        if split in count:
            count[split] += 1
    if all(count[name] or name in optional for name in SPLITS):
        return
    raise LiversegError(
        str(
            fault(
                found=", ".join(f"{name}: {number}" for name, number in count.items()),
                expected="at least one admitted patient with a label in each split",
                remedy="add patients with labels (three persons are the least), mend those in "
                "results/cohort/rejected.tsv, or correct the split column",
            )
        )
    )


def split_warnings(assignments: Iterable[Assignment]) -> list[str]:
    """What follows from a split that was left empty on purpose."""
    filled = {assignment.split for assignment in assignments}
    words = {
        "validation": "No patient validates: the weights of the last epoch are used.",
        "test": "No patient is left to test on: no score will be made.",
    }
    return [text for split, text in words.items() if split not in filled]


def kept_warnings(splits: Mapping[str, str], members: Iterable[Member]) -> list[str]:
    """Who is only predicted though he has a label and the sheet leaves him open; by `splits`."""
    return [
        f"{member.patient} has a label and is only predicted, as is another scan of this person."
        for member in members
        if member.labelled and member.split is None and splits[member.patient] == "predict"
    ]


def assert_no_leak(assignments: Iterable[Assignment], members: Iterable[Member]) -> None:
    """Check that no person stands in two of train, validation and test; LiversegError names them.

    A person is a group or a voxel digest. Independent of how the split was made.
    """
    assert_apart({a.patient: a.split for a in assignments}, members)


def assert_apart(place: Mapping[str, str], members: Iterable[Member]) -> None:
    """The same for `place`, from patient to split; who is predicted and scored counts as tested."""
    seen: dict[str, tuple[str, str]] = {}
    for member in members:
        if not member.labelled:
            continue
        mine = place[member.patient]
        for key in (f"group {member.group}", *(f"voxels {d}" for d in member.digests)):
            split, other = seen.setdefault(key, (mine, member.patient))
            if scored_as(split) != scored_as(mine):
                raise fault(
                    patient=f"{other} and {member.patient}",
                    found=f"the same person in {split} and {mine}",
                    expected="each person in one split",
                    remedy="this is a fault of liverseg: please report it",
                )


def scored_as(split: str) -> str:
    """Return the split whose rules hold: a patient with a label is scored like a tested one."""
    return "test" if split == "predict" else split
