"""Preparing a CT and restoring probabilities: the same anatomy from all 48 orientations."""

import numpy as np
import pytest

from tests.unit.test_grids import ORIENTATIONS, scanner_affine
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.grids import plan_route
from workflow.liverseg.images import Image
from workflow.liverseg.volume_files import Volume, read_volume, write_volume
from workflow.liverseg.volumes import prepare, resample_classes, restore, restore_slices

SHAPE, SPACING = (20, 18, 14), (1.0, 1.1, 2.5)
KEEP = {"spacing_mm": None, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}}
RESAMPLED = {
    "spacing_mm": [1.7, 1.3, 2.0],
    "window_hu": [-200, 250],
    "in_plane": {"mode": "crop_pad", "size": [16, 16]},
}


def ras_scan():
    """A CT in RAS with one soft ellipsoid off centre, in HU, and its mask."""
    x, y, z = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij")
    distance = ((x - 8) / 5) ** 2 + ((y - 10) / 4) ** 2 + ((z - 6) / 3.5) ** 2
    return np.clip(300 - 260 * distance, -1000, 300), (distance < 1).astype(np.uint8)


def as_scanned(data, axes, signs):
    """The RAS array as a scanner stores it whose index axis n runs along axes[n]."""
    stored = np.transpose(data, axes)
    return stored[tuple(slice(None, None, sign) for sign in signs)]


def scan_in(axes, signs):
    hu, mask = ras_scan()
    spacing = [SPACING[axis] for axis in axes]
    return Image(as_scanned(hu, axes, signs), scanner_affine(axes, signs, spacing)), as_scanned(
        mask, axes, signs
    )


@pytest.mark.parametrize("settings", [KEEP, RESAMPLED], ids=["keep", "resampled"])
@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_prepared_volume_does_not_depend_on_orientation(axes, signs, settings):
    image, mask = scan_in((0, 1, 2), (1, 1, 1))
    expected = prepare(image, mask, settings)
    volume = prepare(*scan_in(axes, signs), settings)
    np.testing.assert_array_equal(volume.image, expected.image)
    np.testing.assert_array_equal(volume.label, expected.label)


@pytest.mark.parametrize("settings", [KEEP, RESAMPLED], ids=["keep", "resampled"])
@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_restored_mask_lies_where_the_scan_had_it(axes, signs, settings):
    image, mask = scan_in(axes, signs)
    volume = prepare(image, mask, settings)
    route = plan_route(image.data.shape, image.affine, settings)
    restored = restore(volume.label[None].astype(np.float32), route)[0] > 0.5
    assert restored.shape == mask.shape
    dice = 2 * np.sum(restored & (mask > 0)) / (restored.sum() + mask.sum())
    assert dice > (0.92 if settings is RESAMPLED else 0.9999)


def test_window_is_scaled_to_unit_range():
    image = Image(np.float32([-3000, -200, 25, 250, 9000]).reshape(5, 1, 1), np.eye(4))
    np.testing.assert_array_equal(prepare(image, None, KEEP).image.ravel(), [0, 0, 0.5, 1, 1])


def test_padding_is_air():
    settings = KEEP | {"in_plane": {"mode": "crop_pad", "size": [6, 6]}}
    volume = prepare(Image(np.full((4, 4, 2), 100.0), np.eye(4)), None, settings)
    assert volume.image[0].max() == 0
    assert volume.image[1:5, 1:5].min() > 0.6


def test_integer_and_float_scans_prepare_alike():
    hu = np.round(ras_scan()[0])
    whole_numbers = prepare(Image(hu.astype(np.int16), np.eye(4)), None, RESAMPLED)
    np.testing.assert_array_equal(
        whole_numbers.image, prepare(Image(hu.astype(np.float32), np.eye(4)), None, RESAMPLED).image
    )


def test_resize_gives_the_size_that_was_asked_for():
    settings = KEEP | {"in_plane": {"mode": "resize", "size": [10, 9]}}
    volume = prepare(Image(ras_scan()[0], np.eye(4)), None, settings)
    assert volume.image.shape == (10, 9, SHAPE[2])
    np.testing.assert_allclose(volume.spacing_mm, (2, 2, 1))


def test_label_keeps_its_volume_when_resampled():
    image, mask = scan_in((0, 1, 2), (1, 1, 1))
    settings = KEEP | {"spacing_mm": 0.5}
    label = prepare(image, mask, settings).label
    assert label.sum() * 0.125 == pytest.approx(mask.sum() * np.prod(SPACING), rel=0.05)


def test_nested_classes_stay_whole_numbers_that_were_there():
    image, mask = scan_in((0, 1, 2), (1, 1, 1))
    mask = mask * 3
    mask[7:10, 8:12, 5:8] = 7
    route = plan_route(mask.shape, image.affine, RESAMPLED)
    assert set(np.unique(resample_classes(mask, route.samplings))) == {0, 3, 7}


def test_restoring_by_slabs_gives_the_same_bits():
    image, mask = scan_in((0, 1, 2), (1, 1, 1))
    probability = prepare(image, mask, RESAMPLED).label[None].astype(np.float32)
    route = plan_route(image.data.shape, image.affine, RESAMPLED)
    full = restore(probability, route)
    slabs = [restore_slices(probability, route, first=z, last=z + 2) for z in range(0, SHAPE[2], 2)]
    np.testing.assert_array_equal(np.concatenate(slabs, axis=3), full)


def test_label_of_another_shape_is_refused():
    with pytest.raises(LiversegError, match="shape"):
        prepare(Image(np.zeros((4, 4, 4)), np.eye(4)), np.zeros((4, 4, 3), np.uint8), KEEP)


@pytest.mark.parametrize("labelled", [True, False])
def test_written_volume_is_read_back(tmp_path, labelled):
    image, mask = scan_in((0, 1, 2), (1, 1, 1))
    volume = prepare(image, mask if labelled else None, RESAMPLED)
    write_volume(tmp_path / "volume.npz", volume)
    back = read_volume(tmp_path / "volume.npz")
    assert isinstance(back, Volume)
    np.testing.assert_array_equal(back.image, volume.image)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert (back.label is not None) == labelled
