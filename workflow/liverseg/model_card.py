"""A model's card for readers: Hugging Face's sections and CLAIM's items, from the run's records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "report"
TEMPLATE = "model_card.md.j2"
# Mongan, Moy & Kahn 2020, doi:10.1148/ryai.2020200029, in short; the numbers are the checklist's.
CLAIM = (
    "AI methodology named in the title",
    "Structured summary",
    "Background and clinical role",
    "Objectives and hypotheses",
    "Prospective or retrospective",
    "Goal of the study",
    "Data sources",
    "Eligibility criteria",
    "Preprocessing",
    "Selection of data subsets",
    "Definitions of data elements",
    "De-identification",
    "Missing data",
    "Definition of the reference standard",
    "Rationale for the reference standard",
    "Source of annotations, qualifications",
    "Annotation tools",
    "Inter- and intrarater variability",
    "Intended sample size",
    "Assignment to partitions",
    "Level at which partitions are disjoint",
    "Description of the model",
    "Software libraries",
    "Initial parameters",
    "Training approach",
    "Selection of the final model",
    "Ensembling",
    "Metrics",
    "Statistical significance and uncertainty",
    "Robustness or sensitivity analysis",
    "Explainability",
    "Validation on external data",
    "Flow of participants",
    "Demographics of each partition",
    "Performance on all partitions",
    "Diagnostic accuracy and its precision",
    "Failure analysis",
    "Limitations",
    "Implications for practice",
    "Registration",
    "Full protocol",
    "Funding",
)


def model_card(
    parts: Mapping[str, Mapping[str, Any]],
    summary: Mapping[str, Any] | None,
    scored: Sequence[str],
    settings: Mapping[str, Any],
) -> str:
    """The card as Markdown.

    parts: name → model.json of each network: one, or those of the folds. summary: that of the
    scores, None where nobody was scored. scored: the patients of these scores. settings: the
    config's inspection, split, cross_validation, filter and scores; `dataset`, its name or None;
    `synthetic`, whether the demo cohort was used.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    first = next(iter(parts.values()))
    facts = {
        **{key: first[key] for key in ("name", "architecture", "patch", "preprocessing")},
        **{key: first[key] for key in ("chunk_slices", "training", "versions", "device")},
        **settings,
        "threads": first["threads"],
        "regions": [label["name"] for label in first["labels"]],
        "notes": sorted({note for card in parts.values() for note in card["notes"]}),
        "parts": [_part(name, card) for name, card in parts.items()],
        "spacing": _spacing(first["preprocessing"]["spacing_mm"]),
        "partition": _partition(settings),
        "augmentation": _augmentation(first["training"]["augmentation"]),
        "scored": len(scored),
        "seen": len(_seen(parts, scored)),
        "rows": _rows(summary),
        "confidence": settings["scores"]["confidence"],
        "bootstrap_samples": settings["scores"]["bootstrap_samples"],
        "surface_tolerance_mm": settings["scores"]["surface_tolerance_mm"],
    }
    facts["front_matter"] = _front_matter(facts, summary)
    facts["limits"] = _limits(facts)
    facts["claim"] = _claim(facts, summary)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    helpers = {"listed": _listed, "figure": _figure, "percent": _percent}
    return environment.get_template(TEMPLATE).render(**facts, **helpers)


def _part(name: str, card: Mapping[str, Any]) -> dict[str, Any]:
    splits = [one["split"] for one in card["data"].values()]
    counts = {split: splits.count(split) for split in ("train", "validation")}
    return {"name": name, **counts, **card["metrics"]}


def _seen(parts: Mapping[str, Mapping[str, Any]], scored: Sequence[str]) -> set[str]:
    """The scored patients whom no part has left out: there was none to predict them unseen."""
    return set(scored).intersection(*(card["data"] for card in parts.values()))


def _spacing(spacing: Any) -> str:
    sides = spacing if isinstance(spacing, list) else [spacing] * 3
    return " × ".join("as scanned" if side is None else f"{side:g}" for side in sides) + " mm"


def _partition(settings: Mapping[str, Any]) -> str:
    folds = settings["cross_validation"]["folds"]
    if folds:
        return f"{folds} folds, every labelled person tested by one"
    shares = {name: settings["split"][name] for name in ("train", "validation", "test")}
    total = sum(shares.values())
    return ", ".join(f"{name} {_percent(share / total)}" for name, share in shares.items())


def _augmentation(chosen: Mapping[str, Any]) -> list[str]:
    """The names of what is changed at all: a probability above 0, a range or an angle."""
    return [name.replace("_", " ") for name, value in chosen.items() if _in_use(name, value)]


def _in_use(name: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value["probability"])
    if name == "scale":
        return any(factor != 1 for factor in value)
    return any(value) if isinstance(value, list) else bool(value)


def _rows(summary: Mapping[str, Any] | None) -> list[tuple[str, ...]]:
    return [
        (
            region,
            name,
            str(found["n"]),
            _figure(found["mean"]),
            f"{_figure(found['low'])} to {_figure(found['high'])}",
            _figure(found["median"]),
            f"{_figure(found['minimum'])} to {_figure(found['maximum'])}",
        )
        for region, figures in (summary or {"regions": {}})["regions"].items()
        for name, found in figures["metrics"].items()
    ]


def _front_matter(facts: Mapping[str, Any], summary: Mapping[str, Any] | None) -> str:
    """Hugging Face's metadata; results only of patients whom the model has not seen."""
    values: dict[str, Any] = {
        "library_name": "liverseg",
        "pipeline_tag": "image-segmentation",
        "tags": ["medical", "ct", "segmentation", *facts["regions"]],
    }
    metrics = [
        {"type": "dice", "name": f"Dice, {region}", "value": round(dice, 4)}
        for region, figures in (summary or {"regions": {}})["regions"].items()
        if (dice := figures["metrics"]["dice"]["mean"]) is not None
    ]
    if metrics and not facts["seen"]:
        dataset = {"name": f"{facts['scored']} test patients of the run", "type": "local"}
        result = {"task": {"type": "image-segmentation"}, "dataset": dataset, "metrics": metrics}
        values["model-index"] = [{"name": facts["name"], "results": [result]}]
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _limits(facts: Mapping[str, Any]) -> list[str]:
    """What the run's own figures warn of."""
    trained = [part["train"] for part in facts["parts"]]
    limits = [f"It learned from {_range(trained)} patients of one cohort."]
    if not facts["scored"]:
        return [*limits, "It has not been scored."]
    limits.append(f"Its scores are of {facts['scored']} patients of the same cohort.")
    if facts["seen"]:
        limits.append(f"{facts['seen']} of these had a part in the training.")
    return limits


def _claim(
    facts: Mapping[str, Any], summary: Mapping[str, Any] | None
) -> list[tuple[int, str, str | None]]:
    """Number, item and answer of each; None where no record of the run holds one."""
    folds = len(facts["parts"])
    per_part = "; ".join(
        f"{part['name']}: {part['train']} trained, {part['validation']} validated"
        for part in facts["parts"]
    )
    source = "synthetic phantoms" if facts["synthetic"] else facts["dataset"]
    answers = {
        1: f"deep learning: {facts['architecture']['network']}",
        7: source,
        8: "automatic checks of file, geometry, intensities and label; see *Training data*",
        9: "see *Training procedure*",
        10: "chunks by their foreground; see *Training procedure*",
        13: "a patient without label is predicted and neither trained on nor scored",
        20: f"{facts['partition']}; seed {facts['split']['seed']}",
        21: "person, as far as the table of patients groups scans",
        22: "see *Model details* and `model.json`",
        23: _listed(facts["versions"]),
        24: "see *Training procedure*",
        25: "see *Training procedure* and `model.json`",
        26: "see *Training procedure*, *Kept*",
        27: f"mean probability of {folds} folds" if folds > 1 else "none",
        33: f"{per_part}; {facts['scored']} scored; refused: `results/cohort/rejected.tsv`",
    }
    if summary:
        answers |= {
            28: ", ".join(next(iter(summary["regions"].values()))["metrics"]),
            29: f"bootstrap over patients, {_percent(facts['confidence'])} intervals",
            35: "scored patients: see *Evaluation*; validation: see *Training data*",
            37: _failures(summary),
        }
    return [(number, item, answers.get(number)) for number, item in enumerate(CLAIM, start=1)]


def _failures(summary: Mapping[str, Any]) -> str:
    """The worst Dice and the empty masks of each region; who they are the card does not say."""
    return "; ".join(
        f"{region}: least Dice {_figure(figures['worst']['dice'])}, "
        f"{len(figures['empty']['nothing_predicted'])} empty masks"
        for region, figures in summary["regions"].items()
    )


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _listed(values: Mapping[str, Any], *without: str) -> str:
    return ", ".join(
        f"{key} {value}"
        for key, value in values.items()
        if key not in without and value is not None
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def _percent(part: float) -> str:
    return f"{100 * part:.4g} %"
