"""Everything that can be found out about one patient before a GPU hour is spent on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workflow.liverseg import intensities, label_checks, privacy, slice_order
from workflow.liverseg.findings import Finding, Rejection, repair, warn, worst
from workflow.liverseg.grids import covered, plan_route
from workflow.liverseg.intake import (
    check_finite,
    check_values,
    is_identity,
    label_counts,
    same_grid,
    three_dimensional,
    whole_numbers,
    without_values,
)
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.nifti_stream import Volume, read_volume
from workflow.liverseg.orientations import orientation, slice_axis
from workflow.liverseg.thumbnails import thumbnail
from workflow.liverseg.voxels import voxel_ml

FORMAT = 1


@dataclass
class Record:
    """What is known so far; filled part by part, so that a rejection keeps what was found."""

    patient: str
    findings: list[Finding] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict:
        """Return the record as it is written to `inspection/{patient}.json`."""
        return {
            "format": FORMAT,
            "patient": self.patient,
            "verdict": worst(self.findings),
            "sha256": self.sha256,
            **self.parts,
            "findings": [finding.to_json() for finding in self.findings],
        }


def inspect(
    *,
    image: Path,
    label: Path | None,
    patient: str,
    labels: LabelMap,
    settings: Mapping,
    spacing_mm: Sequence[float] | None = None,
    volumes: Mapping | None = None,
) -> dict:
    """Inspect one CT and its label; returns the record, whatever is wrong with the files.

    `settings` is the config's `inspection`; see `docs/faults.md` for what is looked for.
    `spacing_mm` is what the user's table gave to the CT; `volumes` is how training prepares it (the
    config's section of that name), None where nothing is trained.
    """
    record = Record(patient, [spacing_given(spacing_mm)] if spacing_mm else [])
    try:
        ct, measured = _inspect_ct(image, record, settings, volumes)
        record.parts["labelled"] = label is not None
        if label is not None:
            _inspect_label(label, ct, measured, labels, record, settings, volumes)
    except Rejection as rejection:
        record.findings.append(rejection.finding)
        record.parts.setdefault("labelled", label is not None)
    return record.to_json()


def _inspect_ct(
    path: Path, record: Record, settings: Mapping, volumes: Mapping | None
) -> tuple[Volume, intensities.Intensities]:
    volume = read_volume(path, "ct")
    record.sha256["ct"] = volume.sha256
    record.findings += (*volume.findings, *privacy.judge(volume, "ct"))
    volume, repairs = three_dimensional(volume, "ct")
    record.findings += repairs
    record.parts["geometry"] = geometry(volume)
    record.findings += judge_geometry(volume, settings, volumes)
    if volume.header.dtype.kind == "f":
        check_finite(volume.voxels, "ct")
    record.parts["picture"] = thumbnail(volume)
    measured = intensities.measure(volume)
    record.parts["intensities"] = intensities.describe(measured)
    record.parts["ct"] = {"voxel_digest": measured.digest}
    record.findings += intensities.judge(measured)
    record.findings += slice_order.judge(
        slice_order.thumbs_along(volume, slice_axis(volume.header.affine))
    )
    return volume, measured


def geometry(volume: Volume) -> dict:
    """Return shape, spacing, orientation and affine as the record holds them (mm, RAS)."""
    affine = volume.header.affine
    return {
        "shape": list(volume.voxels.shape),
        "slice_axis": slice_axis(affine),
        "spacing_mm": [round(float(x), 6) for x in np.linalg.norm(affine[:3, :3], axis=0)],
        "orientation": orientation(affine),
        "affine": [[round(float(x), 6) for x in row] for row in affine],
        "affine_from": volume.header.affine_from,
        "stored_as": volume.header.dtype.str,
        "slope": volume.header.slope,
        "intercept": volume.header.inter,
    }


def judge_geometry(
    volume: Volume, settings: Mapping, volumes: Mapping | None = None
) -> list[Finding]:
    """Return what is odd about a CT's grid: few slices, an unlikely or a missing spacing."""
    affine = volume.header.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    findings = _few_slices(volume, settings["few_slices"], volumes)
    low, high = settings["spacing_mm"]
    if spacing.min() < low or spacing.max() > high:
        size = " × ".join(f"{x:.4g}" for x in spacing)
        findings.append(
            warn(
                "spacing_unlikely",
                "ct",
                found=f"a voxel size of {size} mm",
                expected=f"{low:g} to {high:g} mm",
                remedy="check the unit and the header; all mm and ml depend on it",
            )
        )
    if is_identity(affine):
        findings.append(_false_spacing(settings))
    return findings


def _few_slices(volume: Volume, least: int, volumes: Mapping | None) -> list[Finding]:
    """Warn where the slices that are cut into chunks, those of the prepared volume, are few."""
    shape, affine = volume.voxels.shape, volume.header.affine
    stored = shape[slice_axis(affine)]
    slices = stored if volumes is None else plan_route(shape, affine, volumes).shape[2]
    if slices >= least:
        return []
    return [
        warn(
            "few_slices",
            "ct",
            found=f"{slices} slices" + (f" once prepared, of {stored}" if slices != stored else ""),
            expected=f"at least {least}, as many as a chunk holds",
            remedy="nothing: the chunk is padded",
        )
    ]


def spacing_given(spacing_mm: Sequence[float]) -> Finding:
    """Build the finding that says where a corrected spacing comes from."""
    size = " × ".join(f"{value:g}" for value in spacing_mm)
    return repair(
        "spacing_given",
        "ct",
        found="a spacing that the table overrules",
        expected="the spacing of the scanner",
        remedy=f"{size} mm were taken from inspection.spacing_table",
    )


def _false_spacing(settings: Mapping) -> Finding:
    return Finding(
        "spacing_placeholder",
        "reject" if settings["false_spacing"] == "reject" else "warn",
        "ct",
        found="an identity affine: 1 mm in every direction, no position",
        expected="the spacing of the scanner",
        remedy="give the true spacing in a table (inspection.spacing_table); until then no mm "
        "and no ml of this patient is to be trusted",
    )


def _inspect_label(
    path: Path,
    ct: Volume,
    measured: intensities.Intensities,
    labels: LabelMap,
    record: Record,
    settings: Mapping,
    volumes: Mapping | None,
) -> None:
    volume = read_volume(path, "label")
    record.sha256["label"] = volume.sha256
    record.parts["label"] = {}
    record.findings += (*volume.findings, *privacy.judge(volume, "label"))
    volume, repairs = three_dimensional(volume, "label")
    volume, adopted = same_grid(ct, volume)
    record.findings += (*repairs, *adopted)
    raw = whole_numbers(volume)
    counts = label_counts(raw)
    record.parts["label"]["values"] = {str(value): count for value, count in counts.items()}
    ignored = check_values(counts, labels, settings["ignored_values"])
    if ignored:
        record.parts["label"]["ignored_values"] = ignored
        raw = without_values(raw, ignored)
        counts = label_counts(raw)
    limits = label_checks.LabelLimits.from_settings(settings)
    foreground = label_checks.find_foreground(raw, labels)
    if foreground is None:
        record.findings.append(label_checks.empty(limits))
        return
    record.parts["label"]["voxel_digest"] = intensities.digest_of(
        foreground.values, foreground.start, counts, measured
    )
    described = label_checks.describe(foreground, labels, voxel_ml(ct.header.affine))
    record.parts["label"].update(described)
    header = ct.header
    offset_mm = None
    if header.affine_from != "none" and header.slope > 0:
        threshold = (-300 - header.inter) / header.slope
        offset_mm = label_checks.right_of_body_mm(
            foreground, ct.voxels, threshold, header.affine
        )  # fmt: skip
    record.findings += label_checks.judge(described, foreground, offset_mm, limits)
    if volumes is not None:
        kept = covered(plan_route(ct.voxels.shape, header.affine, volumes))
        record.findings += label_checks.judge_crop(foreground, kept)
    lowest = record.parts["intensities"]["lowest_hu"]
    record.findings += label_checks.judge_padding(foreground, ct, lowest)
