"""Folds: every open person is tested once, by a fold that saw neither him nor his other scans."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.liverseg.cross_validation import FoldAssignment, cross_validate
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.splitting import Member

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}


def members(count: int) -> list[Member]:
    return [Member(f"p{i:04d}", f"p{i:04d}") for i in range(count)]


def folds_of(them: list[Member], folds: int, **fractions: float) -> dict[str, FoldAssignment]:
    assigned = cross_validate(them, folds=folds, fractions={**FRACTIONS, **fractions}, seed=0)
    return {one.patient: one for one in assigned}


@given(st.integers(2, 8), st.integers(0, 60))
@settings(deadline=None)
def test_each_patient_is_tested_by_exactly_the_fold_that_his_row_names(folds, more):
    for one in folds_of(members(2 * folds + more), folds).values():
        assert [k for k, role in enumerate(one.roles) if role == "test"] == [one.fold]


@given(st.integers(2, 8), st.integers(0, 60))
@settings(deadline=None)
def test_folds_differ_by_at_most_one_patient(folds, more):
    places = [one.fold for one in folds_of(members(2 * folds + more), folds).values()]
    sizes = [places.count(fold) for fold in range(folds)]
    assert max(sizes) - min(sizes) <= 1


def test_validation_is_its_part_of_those_not_tested_and_another_in_each_fold():
    assigned = folds_of(members(100), 5).values()
    validating = [
        {one.patient for one in assigned if one.roles[k] == "validation"} for k in range(5)
    ]
    assert {len(names) for names in validating} == {14}  # 80 × 0.15 / 0.85
    assert len(set.union(*validating)) > 40


def test_scans_of_one_person_share_a_role_in_every_fold():
    them = [*members(8), Member("q1", "q"), Member("q2", "q")]
    assigned = folds_of(them, 3)
    assert assigned["q1"].roles == assigned["q2"].roles


def test_no_scan_of_a_person_kept_to_predict_is_in_a_fold():
    them = [*members(8), Member("q1", "q"), Member("q2", "q", split="predict")]
    assert folds_of(them, 3)["q1"].roles == ("predict",) * 3
    them[-2] = Member("q1", "q", split="train")
    with pytest.raises(LiversegError, match="train and predict"):
        folds_of(them, 3)


def test_the_sheets_split_holds_in_every_fold():
    them = [
        *members(5),
        Member("slab", "slab", split="train"),
        Member("chosen", "chosen", split="validation"),
        Member("sealed", "sealed", split="test"),
        Member("new", "new", labelled=False),
    ]
    assigned = folds_of(them, 3, validation=0.0)
    assert assigned["slab"].roles == ("train",) * 3
    assert assigned["chosen"].roles == ("validation",) * 3
    assert assigned["sealed"].roles == ("test",) * 3
    assert assigned["new"].roles == ("predict",) * 3
    assert {assigned[name].fold for name in ("slab", "chosen", "sealed", "new")} == {None}


def test_leave_one_out_trains_on_all_others():
    assigned = folds_of(members(3), 3, validation=0.0)
    for fold in range(3):
        roles = [one.roles[fold] for one in assigned.values()]
        assert sorted(roles) == ["test", "train", "train"]


def test_more_folds_than_persons_stop():
    with pytest.raises(LiversegError, match=r"at least `cross_validation\.folds`: 5"):
        folds_of(members(4), 5)


def test_nobody_left_to_validate_stops():
    with pytest.raises(LiversegError, match="at least one admitted patient"):
        folds_of(members(2), 2)


def test_a_row_has_a_column_a_fold():
    row = folds_of(members(6), 2)["p0000"].row()
    assert list(row) == ["patient", "group", "split", "fold", "fold-0", "fold-1"]
    assert row["split"] == "test"
    assert row[f"fold-{row['fold']}"] == "test"
