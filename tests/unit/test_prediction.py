"""Prediction: the same anatomy on the scanner's own grid for every orientation, in any slabs."""

import numpy as np
import pytest

from tests.unit.test_grids import ORIENTATIONS
from tests.unit.test_volumes import KEEP, RESAMPLED, scan_in
from workflow.liverseg.grids import plan_route
from workflow.liverseg.images import Image
from workflow.liverseg.prediction import Network, body_box, crop_route, decide, predict, window_size
from workflow.liverseg.volumes import prepare, restore
from workflow.liverseg.windows import Blend, plan_windows


def bright(windows):
    """Stands for a network: soft threshold at 40 HU of the default window."""
    return (1 / (1 + np.exp(-30 * (windows - 240 / 450))))[:, None].astype(np.float32)


def network(settings, **changed):
    values = {
        "members": [bright],
        "preprocessing": settings,
        "patch": (16, 16, 8),
        "n_classes": 1,
        "may_shrink": False,
    }
    return Network(**(values | changed))


@pytest.mark.parametrize("settings", [KEEP, RESAMPLED], ids=["keep", "resampled"])
@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_mask_has_the_scans_shape_and_lies_on_its_anatomy(axes, signs, settings):
    image, mask = scan_in(axes, signs)
    prediction = predict(image.data, image.affine, network(settings))
    assert prediction.mask.shape == image.data.shape
    assert prediction.probability.shape == (*image.data.shape, 1)
    dice = (
        2 * np.sum((prediction.mask > 0) & (mask > 0)) / ((prediction.mask > 0).sum() + mask.sum())
    )
    assert dice > (0.9 if settings is RESAMPLED else 0.99)


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_prediction_is_the_same_bits_from_every_orientation(axes, signs):
    image, _ = scan_in(axes, signs)
    reference, _ = scan_in((0, 1, 2), (1, 1, 1))
    route = plan_route(image.data.shape, image.affine, KEEP)
    expected = predict(reference.data, reference.affine, network(RESAMPLED))
    found = predict(image.data, image.affine, network(RESAMPLED))
    np.testing.assert_array_equal(
        route.to_canonical(found.probability[..., 0]), expected.probability[..., 0]
    )


@pytest.mark.parametrize("settings", [KEEP, RESAMPLED], ids=["keep", "resampled"])
def test_slabs_change_nothing(settings):
    image, _ = scan_in((0, 1, 2), (1, 1, 1))
    expected = predict(image.data, image.affine, network(settings), slab=1000)
    for slab in (1, 3):
        found = predict(image.data, image.affine, network(settings), slab=slab)
        np.testing.assert_array_equal(found.mask, expected.mask)
        np.testing.assert_array_equal(found.probability, expected.probability)


def test_streamed_prediction_equals_the_steps_one_by_one():
    image, _ = scan_in((2, 0, 1), (1, -1, 1))
    volume = prepare(image, None, RESAMPLED)
    plan = plan_windows(volume.image.shape, (16, 16, 8), 0.5)
    whole = volume.image.astype(np.float32)
    blend = Blend(
        lambda a, b: whole[:, :, a:b], whole.shape, plan, [bright], n_classes=1, tissue=0.2
    )
    route = plan_route(image.data.shape, image.affine, RESAMPLED)
    expected = restore(blend.slices(0, whole.shape[2])[0], route)[0]
    found = predict(image.data, image.affine, network(RESAMPLED)).probability[..., 0]
    np.testing.assert_allclose(found, expected * 255, atol=1)


@pytest.mark.parametrize("window_hu", [[-200, 250], [-1000, 1000], [-400, 600]])
def test_lung_is_skipped_and_a_fat_liver_is_not_whatever_the_window(window_hu):
    settings = KEEP | {"window_hu": window_hu}
    for density, skipped in ((-500, True), (-20, False)):
        hu = np.full((16, 16, 16), density, np.int16)
        tally = predict(hu, np.eye(4), network(settings), crop_to_body=False).tally
        assert (tally.run == 0, tally.skipped > 0) == (skipped, skipped)


def test_soft_edges_come_back_between_voxels():
    image, _ = scan_in((0, 1, 2), (1, 1, 1))

    def hard(windows):
        return (bright(windows) > 0.5).astype(np.float32)

    prediction = predict(
        image.data, image.affine, network(KEEP | {"spacing_mm": 3.0}, members=[hard])
    )
    assert len(np.unique(prediction.probability)) > 30


def test_what_training_cropped_away_is_predicted_all_the_same():
    image, mask = scan_in((0, 1, 2), (1, 1, 1))
    narrow = KEEP | {"in_plane": {"mode": "crop_pad", "size": [8, 8]}}
    found = predict(image.data, image.affine, network(narrow, patch=(8, 8, 8))).mask
    expected = predict(image.data, image.affine, network(KEEP, patch=(8, 8, 8))).mask
    assert prepare(image, mask, narrow).label.sum() < mask.sum()
    np.testing.assert_array_equal(found, expected)


def test_stored_probability_reaches_one_half_exactly_in_the_mask():
    foreground = np.float32([[0.0, 0.499999, 0.5, 0.5000001, 0.51, 1.0]]).reshape(1, 6, 1, 1)
    classes, quantised = decide(foreground)
    np.testing.assert_array_equal(classes.ravel(), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(quantised.ravel() >= 128, classes.ravel() > 0)


def test_likeliest_class_wins_within_the_foreground():
    foreground = np.float32([[0.35, 0.2, 0.1], [0.3, 0.4, 0.1]]).reshape(2, 3, 1, 1)
    np.testing.assert_array_equal(decide(foreground)[0].ravel(), [1, 2, 0])


def patient_beside_air():
    hu = np.full((64, 60, 12), -1000, np.int16)
    hu[20:44, 18:36] = 0
    hu[24:32, 20:30, 3:9] = 100
    hu[5:60, 52:53] = -50  # a thin couch
    return Image(hu, np.diag([4.0, 4.0, 5.0, 1.0]))


def test_body_is_found_without_the_couch():
    image = patient_beside_air()
    route = plan_route(image.data.shape, image.affine, KEEP)
    (x0, x1), (y0, y1) = body_box(route.to_canonical(image.data), route)
    assert 12 <= x0 <= 20
    assert 44 <= x1 <= 52
    assert 10 <= y0 <= 18
    assert 36 <= y1 <= 44


def test_cropping_to_the_body_changes_no_mask_and_makes_windows_smaller():
    image = patient_beside_air()
    shrinking = network(KEEP, patch=(64, 60, 8), may_shrink=True)
    cropped = predict(image.data, image.affine, shrinking)
    full = predict(image.data, image.affine, shrinking, crop_to_body=False)
    np.testing.assert_array_equal(cropped.mask, full.mask)
    assert cropped.window[0] <= 48
    assert full.window == (64, 60, 8)


def test_windows_keep_their_size_where_it_matters():
    image = patient_beside_air()
    fixed = predict(image.data, image.affine, network(KEEP, patch=(64, 60, 8)))
    assert fixed.window == (64, 60, 8)


def test_scan_of_air_has_no_body_and_no_mask():
    image = Image(np.full((20, 20, 20), -1000, np.int16), np.eye(4))
    prediction = predict(image.data, image.affine, network(KEEP))
    assert not prediction.mask.any()
    assert prediction.tally.run == 0
    assert prediction.expected_dice == 1.0


def test_cropped_route_keeps_millimetres():
    image, _ = scan_in((1, 2, 0), (-1, 1, -1))
    route = plan_route(image.data.shape, image.affine, KEEP)
    cropped = crop_route(route, ((2, 9), (1, 5)), (1, 1))
    corner = cropped.affine @ [0, 0, 0, 1]
    start = [sampling.start for sampling in cropped.samplings]
    np.testing.assert_allclose(corner, route.affine @ [*start, 1])


def test_members_that_agree_and_members_that_do_not():
    image, _ = scan_in((0, 1, 2), (1, 1, 1))

    def timid(windows):
        return bright(windows - np.float32(0.08))

    alike = predict(image.data, image.affine, network(KEEP, members=[bright, bright]))
    apart = predict(image.data, image.affine, network(KEEP, members=[bright, timid]))
    assert alike.agreement.dice == (1.0, 1.0)
    assert min(apart.agreement.dice) < 0.97
    assert apart.agreement.volume_ml[0] > apart.agreement.volume_ml[1]


def test_ensemble_is_the_mean_probability():
    image, _ = scan_in((0, 1, 2), (1, 1, 1))
    constant = [
        lambda w, p=p: np.full((len(w), 1, *w.shape[1:]), p, np.float32) for p in (0.2, 0.6)
    ]
    prediction = predict(image.data, image.affine, network(KEEP, members=constant))
    assert prediction.probability.max() == round(0.4 * 255)


def test_expected_dice_falls_with_doubt():
    image, _ = scan_in((0, 1, 2), (1, 1, 1))

    def doubtful(windows):
        return 0.3 + 0.4 * bright(windows)

    sure = predict(image.data, image.affine, network(KEEP)).expected_dice
    unsure = predict(image.data, image.affine, network(KEEP, members=[doubtful])).expected_dice
    assert sure > 0.85
    assert unsure < 0.6


def test_doubt_about_a_tumour_is_told_apart_from_its_organ():
    image, _ = scan_in((0, 1, 2), (1, 1, 1))

    def halves(tumour):
        """All that is bright is liver; its upper columns are tumour, as surely as is said."""

        def answer(windows):
            liver = bright(windows)[:, 0]
            share = np.where(np.arange(windows.shape[1]) % 2, tumour, 0.0)[:, None, None]
            return np.stack([liver * (1 - share), liver * share], axis=1).astype(np.float32)

        return answer

    settings = {"n_classes": 2, "inner": {"tumour": (2,)}}
    sure = predict(image.data, image.affine, network(KEEP, members=[halves(1.0)], **settings))
    unsure = predict(image.data, image.affine, network(KEEP, members=[halves(0.6)], **settings))
    assert unsure.expected_dice == pytest.approx(sure.expected_dice, abs=0.01)
    assert unsure.inner["tumour"].expected_dice < 0.75 < sure.inner["tumour"].expected_dice
    members = [halves(1.0), halves(0.0)]
    apart = predict(image.data, image.affine, network(KEEP, members=members, **settings))
    assert min(apart.agreement.dice) == pytest.approx(1.0, abs=0.01)
    assert min(apart.inner["tumour"].agreement.dice) == 0.0


@pytest.mark.parametrize(
    ("patch", "shape", "changed", "size"),
    [
        ((80, 64, 48), (96, 76, 84), {}, (96, 80, 80)),  # as far as the volume reaches
        ((80, 64, 48), (96, 76, 39), {}, (96, 80, 48)),  # never smaller than the patch
        ((112, 112, 16), (112, 112, 200), {}, (112, 112, 16)),  # in steps that need no padding
        ((64, 64, 16), (200, 200, 200), {"may_grow": False}, (64, 64, 16)),
        ((112, 112, 16), (80, 90, 200), {"may_shrink": True}, (80, 90, 16)),
    ],
)
def test_windows_grow_as_far_as_it_helps(patch, shape, changed, size):
    assert window_size(network(KEEP, patch=patch, **changed), shape, 1.7) == size


def test_a_larger_window_is_what_the_network_sees():
    seen = set()

    def watching(windows):
        seen.add(windows.shape[1:])
        return bright(windows)

    image, _ = scan_in((0, 1, 2), (1, 1, 1))
    seeing = network(KEEP, patch=(16, 16, 16), members=[watching])
    predict(image.data, image.affine, seeing, enlarge=2.0)
    assert seen == {(32, 32, 16)}  # of a scan of 20 × 18 × 14 voxels
