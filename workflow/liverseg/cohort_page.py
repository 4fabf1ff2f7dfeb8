"""What the inspection of a cohort found: a summary for the terminal and a page to look at."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workflow.liverseg import report_charts as charts
from workflow.liverseg.report_template import FOLDER

TEMPLATE = Path(__file__).resolve().parents[1] / "report" / "cohort.html.j2"
STYLES = (FOLDER / "page.css", TEMPLATE.with_name("cohort.css"))
COLUMNS = {
    "patient": "patient",
    "verdict": "verdict",
    "labelled": "label",
    "slices": "slices",
    "spacing_mm": "voxel, mm",
    "orientation": "axes",
    "foreground_ml": "label, ml",
    "warnings": "warnings",
    "repairs": "repairs",
}
VERDICTS = ("admitted", "warned", "repaired", "rejected")
LINES = 30


@dataclass(frozen=True)
class Inspected:
    """The tables of `admit_cohort` and the record of each patient."""

    cohort: pd.DataFrame
    rejected: pd.DataFrame
    remarks: pd.DataFrame
    records: Sequence[Mapping[str, Any]]

    @property
    def counts(self) -> dict[str, int]:
        """How many patients there are of each verdict; a rejected one counts once."""
        found = self.cohort["verdict"].value_counts()
        counts = {name: int(found.get(name, 0)) for name in VERDICTS[:-1]}
        return {**counts, "rejected": int(self.rejected["patient"].nunique())}


def summary(inspected: Inspected) -> str:
    """Return what a reader of the terminal wants to know, at most some sixty lines."""
    counts = inspected.counts
    labelled = int((inspected.cohort["labelled"] == "yes").sum())
    lines = [
        f"{sum(counts.values())} patients inspected: "
        + ", ".join(f"{number} {name}" for name, number in counts.items() if number),
        f"{labelled} of the {len(inspected.cohort)} that can be used have a label.",
    ]
    lines += _listing("Rejected (found; remedy):", inspected.rejected)
    lines += _listing("Remarks on the table or folder:", inspected.remarks)
    # A column without any word is read as one of numbers.
    warnings = inspected.cohort["warnings"].dropna().astype(str)
    tally = warnings.str.split().explode().value_counts()
    if len(tally):
        lines += ["", "Warnings (how many patients):"]
        lines += [f"  {code}: {number}" for code, number in tally.items()]
    lines += ["", "Tables: results/cohort/*.tsv. Page: results/cohort/index.html. Remedies: "
              "docs/faults.md"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _listing(title: str, table: pd.DataFrame) -> list[str]:
    if not len(table):
        return []
    rows = table.to_dict("records")
    lines = ["", title]
    lines += [f"  {r['patient']} ({r['part']}): {r['found']}; {r['remedy']}" for r in rows[:LINES]]
    return lines + [f"  … and {len(rows) - LINES} more"] * (len(rows) > LINES)


def page(inspected: Inspected) -> str:
    """Return the page: charts, tables, and a card for whoever is not simply admitted.

    Every value is escaped; nothing is loaded from elsewhere and no script runs.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style = "".join(path.read_text(encoding="utf-8") for path in STYLES)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    odd = [record for record in inspected.records if record["findings"]]
    order = {name: place for place, name in enumerate(reversed(VERDICTS))}
    odd.sort(key=lambda record: (order[record["verdict"]], record["patient"]))
    return template.render(
        policy=Markup(policy),
        style=Markup(style),
        counts=inspected.counts,
        labelled=int((inspected.cohort["labelled"] == "yes").sum()),
        columns=COLUMNS,
        charts=_charts(inspected),
        rejected=inspected.rejected.to_dict("records"),
        remarks=inspected.remarks.to_dict("records"),
        cohort=inspected.cohort.astype(object).fillna("").to_dict("records"),
        odd=odd,
    )


@dataclass(frozen=True)
class Chart:
    """A drawing with its title, and the names of its lines where there are several."""

    title: str
    drawing: Any
    lines: Sequence[str] = ()


def _charts(inspected: Inspected) -> list[Chart]:
    table = inspected.cohort
    wanted = {
        "Slices a scan": table["slices"],
        "Slice distance, mm": table["slice_spacing_mm"],
        "Length of the scan, mm": table["slices"] * table["slice_spacing_mm"],
        "Voxel within a slice, mm": pd.Series(_in_plane(inspected.records), dtype=float),
        "Volume of the label, ml": pd.to_numeric(table["foreground_ml"], errors="coerce"),
    }
    drawn = [
        Chart(title, charts.histogram(values.dropna().tolist(), x_label=title, title=title))
        for title, values in wanted.items()
        if len(values.dropna())
    ]
    return [*drawn, *_intensity_chart(inspected.records)]


def _in_plane(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """The coarser of the two spacings within a slice, of each CT that is not rejected."""
    grids = [r["geometry"] for r in records if r["verdict"] != "rejected"]
    return [
        max(mm for axis, mm in enumerate(grid["spacing_mm"]) if axis != grid["slice_axis"])
        for grid in grids
    ]


def _intensity_chart(records: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Draw the mean histogram of all CTs, and between which shares they lie."""
    shares = [r["intensities"]["histogram"] for r in records if "intensities" in r]
    if not shares:
        return []
    table = pd.DataFrame([one["shares"] for one in shares])
    first, step = shares[0]["first_hu"], shares[0]["step_hu"]
    places = [first + step * (i + 0.5) for i in range(table.shape[1])]
    lines = {"mean": table.mean(), "lowest": table.min(), "highest": table.max()}
    series = [
        charts.Series(name, places, values.tolist(), style)
        for style, (name, values) in enumerate(lines.items())
    ]
    drawing = charts.line_chart(series, x_label="HU", y_label="part of the voxels", title="HU")
    return [Chart("HU of all CTs that could be read", drawing, list(lines))]
