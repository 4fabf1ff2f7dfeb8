"""The digest of a scan survives renaming, flips and affines; nothing else does."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.intake_cases import LIVER, body, nifti, write
from workflow.liverseg.intake import label_counts
from workflow.liverseg.intensities import digest_of, judge, measure
from workflow.liverseg.label_checks import find_foreground
from workflow.liverseg.nifti_stream import read_volume


def digest(folder: Path, data: np.ndarray, **options) -> str:
    return measure(read_volume(write(folder / "x.nii", nifti(data, **options)), "ct")).digest


def test_digest_is_the_same_for_all_48_orders_and_flips(tmp_path):
    data = body((9, 10, 12))
    found = set()
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            turned = data.transpose(axes)[:: flips[0], :: flips[1], :: flips[2]]
            found.add(digest(tmp_path, turned))
    assert len(found) == 1


@pytest.mark.parametrize(
    "options",
    [{"affine": np.diag([1.0, 2, 3, 1])}, {"order": ">"}, {"version": 2}],
)
def test_digest_does_not_see_affine_byte_order_or_version(tmp_path, options):
    assert digest(tmp_path, body()) == digest(tmp_path, body(), **options)


def test_digest_sees_hu_not_storage(tmp_path):
    stored = (body().astype(np.int32) + 1200).astype(np.uint16)
    scaled = {"scl_slope": 1, "scl_inter": -1200}
    assert digest(tmp_path, body()) == digest(tmp_path, stored, fields=scaled)
    assert digest(tmp_path, body()) == digest(tmp_path, body().astype(np.float64))


def test_one_changed_voxel_changes_the_digest(tmp_path):
    changed = body()
    changed[7, 8, 9] += 1
    assert digest(tmp_path, body()) != digest(tmp_path, changed)


def test_swapped_voxels_change_the_digest(tmp_path):
    changed = body()
    changed[1, 2, 3], changed[30, 20, 10] = changed[30, 20, 10], changed[1, 2, 3]
    assert digest(tmp_path, body()) != digest(tmp_path, changed)


def label_digest(folder: Path, label: np.ndarray, ct: np.ndarray) -> str:
    foreground = find_foreground(label, LIVER)
    assert foreground is not None
    measured = measure(read_volume(write(folder / "x.nii", nifti(ct)), "ct"))
    return digest_of(foreground.values, foreground.start, label_counts(label), measured)


def test_label_digest_follows_flips_of_the_label_with_its_ct_only(tmp_path):
    ct, label = body((5, 6, 7)), np.zeros((5, 6, 7), np.uint8)
    label[1, 2, 3] = label[1, 2, 4] = 1
    digest = label_digest(tmp_path, label, ct)
    turned = [data[::-1].transpose(2, 1, 0) for data in (label, ct)]
    assert digest == label_digest(tmp_path, turned[0], turned[1])
    for other in (np.roll(label, 1, 0), label[::-1], label[:, ::-1], label[::-1, ::-1]):
        assert digest != label_digest(tmp_path, other, ct)


def test_extremes_are_exact_beyond_sixteen_bits(tmp_path):
    data = body().astype(np.int32)
    data[0, 0, 0], data[1, 1, 1] = 100_000, -70_000
    measured = measure(read_volume(write(tmp_path / "x.nii", nifti(data)), "ct"))
    assert (measured.lowest, measured.highest) == (-70_000, 100_000)
    assert measured.counts.sum() == data.size


def test_percentiles_are_those_of_numpy(tmp_path):
    measured = measure(read_volume(write(tmp_path / "x.nii", nifti(body())), "ct"))
    for percent in (5, 50, 95):
        expected = np.percentile(body(), percent, method="inverted_cdf")
        assert measured.percentile(percent) == expected


def codes(folder: Path, hu: np.ndarray) -> list[str]:
    data = np.rint(hu).astype(np.int16)
    measured = measure(read_volume(write(folder / "x.nii", nifti(data)), "ct"))
    return [finding.code for finding in judge(measured)]


@pytest.mark.parametrize("factor", [0.75, 0.85, 0.9, 1.1])
def test_hu_off_by_a_factor_are_told_by_their_air(tmp_path, factor):
    assert "hu_air" in codes(tmp_path, body() * factor)


@pytest.mark.parametrize("offset", [-60, 50, 130])
def test_hu_off_by_an_offset_are_told_by_their_air(tmp_path, offset):
    assert "hu_air" in codes(tmp_path, body() + offset)


@pytest.mark.parametrize("padding", [-1024, -2048, -3024])
def test_padding_is_no_air(tmp_path, padding):
    padded = body()
    padded[:10] = padded[-10:] = padding
    assert "hu_air" not in codes(tmp_path, padded)


@pytest.mark.parametrize("lowest", [-1024, -1000, -980, -950, -200])
def test_air_of_a_clipped_ct_is_not_said_to_be_off(tmp_path, lowest):
    assert "hu_air" not in codes(tmp_path, body().clip(lowest))


def test_lung_alone_is_no_air(tmp_path):
    random = np.random.default_rng(1)
    lung = random.normal(-820, 50, (20, 36, 24))
    assert codes(tmp_path, np.concatenate([body()[10:30], lung])[:, 8:28]) == []
