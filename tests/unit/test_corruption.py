"""A share of the corruption benchmark: nothing is missed, nothing alarms for nothing."""

import numpy as np
import pytest

from benchmarks.corruption import Sound, alarms, mutate, only_by_manifest, sound, verdict
from tests.intake_cases import body, nifti


def test_random_damage_is_found_and_valid_variants_are_not_alarmed(tmp_path):
    random = np.random.default_rng(7)
    found = mutate(60, random, tmp_path)
    assert (found["made"], found["missed"]) == (60, 0)
    assert found["found without help"] > 30
    assert alarms(40, random, tmp_path)["false alarms"] == 0


@pytest.mark.parametrize(("sform", "findings"), [(0, []), (1, ["forms_disagree"])])
def test_another_origin_of_a_form_alone_is_told_by_the_manifest_only(tmp_path, sform, findings):
    before, after = (
        nifti(body(), fields={"sform_code": sform, "qoffset": [x, -140, -100]}) for x in (150, 182)
    )
    pair = Sound({"ct": "ct.nii"}, {"ct": before}, lone=not sform)
    moved = Sound(pair.names, {"ct": after})
    first = verdict(tmp_path, pair)
    assert first["findings"] == []
    assert [one["code"] for one in verdict(tmp_path, moved)["findings"]] == findings
    assert verdict(tmp_path, moved, first["sha256"])["verdict"] == "rejected"
    if not sform:
        assert only_by_manifest(pair, before, after).startswith("grid")
        again = Sound(pair.names, pair.contents)  # with a second account of the grid it is a miss
        assert only_by_manifest(again, before, after) == ""


def test_the_ways_of_saying_where_a_volume_lies_are_all_drawn():
    random = np.random.default_rng(1)
    drawn = {(len(one.contents), one.lone) for one in (sound(random, ".nii") for _ in range(40))}
    assert drawn == {(1, True), (1, False), (2, False)}
