"""Who is admitted: records weighed together, doubles found, limits kept."""

from typing import Any

import pytest

from tests.intake_cases import SETTINGS
from workflow.liverseg.admission import Person, admit, check_admission
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.findings import Refusal, reject, warn


def record(patient: str, digest: str = "", label: str | None = "", verdict: str = "admitted"):
    content: dict[str, Any] = {
        "patient": patient,
        "verdict": verdict,
        "labelled": label is not None,
        "sha256": {},
        "ct": {"voxel_digest": digest or patient},
        "geometry": {
            "shape": [4, 5, 6],
            "slice_axis": 2,
            "spacing_mm": [1.0, 1.0, 5.0],
            "orientation": "RAS",
        },
        "findings": [],
    }
    if label is not None:
        content["label"] = {"voxel_digest": label or patient, "foreground_ml": 1400.0}
    return content


def finding(code: str = "bad"):
    return reject(code, "ct", found="x", expected="y", remedy="z")


def refusing(patient: str):
    content = record(patient, verdict="rejected")
    content["findings"] = [finding().to_json()]
    return content


def weigh(*records, refused=()):
    people = {one["patient"]: Person(one["patient"]) for one in records}
    return admit(records, refused=refused, people=people)


def check(admission, settings) -> None:
    check_admission(admission.cohort, admission.rejected, settings)


def names(table) -> list[str]:
    return list(table["patient"])


def test_rejected_patient_is_listed_and_the_rest_admitted():
    admission = weigh(record("b"), refusing("a"), refused=[Refusal("c", finding("file_missing"))])
    assert names(admission.cohort) == ["b"]
    assert names(admission.rejected) == ["a", "c"]
    assert list(admission.rejected["remedy"]) == ["z", "z"]


def test_remark_refuses_nobody():
    remark = warn("label_without_ct", "label", found="x", expected="y", remedy="z")
    admission = weigh(record("a"), refused=[Refusal("q", remark)])
    assert (names(admission.rejected), names(admission.remarks)) == ([], ["q"])


def test_same_scan_with_equal_labels_keeps_the_first():
    admission = weigh(record("b", "d", "l"), record("a", "d", "l"), record("c"))
    assert names(admission.cohort) == ["a", "c"]
    (row,) = admission.rejected.to_dict("records")
    assert (row["patient"], row["code"]) == ("b", "duplicate_scan")
    assert "a, which was kept" in row["found"]


def test_same_scan_with_and_without_label_keeps_the_labelled():
    admission = weigh(record("a", "d", None), record("b", "d", "l"))
    assert names(admission.cohort) == ["b"]


def test_same_scan_with_different_labels_rejects_all():
    admission = weigh(record("a", "d", "l1"), record("b", "d", "l2"), record("c"))
    assert names(admission.cohort) == ["c"]
    assert set(admission.rejected["code"]) == {"duplicate_labels_differ"}


def test_rejected_double_does_not_take_the_sound_one_with_it():
    bad = refusing("a")
    bad["ct"]["voxel_digest"] = "d"
    assert names(weigh(bad, record("b", "d")).cohort) == ["b"]


def grouped(**groups: str) -> dict[str, Person]:
    return {patient: Person(group) for patient, group in groups.items()}


def test_group_of_a_rejected_double_joins_those_of_its_other_scans():
    records = [record("a", "d", "l"), record("b", "d", "l"), record("c"), record("e")]
    admission = admit(records, people=grouped(a="x", b="y", c="y", e="z"))
    assert dict(zip(names(admission.cohort), admission.cohort["group"], strict=True)) == {
        "a": "x",
        "c": "x",
        "e": "z",
    }


def test_rejected_double_renames_nobodys_group():
    records = [record("a", "d", "l"), record("b", "d", None)]
    admission = admit(records, people=grouped(a="z", b="y"))
    assert list(admission.cohort["group"]) == ["z"]


def test_a_double_whose_ct_is_rejected_joins_as_well():
    bad = {**refusing("a"), "ct": {"voxel_digest": "d"}}  # its spacing is lost, not its content
    admission = admit([bad, record("b"), record("c", "d")], people=grouped(a="x", b="x", c="z"))
    assert list(admission.cohort["group"]) == ["x", "x"]


def test_equal_cts_without_content_join_nobody():
    blank = [refusing("a"), refusing("b")]
    for one in blank:
        one["ct"]["voxel_digest"] = "blank"
        one["findings"] = [finding("not_ct").to_json()]
    admission = admit(
        [*blank, record("c"), record("d")], people=grouped(a="x", b="y", c="x", d="y")
    )
    assert list(admission.cohort["group"]) == ["x", "y"]


def test_nobody_admitted_stops_with_the_reasons():
    with pytest.raises(LiversegError, match=r"No patient was admitted(.|\n)*a \(ct\): x — z"):
        check(weigh(refusing("a")), SETTINGS)


def test_stop_ends_the_run_at_the_first_rejection():
    admission = weigh(refusing("a"), record("b"))
    check(admission, SETTINGS)
    with pytest.raises(LiversegError, match="on_reject"):
        check(admission, SETTINGS | {"on_reject": "stop"})


@pytest.mark.parametrize(("limit", "stops"), [(0, True), (1, True), (2, False), (None, False)])
def test_limit_on_rejections(limit, stops):
    admission = weigh(refusing("a"), refusing("b"), record("c"))
    settings = SETTINGS | {"max_rejected": limit}
    if stops:
        with pytest.raises(LiversegError, match="max_rejected"):
            check(admission, settings)
    else:
        check(admission, settings)
        assert len(admission.cohort) == 1
