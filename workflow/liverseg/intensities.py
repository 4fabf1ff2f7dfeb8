"""What the voxels of a CT say about themselves: histogram, landmarks, and a digest.

One walk over the slices, each looked at while it lies in the processor's cache.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workflow.liverseg.findings import Finding, reject, warn
from workflow.liverseg.nifti_stream import Volume

LOWEST, HIGHEST = -32768, 32767
# ASSUME what a CT scanner can store: 12 bits from -1024, with room for metal and extended scales.
PLAUSIBLE_HU = (-1100, 3100)
AIR_HU = (-1100, -700)
# ASSUME scanners put air within 40 of -1000; their own checks allow far less.
TRUE_AIR_HU = (-1040, -960)
FAT_HU = (-150, -50)
TISSUE_HU = (-150, 300)
SOFT_PEAK_HU = (-150, 200)
SEARCHED_FOR_AIR_HU = (-1500, -500)
OFFSET_TISSUE_HU = (900, 1250)  # soft tissue where the scanner's offset of 1024 was left in
PICTURE_BINS = np.arange(-1100, 1601, 50)


@dataclass(frozen=True)
class Intensities:
    """Counts of each HU from -32768 to 32767, the true ends, and the digest of the voxels.

    `profiles` are, for each axis, the sums of its slices.
    """

    counts: np.ndarray
    lowest: float
    highest: float
    digest: str
    profiles: tuple[np.ndarray, ...]

    def share(self, low: float, high: float) -> float:
        """Fraction of all voxels from `low` to `high` HU, both included."""
        first = max(LOWEST, int(np.ceil(low))) - LOWEST
        last = min(HIGHEST, int(np.floor(high))) - LOWEST
        return float(self.counts[first : last + 1].sum() / self.counts.sum())

    def percentile(self, percent: float) -> int:
        """HU below which `percent` of the voxels lie."""
        cumulative = np.cumsum(self.counts)
        return int(np.searchsorted(cumulative, cumulative[-1] * percent / 100)) + LOWEST


def measure(volume: Volume) -> Intensities:
    """Walk once over a finite volume `(i, j, k)`; HU are rounded to whole numbers."""
    voxels, header = volume.voxels, volume.header
    extent = voxels.shape
    counts = np.zeros(HIGHEST - LOWEST + 1, dtype=np.int64)
    profiles = [np.zeros(n, dtype=np.int64) for n in extent]
    lowest, highest = np.inf, -np.inf
    for k in range(extent[2]):
        hu, low, high = _whole_hu(voxels[:, :, k], header.slope, header.inter)
        lowest, highest = min(lowest, low), max(highest, high)
        counts += np.bincount(
            hu.reshape(-1, order="F").view(np.uint16) ^ np.uint16(0x8000), minlength=len(counts)
        )
        columns = hu.sum(axis=0, dtype=np.int64)
        profiles[0] += hu.sum(axis=1, dtype=np.int64)
        profiles[1] += columns
        profiles[2][k] = columns.sum()
    digest = _digest(extent, counts, profiles)
    return Intensities(counts, lowest, highest, digest, tuple(profiles))


def _whole_hu(stored: np.ndarray, slope: float, inter: float) -> tuple[np.ndarray, float, float]:
    """Return one slice in whole HU, int16 native, with its lowest and highest true value."""
    low = float(stored.min()) * slope + inter
    high = float(stored.max()) * slope + inter
    if slope < 0:
        low, high = high, low
    if (
        slope == 1.0
        and inter == 0.0
        and stored.dtype.kind in "iu"
        and low >= LOWEST
        and high <= HIGHEST
    ):
        return stored.astype(np.int16, copy=False), low, high
    hu = stored.astype(np.float64) * slope + inter
    return np.clip(np.rint(hu), LOWEST, HIGHEST).astype(np.int16), low, high


def _digest(extent: tuple[int, ...], counts: np.ndarray, profiles: list[np.ndarray]) -> str:
    """Digest that no name, affine, flip or order of axes changes.

    The counts of each HU and, for each axis, the sums of its slices, read from the end that
    makes the smaller sequence; axes sorted. Two scans that agree in all of it are one scan.
    """
    content = hashlib.sha256()
    used = np.flatnonzero(counts)
    content.update(np.ascontiguousarray(used, dtype="<i8").tobytes())
    content.update(np.ascontiguousarray(counts[used], dtype="<i8").tobytes())
    axes = []
    for profile in profiles:
        both = [np.ascontiguousarray(p, dtype=">i8").tobytes() for p in (profile, profile[::-1])]
        axes.append(min(both))
    for axis in sorted(axes, key=lambda axis: (len(axis), axis)):
        content.update(len(axis).to_bytes(8, "little") + axis)
    return content.hexdigest()[:32]


def digest_of(
    box: np.ndarray, start: Sequence[int], counts: Mapping[int, int], ct: Intensities
) -> str:
    """Return the same kind of digest for a label on its CT, of which `box`, from `start`, is not 0.

    `counts` are the voxels of each value in the whole label. Each slice counts together with the
    CT's: both may be flipped, but not one of them alone.
    """
    table = np.zeros(HIGHEST - LOWEST + 1, dtype=np.int64)
    for value, number in counts.items():
        table[min(max(value, LOWEST), HIGHEST) - LOWEST] += number
    pairs = [np.stack([profile, np.zeros_like(profile)], axis=1) for profile in ct.profiles]
    for axis, other in enumerate(((1, 2), (0, 2), (0, 1))):
        inside = slice(start[axis], start[axis] + box.shape[axis])
        pairs[axis][inside, 1] = box.sum(axis=other, dtype=np.int64)
    return _digest(tuple(map(len, pairs)), table, pairs)


def tissue_peak(measured: Intensities) -> int | None:
    """HU of the highest peak of a smoothed histogram above -500, without the two end values."""
    counts = measured.counts.astype(np.float64).copy()
    for end in (measured.lowest, measured.highest):
        counts[int(np.clip(round(end), LOWEST, HIGHEST)) - LOWEST] = 0
    counts[: -500 - LOWEST] = 0
    if not counts.any():
        return None
    smooth = np.convolve(counts, np.ones(21) / 21, mode="same")
    return int(smooth.argmax()) + LOWEST


def air_peak(measured: Intensities) -> int | None:
    """HU of the narrow peak that the air around a body makes; None where there is none to see.

    Piles on one value are no air but padding or an end where values were clipped; a broad peak
    is lung.
    """
    counts = measured.counts.astype(np.float64).copy()
    lowest = int(np.clip(round(measured.lowest), LOWEST, HIGHEST))
    pile, counts[lowest - LOWEST] = counts[lowest - LOWEST], 0
    commonest = int(counts.argmax())
    beside = np.delete(counts[max(0, commonest - 5) : commonest + 6], min(commonest, 5))
    if counts[commonest] > 5 * beside.mean():
        counts[commonest] = 0
    counts = counts[SEARCHED_FOR_AIR_HU[0] - LOWEST : SEARCHED_FOR_AIR_HU[1] - LOWEST]
    peak = int(np.convolve(counts, np.ones(21) / 21, mode="same").argmax())
    near = counts[max(0, peak - 30) : peak + 31].sum()
    around = counts[max(0, peak - 150) : peak + 151].sum()
    found = peak + SEARCHED_FOR_AIR_HU[0]
    # ASSUME air keeps more than 65 % of its surroundings within 30 HU (whole CTs: 71 to 85 %), and
    # lung less (35 to 50 %); below 2 % of all voxels it is gas in the bowel.
    narrow = near > 0.65 * around and near > 0.02 * measured.counts.sum()
    # What is left beside a larger pile, or begins at it, may be the flank of clipped air.
    flank = found - lowest <= 15 or (lowest >= PLAUSIBLE_HU[0] and pile > near)
    return found if narrow and not flank else None


def describe(measured: Intensities) -> dict:
    """Return what the record says of the intensities; HU throughout."""
    edges = PICTURE_BINS
    inner = [measured.share(a, b - 1) for a, b in pairwise(edges.tolist())]
    return {
        "lowest_hu": measured.lowest,
        "highest_hu": measured.highest,
        "percentiles_hu": {str(p): measured.percentile(p) for p in (1, 5, 25, 50, 75, 95, 99)},
        "air_share": round(measured.share(*AIR_HU), 6),
        "fat_share": round(measured.share(*FAT_HU), 6),
        "tissue_share": round(measured.share(*TISSUE_HU), 6),
        "tissue_peak_hu": tissue_peak(measured),
        "outside_share": round(1 - measured.share(*PLAUSIBLE_HU), 6),
        "histogram": {
            "first_hu": int(edges[0]),
            "step_hu": int(edges[1] - edges[0]),
            "shares": [round(share, 6) for share in inner],
        },
    }


def judge(measured: Intensities) -> list[Finding]:
    """Say whether these can be the HU of a CT; another modality or scale is rejected."""
    findings = []
    if measured.lowest == measured.highest:
        findings.append(_not_ct(f"one value, {measured.lowest:g}, in every voxel"))
        return findings
    span = f"{measured.lowest:g} … {measured.highest:g}"
    peak = tissue_peak(measured)
    air, fat = natural_share(measured, AIR_HU), natural_share(measured, FAT_HU)
    clipped = is_clipped(measured)
    room_air = air_peak(measured)
    if not (air >= 0.002 or fat >= 0.005 or clipped):
        offset = measured.lowest > -100 and measured.share(*OFFSET_TISSUE_HU) >= 0.1
        kind = "with a peak near 1050, as of an offset" if offset else "without air or fat"
        findings.append((_off_scale if offset else _not_ct)(f"values {span} {kind}"))
    elif peak is None or not SOFT_PEAK_HU[0] <= peak <= SOFT_PEAK_HU[1]:
        findings.append(_off_scale(f"values {span} with their main peak at {peak}"))
    elif room_air is not None and not TRUE_AIR_HU[0] <= room_air <= TRUE_AIR_HU[1]:
        findings.append(_air_off(room_air))
    elif clipped and (air < 0.002 or measured.lowest > TRUE_AIR_HU[1]):
        findings.append(_clipped(span))
    outside = 1 - measured.share(*PLAUSIBLE_HU)
    padding = padding_share(measured)
    if outside - padding > 0 and not findings_reject(findings):
        findings.append(_outside(measured, outside - padding))
    return findings


def findings_reject(findings: list[Finding]) -> bool:
    """Say whether one of the findings rejects."""
    return any(finding.verdict == "reject" for finding in findings)


def natural_share(measured: Intensities, span_hu: tuple[int, int]) -> float:
    """Fraction of voxels within `span_hu` but for the commonest value.

    A scan masked or padded with one number has a pile there, which proves nothing.
    """
    low, high = span_hu
    counts = measured.counts[low - LOWEST : high - LOWEST + 1]
    return float((counts.sum() - counts.max()) / measured.counts.sum())


def is_clipped(measured: Intensities) -> bool:
    """Say whether this is a CT clipped to a window: a pile at a negative end, tissue within."""
    total = measured.counts.sum()
    # ASSUME no window for soft tissue ends above -75; the background of an MR does, near 0.
    if not -1100 <= measured.lowest <= -75:
        return False
    pile = measured.counts[round(measured.lowest) - LOWEST] / total
    return bool(pile >= 0.01 and measured.share(measured.lowest + 1, 300) >= 0.1)


def padding_share(measured: Intensities) -> float:
    """Fraction of voxels at the lowest value where that is a pad below what a scanner gives."""
    if measured.lowest >= PLAUSIBLE_HU[0]:
        return 0.0
    share = float(
        measured.counts[max(round(measured.lowest), LOWEST) - LOWEST] / measured.counts.sum()
    )
    return share if share >= 0.001 else 0.0


def _not_ct(found: str) -> Finding:
    return reject(
        "not_ct",
        "ct",
        found=found,
        expected="a CT in HU: air near -1000, fat near -100, soft tissue near 50",
        remedy="take this patient out, or give the CT; an MR or a rescaled image is of no use",
    )


def _off_scale(found: str) -> Finding:
    return reject(
        "hu_scale",
        "ct",
        found=found,
        expected=f"the peak of soft tissue between {SOFT_PEAK_HU[0]} and {SOFT_PEAK_HU[1]} HU",
        remedy="apply the rescale slope and intercept of the DICOM (often an offset of -1024)",
    )


def _air_off(found_hu: int) -> Finding:
    return warn(
        "hu_air",
        "ct",
        found=f"air at {found_hu} HU",
        expected=f"air between {TRUE_AIR_HU[0]} and {TRUE_AIR_HU[1]} HU",
        remedy="check the rescale slope and intercept: all HU may be off by a factor or an offset",
    )


def _clipped(span: str) -> Finding:
    return warn(
        "hu_clipped",
        "ct",
        found=f"a CT clipped to {span} HU",
        expected="the full range of HU",
        remedy="give the unclipped CT if there is one; this one was taken as it is",
    )


def _outside(measured: Intensities, share: float) -> Finding:
    return warn(
        "hu_outside",
        "ct",
        found=f"{share:.2g} of the voxels outside {PLAUSIBLE_HU[0]} … {PLAUSIBLE_HU[1]} HU "
        f"({measured.lowest:g} … {measured.highest:g})",
        expected="what a CT scanner stores",
        remedy="nothing: values are clipped to the window of the config",
    )
