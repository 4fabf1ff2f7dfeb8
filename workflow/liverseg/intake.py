"""Read one CT and its label, with the repairs that are safe; the user's files are never written.

Both the inspection and the preparation of a volume read through here, so that what was inspected
is what is used.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.findings import Finding, Rejection, reject, repair
from workflow.liverseg.images import Image
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.nifti_header import Header, affine_distance_mm
from workflow.liverseg.nifti_stream import Volume, read_volume
from workflow.liverseg.orientations import orientation, turned_onto

# ASSUME writers round affines to float32 and spacings to a few digits: half a voxel at the far
# corner is more than rounding ever makes, and less than any true shift.
AFFINE_TOLERANCE_VOXELS = 0.5
OTHERS = "others"
Ignored = Sequence[int] | Literal["others"]


@dataclass(frozen=True)
class Case:
    """A CT in HU `(i, j, k)` float32 and its raw label values, on one grid.

    `label.data` holds the values as in the file, whole numbers; `LabelMap.classes` turns them
    into classes. `repairs` are the findings that were put right on the way in.
    """

    image: Image
    label: Image | None
    repairs: list[Finding]


@dataclass(frozen=True)
class Pair:
    """A CT and its label as stored, three-dimensional and on one grid, before any scaling."""

    image: Volume
    label: Volume | None
    repairs: tuple[Finding, ...]


def read_case(image: Path, label: Path | None, patient: str) -> Case:
    """Read a CT in HU and its label; LiversegError where it cannot be read or is off the grid.

    Which values a label may hold the inspection has judged: others than those of the config's
    regions are ignored.
    """
    try:
        pair = read_pair(image, label)
        hu = to_hu(pair.image)
        raw = None if pair.label is None else whole_numbers(pair.label)
    except Rejection as rejection:
        finding = rejection.finding
        raise as_error(patient, finding) from rejection
    grid = pair.image.header.affine
    return Case(
        Image(data=hu, affine=grid),
        None if raw is None else Image(data=raw, affine=grid),
        list(pair.repairs),
    )


def read_masks(
    mask: Path, label: Path, labels: LabelMap, patient: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a predicted mask and its reference on the mask's grid.

    Returns the classes of both `(i, j, k)`, uint8, and the affine. The reference is repaired as
    `read_case` repairs it; LiversegError where it cannot be read or is off the grid.
    """
    try:
        pair = read_pair(mask, label)
        if pair.label is None:
            raise ValueError("a label is needed")
        reference = whole_numbers(pair.label)
    except Rejection as rejection:
        raise as_error(patient, rejection.finding) from rejection
    return pair.image.voxels, labels.classes(reference), pair.image.header.affine


def as_error(patient: str, finding: Finding) -> LiversegError:
    """Turn a finding into an error that names patient, part, expected, found and remedy."""
    return fault(
        patient=patient,
        file=finding.part,
        expected=finding.expected,
        found=finding.found,
        remedy=finding.remedy,
    )


def read_pair(image: Path, label: Path | None) -> Pair:
    """Read a CT and its label to their last byte and bring them onto one grid, or reject."""
    ct, repairs = three_dimensional(read_volume(image, "ct"), "ct")
    if label is None:
        return Pair(ct, None, repairs)
    mask, more = three_dimensional(read_volume(label, "label"), "label")
    mask, adopted = same_grid(ct, mask)
    return Pair(ct, mask, (*repairs, *more, *adopted))


def three_dimensional(volume: Volume, part: str) -> tuple[Volume, tuple[Finding, ...]]:
    """Drop axes of length 1 behind the third; reject other than three dimensions."""
    shape = volume.voxels.shape
    size = " × ".join(map(str, shape))
    if len(shape) == 3 and min(shape) > 1:
        return volume, ()
    if len(shape) > 3 and min(shape[:3]) > 1 and all(extent == 1 for extent in shape[3:]):
        flat = replace(volume, voxels=volume.voxels.reshape(shape[:3], order="F"))
        finding = repair(
            "singleton_axis",
            part,
            found=f"{len(shape)} dimensions ({size})",
            expected="three dimensions",
            remedy="the axes of length 1 were dropped",
        )
        return flat, (finding,)
    raise Rejection(
        reject(
            "dimensions_not_three",
            part,
            found=f"{len(shape)} dimensions ({size})",
            expected="one volume with three dimensions, each longer than 1",
            remedy="export one volume: not a single slice, not a series in time",
        )
    )


def same_grid(ct: Volume, label: Volume) -> tuple[Volume, tuple[Finding, ...]]:
    """Bring a label onto its CT's grid: turned to its axes, or with its affine; else reject.

    A label may be stored along other axes than its CT: its own affine says which. One without
    an affine (the identity) takes the CT's as it is.
    """
    turned = _on_axes_of(ct, label)
    if _lies_on(ct, turned):
        findings = () if turned is label else (_turned(ct, label),)
        return replace(turned, header=replace(label.header, affine=ct.header.affine)), findings
    bare = label.header.affine_from == "none" or is_identity(label.header.affine)
    shape = (label if bare else turned).voxels.shape
    if ct.voxels.shape != shape:
        raise _shapes_differ(ct.voxels.shape, shape)
    if bare:
        finding = repair(
            "label_affine",
            "label",
            found="no affine (the identity)",
            expected="the CT's affine",
            remedy="the CT's affine was taken, as the shapes agree",
        )
        return replace(label, header=replace(label.header, affine=ct.header.affine)), (finding,)
    raise _affines_differ(affine_distance_mm(ct.header.affine, turned.header.affine, shape))


def _shapes_differ(wanted: tuple[int, ...], shape: tuple[int, ...]) -> Rejection:
    return Rejection(
        reject(
            "shapes_differ",
            "label",
            found=" × ".join(map(str, shape)),
            expected=f"the CT's {' × '.join(map(str, wanted))}",
            remedy="give the label that was drawn on this CT; it is never resized to fit",
        )
    )


def _affines_differ(apart_mm: float) -> Rejection:
    return Rejection(
        reject(
            "affines_differ",
            "label",
            found=f"an affine that puts a corner {apart_mm:.3g} mm from the CT's",
            expected="the CT's affine",
            remedy="export the label on the CT's grid; nothing says which of the two is right",
        )
    )


def _on_axes_of(ct: Volume, label: Volume) -> Volume:
    """Turn a label to the order and direction of its CT's axes; itself where it has them."""
    if label.header.affine_from == "none":
        return label
    turned = turned_onto(label.voxels, label.header.affine, ct.header.affine)
    if turned is None:
        return label
    voxels, affine = turned
    return replace(label, voxels=voxels, header=replace(label.header, affine=affine))


def _lies_on(ct: Volume, label: Volume) -> bool:
    if ct.voxels.shape != label.voxels.shape:
        return False
    apart_mm = affine_distance_mm(ct.header.affine, label.header.affine, ct.voxels.shape)
    spacing_mm = np.linalg.norm(ct.header.affine[:3, :3], axis=0)
    return apart_mm <= AFFINE_TOLERANCE_VOXELS * float(spacing_mm.min())


def _turned(ct: Volume, label: Volume) -> Finding:
    return repair(
        "label_orientation",
        "label",
        found=f"a label stored along {orientation(label.header.affine)}",
        expected=f"the CT's axes, {orientation(ct.header.affine)}",
        remedy="it was turned to the CT's axes by its own affine; both lie on the same voxels",
    )


def is_identity(affine: np.ndarray) -> bool:
    """Say whether an affine is that of a file that never had one: 1 mm, no position.

    Axis flips count as well: `diag(-1, -1, 1)` is the identity in LPS, as ITK writes it.
    """
    return bool(
        np.allclose(np.abs(affine[:3, :3]), np.eye(3), atol=1e-4)
        and np.allclose(affine[:3, 3], 0, atol=1e-4)
    )


def to_hu(volume: Volume) -> np.ndarray:
    """Return the voxels in HU, float32 `(i, j, k)`; Rejection where one is NaN or infinite."""
    header = volume.header
    hu = volume.voxels.astype(np.float32)
    if header.dtype.kind == "f":
        check_finite(volume.voxels, "ct")
    if header.slope != 1.0:
        hu *= np.float32(header.slope)
    if header.inter != 0.0:
        hu += np.float32(header.inter)
    return hu


def check_finite(voxels: np.ndarray, part: str) -> None:
    """Reject voxels that are NaN or infinite."""
    # Slab by slab, here and below, so that no copy of a large volume is made beside it.
    bad = sum(slab.size - int(np.count_nonzero(np.isfinite(slab))) for slab in _slabs(voxels))
    if bad:
        raise Rejection(
            reject(
                "voxels_not_finite",
                part,
                found=f"{bad} voxels that are NaN or infinite",
                expected="a finite number in each voxel",
                remedy="export the image again",
            )
        )


def whole_numbers(volume: Volume) -> np.ndarray:
    """Return label values as integers, `(i, j, k)`; Rejection where one is not whole."""
    values = volume.voxels
    header = volume.header
    scaled = header.slope != 1.0 or header.inter != 0.0
    if header.dtype.kind in "iu" and not scaled:
        return values
    check_finite(values, "label")
    lowest, highest = _check_whole(values, header)
    kinds = (np.uint8, np.int32, np.int64)
    kind = next((one for one in kinds if _holds(one, lowest, highest)), np.int64)
    whole = np.empty(values.shape, kind, order="F")
    for slab, place in zip(_slabs(values), _slabs(whole), strict=True):
        place[...] = np.rint(_scaled(slab, header))
    return whole


def _holds(kind: type[np.integer], lowest: int, highest: int) -> bool:
    return np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max


def _slabs(voxels: np.ndarray) -> Iterator[np.ndarray]:
    return (voxels[..., k] for k in range(voxels.shape[-1]))


def _scaled(stored: np.ndarray, header: Header) -> np.ndarray:
    return stored.astype(np.float64) * header.slope + header.inter


def _check_whole(values: np.ndarray, header: Header) -> tuple[int, int]:
    """Return the lowest and the highest of label values; Rejection where one is not whole."""
    lowest, highest, between = 0, 0, 0
    examples = np.empty(0)
    for slab in _slabs(values):
        numbers = _scaled(slab, header)
        whole = np.rint(numbers)
        lowest, highest = min(lowest, int(whole.min())), max(highest, int(whole.max()))
        # ASSUME a slope such as 0.1 leaves rounding errors far below a thousandth.
        off = np.abs(numbers - whole) > 1e-3
        between += int(np.count_nonzero(off))
        examples = np.union1d(examples, numbers[off])[:5]
    if between:
        listed = ", ".join(f"{value:.4g}" for value in examples)
        raise Rejection(
            reject(
                "label_not_whole",
                "label",
                found=f"{between / values.size:.2%} of the voxels between whole numbers "
                f"({listed} …)",
                expected="whole numbers",
                remedy="resample the label with nearest neighbour instead of interpolation",
            )
        )
    return lowest, highest


def label_counts(label: np.ndarray) -> dict[int, int]:
    """Count the voxels of each label value; slices without any label are only glanced at."""
    counts: dict[int, int] = {0: 0}
    for k in range(label.shape[2]):
        plane = label[:, :, k]
        if not plane.any():
            counts[0] += plane.size
            continue
        flat = plane.ravel(order="K")
        if label.dtype == np.uint8:
            numbers = np.bincount(flat)
            values = np.flatnonzero(numbers)
            numbers = numbers[values]
        else:
            values, numbers = np.unique(flat, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[value] = counts.get(value, 0) + number
    return {value: counts[value] for value in sorted(counts) if counts[value]}


def check_values(counts: dict[int, int], labels: LabelMap, ignored: Ignored = ()) -> list[int]:
    """Return the values that are ignored; reject others that the config does not know.

    `ignored` are values, or "others" for all above 0 that no region names.
    """
    unknown = labels.unknown(sorted(counts))
    left_out = [value for value in unknown if value > 0 and (ignored == OTHERS or value in ignored)]
    unknown = [value for value in unknown if value not in left_out]
    if not unknown:
        return left_out
    listed = ", ".join(f"{value}: {count}" for value, count in list(counts.items())[:12])
    raise Rejection(
        reject(
            "label_values_unknown",
            "label",
            found=f"the values {', '.join(map(str, unknown[:12]))} (voxels a value: {listed})",
            expected=f"0 and the values of {', '.join(labels.names)}",
            remedy="name the values under `labels:` in the config, or under "
            "inspection.ignored_values if they are other organs; or correct the label",
        )
    )


def without_values(label: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Return a label `(i, j, k)` with 0 in place of `values`; itself where there are none."""
    if not values:
        return label
    kept = np.empty_like(label)
    for slab, place in zip(_slabs(label), _slabs(kept), strict=True):
        place[...] = np.where(np.isin(slab, values), 0, slab)
    return kept
