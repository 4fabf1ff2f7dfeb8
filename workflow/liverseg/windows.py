"""Windows that slide over a prepared volume, and what they say blended slice by slice.

Only the slices that open windows still touch are in memory: what a volume costs does not grow
with its length.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

Predictor = Callable[[np.ndarray], np.ndarray]
"""Takes prepared windows (n, x, y, z) float32 in 0…1; gives the probabilities of the foreground
classes (n, c, x, y, z) float32."""

Slices = Callable[[int, int], np.ndarray]
"""Takes a half-open range of slices, gives them as (…, x, y, slices) float32."""

# ASSUME a window with less than this part of its voxels above this density holds no soft tissue.
# Air (-1000), lung (-900 to -500), clothes and mattress (below -150) stay below; half of fat
# (-100) and the fattest liver (-20) above, so that no window with a liver is skipped.
TISSUE_HU = -110.0
TISSUE_PART = 0.001


@dataclass(frozen=True)
class WindowPlan:
    """Windows of one size `(x, y, z)`; every combination of the starts is one window.

    A side longer than the volume's sticks out over its end, where air is.
    """

    size: tuple[int, int, int]
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def tissue_value(window_hu: Sequence[float]) -> float:
    """TISSUE_HU as a prepared value, 0…1 over `window_hu`; as near as it gets outside of it.

    Of a window that begins above, all that is not clipped to 0 counts as tissue; of one that ends
    below, all that reaches its end.
    """
    low, high = window_hu
    return float(np.clip((TISSUE_HU - low) / (high - low), 0.0, 0.99))


def plan_windows(
    shape: tuple[int, int, int], size: tuple[int, int, int], overlap: float
) -> WindowPlan:
    """Cover a volume evenly with windows of which neighbours share at least `overlap` (0…<1)."""
    x, y, z = (even_starts(length, side, overlap) for length, side in zip(shape, size, strict=True))
    return WindowPlan(size=size, starts=(x, y, z))


def even_starts(length: int, side: int, overlap: float) -> tuple[int, ...]:
    """First indices of windows of `side` over `length`: the first at 0, the last at the end."""
    if length <= side:
        return (0,)
    most = max(1, int(side * (1 - overlap)))
    steps = -(-(length - side) // most)
    return tuple(round(start) for start in np.linspace(0, length - side, steps + 1))


def gaussian(size: tuple[int, int, int]) -> np.ndarray:
    """Weights `(x, y, z)` float32 of a window: 1 at its centre, σ an eighth of each side.

    As nnU-Net blends (Isensee et al. 2021), with a floor so that no voxel is without weight.
    """
    sides = []
    for side in size:
        offset = np.arange(side) - (side - 1) / 2
        sides.append(np.exp(-0.5 * (offset / (side / 8)) ** 2))
    weight = sides[0][:, None, None] * sides[1][:, None] * sides[2]
    return np.maximum(weight, 1e-4).astype(np.float32)


@dataclass
class Tally:
    """How much work there was: windows run through the network, and windows skipped as air."""

    run: int = 0
    skipped: int = 0


class Blend:
    """Foreground probabilities of a prepared volume, made slice by slice while windows slide up.

    Parameters
    ----------
    prepared
        Gives prepared slices `(x, y, slices)` in 0…1; asked for in ascending order.
    shape
        Of the prepared volume.
    plan
        The windows.
    members
        The predictors of an ensemble; each is blended apart, so that they can be compared.
    n_classes
        Foreground classes.
    tissue
        Prepared value above which there is soft tissue (`tissue_value`).
    batch
        Windows handed to a predictor at once, of those at one height.
    """

    def __init__(
        self,
        prepared: Slices,
        shape: tuple[int, int, int],
        plan: WindowPlan,
        members: Sequence[Predictor],
        *,
        n_classes: int,
        tissue: float,
        batch: int = 1,
    ) -> None:
        self.prepared, self.shape, self.plan = prepared, shape, plan
        self.members, self.n_classes, self.batch = members, n_classes, batch
        self.tissue = tissue
        self.tally = Tally()
        x, y, z = (max(n, side) for n, side in zip(shape, plan.size, strict=True))
        self._padded = (x, y, z)
        self._total = np.zeros((len(members), n_classes, x, y, plan.size[2]), dtype=np.float32)
        self._weight = np.zeros((x, y, plan.size[2]), dtype=np.float32)
        self._bump = gaussian(plan.size)
        self._input: np.ndarray | None = None
        self._input_first = 0
        self._pending = deque(plan.starts[2])
        self._done: deque[np.ndarray] = (
            deque()
        )  # finished slices (member, c, y, x) from `_first` on
        self._first = 0

    def slices(self, first: int, last: int) -> np.ndarray:
        """Probabilities `(member, c, x, y, last - first)`; `first` never lower than before."""
        while self._first + len(self._done) < last:
            self._advance()
        while self._first < first:
            self._done.popleft()
            self._first += 1
        wanted = np.stack([self._done[z - self._first] for z in range(first, last)])
        return wanted.transpose(1, 2, 4, 3, 0)

    def _advance(self) -> None:
        """Run the windows at the next height and hand out the slices that no other touches."""
        height = self._pending.popleft()
        following = self._pending[0] if self._pending else self._padded[2]
        self._load(height)
        self._run_level()
        self._finish(following - height)

    def _load(self, height: int) -> None:
        """Bring the input up to `height`; slices that the last windows had are not made again."""
        end = min(height + self.plan.size[2], self.shape[2])
        kept = None if self._input is None else self._input[:, :, height - self._input_first :]
        known = height if kept is None else height + kept.shape[2]
        parts = [] if kept is None else [kept]
        if known < end:
            fresh = self.prepared(known, end)
            x, y = (big - n for big, n in zip(self._padded[:2], fresh.shape[:2], strict=True))
            parts.append(np.pad(fresh, ((0, x), (0, y), (0, 0))))
        missing = self.plan.size[2] - (end - height)
        if missing:
            parts.append(np.zeros((*self._padded[:2], missing), dtype=np.float32))
        self._input = np.concatenate(parts, axis=2)
        self._input_first = height

    def _run_level(self) -> None:
        """Run all windows of the present height through every member."""
        corners, windows = [], []
        for x, y in product(self.plan.starts[0], self.plan.starts[1]):
            place = np.s_[x : x + self.plan.size[0], y : y + self.plan.size[1]]
            window = self._input[place]  # type: ignore[index]
            self._weight[place] += self._bump
            if np.count_nonzero(window > self.tissue) < TISSUE_PART * window.size:
                self.tally.skipped += 1
                continue
            corners.append(place)
            windows.append(window)
        self.tally.run += len(windows)
        for start in range(0, len(windows), self.batch):
            batch = np.ascontiguousarray(np.stack(windows[start : start + self.batch]))
            for member, predictor in enumerate(self.members):
                answers = predictor(batch)
                answers *= self._bump
                for place, answer in zip(corners[start:], answers, strict=False):
                    self._total[member][(slice(None), *place)] += answer

    def _finish(self, n_slices: int) -> None:
        """Hand out the lowest slices and move the sums down."""
        x, y = self.shape[:2]
        means = self._total[:, :, :x, :y, :n_slices] / self._weight[:x, :y, :n_slices]
        self._done.extend(np.ascontiguousarray(means.transpose(4, 0, 1, 3, 2)))
        for sums in (self._total, self._weight):
            left = sums.shape[-1] - n_slices
            sums[..., :left] = sums[..., n_slices:].copy()
            sums[..., left:] = 0
