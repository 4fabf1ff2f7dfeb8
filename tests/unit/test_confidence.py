"""Confidence: green for a sound prediction, and a reason for every way to damage it."""

import functools

import numpy as np
import pytest
import yaml
from scipy import ndimage

from tests.unit.test_grids import ORIENTATIONS, scanner_affine
from tests.unit.test_volumes import as_scanned
from workflow.liverseg.cleanup import clean_up
from workflow.liverseg.confidence import gather, judge
from workflow.liverseg.images import read_image
from workflow.liverseg.inner_regions import gather_inner
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.phantoms import make_phantom
from workflow.liverseg.prediction import Agreement, Doubt
from workflow.liverseg.rims import rim_part
from workflow.liverseg.settings import SCHEMAS
from workflow.liverseg.voxels import voxel_ml

LIMITS = yaml.safe_load((SCHEMAS.parents[1] / "config/config.yaml").read_text(encoding="utf-8"))[
    "prediction"
]["confidence"]
KEEP_LARGEST = {"largest_component": True, "smallest_ml": 0.0, "fill_holes": True}
SPACING = (5.0, 5.0, 5.0)


def patient():
    """A body with lungs above and a liver of about 1.4 l on the right, in RAS at 5 mm."""
    x, y, z = np.meshgrid(np.arange(72), np.arange(56), np.arange(50), indexing="ij")
    hu = np.full(x.shape, -1000, np.int16)
    body = ((x - 36) / 32) ** 2 + ((y - 28) / 22) ** 2 < 1
    hu[body] = 30
    lungs = (
        body & (z > 36) & (np.abs(x - 36) > 5) & (((x - 36) / 28) ** 2 + ((y - 28) / 18) ** 2 < 1)
    )
    hu[lungs] = -850
    liver = ((x - 49) / 14) ** 2 + ((y - 30) / 15) ** 2 + ((z - 22) / 12.5) ** 2 < 1
    hu[liver] = 110
    noise = np.random.default_rng(0).normal(0, 15, hu.shape)
    return (hu + noise).astype(np.int16), liver.astype(np.uint8)


def light_of(mask, *, agreement=(), expected_dice=0.97, axes=(0, 1, 2), signs=(1, 1, 1)):
    hu = as_scanned(patient()[0], axes, signs)
    mask = np.asfortranarray(as_scanned(mask, axes, signs))
    affine = scanner_affine(axes, signs, SPACING)
    probability = np.where(mask > 0, 250, 5).astype(np.uint8)[..., None]
    clean = clean_up(mask, probability, 0.125, KEEP_LARGEST)
    evidence = gather(
        hu,
        mask,
        affine,
        clean=clean,
        agreement=Agreement(agreement, ()),
        expected_dice=expected_dice,
    )
    light, checks = judge(evidence, LIMITS)
    return light, {check.name for check in checks if check.light != "green"}


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_sound_prediction_is_green_from_every_orientation(axes, signs):
    assert light_of(patient()[1], axes=axes, signs=signs) == ("green", set())


def damaged(kind):
    mask = patient()[1]
    x, y, z = np.indices(mask.shape)
    match kind:
        case "empty":
            mask[:] = 0
        case "shrunk":
            mask[(x < 45) | (x > 53) | (y < 24) | (y > 34)] = 0
        case "everything soft":
            mask[:] = patient()[0] > -300
        case "speckled":
            mask |= (np.random.default_rng(1).random(mask.shape) < 0.02).astype(np.uint8)
        case "in two pieces":
            mask[:, :, 20:22] = 0
        case "half missing":
            mask[:, :, 22:] = 0
        case "mirrored":
            mask = np.ascontiguousarray(mask[::-1])
        case "into the lung":
            mask = np.roll(mask, 16, axis=2)
        case "hollow":
            inner = ((x - 49) / 9) ** 2 + ((y - 30) / 10) ** 2 + ((z - 22) / 8) ** 2 < 1
            mask[inner] = 0
        case "cut off":
            mask = np.roll(mask, -22, axis=2)
            mask[:, :, 30:] = 0
    return mask


@pytest.mark.parametrize(
    ("kind", "lights", "reason"),
    [
        ("empty", {"red"}, "empty"),
        ("shrunk", {"yellow", "red"}, "volume_ml"),
        ("everything soft", {"red"}, "volume_ml"),
        ("speckled", {"yellow", "red"}, "largest_part"),
        ("in two pieces", {"red"}, "largest_part"),
        ("half missing", {"red"}, "slice_jump"),
        ("mirrored", {"yellow", "red"}, "side"),
        ("into the lung", {"red"}, "foreign_part"),
        ("hollow", {"red"}, "filled_part"),
        ("cut off", {"yellow", "red"}, "border_part"),
    ],
)
def test_damage_lights_up_with_its_reason(kind, lights, reason):
    light, reasons = light_of(damaged(kind))
    assert light in lights
    assert reason in reasons


def test_disagreement_and_doubt_light_up():
    mask = patient()[1]
    assert light_of(mask, agreement=(0.99, 0.98))[0] == "green"
    assert light_of(mask, agreement=(0.99, 0.9)) == ("yellow", {"agreement"})
    assert light_of(mask, agreement=(0.99, 0.5)) == ("red", {"agreement"})
    assert light_of(mask, expected_dice=0.85) == ("yellow", {"expected_dice"})
    assert light_of(mask, expected_dice=0.5) == ("red", {"expected_dice"})


NESTED = LabelMap.from_settings(
    [{"name": "liver", "values": "positive"}, {"name": "tumour", "values": [2]}]
)


def tumour_lights(chosen, *, agreement=(), expected_dice=0.9):
    """Light of each check on a tumour that takes the chosen part of the liver."""
    mask = patient()[1]
    mask[(mask > 0) & chosen] = 2
    doubts = {"tumour": Doubt(Agreement(agreement, ()), expected_dice)}
    found = gather_inner(mask, 0.125, NESTED, doubts)
    checks = judge(None, LIMITS, found)[1][1:]
    assert all("tumour" in check.reason for check in checks)
    return {check.name.removeprefix("tumour."): check.light for check in checks}


def ball(radius):
    x, y, z = np.indices(patient()[1].shape)
    return (x - 49) ** 2 + (y - 30) ** 2 + (z - 22) ** 2 < radius**2


def test_a_sound_tumour_is_green_and_none_is_not_looked_at():
    lights = tumour_lights(ball(5), agreement=(0.9, 0.85))
    assert set(lights.values()) == {"green"} and len(lights) == 5
    assert tumour_lights(ball(0)) == {}


def test_most_of_a_liver_as_tumour_is_red():
    x = np.indices(patient()[1].shape)[0]
    assert tumour_lights(x > 47)["share"] == "red"
    assert tumour_lights(x > 52)["share"] == "yellow"


def test_tumours_strewn_voxel_by_voxel_are_red():
    lights = tumour_lights(np.random.default_rng(2).random(patient()[1].shape) < 0.1)
    assert (lights["pieces"], lights["speck_part"]) == ("red", "red")


def test_disagreement_and_doubt_about_a_tumour_light_up():
    assert tumour_lights(ball(5), agreement=(0.9, 0.6))["agreement"] == "yellow"
    assert tumour_lights(ball(5), agreement=(0.9, 0.3))["agreement"] == "red"
    assert tumour_lights(ball(5), expected_dice=0.5)["expected_dice"] == "yellow"
    assert tumour_lights(ball(5), expected_dice=0.2)["expected_dice"] == "red"


@functools.cache
def phantom(number):
    """CT, mask and affine of a demo phantom, with organs of their own densities around it."""
    settings = yaml.safe_load((SCHEMAS.parents[1] / "config/config.yaml").read_text())["phantoms"]
    made = make_phantom(f"phantom-{number:02}", settings | {"damaged": []})
    return made.hu, (made.label > 0).astype(np.uint8), made.affine


def phantom_light(number, mask):
    hu, _, affine = phantom(number)
    mask = np.asfortranarray(mask, dtype=np.uint8)
    probability = np.where(mask > 0, 250, 5).astype(np.uint8)[..., None]
    clean = clean_up(mask, probability, voxel_ml(affine), KEEP_LARGEST)
    facts = {"clean": clean, "agreement": Agreement((), ()), "expected_dice": 0.97}
    light, checks = judge(gather(hu, mask, affine, **facts), LIMITS)
    return light, {check.name for check in checks if check.light != "green"}


# With contrast; without it a liver is as dense as its neighbours, and a spill may go unseen.
PHANTOMS = (2, 5, 8)


@pytest.mark.parametrize("number", PHANTOMS)
def test_the_reference_of_a_phantom_is_green(number):
    assert phantom_light(number, phantom(number)[1]) == ("green", set())


@pytest.mark.parametrize("number", PHANTOMS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_mask_shifted_by_30_mm_lights_up(number, axis, sign):
    _, mask, affine = phantom(number)
    voxels = round(30 / np.linalg.norm(affine[:3, axis])) * sign
    moved = ndimage.shift(mask, [voxels * (other == axis) for other in range(3)], order=0)
    light, reasons = phantom_light(number, moved)
    assert light != "green"
    assert reasons & {"foreign_part", "mixed_part"}


@pytest.mark.parametrize("number", PHANTOMS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [0, 1])
def test_half_a_mask_is_red_however_it_was_cut(number, axis, side):
    mask = phantom(number)[1].copy()
    middle = int(np.median(np.argwhere(mask)[:, axis]))
    gone = [slice(None)] * 3
    gone[axis] = slice(0, middle) if side else slice(middle, None)
    mask[tuple(gone)] = 0
    light, reasons = phantom_light(number, mask)
    assert light == "red"
    assert "slice_jump" in reasons


@pytest.mark.parametrize("number", PHANTOMS)
def test_a_mask_that_spilled_into_its_neighbours_lights_up(number):
    hu, mask, affine = phantom(number)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    near = ndimage.distance_transform_edt(mask == 0, sampling=spacing) <= 40
    light, reasons = phantom_light(number, (mask > 0) | (near & (hu > -20) & (hu < 200)))
    assert light != "green"
    assert "mixed_part" in reasons


def shrunk(mask, affine, by_mm):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # Not from the scan's edge, beyond which the organ goes on.
    depth = ndimage.distance_transform_edt(np.pad(mask > 0, 1, mode="edge"), sampling=spacing)
    return depth[1:-1, 1:-1, 1:-1] > by_mm


@pytest.mark.parametrize("number", PHANTOMS)
@pytest.mark.parametrize(("by_mm", "expected"), [(5, {"yellow"}), (8, {"red"}), (10, {"red"})])
def test_a_mask_that_lost_its_outer_millimetres_lights_up(number, by_mm, expected):
    _, mask, affine = phantom(number)
    light, reasons = phantom_light(number, shrunk(mask, affine, by_mm))
    assert light in expected
    assert "rim_part" in reasons


REAL = ("chaos_ct03", "amos_0018", "totalseg_example", "amos_0001_slab", "amos_0013_slab",
        "lits117_crop")  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_the_rim_tells_real_livers_from_shrunken_ones(real_data, name):
    image = read_image(real_data / name / "ct.nii.gz")
    label = read_image(real_data / name / "liver.nii.gz").data > 0
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    limits = LIMITS["rim_part"]
    assert rim_part(image.data, label, spacing) < limits["yellow"]
    assert rim_part(image.data, shrunk(label, image.affine, 5), spacing) > limits["yellow"]
    assert rim_part(image.data, shrunk(label, image.affine, 8), spacing) > limits["red"]


def test_a_mask_that_fills_its_scan_has_no_rim():
    full = np.ones((6, 6, 6), dtype=np.uint8)
    assert rim_part(full * 50, full, np.ones(3)) is None
