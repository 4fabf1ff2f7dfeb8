"""Windows: they cover everything, and blending streams what a whole array would hold."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.liverseg.windows import Blend, even_starts, gaussian, plan_windows, tissue_value


@given(length=st.integers(1, 300), side=st.integers(1, 64), overlap=st.floats(0, 0.9))
def test_windows_cover_everything_with_the_overlap_asked_for(length, side, overlap):
    starts = even_starts(length, side, overlap)
    covered = {index for start in starts for index in range(start, start + side)}
    assert covered >= set(range(length))
    if length > side:
        assert starts[-1] + side == length
        steps = np.diff(starts)
        assert steps.max() <= max(1, side * (1 - overlap)) + 1
        assert steps.min() >= 1


def test_gaussian_is_highest_at_the_centre_and_positive_everywhere():
    weight = gaussian((8, 9, 16))
    assert weight.min() > 0
    assert weight[4, 4, 7] == weight.max()
    np.testing.assert_allclose(weight, weight[::-1, ::-1, ::-1])


def position_dependent(windows):
    """A made-up network whose answer depends on where in the window a voxel lies."""
    ramp = np.linspace(0, 1, windows.shape[-1], dtype=np.float32)
    return np.stack([windows * ramp, windows * (1 - ramp) / 2], axis=1)


def blended_at_once(volume, plan, predictor):
    padded_shape = np.maximum(volume.shape, plan.size)
    padded = np.zeros(padded_shape, np.float32)
    padded[tuple(map(slice, volume.shape))] = volume
    total, weight = np.zeros((2, *padded_shape)), np.zeros(padded_shape)
    bump = gaussian(plan.size)
    for corner in product(*plan.starts):
        place = tuple(slice(a, a + n) for a, n in zip(corner, plan.size, strict=True))
        total[(slice(None), *place)] += predictor(padded[place][None])[0] * bump
        weight[place] += bump
    return (total / weight)[(slice(None), *map(slice, volume.shape))]


@pytest.mark.parametrize("shape", [(9, 8, 21), (20, 11, 8), (5, 6, 3), (12, 12, 40)])
@pytest.mark.parametrize("step", [1, 5, 100])
def test_streaming_equals_blending_at_once(shape, step):
    volume = np.random.default_rng(0).uniform(0.3, 1, shape).astype(np.float32)
    plan = plan_windows(shape, (8, 8, 8), 0.5)
    prepared = lambda first, last: volume[:, :, first:last]  # noqa: E731
    blend = Blend(prepared, shape, plan, [position_dependent], n_classes=2, tissue=0.2)
    parts = [blend.slices(z, min(z + step, shape[2])) for z in range(0, shape[2], step)]
    streamed = np.concatenate(parts, axis=-1)[0]
    np.testing.assert_allclose(
        streamed, blended_at_once(volume, plan, position_dependent), atol=1e-5
    )


def test_slices_may_be_asked_for_again():
    volume = np.random.default_rng(0).uniform(0.3, 1, (8, 8, 30)).astype(np.float32)
    blend = Blend(
        lambda first, last: volume[:, :, first:last],
        volume.shape,
        plan_windows(volume.shape, (8, 8, 8), 0.25),
        [position_dependent],
        n_classes=2,
        tissue=0.2,
    )
    once = blend.slices(0, 12)
    np.testing.assert_array_equal(blend.slices(5, 20)[..., :7], once[..., 5:])


def test_every_prepared_slice_is_made_once():
    asked = []

    def prepared(first, last):
        asked.extend(range(first, last))
        return np.ones((8, 8, last - first), np.float32)

    plan = plan_windows((8, 8, 50), (8, 8, 16), 0.5)
    Blend(prepared, (8, 8, 50), plan, [position_dependent], n_classes=2, tissue=0.2).slices(0, 50)
    assert asked == list(range(50))


def test_windows_of_air_are_skipped():
    volume = np.zeros((8, 8, 48), np.float32)
    volume[:, :, 32:] = 0.5
    plan = plan_windows(volume.shape, (8, 8, 16), 0.0)
    blend = Blend(
        lambda first, last: volume[:, :, first:last],
        volume.shape,
        plan,
        [position_dependent],
        n_classes=2,
        tissue=0.2,
    )
    assert not blend.slices(0, 32).any()
    assert blend.slices(32, 48).any()
    assert (blend.tally.run, blend.tally.skipped) == (1, 2)


def test_batch_changes_nothing():
    volume = np.random.default_rng(0).uniform(0.3, 1, (20, 20, 16)).astype(np.float32)
    plan = plan_windows(volume.shape, (8, 8, 8), 0.5)

    def blended(batch):
        return Blend(
            lambda first, last: volume[:, :, first:last],
            volume.shape,
            plan,
            [position_dependent],
            n_classes=2,
            tissue=0.2,
            batch=batch,
        ).slices(0, 16)

    np.testing.assert_array_equal(blended(1), blended(4))


def test_members_stay_apart():
    volume = np.full((8, 8, 8), 0.5, np.float32)
    plan = plan_windows(volume.shape, (8, 8, 8), 0.5)
    members = [lambda w: w[:, None] * 0 + 0.25, lambda w: w[:, None] * 0 + 0.75]
    out = Blend(
        lambda a, b: volume[:, :, a:b], volume.shape, plan, members, n_classes=1, tissue=0.2
    )
    low, high = out.slices(0, 8)
    np.testing.assert_allclose(low, 0.25, rtol=1e-6)
    np.testing.assert_allclose(high, 0.75, rtol=1e-6)


@pytest.mark.parametrize(
    ("window_hu", "expected"),
    [((-200, 250), 0.2), ((-1000, 1000), 0.445), ((-100, 240), 0.0), ((-1350, -150), 0.99)],
)
def test_what_counts_as_tissue_is_a_density_whatever_the_window(window_hu, expected):
    assert tissue_value(window_hu) == pytest.approx(expected)
