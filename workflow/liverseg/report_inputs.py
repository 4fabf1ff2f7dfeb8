"""Reads what a run left behind into plain values for the page.

A step that a run did not take (no labelled test patient, no second model) leaves files out; the
page then says that there is nothing to show, it never fails over it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from workflow.liverseg.files import read_json

Record = Mapping[str, Any]
MEGABYTE = 1e6
# Rules in the order of the data, for the table of times.
STEPS = (
    "make_phantoms",
    "import_dicom",
    "inspect_patient",
    "admit_cohort",
    "split_patients",
    "prepare_volume",
    "cut_chunks",
    "filter_chunks",
    "train_model",
    "predict_patient",
    "score_patient",
    "summarise_scores",
    "export_mesh",
    "render_patient",
    "encode_scan",
    "encode_case",
)


@dataclass(frozen=True)
class Model:
    """One trained model (or one fold of it): its card and its training history."""

    name: str
    card: Record
    history: pd.DataFrame


@dataclass(frozen=True)
class Case:
    """One patient under one model; absent records are empty."""

    model: str
    patient: str
    split: str
    prediction: Record = field(default_factory=dict)
    scores: Record = field(default_factory=dict)
    mesh: Record = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the case in the page and of its data file, `{model}/{patient}`."""
        return f"{self.model}/{self.patient}"


@dataclass(frozen=True)
class Step:
    """Time and memory that one rule took over all its jobs."""

    rule: str
    jobs: int
    seconds_total: float
    seconds_longest: float
    memory_peak_mb: float


@dataclass(frozen=True)
class ChunkSavings:
    """What filtering saved: chunks and megabytes before and after, over all patients."""

    patients: int
    cut: int
    kept: int
    cut_mb: float
    kept_mb: float


@dataclass(frozen=True)
class Sources:
    """The files that a run left behind; `benchmarks` is Snakemake's folder of them.

    comparison: one file, or none where there is one model.
    """

    cohort: Path
    rejected: Path
    split: Path
    inspections: Sequence[Path]
    chunks: Sequence[Path]
    filtered: Sequence[Path]
    cards: Sequence[Path]
    histories: Sequence[Path]
    predictions: Sequence[Path]
    scores: Sequence[Path]
    summaries: Sequence[Path]
    meshes: Sequence[Path]
    benchmarks: Path
    comparison: Sequence[Path] = ()


@dataclass(frozen=True)
class Run:
    """Everything that the page shows."""

    cohort: pd.DataFrame
    rejected: pd.DataFrame
    split: pd.DataFrame
    inspections: Mapping[str, Record]
    models: Sequence[Model]
    cases: Sequence[Case]
    summaries: Mapping[str, Record]
    savings: ChunkSavings
    steps: Sequence[Step]
    comparison: Record = field(default_factory=dict)
    inspection_page: bool = False


def read_run(sources: Sources) -> Run:
    """Read all of a run's records; LiversegError or OSError where a named file is missing."""
    split = read_table(sources.split)
    return Run(
        cohort=read_table(sources.cohort),
        rejected=read_table(sources.rejected),
        split=split,
        inspections={path.stem: read_json(path) for path in sources.inspections},
        models=read_models(sources.cards, sources.histories),
        cases=read_cases(
            predictions=sources.predictions,
            scores=sources.scores,
            meshes=sources.meshes,
            split=split,
        ),
        summaries={path.parent.name: read_json(path) for path in sources.summaries},
        savings=read_savings(sources.chunks, sources.filtered),
        steps=read_steps(sources.benchmarks, STEPS),
        comparison=next((read_json(path) for path in sources.comparison), {}),
        # Looked for where it stands: `snakemake inspect` makes it, a run to the page does not.
        inspection_page=sources.cohort.with_name("index.html").exists(),
    )


def read_table(path: Path) -> pd.DataFrame:
    """Read a TSV whose every column is text; an absent value is the empty string."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def model_and_patient(place: Path) -> tuple[str, str]:
    """Return what `results/…/{model}/{patient}` is of; any name may be that of a patient."""
    return place.parent.name, place.name


def read_models(cards: Iterable[Path], histories: Iterable[Path]) -> list[Model]:
    """Pair model cards with histories by folder, in the order of the cards.

    A released model comes without a history; its table is empty then.
    """
    by_folder = {path.parent: path for path in histories}
    models = []
    for card in cards:
        history = by_folder.get(card.parent)
        table = pd.read_csv(history) if history else pd.DataFrame()
        name = "/".join(card.parent.parts[card.parent.parts.index("models") + 1 :])
        models.append(Model(name, read_json(card), table))
    return models


def read_cases(
    *,
    predictions: Iterable[Path],
    scores: Iterable[Path],
    meshes: Iterable[Path],
    split: pd.DataFrame,
) -> list[Case]:
    """Gather what is known of every predicted patient, in the order of the predictions."""
    scored = {model_and_patient(path.with_suffix("")): read_json(path) for path in scores}
    meshed = {model_and_patient(path.parent): read_json(path) for path in meshes}
    splits = dict(zip(split["patient"], split["split"], strict=True))
    cases = []
    for path in predictions:
        model, patient = key = model_and_patient(path.parent)
        cases.append(
            Case(
                model=model,
                patient=patient,
                split=splits.get(patient, "predict"),
                prediction=read_json(path),
                scores=scored.get(key, {}),
                mesh=meshed.get(key, {}),
            )
        )
    return cases


def read_savings(tables: Iterable[Path], filtered: Iterable[Path]) -> ChunkSavings:
    """Count chunks and the bytes of their arrays before and after filtering.

    The arrays of a patient hold equally many bytes a chunk, so what filtering keeps out of
    training is the share of its chunks that fell away.
    """
    kept_tables = {path.stem: path for path in filtered}
    patients = cut = kept = 0
    cut_mb = kept_mb = 0.0
    for table in tables:
        patient = table.parent.name
        before = _rows(table)
        after = _rows(kept_tables[patient]) if patient in kept_tables else before
        arrays = (table.parent / name for name in ("image.npy", "label.npy"))
        size = sum(array.stat().st_size for array in arrays if array.exists()) / MEGABYTE
        patients, cut, kept = patients + 1, cut + before, kept + after
        cut_mb += size
        kept_mb += size * after / before if before else 0.0
    return ChunkSavings(patients, cut, kept, cut_mb, kept_mb)


def read_steps(folder: Path, order: Sequence[str] = ()) -> list[Step]:
    """Sum up Snakemake's benchmark tables, one folder a rule.

    The tables are read where they stand rather than taken as inputs of the rule: a benchmark
    that somebody deleted must never make Snakemake train a model again.
    """
    steps = []
    for rule in sorted(path for path in folder.glob("*") if path.is_dir()):
        tables = [pd.read_csv(path, sep="\t", na_values="-") for path in rule.rglob("*.tsv")]
        tables = [table for table in tables if {"s", "max_rss"} <= set(table.columns)]
        if not tables:
            continue
        rows = pd.concat(tables)
        seconds = pd.to_numeric(rows["s"], errors="coerce").fillna(0.0)
        memory = pd.to_numeric(rows["max_rss"], errors="coerce").fillna(0.0)
        steps.append(
            Step(
                rule=rule.name,
                jobs=len(rows),
                seconds_total=float(seconds.sum()),
                seconds_longest=float(seconds.max()),
                memory_peak_mb=float(memory.max()),
            )
        )
    ranks = {name: rank for rank, name in enumerate(order)}
    return sorted(steps, key=lambda step: (ranks.get(step.rule, len(ranks)), step.rule))


def number(record: Record, *names: str) -> float:
    """Return the first of `names` that `record` holds as a number, else NaN."""
    for name in names:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return math.nan


def _rows(table: Path) -> int:
    return len(read_table(table))
