"""How far a prediction can be trusted without a label: a traffic light and its reasons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.cleanup import CleanUp
from workflow.liverseg.confidence_checks import LIGHTS, Check, above, below, between
from workflow.liverseg.grids import plan_route
from workflow.liverseg.inner_regions import InnerEvidence, inner_checks
from workflow.liverseg.prediction import BODY_HU, Agreement
from workflow.liverseg.rims import rim_part
from workflow.liverseg.voxels import voxel_ml

KEEP = {"spacing_mm": None, "in_plane": {"mode": "keep"}}
# ASSUME liver holds 40 to 70 HU without contrast, down to -20 with much fat in it, 80 to 150 with
# contrast; its lesions and vessels lie between 0 and 250. Below is the fat around it (-100) and
# lung, above bone and metal.
SOFT_TISSUE_HU = (-50, 250)
# ASSUME one organ is of one density: means over BLOCK_MM, in which noise is averaged away, stay
# this near to their median, but for lesions and vessels. Spleen, kidney, muscle, bowel do not.
BLOCK_MM = 6.0
ALIKE_HU = 30.0
LOWEST_HU = -(1 << 15)  # of int16


@dataclass(frozen=True)
class Evidence:
    """What is known of a predicted mask `(x, y, z)` on canonical axes; None where unknown.

    side: centre of the mask against the body's centre, −1 (the patient's left) to 1 (right, where
    x of RAS runs to).
    slice_jump: largest change of area between neighbouring planes within the scan, along any axis,
    as part of the largest area, for each `JUMP_MM` of their distance.
    mixed_part: part of the mask whose density is not that of the most. rim_part: part of what lies
    just around it whose density is that of the mask.
    """

    volume_ml: float
    median_hu: float
    foreign_part: float
    mixed_part: float
    rim_part: float | None
    border_part: float
    side: float
    slice_jump: float
    largest_part: float
    filled_part: float
    agreement: float | None
    expected_dice: float


JUMP_MM = 5.0


def gather(
    hu: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    clean: CleanUp,
    agreement: Agreement,
    expected_dice: float,
) -> Evidence | None:
    """Measure a cleaned mask `(i, j, k)` on its CT (int16 HU); None where the mask is empty."""
    route = plan_route(mask.shape, affine, KEEP)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    inside = route.to_canonical(mask)
    columns = _columns(inside)  # (z, x)
    area = columns.sum(axis=1)
    voxels = int(area.sum())
    if not voxels:
        return None
    volume_ml = voxels * voxel_ml(affine)
    counts = _histogram(hu, mask)
    soft = counts[SOFT_TISSUE_HU[0] - LOWEST_HU : SOFT_TISSUE_HU[1] - LOWEST_HU + 1]
    return Evidence(
        volume_ml=volume_ml,
        median_hu=float(np.searchsorted(np.cumsum(counts), voxels / 2) + LOWEST_HU),
        foreign_part=1 - float(soft.sum()) / voxels,
        mixed_part=_mixed_part(hu, mask, spacing_mm),
        rim_part=rim_part(hu, mask, spacing_mm),
        border_part=_on_border(inside) / float(area.max()),
        side=_side(route.to_canonical(hu), columns.sum(axis=0)),
        slice_jump=_slice_jump(
            (columns.sum(axis=0), _along_y(inside), area),
            np.linalg.norm(route.affine[:3, :3], axis=0),
        ),
        largest_part=clean.largest_part,
        filled_part=clean.filled_ml / volume_ml,
        agreement=min(agreement.dice) if agreement.dice else None,
        expected_dice=expected_dice,
    )


def _histogram(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Voxels of the mask at each HU, from LOWEST_HU on; slice by slice, to take no memory."""
    counts = np.zeros(1 << 16, dtype=np.int64)
    for k in range(hu.shape[2]):
        values = hu[:, :, k][mask[:, :, k] > 0]
        if values.size:
            counts += np.bincount(values.astype(np.int32) - LOWEST_HU, minlength=counts.size)
    return counts


def _on_border(inside: np.ndarray) -> int:
    """Voxels of the mask in the outermost planes of the scan, of the worst of its six sides."""
    sides = [np.moveaxis(inside, axis, 0)[side] for axis in range(3) for side in (0, -1)]
    return max(int(np.count_nonzero(side)) for side in sides)


def _slice_jump(areas: Sequence[np.ndarray], spacing_mm: np.ndarray) -> float:
    return max(
        float(np.abs(np.diff(area)).max(initial=0) / area.max() / max(1.0, step / JUMP_MM))
        for area, step in zip(areas, spacing_mm, strict=True)
    )


def _mixed_part(hu: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray) -> float:
    """Part of the mask (i, j, k) in blocks whose mean is far from the median of the blocks.

    A block's mean is that of its voxels within the mask, of which half of it must be.
    """
    box = bounding_box(mask)
    hu, mask = hu[box], mask[box]
    sides = [max(1, round(BLOCK_MM / step)) for step in spacing_mm]
    starts = [range(0, n, side) for n, side in zip(mask.shape, sides, strict=True)]
    sums: list[np.ndarray] = []
    counts: list[np.ndarray] = []
    for k in starts[2]:  # block by block, to take no memory
        inside = mask[:, :, k : k + sides[2]] > 0
        values = np.where(inside, hu[:, :, k : k + sides[2]], 0)
        for part, found in ((values, sums), (inside, counts)):
            plane = part.sum(axis=2, dtype=np.int64)
            rows = np.add.reduceat(plane, starts[0], axis=0)
            found.append(np.add.reduceat(rows, starts[1], axis=1))
    held = np.array(counts)
    full = held >= 0.5 * np.prod(sides)
    if not full.any():
        return 0.0
    means = np.array(sums)[full] / held[full]
    apart = np.abs(means - np.median(means)) > ALIKE_HU
    return float(held[full][apart].sum() / held[full].sum())


def _columns(inside: np.ndarray) -> np.ndarray:
    """Voxels of the mask `(x, y, z)` in each column: counts (z, x), slice by slice."""
    return np.array([(inside[:, :, z] > 0).sum(axis=1) for z in range(inside.shape[2])])


def _along_y(inside: np.ndarray) -> np.ndarray:
    """Voxels of the mask `(x, y, z)` in each plane along y, slice by slice."""
    return np.sum([(inside[:, :, z] > 0).sum(axis=0) for z in range(inside.shape[2])], axis=0)


def _side(hu: np.ndarray, liver: np.ndarray) -> float:
    """Centre of the mask along x against the body's, in the body's half widths.

    `hu` is the CT on canonical axes, of which a part is looked at; `liver` counts the mask along x.
    """
    body = _columns(hu[::2, ::2, :: max(1, hu.shape[2] // 32)] > BODY_HU).sum(axis=0)
    # Columns of air, couch and cable hold little; those of the body hold much.
    there = np.flatnonzero(body > 0.1 * body.max()) * 2
    if not there.size:
        return 0.0
    centre, half = (there[0] + there[-1]) / 2, max(1.0, (there[-1] - there[0]) / 2)
    return float((np.average(np.arange(len(liver)), weights=liver) - centre) / half)


def judge(
    evidence: Evidence | None, limits: dict[str, Any], inner: Sequence[InnerEvidence] = ()
) -> tuple[str, list[Check]]:
    """The worst light of all checks, and the checks; `limits` is the config's `confidence`."""
    if evidence is None:
        checks = [Check("empty", 0.0, "red", "nothing was found: the mask is empty")]
    else:
        checks = list(_checks(evidence, limits))
    for region in inner:
        checks += inner_checks(region, limits["inner"])
    return max((check.light for check in checks), key=LIGHTS.index), checks


def _checks(evidence: Evidence, limits: dict[str, Any]) -> Iterator[Check]:
    """Each check says what was measured: the light says whether that is a reason for doubt."""
    yield between("volume_ml", evidence.volume_ml, limits["volume_ml"], "the volume is {:.0f} ml")
    yield between(
        "median_hu", evidence.median_hu, limits["median_hu"], "the median within is {:.0f} HU"
    )
    yield below(
        "foreign_part",
        evidence.foreign_part,
        limits["foreign_part"],
        "{:.0%} of the mask is no soft tissue",
    )
    yield below(
        "mixed_part",
        evidence.mixed_part,
        limits["mixed_part"],
        "{:.0%} of the mask are of another density",
    )
    if evidence.rim_part is not None:
        yield below(
            "rim_part",
            evidence.rim_part,
            limits["rim_part"],
            "{:.0%} of what lies around the mask are as dense as it; much, and it is too small",
        )
    yield below(
        "border_part",
        evidence.border_part,
        limits["border_part"],
        "{:.0%} of its largest section lie on an edge of the scan, which may cut it off",
    )
    yield above(
        "side",
        evidence.side,
        limits["side"],
        "its centre lies at {:+.2f} between the patient's left (−1) and right (+1)",
    )
    yield below(
        "slice_jump",
        evidence.slice_jump,
        limits["slice_jump"],
        "the area jumps by {:.0%} from a plane to the next",
    )
    yield above(
        "largest_part",
        evidence.largest_part,
        limits["largest_part"],
        "its largest piece held {:.0%} of it before the clean-up",
    )
    yield below(
        "filled_part", evidence.filled_part, limits["filled_part"], "{:.0%} of the mask were holes"
    )
    if evidence.agreement is not None:
        yield above(
            "agreement",
            evidence.agreement,
            limits["agreement"],
            "flips or models agree with their mean to a Dice of {:.3f} at the least",
        )
    yield above(
        "expected_dice",
        evidence.expected_dice,
        limits["expected_dice"],
        "the network's probabilities promise a Dice of {:.3f}",
    )
