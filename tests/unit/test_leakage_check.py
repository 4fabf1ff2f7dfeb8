"""The page's own count of persons and splits: right on a sound split, and red on a torn one."""

import pandas as pd

from workflow.liverseg.leakage import check_leakage

REJECTED = pd.DataFrame(
    {"patient": ["x", "y", "z"], "code": ["duplicate_scan", "duplicate_labels_differ", "truncated"]}
)


def cohort(**columns: list[str]) -> pd.DataFrame:
    """Four labelled patients, each a person of his own but where `columns` say otherwise."""
    names = ["a", "b", "c", "d"]
    plain = {"patient": names, "group": names, "labelled": "yes", "split": ""}
    return pd.DataFrame({**plain, "voxel_digest": names, **columns})


def split(*places: str) -> pd.DataFrame:
    return pd.DataFrame({"patient": ["a", "b", "c", "d"], "split": places})


def test_it_counts_persons_repeats_and_refused_doubles() -> None:
    found = check_leakage(
        cohort(group=["one", "one", "c", "d"]), REJECTED, split("train", "train", "test", "predict")
    )
    assert (found.scans, found.persons, found.repeated, found.duplicates) == (3, 2, 1, 2)
    assert found.arrangements == 1
    assert found.leaks == ()


def test_a_group_torn_apart_is_named() -> None:
    places = split("train", "test", "test", "validation")
    found = check_leakage(cohort(group=["one", "one", "c", "d"]), REJECTED, places)
    assert found.leaks == ("a (train), b (test)",)


def test_a_labelled_scan_that_is_predicted_beside_one_that_trains_is_named() -> None:
    places = split("train", "predict", "test", "validation")
    torn = check_leakage(cohort(group=["one", "one", "c", "d"]), REJECTED, places)
    assert torn.leaks == ("a (train), b (predict)",)
    unlabelled = cohort(group=["one", "one", "c", "d"], labelled=["yes", "no", "yes", "yes"])
    assert check_leakage(unlabelled, REJECTED, places).leaks == ()


def test_equal_voxels_under_two_groups_are_one_person() -> None:
    places = split("train", "test", "test", "validation")
    found = check_leakage(cohort(voxel_digest=["v", "b", "v", "d"]), REJECTED, places)
    assert found.leaks == ("a (train), c (test)",)


def test_each_fold_is_looked_through() -> None:
    places = split("test", "test", "test", "test")
    places["fold-0"] = ["train", "train", "test", "validation"]
    places["fold-1"] = ["train", "test", "validation", "train"]
    found = check_leakage(cohort(group=["one", "one", "c", "d"]), REJECTED, places)
    assert found.arrangements == 2
    assert found.leaks == ("a (train), b (test) in fold-1",)
