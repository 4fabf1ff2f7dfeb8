"""Augmentation on the device: one resampling, then intensities; every draw from a key.

Frames: sources and patches are (x, y, z) in RAS voxels; image values are 0 (air) to 1.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional


@dataclass(frozen=True)
class Effect:
    """How often an effect is applied, and between which strengths (drawn uniformly)."""

    probability: float = 0.0
    range: tuple[float, float] = (0.0, 0.0)

    def draw(self, random: np.random.Generator) -> float | None:
        """A strength, or None; takes two draws in either case, so that effects stay apart."""
        chance, place = random.random(2)
        low, high = self.range
        return float(low + place * (high - low)) if chance < self.probability else None


@dataclass(frozen=True)
class Augmentation:
    """What is done to training patches, and how strongly.

    rotation_degrees: greatest angle about x, y, z. scale: range of the common factor (above 1
    enlarges). stretch: greatest relative deviation of an axis from it. flip: probability of a
    mirrored x, y, z. The effects on intensity are in units of the window (0…1), blur in voxels,
    low_resolution as the factor by which voxels grow, cut as the share of an axis made air.
    """

    rotation_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    stretch: float = 0.0
    flip: tuple[float, float, float] = (0.0, 0.0, 0.0)
    effects: dict[str, Effect] = field(default_factory=dict)

    @staticmethod
    def from_settings(settings: dict[str, Any]) -> "Augmentation":
        """Build from the config's `training.augmentation`."""
        effects = {
            name: Effect(settings[name]["probability"], tuple(settings[name]["range"]))
            for name in EFFECTS
            if name in settings
        }
        return Augmentation(
            rotation_degrees=tuple(settings["rotation_degrees"]),
            scale=tuple(settings["scale"]),
            stretch=settings["stretch"],
            flip=tuple(settings["flip"]),
            effects=effects,
        )


EFFECTS = (
    "cut",
    "blur",
    "low_resolution",
    "noise",
    "brightness",
    "contrast",
    "gamma",
    "invert_gamma",
)


@dataclass(frozen=True)
class Draw:
    """What was drawn for one sample: `matrix` takes patch offsets to source offsets, in mm."""

    matrix: np.ndarray
    strengths: dict[str, float | None]
    cut_axis: int
    cut_at_end: bool
    noise_seed: int


def random_for(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """The random numbers of one sample of one epoch: the same whatever ran before."""
    return np.random.default_rng([seed, epoch, sample])


def draw(augmentation: Augmentation, random: np.random.Generator) -> Draw:
    """Draw everything that one sample's augmentation needs."""
    angles = np.radians(augmentation.rotation_degrees) * random.uniform(-1, 1, 3)
    low, high = augmentation.scale
    scale = low * (high / low) ** random.random()  # as often half as double
    factors = scale * (1 + augmentation.stretch * random.uniform(-1, 1, 3))
    mirror = np.where(random.random(3) < augmentation.flip, -1.0, 1.0)
    strengths = {name: augmentation.effects.get(name, Effect()).draw(random) for name in EFFECTS}
    axis, end = random.integers(0, 3), random.integers(0, 2)
    return Draw(
        matrix=_rotation(angles) @ np.diag(mirror / factors),
        strengths=strengths,
        cut_axis=int(axis),
        cut_at_end=bool(end),
        noise_seed=int(random.integers(0, 2**62)),
    )


def _rotation(angles: np.ndarray) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def resample(
    image: torch.Tensor,
    label: torch.Tensor,
    *,
    matrices: np.ndarray,
    centres: np.ndarray,
    patch: tuple[int, int, int],
    spacing_mm: np.ndarray,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take patches out of sources in one resampling: crop, affine, rotation, scale and flip.

    image, label: (batch, x, y, z) sources of one size; matrices (batch, 3, 3) take a patch
    offset in mm to a source offset in mm; centres (batch, 3) in source voxels; spacing_mm
    (batch, 3). Gives image (batch, 1, *patch) float32, trilinear, and classes (batch, *patch)
    int64, nearest; air and background outside the source.
    """
    theta = torch.from_numpy(
        np.stack(
            [
                _theta(matrix, centre, patch, image.shape[1:], spacing)
                for matrix, centre, spacing in zip(matrices, centres, spacing_mm, strict=True)
            ]
        ).astype(np.float32)
    ).to(image.device)
    # grid_sample names axes in reverse: its "depth, height, width" is our x, y, z.
    grid = functional.affine_grid(theta, [len(image), 1, *patch], align_corners=False)
    sampled = functional.grid_sample(
        image.unsqueeze(1).float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    classes = functional.grid_sample(
        label.unsqueeze(1).float(), grid, mode="nearest", padding_mode="zeros", align_corners=False
    )
    return sampled, classes.squeeze(1).long()


def _theta(
    matrix: np.ndarray,
    centre: np.ndarray,
    patch: tuple[int, int, int],
    source: tuple[int, ...],
    spacing_mm: np.ndarray,
) -> np.ndarray:
    # Patch coordinates in −1…1 → patch voxels → mm → source mm → source voxels → −1…1.
    half_patch, size = np.asarray(patch) / 2, np.asarray(source, dtype=np.float64)
    voxels = (matrix * spacing_mm[None, :]) / spacing_mm[:, None]
    linear = (voxels * half_patch[None, :]) * (2 / size)[:, None]
    shift = (2 * np.asarray(centre) + 1) / size - 1
    theta = np.concatenate([linear, shift[:, None]], axis=1)
    return theta[::-1][:, [2, 1, 0, 3]]


def change_intensities(image: torch.Tensor, draws: list[Draw]) -> torch.Tensor:
    """Blur, coarsen, roughen, shade: the effects drawn, on `image` (batch, 1, x, y, z), 0…1."""
    changed = []
    for sample, drawn in zip(image.split(1), draws, strict=True):
        changed.append(_change(sample, drawn))
    return torch.cat(changed)


def _change(x: torch.Tensor, drawn: Draw) -> torch.Tensor:
    strength = drawn.strengths
    if sigma := strength["blur"]:  # a blur of 0 voxels is none
        x = _blur(x, sigma)
    if (factor := strength["low_resolution"]) is not None:
        x = _coarsen(x, factor)
    if (sigma := strength["noise"]) is not None:
        generator = torch.Generator(x.device).manual_seed(drawn.noise_seed)
        x = x + sigma * torch.randn(x.shape, generator=generator, device=x.device)
    if (shift := strength["brightness"]) is not None:
        x = x + shift
    if (factor := strength["contrast"]) is not None:
        middle = x.mean()
        x = (x - middle) * factor + middle
    x = x.clamp(0, 1)  # what the window does to every CT
    if (power := strength["gamma"]) is not None:
        x = x**power
    if (power := strength["invert_gamma"]) is not None:
        x = 1 - (1 - x) ** power
    return x


def _blur(x: torch.Tensor, sigma: float) -> torch.Tensor:
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]
        shape[2 + axis] = len(kernel)
        padding[4 - 2 * axis] = padding[5 - 2 * axis] = radius
        # What lies beyond a patch is more of the same, not air: its faces must not darken.
        x = functional.conv3d(functional.pad(x, padding, mode="replicate"), kernel.reshape(shape))
    return x


def _coarsen(x: torch.Tensor, factor: float) -> torch.Tensor:
    shape = x.shape[2:]
    small = [max(2, round(side / factor)) for side in shape]
    coarse = functional.interpolate(x, size=small, mode="nearest")
    return functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=False)


def cut_field_of_view(image: torch.Tensor, classes: torch.Tensor, draws: list[Draw]) -> None:
    """In place: air and background beyond a border, as in a scan that ends early."""
    for index, drawn in enumerate(draws):
        share = drawn.strengths["cut"]
        if share is None:
            continue
        side = image.shape[2 + drawn.cut_axis]
        width = round(share * side)
        start = side - width if drawn.cut_at_end else 0
        image[index].narrow(1 + drawn.cut_axis, start, width).zero_()
        classes[index].narrow(drawn.cut_axis, start, width).zero_()
