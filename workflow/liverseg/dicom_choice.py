"""Which slices of a pile make one volume, and which of several volumes is taken."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from workflow.liverseg.dicom_series import Slice, rejection

# Cosines: 0.1 degrees, far below the tilt that is refused. Reconstructions along other directions
# differ by degrees.
DIRECTION_TOLERANCE = 0.002
HU_SCALES = {"", "HU", "US"}  # US: not specified, as in images older than the tag
OTHER_SCALES = {"OD", "HGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"}
SHARP_KERNELS = {
    "BONE",
    "BONEPLUS",
    "BONE PLUS",
    "LUNG",
    "EDGE",
    "ULTRA",
    "DETAIL",
    "YC",
    "YD",
    "YE",
}
SHARP_KERNELS |= {"D", "E", "L"}


def volumes_in(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Sort slices into volumes: same series, direction and size, ordered along the normal.

    A series that holds the same places several times, once for each acquisition (phases of the
    contrast agent), is as many volumes.
    """
    volumes = []
    for group in _alike(slices):
        heights = Counter(round(one.height_mm, 2) for one in group)
        acquisitions = sorted({one.acquisition for one in group})
        parts = [[one for one in group if one.acquisition == number] for number in acquisitions]
        repeated = set(heights.values()) == {len(acquisitions)} and len(acquisitions) > 1
        same_length = len({len(part) for part in parts}) == 1
        volumes += [
            sorted(part, key=lambda one: (one.height_mm, one.instance))
            for part in (parts if repeated and same_length else [group])
        ]
    return volumes


def _alike(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Sort slices by series, size, and direction, which may differ by what rounding makes."""
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            first = group[0]
            turned = np.subtract([*one.row, *one.column], [*first.row, *first.column])
            same = (one.series, one.size) == (first.series, first.size)
            if same and np.abs(turned).max() <= DIRECTION_TOLERANCE:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def choose(volumes: list[list[Slice]], wanted: frozenset[str]) -> list[Slice]:
    """Choose one of several volumes.

    The series that a label refers to (`wanted`, UIDs) comes first; then HU before other scales,
    axial before others, the scan's own images before derived ones, and a soft kernel before a sharp
    one, that cover no more, then the most slices, the thinnest, the lowest number of series and
    acquisition.
    """
    soft_mm = [_length_mm(one) for one in volumes if _is_axial(one) and not is_sharp(one[0].kernel)]

    own_mm = [_length_mm(one) for one in volumes if _is_axial(one) and not one[0].derived]

    def rank(volume: list[Slice]) -> tuple[Any, ...]:
        """Sort key of one volume; the least is taken."""
        first, length_mm = volume[0], _length_mm(volume)
        step = length_mm / max(1, len(volume) - 1)
        # ASSUME a soft reconstruction of a tenth less still shows the same of the body.
        outdone = any(soft >= 0.9 * length_mm for soft in soft_mm)
        return (
            first.series not in wanted,
            first.scale not in HU_SCALES,
            not _is_axial(volume),
            first.derived and any(own >= 0.9 * length_mm for own in own_mm),
            outdone and is_sharp(first.kernel),
            -len(volume),
            round(step, 3),
            first.number,
            first.acquisition,
            first.series,
        )

    if not volumes:
        raise rejection(
            "dicom_no_ct",
            "no slice of a CT",
            "a series of CT slices with position and orientation",
            "export the axial CT series of this patient",
        )
    return min(volumes, key=rank)


def _is_axial(volume: Sequence[Slice]) -> bool:
    return abs(float(volume[0].normal[2])) > 0.8


def _length_mm(volume: Sequence[Slice]) -> float:
    return abs(volume[-1].height_mm - volume[0].height_mm)


def is_sharp(kernel: str) -> bool:
    """Say whether a kernel (upper case) is one for bone or lung, noisy in soft tissue.

    Siemens numbers sharpness (B30f, Br38f, B70f), Canon numbers uses (FC08, FC30, FC52), GE has
    words, Philips letters. One that is not known counts as soft.
    """
    if numbered := re.fullmatch(r"[A-Z]{1,2}(\d\d)[A-Z]?", kernel):
        number = int(numbered[1])
        return 30 <= number < 60 or number >= 80 if kernel.startswith("FC") else number >= 50
    return kernel in SHARP_KERNELS


def check_persons(slices: Sequence[Slice]) -> None:
    """Refuse slices of several persons in one folder; Rejection.

    Ids are compared with ids. Names count for slices without an id, which many a derived series
    lacks: they must not be another's than those of the slices with one.
    """
    ids = {one.person_id for one in slices if one.person_id}
    names = {one.person_name for one in slices if one.person_name and not one.person_id}
    known = {one.person_name for one in slices if one.person_name and one.person_id}
    count = len(ids) + len(names - known) if known else max(len(ids), len(names))
    if count > 1:
        raise rejection(
            "dicom_persons",
            f"slices of {count} persons in one folder",
            "the files of one person",
            "sort the export: python -m workflow.liverseg.dicom_sorting EXPORT sorted; then give "
            "patients: sorted/patients.tsv",
        )


def check_scale(slices: Sequence[Slice]) -> None:
    """Refuse slices whose rescale says that it gives something else than HU; Rejection."""
    others = {one.scale for one in slices} - HU_SCALES
    if others:
        # A type that the standard does not know may be any text.
        known = ", ".join(sorted(others & OTHER_SCALES)) or "one that the standard does not know"
        raise rejection(
            "dicom_not_hu",
            f"a rescale to another scale than HU ({known})",
            "HU",
            "export the CT itself: no map of materials, of effective atomic numbers or the like",
        )
