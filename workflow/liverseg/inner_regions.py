"""How far regions within an organ, such as its tumours, can be trusted; the organ hides them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workflow.liverseg.confidence_checks import Check, above, below
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.pieces import OF_TUMOURS, Inside, find_pieces
from workflow.liverseg.prediction import Doubt

SPECK_ML = 0.03  # ASSUME what is smaller than a ball of 4 mm is no finding by itself


@dataclass(frozen=True)
class InnerEvidence:
    """What is known of a region within an organ; None where unknown.

    share: of the organ's voxels. pieces: those that hang together by faces. speck_part: part of
    the region in pieces of one voxel or of less than SPECK_ML. agreement: lowest Dice of a member
    with the mean.
    """

    name: str
    share: float
    pieces: int
    speck_part: float
    agreement: float | None
    expected_dice: float


def gather_inner(
    mask: np.ndarray, voxel_ml: float, labels: LabelMap, doubts: Mapping[str, Doubt]
) -> list[InnerEvidence]:
    """Measure each inner region of a mask `(i, j, k)` of classes; absent ones are left out."""
    found = []
    for name, organ in labels.inner.items():
        pieces = find_pieces(_inside(mask, labels.region(name)), mask.shape[2], touching=OF_TUMOURS)
        sizes, doubt = pieces.sizes[1:], doubts[name]
        if not sizes.size:
            continue
        specks = (sizes == 1) | (sizes * voxel_ml < SPECK_ML)
        within = _inside(mask, organ)
        whole = sum(int(np.count_nonzero(within(slab))) for slab in pieces.slabs)
        found.append(
            InnerEvidence(
                name=name,
                share=float(sizes.sum()) / whole,
                pieces=len(sizes),
                speck_part=float(sizes[specks].sum() / sizes.sum()),
                agreement=min(doubt.agreement.dice) if doubt.agreement.dice else None,
                expected_dice=doubt.expected_dice,
            )
        )
    return found


def _inside(mask: np.ndarray, classes: Sequence[int]) -> Inside:
    lookup = np.zeros(256, dtype=bool)
    lookup[list(classes)] = True
    return lambda slab: lookup[mask[:, :, slab]]


def inner_checks(evidence: InnerEvidence, limits: dict[str, Any]) -> Iterator[Check]:
    """Check one region; `limits` is the config's `confidence.inner`."""
    name = evidence.name

    def check(judge: Any, what: str, text: str) -> Check:
        return judge(f"{name}.{what}", getattr(evidence, what), limits[what], f"{name}: {text}")

    yield check(below, "share", "{:.0%} of the organ")
    yield check(below, "pieces", "in {} pieces")
    yield check(below, "speck_part", "{:.0%} of it are specks")
    if evidence.agreement is not None:
        yield check(above, "agreement", "flips or models agree to a Dice of {:.3f} at the least")
    yield check(above, "expected_dice", "the network's probabilities promise a Dice of {:.3f}")
