"""From one CT in HU to classes and probabilities on the scanner's own grid, slab by slab."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import ndimage

from workflow.liverseg.grids import Route, Sampling, plan_route, reach, support
from workflow.liverseg.volumes import prepare_slices, restore_slices
from workflow.liverseg.voxels import voxel_ml
from workflow.liverseg.windows import Blend, Predictor, Tally, plan_windows, tissue_value

SLAB = 16  # slices of the scanner's grid made at once: bounds memory, changes no value
BODY_HU = -300  # ASSUME between air and lung below and fat above
BODY_MARGIN_MM = 12.0
NEGLIGIBLE = 1 / 520  # a mean of such probabilities is stored as 0 of 255


@dataclass(frozen=True)
class Network:
    """What prediction must know of one or several networks that read the same kind of volume.

    members: the predictors, compared with one another for confidence. preprocessing: the
    `volumes` settings they were trained with. patch: the (x, y, z) voxels they were trained on.
    n_classes: foreground classes. may_grow: whether they take larger windows too. may_shrink:
    whether smaller windows give the same answer (they do not where a layer takes statistics over
    its window). inner: the classes of each region within another, of which it is said apart how
    sure the network is.
    """

    members: Sequence[Predictor]
    preprocessing: dict[str, Any]
    patch: tuple[int, int, int]
    n_classes: int
    may_grow: bool = True
    may_shrink: bool = False
    inner: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Agreement:
    """How far the members of an ensemble agree, on the prepared grid.

    dice: of each member's foreground with that of their mean. volume_ml: each member's.
    """

    dice: tuple[float, ...]
    volume_ml: tuple[float, ...]


@dataclass(frozen=True)
class Doubt:
    """How sure the network is of one region: agreement of members, and expected Dice."""

    agreement: Agreement
    expected_dice: float


@dataclass
class Prediction:
    """Classes and probabilities on the scanner's grid.

    mask: uint8 classes (i, j, k). probability: uint8 (i, j, k, c) of the foreground classes,
    255 = certain. expected_dice: the Dice that the probabilities themselves promise,
    2 Σ_mask p / (Σ p + |mask|); 1 where both are empty. Both are of all foreground; `inner` says
    the same of each region within another.
    """

    mask: np.ndarray
    probability: np.ndarray
    agreement: Agreement
    expected_dice: float
    inner: dict[str, Doubt]
    tally: Tally
    window: tuple[int, int, int]


def predict(
    hu: np.ndarray,
    affine: np.ndarray,
    network: Network,
    *,
    overlap: float = 0.5,
    batch: int = 1,
    enlarge: float = 1.0,
    crop_to_body: bool = True,
    slab: int = SLAB,
) -> Prediction:
    """Predict a whole CT, also what training cropped away.

    Parameters
    ----------
    hu
        CT `(i, j, k)` in HU, of any orientation.
    affine
        Its index-to-RAS-mm matrix (4, 4).
    network
        The predictors and what they expect.
    overlap, batch
        Least part that neighbouring windows share; windows handed to a predictor at once.
    enlarge
        How much larger than the patches trained on a window may be; see `window_size`.
    crop_to_body
        Leave out what lies beside the patient.
    slab
        Slices of the scanner's grid made at once.
    """
    route = plan_route(hu.shape, affine, network.preprocessing, crop=False)
    canonical = route.to_canonical(hu)
    if crop_to_body:
        least = (1, 1) if network.may_shrink else network.patch[:2]
        route = crop_route(route, body_box(canonical, route), least)
    size = window_size(network, route.shape, enlarge)
    blend = _blend(canonical, route, network, size, overlap=overlap, batch=batch)
    mask = np.zeros(route.source_shape, dtype=np.uint8, order="F")
    probability = np.zeros((*route.source_shape, network.n_classes), dtype=np.uint8, order="F")
    regions = {"": None, **network.inner}  # all foreground, and what lies within it
    watches = {name: _Watch(len(network.members), classes) for name, classes in regions.items()}
    for place, foreground in _restored(blend, route, tuple(watches.values()), slab):
        classes, quantised = decide(foreground)
        for watch in watches.values():
            watch.promise(foreground, classes)
        route.to_canonical(mask)[place] = classes
        for channel, values in enumerate(quantised):
            route.to_canonical(probability[..., channel])[place] = values
    doubts = {name: watch.doubt(route.affine) for name, watch in watches.items()}
    whole = doubts.pop("")
    return Prediction(
        mask=mask,
        probability=probability,
        agreement=whole.agreement,
        expected_dice=whole.expected_dice,
        inner=doubts,
        tally=blend.tally,
        window=blend.plan.size,
    )


def decide(foreground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes and stored probabilities of foreground probabilities `(c, x, y, z)`.

    A voxel is foreground where the classes together pass one half, and then of the likeliest
    class. Stored as uint8 so that with one class the mask is exactly where 128 is reached: a
    surface at one half then runs along the mask.
    """
    together = foreground[0] if len(foreground) == 1 else foreground.sum(axis=0)
    inside = together > 0.5
    quantised = (np.clip(foreground, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    if len(foreground) > 1:
        return np.where(inside, foreground.argmax(axis=0) + 1, 0).astype(np.uint8), quantised
    quantised[0][inside] = np.maximum(quantised[0][inside], 128)
    np.minimum(quantised[0], 127, out=quantised[0], where=~inside)
    return inside.astype(np.uint8), quantised


def body_box(hu: np.ndarray, route: Route) -> tuple[tuple[int, int], tuple[int, int]]:
    """Half-open ranges of prepared x and y that hold the patient, with a margin.

    `hu` is the CT on canonical axes; about every fourth millimetre of it is looked at. The couch
    is thin and falls to an opening; arms stay. Without a body the whole plane is returned.
    """
    spacing = np.linalg.norm(route.canonical_affine[:3, :3], axis=0)
    steps = [max(1, int(coarse / s)) for coarse, s in zip((4, 4, 8), spacing, strict=True)]
    body = hu[:: steps[0], :: steps[1], :: steps[2]] > BODY_HU
    body = ndimage.binary_opening(body, structure=np.ones((3, 3, 1), dtype=bool))
    boxes = []
    for axis in (0, 1):
        n_out = route.shape[axis]
        there = np.flatnonzero(body.any(axis=(1 - axis, 2)))
        if not there.size:
            return (0, route.shape[0]), (0, route.shape[1])
        back = route.samplings[axis].inverse()
        margin = BODY_MARGIN_MM / spacing[axis] + steps[axis]
        ends = (there[0] * steps[axis] - margin, there[-1] * steps[axis] + margin)
        first, last = (back.start + back.step * end for end in ends)
        first = min(max(0, int(np.floor(first))), n_out - 1)
        boxes.append((first, max(first + 1, min(n_out, int(np.ceil(last)) + 1))))
    return boxes[0], boxes[1]


def crop_route(
    route: Route, box: tuple[tuple[int, int], tuple[int, int]], least: tuple[int, int]
) -> Route:
    """The route to a part of the prepared plane: `box`, widened to `least` where there is room.

    Sides become multiples of 16 where there is room, which no network has to pad.
    """
    samplings = list(route.samplings)
    for axis, (first, last) in enumerate(box):
        n = route.shape[axis]
        side = min(n, max(-(-(last - first) // 16) * 16, least[axis]))
        first = min(max(0, (first + last - side) // 2), n - side)
        samplings[axis] = samplings[axis].then(Sampling(n, side, float(first), 1.0))
    return replace(route, samplings=(samplings[0], samplings[1], samplings[2]))


def window_size(
    network: Network, shape: tuple[int, int, int], enlarge: float
) -> tuple[int, int, int]:
    """Voxels (x, y, z) of a window over a prepared volume of `shape`.

    The patch trained on, or up to `enlarge` times as much where the volume reaches: a network that
    sees more around a place takes less for what it is not. Sides grow to multiples of 16.
    """
    sides = []
    for side, n in zip(network.patch, shape, strict=True):
        most = min(int(side * enlarge) // 16 * 16, -(-n // 16) * 16) if network.may_grow else 0
        sides.append(max(side, most))
    x, y, z = sides
    if network.may_shrink:
        x, y = min(x, shape[0]), min(y, shape[1])
    return x, y, z


def _blend(
    canonical: np.ndarray,
    route: Route,
    network: Network,
    size: tuple[int, int, int],
    *,
    overlap: float,
    batch: int,
) -> Blend:
    window = network.preprocessing["window_hu"]

    def prepared(first: int, last: int) -> np.ndarray:
        return prepare_slices(canonical, route, window, first=first, last=last)

    plan = plan_windows(route.shape, size, overlap)
    return Blend(
        prepared,
        route.shape,
        plan,
        network.members,
        n_classes=network.n_classes,
        tissue=tissue_value(window),
        batch=batch,
    )


def _restored(
    blend: Blend, route: Route, watches: "Sequence[_Watch]", slab: int
) -> Iterator[tuple[tuple[slice, slice, slice], np.ndarray]]:
    """Where on the scanner's canonical grid there is any probability, slab by slab.

    Gives the place and its foreground (c, x, y, z). Elsewhere probabilities would be stored as 0.
    """
    x, y, z = (sampling.inverse() for sampling in route.samplings)
    for first in range(0, z.n_out, slab):
        last = min(first + slab, z.n_out)
        low, high = support(z, first, last)
        members = blend.slices(low, high)
        mean = members[0] if len(members) == 1 else members.mean(axis=0)
        for watch in watches:
            watch.compare(members, mean, low)
        there = (mean > NEGLIGIBLE).any(axis=(0, 3))
        columns, rows = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        if not columns.size:
            continue
        part = (
            reach(x, int(columns[0]), int(columns[-1]) + 1),
            reach(y, int(rows[0]), int(rows[-1]) + 1),
        )
        foreground = restore_slices(mean, route, first=first, last=last, offset=low, part=part)
        yield (*part, slice(first, last)), foreground


class _Watch:
    """Gathers what is said of one region, of all foreground if no classes are given.

    Counts the voxels of each member and of the mean on the prepared grid, each slice once, and on
    the scanner's grid what `expected_dice` needs.
    """

    def __init__(self, n_members: int, classes: Sequence[int] | None = None) -> None:
        self.classes = classes
        self.next_slice, self.mean = 0, 0
        self.alone = np.zeros(n_members, dtype=np.int64)
        self.shared = np.zeros(n_members, dtype=np.int64)
        self.inside, self.everywhere, self.voxels = 0.0, 0.0, 0

    def compare(self, members: np.ndarray, mean: np.ndarray, low: int) -> None:
        """Count prepared slices from `low` on: members `(m, c, x, y, z)`, their mean."""
        new = slice(max(0, self.next_slice - low), None)
        self.next_slice = max(self.next_slice, low + mean.shape[-1])
        if len(members) == 1:
            return
        together = self._region(mean[..., new])
        self.mean += int(np.count_nonzero(together))
        for index, member in enumerate(members):
            alone = self._region(member[..., new])
            self.alone[index] += np.count_nonzero(alone)
            self.shared[index] += np.count_nonzero(alone & together)

    def promise(self, foreground: np.ndarray, classes: np.ndarray) -> None:
        """Sum up probabilities `(c, x, y, z)` and the classes that they were made into."""
        if self.classes is None:
            chance = foreground[0] if len(foreground) == 1 else foreground.sum(axis=0)
            inside = classes > 0
        else:
            chance = foreground[np.array(self.classes) - 1].sum(axis=0)
            inside = np.isin(classes, self.classes)
        self.everywhere += float(chance.sum(dtype=np.float64))
        self.inside += float(chance.sum(dtype=np.float64, where=inside))
        self.voxels += int(np.count_nonzero(inside))

    def doubt(self, affine: np.ndarray) -> Doubt:
        """What came of it; `affine` is that of the prepared grid."""
        total = self.everywhere + self.voxels
        return Doubt(self._agreement(affine), 2 * self.inside / total if total else 1.0)

    def _agreement(self, affine: np.ndarray) -> Agreement:
        if len(self.alone) == 1:
            return Agreement((), ())
        dice = [
            2 * int(shared) / int(alone + self.mean) if alone + self.mean else 1.0
            for shared, alone in zip(self.shared, self.alone, strict=True)
        ]
        return Agreement(tuple(dice), tuple(float(n) * voxel_ml(affine) for n in self.alone))

    def _region(self, foreground: np.ndarray) -> np.ndarray:
        inside = foreground.sum(axis=0) > 0.5
        if self.classes is None:
            return inside
        return inside & np.isin(foreground.argmax(axis=0) + 1, self.classes)
