"""The split by person: near the fractions, stable, and never a person in two."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.splitting import (
    Member,
    assert_no_leak,
    kept_warnings,
    split_patients,
    split_warnings,
)

FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}


def members(count: int) -> list[Member]:
    return [Member(f"p{i:04d}", f"p{i:04d}") for i in range(count)]


def split(them: list[Member], seed: int = 0) -> dict[str, str]:
    return {a.patient: a.split for a in split_patients(them, fractions=FRACTIONS, seed=seed)}


def sizes(places: dict[str, str]) -> dict[str, int]:
    names = list(places.values())
    return {name: names.count(name) for name in ("train", "validation", "test")}


def test_130_patients_give_91_20_19():
    assert sorted(sizes(split(members(130))).values()) == [19, 20, 91]


@given(st.integers(7, 400), st.integers(0, 5))
@settings(deadline=None)
def test_sizes_lie_within_one_of_the_exact_fractions(count, seed):
    for name, size in sizes(split(members(count), seed)).items():
        assert abs(size - FRACTIONS[name] * count) <= 1


@given(st.integers(3, 12), st.integers(0, 50))
@settings(deadline=None)
def test_no_split_is_empty_from_three_persons_on(count, seed):
    assert min(sizes(split(members(count), seed)).values()) >= 1


@given(st.integers(3, 60), st.integers(0, 2**32))
@settings(deadline=None)
def test_order_of_the_table_does_not_matter(count, shuffle):
    them = members(count)
    shuffled = them.copy()
    random.Random(shuffle).shuffle(shuffled)
    assert split(them) == split(shuffled)


@given(st.integers(20, 200), st.integers(0, 9))
@settings(deadline=None)
def test_one_more_patient_moves_at_most_two_others(count, seed):
    before = split(members(count), seed)
    after = split([*members(count), Member("new", "new")], seed)
    assert sum(after[patient] != place for patient, place in before.items()) <= 2


@given(st.integers(3, 40), st.integers(0, 39), st.booleans())
@settings(deadline=None)
def test_a_scan_without_label_moves_nobody_whatever_it_and_its_group_are_called(
    count, whose, known
):
    them = members(count)
    old = them[whose % count]
    # By the sheet the group has another name then; by equal voxels another group joins it.
    name = "a00" if known else old.group
    same = [Member(m.patient, name, digests=("d",)) if m == old else m for m in them]
    new = Member("a00", name if known else "a00", labelled=False, digests=("d",))
    after = split([*same, new])
    assert after.pop("a00") == "predict"
    assert after == split(them)


def test_another_seed_gives_another_split():
    assert split(members(40), 0) != split(members(40), 1)


def test_patient_without_label_is_predicted():
    them = [*members(5), Member("q", "q", labelled=False), Member("r", "r", split="predict")]
    assert {patient for patient, place in split(them).items() if place == "predict"} == {"q", "r"}


cohorts = st.lists(
    st.tuples(
        st.integers(0, 12),  # group
        st.integers(0, 15),  # digest
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@given(cohorts, st.integers(0, 3))
@settings(deadline=None, max_examples=500)
def test_no_person_stands_in_two_splits(rows, seed):
    """Planted doubles: equal digests under other names and groups."""
    them = [
        Member(f"p{i}", f"g{group}", labelled, digests=(f"d{digest}",))
        for i, (group, digest, labelled) in enumerate(rows)
    ]
    try:
        places = split(them, seed)
    except LiversegError as error:
        assert "at least one admitted patient" in str(error)
        return
    for key in (lambda m: m.group, lambda m: m.digests[0]):
        seen: dict[str, str] = {}
        for member in them:
            if places[member.patient] != "predict":
                found = seen.setdefault(key(member), places[member.patient])
                assert found == places[member.patient]


@given(st.lists(st.integers(1, 6), min_size=8, max_size=40), st.integers(0, 3))
@settings(deadline=None)
def test_groups_stay_whole_and_sizes_near(group_sizes, seed):
    them = [Member(f"g{g}-{i}", f"g{g}") for g, size in enumerate(group_sizes) for i in range(size)]
    places = split(them, seed)
    for name, size in sizes(places).items():
        assert abs(size - FRACTIONS[name] * len(them)) <= 2 * max(group_sizes)


def test_given_split_wins_for_the_whole_group():
    them = members(10)
    them[3] = Member("p0003", "p0003", split="test")
    them.append(Member("again", "p0003"))
    places = split(them)
    assert places["p0003"] == places["again"] == "test"


def test_two_given_splits_for_one_person_stop():
    them = [*members(5), Member("a", "g", split="train"), Member("b", "g", split="test")]
    with pytest.raises(LiversegError, match="one person"):
        split(them)


@pytest.mark.parametrize("asked", ["train", "validation"])
def test_person_who_learns_and_is_scored_as_to_predict_stops(asked):
    them = [*members(5), Member("a", "g", split=asked), Member("b", "g", split="predict")]
    with pytest.raises(LiversegError, match=rf"a and b(.|\n)*{asked} and predict"):
        split(them)


def test_no_scan_of_a_person_who_is_kept_to_predict_with_a_label_trains():
    them = [*members(9), Member("a", "g"), Member("b", "h", split="predict", digests=("d",))]
    them.append(Member("c", "g", digests=("d",)))
    places = split(them)
    assert {places[name] for name in "abc"} == {"predict"}
    (one, other) = kept_warnings(places, them)
    assert one.startswith("a has a label") and other.startswith("c has a label")


def test_person_to_predict_may_train_where_that_scan_has_no_label_and_be_tested_with_one():
    them = [*members(9), Member("a", "g", split="train"), Member("b", "g", labelled=False)]
    them += [Member("c", "h", split="test"), Member("d", "h", split="predict"), Member("e", "h")]
    places = split(them)
    assert [places[name] for name in "abcde"] == ["train", "predict", "test", "predict", "test"]
    assert kept_warnings(places, them) == []


def test_leak_check_sees_a_scored_scan_beside_one_that_trains():
    them = [*members(9), Member("a", "g"), Member("b", "g", split="predict")]
    torn = [
        type(one)(one.patient, one.group, "train" if one.patient == "a" else one.split)
        for one in split_patients(them, fractions=FRACTIONS, seed=0)
    ]
    with pytest.raises(LiversegError, match="same person in train and predict"):
        assert_no_leak(torn, them)


def given_all(*names: str) -> list[Member]:
    return [Member(f"p{i}", f"p{i}", split=name) for i, name in enumerate(names)]


def test_column_without_test_is_only_warned_of():
    assignments = split_patients(
        given_all("train", "train", "validation"), fractions=FRACTIONS, seed=0
    )
    assert "no score" in split_warnings(assignments)[0]


def test_column_without_train_stops():
    with pytest.raises(LiversegError, match="at least one admitted patient"):
        split(given_all("validation", "test"))


def test_column_without_validation_is_warned_of():
    assignments = split_patients(given_all("train", "test"), fractions=FRACTIONS, seed=0)
    assert "last epoch" in split_warnings(assignments)[0]


def test_no_validation_where_its_fraction_is_0():
    fractions = {"train": 0.8, "validation": 0, "test": 0.2}
    places = [one.split for one in split_patients(members(10), fractions=fractions, seed=0)]
    assert (places.count("train"), places.count("test")) == (8, 2)


def test_two_persons_are_too_few():
    with pytest.raises(LiversegError, match="three persons"):
        split(members(2))


def test_leak_check_does_not_trust_the_split():
    them = [Member("a", "a", digests=("d",)), Member("b", "b", digests=("d",)), *members(4)]
    assignments = split_patients(them, fractions=FRACTIONS, seed=0)
    torn = [
        type(one)(one.patient, one.group, {"a": "train", "b": "test"}.get(one.patient, one.split))
        for one in assignments
    ]
    with pytest.raises(LiversegError, match="same person"):
        assert_no_leak(torn, them)
