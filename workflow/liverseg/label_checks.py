"""Whether a label can be what it says: somewhere, whole, on the right side, of a likely size."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workflow.liverseg.findings import Finding, reject, warn
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.nifti_stream import Volume

HIGHEST_AIR_HU = -900.0  # ASSUME no organ holds more than specks of air below it
SEVERAL = 3.0  # ASSUME no organ is larger than what is plausible by this factor


@dataclass(frozen=True)
class LabelLimits:
    """What is plausible: volume in ml of all foreground, and the patient's side it lies on."""

    volume_ml: tuple[float, float] = (200.0, 5000.0)
    side: str = "right"
    empty: str = "reject"

    @staticmethod
    def from_settings(settings: Mapping) -> "LabelLimits":
        """Build from the config's `inspection`."""
        low, high = settings["volume_ml"]
        return LabelLimits((float(low), float(high)), settings["side"], settings["empty_label"])


@dataclass(frozen=True)
class Foreground:
    """The box around all foreground `(i, j, k)`: values, classes, and where it begins."""

    values: np.ndarray
    classes: np.ndarray
    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def box(self) -> tuple[slice, ...]:
        """The slices that cut the box out of the whole volume."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.classes.shape, strict=True))


def find_foreground(raw: np.ndarray, labels: LabelMap) -> Foreground | None:
    """Cut out the box around all that is not 0, or return None when the label is empty.

    `raw` holds only values that the config knows (`intake.check_values`), and no ignored ones.
    """
    start, stop = [0, 0, 0], list(raw.shape)
    # The slowest axis first: what it cuts off need not be read again for the others.
    for axis in (2, 1, 0):
        box = raw[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        other = tuple(a for a in range(3) if a != axis)
        along = np.flatnonzero(box.any(axis=other))
        if not along.size:
            return None
        start[axis], stop[axis] = int(along[0]), int(along[-1]) + 1
    box = raw[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    return Foreground(box, labels.classes(box), tuple(start), raw.shape)


def describe(foreground: Foreground, labels: LabelMap, voxel_ml: float) -> dict:
    """Return volume in ml of each region, the box, and the sizes of the largest components."""
    voxels = np.bincount(foreground.classes.ravel(order="K"), minlength=labels.n_classes)
    volumes = {
        name: round(float(voxels[list(labels.region(name))].sum()) * voxel_ml, 3)
        for name in labels.names
    }
    sizes = component_sizes(foreground.classes > 0)
    return {
        "volume_ml": volumes,
        "foreground_ml": round(sum(sizes) * voxel_ml, 3),
        "components": len(sizes),
        "largest_components_ml": [round(size * voxel_ml, 3) for size in sizes[:5]],
        "first_voxel": list(foreground.start),
        "extent_voxels": list(foreground.classes.shape),
    }


def component_sizes(inside: np.ndarray) -> list[int]:
    """Return the voxel counts of the 26-connected components, largest first."""
    import cc3d

    components = cc3d.connected_components(np.asfortranarray(inside), connectivity=26)
    return sorted((int(n) for n in np.bincount(components.ravel(order="K"))[1:]), reverse=True)


def judge(
    described: dict, foreground: Foreground, offset_mm: float | None, limits: LabelLimits
) -> list[Finding]:
    """Return what is odd about a label that is not empty.

    `offset_mm` is how far its centre lies to the patient's right of the body's, or None where
    sides are unknown.
    """
    findings = []
    ml = described["foreground_ml"]
    low, high = limits.volume_ml
    if ml > SEVERAL * high:
        findings.append(_no_organ("label_volume", f"{ml:.0f} ml", f"{low:.0f} to {high:.0f} ml"))
    elif not low <= ml <= high:
        findings.append(_warn("label_volume", f"{ml:.0f} ml", f"{low:.0f} to {high:.0f} ml"))
    sizes = described["largest_components_ml"]
    # ASSUME a second piece above 1 % of the whole is more than the specks of hand drawing.
    if len(sizes) > 1 and sizes[1] > 0.01 * ml:
        pieces = ", ".join(f"{size:.1f}" for size in sizes)
        found = f"{described['components']} separate pieces ({pieces} ml …)"
        findings.append(_warn("label_components", found, "one piece"))
    if limits.side != "any" and offset_mm is not None and abs(offset_mm) > 10:
        side = "right" if offset_mm > 0 else "left"
        if side != limits.side:
            found = f"its centre {abs(offset_mm):.0f} mm to the patient's {side} of the body's"
            findings.append(_warn("label_side", found, f"the patient's {limits.side}"))
    faces = touched_faces(foreground)
    if faces:
        found = f"foreground on {', '.join(faces)} of the volume"
        findings.append(_warn("label_touches_border", found, "the whole organ inside"))
    return findings


def touched_faces(foreground: Foreground) -> list[str]:
    """Name the faces of the volume that foreground touches, by storage axis."""
    names = []
    for axis, name in enumerate("ijk"):
        if foreground.start[axis] == 0:
            names.append(f"the first {name}")
        if foreground.start[axis] + foreground.classes.shape[axis] == foreground.shape[axis]:
            names.append(f"the last {name}")
    return names


def _warn(code: str, found: str, expected: str) -> Finding:
    return warn(
        code, "label", found=found, expected=expected, remedy="look at the label; it was taken"
    )


def _no_organ(code: str, found: str, expected: str) -> Finding:
    return reject(
        code,
        "label",
        found=found,
        expected=expected,
        remedy="correct the label: it may be inverted, a CT, or that of another CT; for a larger "
        "organ raise inspection.volume_ml",
    )


def empty(limits: LabelLimits) -> Finding:
    """Build the finding for a label without foreground: rejected, or kept as a negative case."""
    found, expected = "no foreground voxel", "a label that marks something"
    if limits.empty == "keep":
        return warn(
            "label_empty",
            "label",
            found=found,
            expected=expected,
            remedy="kept, as the config says",
        )
    return reject(
        "label_empty",
        "label",
        found=found,
        expected=expected,
        remedy="correct the label, leave it out (the patient is then predicted), or set "
        "inspection.empty_label: keep",
    )


def judge_padding(foreground: Foreground, ct: Volume, lowest_hu: float) -> list[Finding]:
    """Warn of foreground where the CT has no body: padding, or air; reject where most is there.

    `lowest_hu` is the lowest value of the CT, which is its padding where it has one.
    """
    header = ct.header
    stored = (max(HIGHEST_AIR_HU, lowest_hu) - header.inter) / header.slope
    voxels = ct.voxels[foreground.box]
    outside = (voxels <= stored if header.slope > 0 else voxels >= stored) & (
        foreground.classes > 0
    )
    share = float(np.count_nonzero(outside) / np.count_nonzero(foreground.classes))
    if share <= 0.01:
        return []
    found = f"{share:.1%} of the foreground in air or padding"
    expected = "foreground inside the body"
    # Where the CT was clipped, its lowest value may be tissue.
    if share > 0.5 and lowest_hu <= HIGHEST_AIR_HU:
        return [_no_organ("label_in_padding", found, expected)]
    return [_warn("label_in_padding", found, expected)]


def judge_crop(foreground: Foreground, kept: tuple[slice, slice, slice]) -> list[Finding]:
    """Warn of foreground that training does not see; `kept` is what preparation keeps (i, j, k)."""
    inside = tuple(
        slice(max(0, part.start - start), max(0, part.stop - start))
        for part, start in zip(kept, foreground.start, strict=True)
    )
    total = int(np.count_nonzero(foreground.classes))
    lost = total - int(np.count_nonzero(foreground.classes[inside]))
    if not lost:
        return []
    return [
        warn(
            "label_cropped",
            "label",
            found=f"{max(lost / total, 0.001):.1%} of the foreground beside the slices that "
            "training reads (volumes.in_plane)",
            expected="the whole organ within them",
            remedy="enlarge volumes.in_plane.size or volumes.spacing_mm; training does not see "
            "that part, prediction does",
        )
    ]


def right_of_body_mm(
    foreground: Foreground, voxels: np.ndarray, body_above: float, affine: np.ndarray
) -> float:
    """Return how far the label's centre lies to the patient's right of the body's, in mm.

    `voxels` are as stored and `body_above` is the stored value that parts body from air.
    Every fourth voxel is looked at.
    """
    body = np.argwhere(voxels[::4, ::4, ::4] > body_above)
    label = np.argwhere(foreground.classes[::2, ::2, ::2] > 0)
    if not len(body) or not len(label):
        return 0.0
    centre = body.mean(axis=0) * 4
    middle = label.mean(axis=0) * 2 + np.asarray(foreground.start)
    return float((affine[:3, :3] @ (middle - centre))[0])
