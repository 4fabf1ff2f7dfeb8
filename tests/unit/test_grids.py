"""Grids: canonical axes, one affine index map an axis, exact millimetres."""

import itertools

import numpy as np
import pytest

from workflow.liverseg.grids import (
    Sampling,
    covered,
    crop_pad_to,
    plan_route,
    resample,
    resize_to,
    resize_to_spacing,
    support,
    weights,
)

KEEP = {"spacing_mm": None, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}}
ORIENTATIONS = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
OBLIQUE = np.array([[0.96, -0.28, 0.0], [0.2688, 0.9216, -0.28], [0.0784, 0.2688, 0.96]])


def scanner_affine(axes, signs, spacing, turn=OBLIQUE):
    """Affine of a scan whose index axis n runs along patient axis axes[n] in direction signs[n]."""
    affine = np.eye(4)
    for index, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[:3, index] = turn[:, axis] * sign * spacing[index]
    affine[:3, 3] = (-31.5, 12.25, 407.0)
    return affine


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_canonical_axes_run_to_right_anterior_superior(axes, signs):
    affine = scanner_affine(axes, signs, (0.7, 0.8, 3.0))
    route = plan_route((5, 6, 7), affine, KEEP)
    directions = route.affine[:3, :3] / np.linalg.norm(route.affine[:3, :3], axis=0)
    np.testing.assert_allclose(directions, OBLIQUE, atol=1e-12)


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_a_voxel_keeps_its_millimetres(axes, signs):
    affine = scanner_affine(axes, signs, (0.7, 0.8, 3.0))
    route = plan_route((5, 6, 7), affine, KEEP)
    indices = np.stack(np.meshgrid(*map(np.arange, (5, 6, 7)), indexing="ij"))
    scanner_mm = (
        np.einsum("ab,b...->a...", affine[:3, :3], indices) + affine[:3, 3, None, None, None]
    )
    for component in range(3):
        x, y, z = np.meshgrid(*map(np.arange, route.shape), indexing="ij")
        prepared = route.to_canonical(scanner_mm[component])
        row = route.affine[component]
        np.testing.assert_allclose(
            prepared, row[0] * x + row[1] * y + row[2] * z + row[3], atol=1e-9
        )


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_to_source_undoes_to_canonical(axes, signs):
    data = np.random.default_rng(0).integers(0, 99, (3, 4, 5))
    route = plan_route(data.shape, scanner_affine(axes, signs, (1, 1, 1)), KEEP)
    np.testing.assert_array_equal(route.to_source(route.to_canonical(data)), data)


def test_linear_ramp_is_resampled_exactly_inside():
    sampling = resize_to_spacing(20, 2.0, 1.5)
    ramp = weights(sampling) @ np.arange(20, dtype=np.float32)
    position = sampling.start + sampling.step * np.arange(sampling.n_out)
    np.testing.assert_allclose(ramp[2:-2], position[2:-2], atol=1e-5)


@pytest.mark.parametrize("wanted", [0.4, 0.9, 1.0, 1.7, 6.3, 100.0])
def test_constant_stays_constant_to_the_edge(wanted):
    sampling = resize_to_spacing(20, 1.0, wanted)
    np.testing.assert_allclose(weights(sampling) @ np.full(20, 7.0), 7.0, atol=1e-5)


@pytest.mark.parametrize("wanted", [0.4, 0.9, 1.7, 6.3])
def test_resampling_commutes_with_flipping(wanted):
    signal = np.random.default_rng(1).random(20).astype(np.float32)
    matrix = weights(resize_to_spacing(20, 1.0, wanted))
    np.testing.assert_allclose(matrix @ signal[::-1], (matrix @ signal)[::-1], atol=1e-6)


def test_downsampling_averages_what_would_alias():
    stripes = np.tile(np.float32([0, 1]), 32)
    coarse = weights(resize_to_spacing(64, 1.0, 4.0)) @ stripes
    np.testing.assert_allclose(coarse, 0.5, atol=0.07)


def test_spacing_within_rounding_is_kept():
    assert resize_to_spacing(300, 0.99999, 1.0).is_identity


def test_field_of_view_is_covered():
    sampling = resize_to_spacing(10, 1.0, 3.0)
    lowest = sampling.start - sampling.step / 2
    highest = sampling.start + sampling.step * (sampling.n_out - 0.5)
    assert lowest <= -0.5
    assert highest >= 9.5


def test_resize_keeps_field_of_view():
    sampling = resize_to(512, 256)
    assert sampling == Sampling(512, 256, 0.5, 2.0)


def test_crop_and_pad_move_by_whole_voxels():
    padded = weights(crop_pad_to(3, 5)) @ np.float32([1, 2, 3])
    np.testing.assert_array_equal(padded, [0, 1, 2, 3, 0])
    np.testing.assert_array_equal(weights(crop_pad_to(5, 3)) @ np.arange(5), [1, 2, 3])


def test_inverse_reads_back():
    sampling = resize_to_spacing(17, 0.8, 1.3)
    assert sampling.then(sampling.inverse()).step == pytest.approx(1)
    assert sampling.then(sampling.inverse()).start == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("spacing_mm", [0.5, 1.0, 1.9])
def test_slices_are_the_same_bits_however_grouped(spacing_mm):
    data = np.random.default_rng(2).normal(size=(6, 7, 20)).astype(np.float32)
    samplings = tuple(resize_to_spacing(n, 1.0, spacing_mm) for n in data.shape)
    full = resample(data, samplings, outside=-5)
    for first in range(0, full.shape[2], 3):
        last = min(first + 3, full.shape[2])
        low, high = support(samplings[2], first, last)
        part = resample(
            data[:, :, low:high], samplings, first=first, last=last, offset=low, outside=-5
        )
        np.testing.assert_array_equal(part, full[:, :, first:last])


def test_beyond_the_input_lies_what_is_said_to_lie_outside():
    samplings = (crop_pad_to(2, 4), crop_pad_to(2, 2), Sampling(2, 3, 0.0, 1.0))
    out = resample(np.full((2, 2, 2), 40.0), samplings, outside=-200.0)
    np.testing.assert_array_equal(out[:, 0, 0], [-200, 40, 40, -200])
    np.testing.assert_array_equal(out[1, 0], [40, 40, -200])


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_voxels_that_a_crop_covers_are_those_whose_label_comes_through(axes, signs):
    shape = (9, 11, 7)
    affine = scanner_affine(axes, signs, (2.0, 2.0, 2.0))
    route = plan_route(shape, affine, KEEP | {"in_plane": {"mode": "crop_pad", "size": [4, 6]}})
    marked = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1
    seen = resample(route.to_canonical(marked), route.samplings)
    assert set(seen.ravel()) == set(marked[covered(route)].ravel())


def test_without_a_crop_what_is_smaller_is_padded_and_what_is_larger_kept():
    settings = KEEP | {"in_plane": {"mode": "crop_pad", "size": [8, 8]}}
    route = plan_route((5, 12, 3), np.eye(4), settings, crop=False)
    assert route.shape == (8, 12, 3)
    assert covered(route) == (slice(0, 5), slice(0, 12), slice(0, 3))
