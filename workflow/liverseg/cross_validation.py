"""Who trains, validates and tests in each fold of a cross-validation: by person, seeded.

Every open person is tested by one fold, the one that has not seen him. Within a fold the others
are shared out to training and validation, so that the best epoch is never chosen on those tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflow.liverseg.errors import fault
from workflow.liverseg.splitting import (
    Member,
    assert_apart,
    check_filled,
    fill,
    given_splits,
    group_sizes,
    join_groups,
    shared_out,
)


@dataclass(frozen=True)
class FoldAssignment:
    """The place of one patient.

    split: `test` for those whom a fold tests, else the sheet's, or predict. fold: the number of
    the fold that has not seen the patient, None where all folds predict him together. roles:
    train, validation, test or predict in each fold.
    """

    patient: str
    group: str
    split: str
    fold: int | None
    roles: tuple[str, ...]

    def row(self) -> dict[str, str]:
        """The row of `split.tsv`: patient, group, split, fold, and a column a fold."""
        fold = "" if self.fold is None else str(self.fold)
        roles = {f"fold-{number}": role for number, role in enumerate(self.roles)}
        plain = {"patient": self.patient, "group": self.group, "split": self.split}
        return {**plain, "fold": fold, **roles}


def cross_validate(
    members: Sequence[Member], *, folds: int, fractions: Mapping[str, float], seed: int
) -> list[FoldAssignment]:
    """Assign every patient to one of `folds` folds, and to a role in each; sorted by patient.

    A `split` given in the sheet holds in every fold: train and validation are never tested, test
    is seen by no fold. The size of validation is its fraction of train and validation together.
    LiversegError where there are fewer open persons than folds, or a fold has nobody to train on.
    """
    groups = join_groups(members)
    labelled = shared_out(members, groups)
    sizes = group_sizes(labelled, groups)
    given = given_splits(labelled, groups)
    open_sizes = {group: size for group, size in sizes.items() if group not in given}
    if len(open_sizes) < folds:
        raise fault(
            found=f"{len(open_sizes)} persons with a label whom the split column leaves open",
            expected=f"at least `cross_validation.folds`: {folds}",
            remedy="lower `cross_validation.folds`, or add patients with labels",
        )
    blocks = fill(open_sizes, {}, {str(number): 1.0 for number in range(folds)}, seed)
    fold_of = {group: int(block) for group, block in blocks.items()}
    roles = [_roles(fold_of, sizes, given, fractions, seed, number) for number in range(folds)]
    shared = {member.patient for member in labelled}
    assignments = []
    for member in sorted(members, key=lambda member: member.patient):
        group = groups[member.patient]
        inside = member.patient in shared
        assignments.append(
            FoldAssignment(
                member.patient,
                group,
                split=given.get(group, "test") if inside else "predict",
                fold=fold_of.get(group) if inside else None,
                roles=tuple(fold[group] if inside else "predict" for fold in roles),
            )
        )
    for number in range(folds):
        _check_fold(assignments, members, number, fractions)
    return assignments


def _roles(
    fold_of: Mapping[str, int],
    sizes: Mapping[str, int],
    given: Mapping[str, str],
    fractions: Mapping[str, float],
    seed: int,
    number: int,
) -> dict[str, str]:
    """The role of each group in one fold."""
    tested = {group: "test" for group, fold in fold_of.items() if fold == number}
    kept = {group: split for group, split in given.items() if split != "test"}
    others = {group: size for group, size in sizes.items() if group not in tested}
    others = {group: size for group, size in others.items() if given.get(group) != "test"}
    parts = {name: fractions[name] for name in ("train", "validation")}
    # Another ranking a fold: else the same few persons would validate nearly all of them.
    filled = fill(others, kept, parts, f"{seed} fold {number}")
    return {**filled, **given, **tested}


def _check_fold(
    assignments: Sequence[FoldAssignment],
    members: Sequence[Member],
    number: int,
    fractions: Mapping[str, float],
) -> None:
    roles = {one.patient: one.roles[number] for one in assignments}
    optional = set() if fractions["validation"] else {"validation"}
    check_filled(roles.values(), optional)
    assert_apart(roles, members)
