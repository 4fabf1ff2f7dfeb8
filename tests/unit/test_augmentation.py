"""Augmentation: one resampling that puts things where it should, and effects that do."""

import numpy as np
import pytest
import torch

from workflow.liverseg.augmentation import (
    EFFECTS,
    Augmentation,
    Draw,
    Effect,
    change_intensities,
    cut_field_of_view,
    draw,
    random_for,
    resample,
)

ISOTROPIC = np.ones((1, 3))


def source() -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.rand(1, 12, 10, 8, generator=torch.Generator().manual_seed(1)).half()
    return image, (image > 0.5).to(torch.uint8)


def centre(shape) -> np.ndarray:
    return (np.asarray(shape, dtype=float)[None] - 1) / 2


def taken(matrix, *, spacing_mm=ISOTROPIC, at=None, patch=(12, 10, 8)):
    image, label = source()
    return resample(
        image,
        label,
        matrices=np.asarray(matrix, dtype=float)[None],
        centres=centre((12, 10, 8)) if at is None else np.asarray(at)[None],
        patch=patch,
        spacing_mm=spacing_mm,
    )


def plain_draw(**strengths: float) -> Draw:
    return Draw(np.eye(3), dict.fromkeys(EFFECTS) | strengths, 2, True, 5)


def test_no_change_gives_the_source_back():
    image, label = source()
    patch, classes = taken(np.eye(3))
    torch.testing.assert_close(patch[0, 0], image[0].float(), atol=1e-3, rtol=0)
    assert torch.equal(classes[0], label[0].long())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flip_mirrors_image_and_label_along_its_axis(axis):
    image, label = source()
    matrix = np.eye(3)
    matrix[axis, axis] = -1
    patch, classes = taken(matrix)
    torch.testing.assert_close(patch[0, 0], image[0].float().flip(axis), atol=1e-3, rtol=0)
    assert torch.equal(classes[0], label[0].long().flip(axis))


def test_a_patch_is_cut_at_its_centre():
    image, _ = source()
    patch, _ = taken(np.eye(3), at=(3.5, 2.5, 1.5), patch=(4, 4, 4))
    torch.testing.assert_close(patch[0, 0], image[0, 2:6, 1:5, 0:4].float(), atol=1e-3, rtol=0)


def test_beyond_the_source_lie_air_and_background():
    patch, classes = taken(np.eye(3), patch=(24, 10, 8))
    assert patch[0, 0, :5].abs().max() == 0
    assert classes[0, -5:].max() == 0


def test_a_quarter_turn_about_z_in_mm_minds_the_spacing():
    # Voxels of 2 × 1 × 1 mm: what lies 2 voxels (4 mm) along x goes 4 voxels along y.
    image = torch.zeros(1, 11, 11, 1)
    image[0, 7, 5, 0] = 1.0
    quarter = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    patch, _ = resample(
        image,
        image.to(torch.uint8),
        matrices=quarter[None],
        centres=np.array([[5.0, 5, 0]]),
        patch=(11, 11, 1),
        spacing_mm=np.array([[2.0, 1, 1]]),
    )
    where = np.unravel_index(int(patch[0, 0].argmax()), (11, 11, 1))
    assert where in {(5, 9, 0), (5, 1, 0)}


def test_a_scale_above_one_enlarges():
    augmentation = Augmentation(scale=(2.0, 2.0))
    drawn = draw(augmentation, random_for(0, 0, 0))
    np.testing.assert_allclose(drawn.matrix, np.eye(3) / 2)


def test_draws_depend_on_seed_epoch_and_sample_alone():
    augmentation = Augmentation(rotation_degrees=(5, 5, 5), scale=(0.8, 1.2), flip=(0.5, 0, 0))
    matrices = {
        key: draw(augmentation, random_for(*key)).matrix.tobytes()
        for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    }
    assert len(set(matrices.values())) == 4
    assert draw(augmentation, random_for(0, 1, 0)).matrix.tobytes() == matrices[0, 1, 0]


def test_an_effect_of_probability_0_never_and_of_1_always_happens():
    randoms = [random_for(0, 0, sample) for sample in range(50)]
    assert all(Effect(0.0, (1, 2)).draw(random) is None for random in randoms)
    strengths = [Effect(1.0, (1, 2)).draw(random) for random in randoms]
    assert all(strength is not None and 1 <= strength <= 2 for strength in strengths)


@pytest.mark.parametrize(
    ("effect", "strength"),
    [
        ("blur", 1.0),
        ("low_resolution", 2.0),
        ("noise", 0.1),
        ("brightness", 0.2),
        ("contrast", 0.5),
        ("gamma", 2.0),
        ("invert_gamma", 2.0),
    ],
)
def test_each_effect_changes_values_and_keeps_them_within_0_and_1(effect, strength):
    image = source()[0].float()[None]
    changed = change_intensities(image, [plain_draw(**{effect: strength})])
    assert changed.shape == image.shape
    assert not torch.equal(changed, image)
    assert 0 <= changed.min() <= changed.max() <= 1
    again = change_intensities(image, [plain_draw(**{effect: strength})])
    assert torch.equal(changed, again)


def test_a_cut_makes_air_and_background_at_one_end():
    image, classes = torch.ones(1, 1, 4, 4, 8), torch.ones(1, 4, 4, 8, dtype=torch.int64)
    cut_field_of_view(image, classes, [plain_draw(cut=0.25)])
    assert image[..., :6].min() == 1
    assert image[..., 6:].max() == 0
    assert classes[..., 6:].max() == 0


@pytest.mark.parametrize(
    "nothing", [{"cut": 0.0}, {"blur": 0.0}, {"noise": 0.0}, {"brightness": 0.0}, {"contrast": 1.0}]
)
def test_the_strength_at_which_an_effect_is_off_changes_nothing(nothing):
    image = source()[0].float()[None]
    classes = torch.ones(1, *image.shape[2:], dtype=torch.int64)
    changed = image.clone()
    cut_field_of_view(changed, classes, [plain_draw(**nothing)])
    changed = change_intensities(changed, [plain_draw(**nothing)])
    torch.testing.assert_close(changed, image, rtol=0, atol=1e-6)
    assert classes.min() == 1
