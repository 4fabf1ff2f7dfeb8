"""A tiny results folder, as a run leaves it behind, for the tests of the page.

Volumes, masks and meshes are real files of a few kilobytes, so that the data files of the page
can be made from them; the records hold what the steps write.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as Picture

from workflow.liverseg.files import write_json, write_table
from workflow.liverseg.images import write_image
from workflow.liverseg.report_inputs import Sources
from workflow.liverseg.scores import score_region
from workflow.scripts import (
    build_report,
    compare_models,
    encode_case,
    encode_scan,
    summarise_scores,
)

SHAPE = (48, 40, 24)
SPACING_MM = (5.0, 5.0, 7.0)
HOSTILE = "<script>alert('x')</script>"
VIEWER: dict[str, Any] = {
    "pixels": 256, "slices": 128, "window_hu": [-200, 300], "scan_kb": 420, "picture_kb": 50,
    "triangles": 10000, "distance_range_mm": 10,
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "report": {"title": "Liver segmentation", "viewer": VIEWER},
    "labels": [{"name": "liver", "values": "positive"}],
    "dicom": {"seg": "named"},
    "scores": {"bootstrap_samples": 200, "confidence": 0.95, "seed": 0},
}


def ellipsoid(shape: tuple[int, int, int], radii: tuple[float, float, float]) -> np.ndarray:
    """A boolean ellipsoid (i, j, k) in the middle of a grid; radii in voxels."""
    grid = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    return sum((axis / radius) ** 2 for axis, radius in zip(grid, radii, strict=True)) <= 1.0


def write_scan(folder: Path, patient: str, *, seed: int = 0) -> tuple[Path, Path, Path]:
    """Write a CT, its label and a predicted mask (slightly larger) of one patient, LPS order."""
    random = np.random.default_rng(seed)
    body = ellipsoid(SHAPE, (22, 18, 40))
    liver = ellipsoid(SHAPE, (9, 7, 6))
    predicted = ellipsoid(SHAPE, (10, 7, 6))
    ct = np.where(body, 40.0, -1000.0) + 70.0 * liver + random.normal(0, 8, SHAPE)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    affine[:3, 3] = (110.0, 90.0, -80.0)
    paths = tuple(folder / patient / f"{name}.nii.gz" for name in ("ct", "label", "mask"))
    for path, data in zip(paths, (ct.astype(np.int16), liver, predicted), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, data.astype(np.int16 if path is paths[0] else np.uint8), affine)
    return paths


def write_ball(path: Path, radii_mm: tuple[float, float, float], *, meridians: int = 48) -> None:
    """Write a closed ellipsoid about the origin as a binary STL of meridians² triangles."""
    from workflow.liverseg.report_surfaces import TRIANGLE

    turn = np.linspace(0, 2 * np.pi, meridians + 1)
    rise = np.linspace(0, np.pi, meridians // 2 + 1)
    u, v = np.meshgrid(turn, rise, indexing="ij")
    ball = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)], axis=-1) * radii_mm
    corners = [ball[:-1, :-1], ball[:-1, 1:], ball[1:, 1:], ball[1:, :-1]]
    quads = np.stack([corner.reshape(-1, 3) for corner in corners], axis=1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    content = np.zeros(len(triangles), TRIANGLE)
    content["corners"] = triangles
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * 80 + np.uint32(len(triangles)).tobytes() + content.tobytes())


def write_page(root: Path, *, patients: int = 8) -> Path:
    """Write records and make the page and all its data files; returns the page."""
    return _write_page(root, write_records(root, patients=patients))


def write_comparing_page(root: Path, *, patients: int = 32) -> Path:
    """The same of two models, whose `unet` is the better one in each patient.

    Where both masks of `p05` are empty, and nothing is predicted of `p06`.
    """
    one = write_records(root, patients=patients, model="plain")
    two = write_records(root, patients=patients, model="unet")
    for path in one.scores:
        record = json.loads(path.read_text())
        record["regions"] = {"liver": scores_of(record["regions"]["liver"]["dice"] - 0.03, 1400.0)}
        write_json(path, record)
    scores = [*one.scores, *two.scores]
    for path in scores:
        if path.stem in ("p05", "p06"):
            record = json.loads(path.read_text())
            record["regions"] = {"liver": empty_scores(reference=path.stem == "p06")}
            write_json(path, record)
    for sources in (one, two):
        summary = sources.summaries[0]
        summarise_scores.main(
            list(sources.scores),
            list(sources.inspections),
            summary.with_suffix(".csv"),
            summary,
            summary.parent.name,
            SETTINGS,
        )
    comparison = root / "results/scores/comparison.json"
    compare_models.main(scores, comparison, SETTINGS | {"repeated": {"any": ["plain", "unet"]}})
    parts = ("cards", "histories", "predictions", "scores", "summaries", "meshes")
    both = {name: [*getattr(one, name), *getattr(two, name)] for name in parts}
    return _write_page(root, replace(one, comparison=[comparison], **both))


def empty_scores(*, reference: bool) -> dict[str, float | None]:
    """What score_patient writes where nothing is predicted, with or without a reference."""
    liver = np.full((4, 4, 4), reference)
    return score_region(
        np.zeros_like(liver), liver, spacing_mm=(1, 1, 1), voxel_ml=1.0, tolerance_mm=1.0
    )


def _write_page(root: Path, sources: Sources) -> Path:
    results = root / "results"
    report = results / "report"
    for path in sources.predictions:
        model, patient = path.parts[-3:-1]
        ct, label, mask = write_scan(results / "raw", patient, seed=len(patient))
        stl = results / "meshes" / model / patient / "liver.stl"
        write_ball(stl, (50.0, 35.0, 42.0))
        pictures = [stl.with_name(f"{name}.png") for name in ("overlay", "projection", "surface")]
        for picture in pictures:
            Picture.new("RGB", (200, 120), (60, 90, 120)).save(picture)
        scored = any(score.stem == patient for score in sources.scores)
        scan = report / "scans" / f"{patient}.js"
        settings = {"labels": SETTINGS["labels"], "viewer": VIEWER}
        encode_scan.main(ct, scan, patient, settings)
        encode_case.main(
            scan, mask, label if scored else [], [stl], *pictures,
            report / "cases" / model / f"{patient}.js", model, patient, settings,
        )  # fmt: skip
    page = report / "index.html"
    build_report.main(
        page=page, settings=SETTINGS, **vars(sources) | {"benchmarks": str(sources.benchmarks)}
    )
    return page


def scores_of(dice: float, volume_ml: float) -> dict[str, float]:
    """A region's scores as score_patient writes them."""
    return {
        "dice": dice, "iou": dice / (2 - dice), "precision": dice, "recall": dice,
        "specificity": 0.999, "nsd": dice - 0.02, "hd95_mm": 30 * (1 - dice) + 1,
        "mean_surface_distance_mm": 0.6, "predicted_ml": volume_ml,
        "reference_ml": volume_ml / (1.02 + 0.1 * (0.95 - dice)), "overlap_ml": 0.9 * volume_ml,
        "volume_error_ml": 0.02 * volume_ml, "absolute_volume_error_ml": 0.02 * volume_ml,
        "volume_error_percent": 2 + 10 * (0.95 - dice), "absolute_volume_error_percent": 2.0,
    }  # fmt: skip


def write_records(root: Path, *, patients: int = 8, model: str = "unet") -> Sources:
    """Write the records of a run under `root` / results and name them as the rule does."""
    results = root / "results"
    names = [f"p{number:02d}" for number in range(1, patients + 1)]
    splits = ["train", "train", "train", "validation", "test", "test", "test", "predict"]
    split = [splits[index % len(splits)] for index in range(patients)]
    # The first two, who train, are scans of one person.
    persons = [names[0], *names[:1], *names[2:]]
    write_table(
        results / "split" / "split.tsv",
        pd.DataFrame({"patient": names, "group": persons, "split": split}),
    )
    write_table(
        results / "cohort" / "cohort.tsv",
        pd.DataFrame(
            {
                "patient": names,
                "group": persons,
                "labelled": ["yes" if one != "predict" else "no" for one in split],
                "split": "",
                "voxel_digest": [f"{index:032x}" for index in range(patients)],
                "slices": [24] * patients,
                "status": ["admitted"] * patients,
            }
        ),
    )
    refused = {"patient": "p99", "code": "truncated_gzip", "found": HOSTILE, "remedy": "copy again"}
    double = {"patient": "p98", "code": "duplicate_scan", "found": "as p01", "remedy": "take out"}
    write_table(results / "cohort" / "rejected.tsv", pd.DataFrame([refused, double]))
    (results / "cohort" / "index.html").write_text("<title>Inspection of the cohort</title>")
    inspections = []
    for name in names:
        inspections.append(results / "cohort" / "inspection" / f"{name}.json")
        finding = {
            "code": "few_slices",
            "verdict": "warn",
            "part": "ct",
            "found": HOSTILE,
            "remedy": "-",
        }
        record = {"patient": name, "sha256": {"ct": "0" * 64}, "findings": [finding]}
        # One patient in two came as DICOM.
        imported = [{"series": {"digest": "1" * 64}}] if len(inspections) % 2 else []
        write_json(inspections[-1], record | {"imported": imported})
    chunks, filtered = _write_chunks(
        results, [n for n, s in zip(names, split, strict=True) if s == "train"]
    )
    card, history = _write_model(results, model)
    shown = [(n, s) for n, s in zip(names, split, strict=True) if s in ("test", "predict")]
    predictions, scores, meshes = [], [], []
    for index, (name, its_split) in enumerate(shown):
        predictions.append(results / "predictions" / model / name / "prediction.json")
        light = ("green", "yellow", "red")[index % 3]
        checks = [{"name": "volume", "light": light, "reason": f"the volume is {HOSTILE}"}]
        reasons = [] if light == "green" else [f"mask touches the border {HOSTILE}"]
        write_json(
            predictions[-1],
            {
                "patient": name,
                "confidence": {"light": light, "reasons": reasons, "checks": checks},
                "volume_ml": {"liver": 1400.0 + 31 * index},
            },
        )
        meshes.append(results / "meshes" / model / name / "mesh.json")
        surface = {
            "absent": False,
            "volume_ml": 1400.0 + index,
            "mask_volume_ml": 1400.0 + 31 * index,
        }
        write_json(meshes[-1], {"patient": name, "regions": {"liver": surface}})
        if its_split == "test":
            scores.append(results / "scores" / model / f"{name}.json")
            regions = {"liver": scores_of(0.97 - 0.012 * (index % 9), 1400.0 + 31 * index)}
            write_json(scores[-1], {"patient": name, "model": model, "regions": regions})
    summary = _write_summary(results, model, scores)
    benchmarks = results / "benchmarks"
    write_table(
        benchmarks / "predict_patient" / model / "p05.tsv",
        pd.DataFrame({"s": [3.25], "h:m:s": ["0:00:03"], "max_rss": [812.5]}),
    )
    return Sources(
        cohort=results / "cohort" / "cohort.tsv",
        rejected=results / "cohort" / "rejected.tsv",
        split=results / "split" / "split.tsv",
        inspections=inspections,
        chunks=chunks,
        filtered=filtered,
        cards=[card],
        histories=[history],
        predictions=predictions,
        scores=scores,
        summaries=[summary],
        meshes=meshes,
        benchmarks=benchmarks,
    )


def _write_chunks(results: Path, patients: list[str]) -> tuple[list[Path], list[Path]]:
    tables, filtered = [], []
    for name in patients:
        table = pd.DataFrame(
            {
                "chunk": [0, 1, 2, 3],
                "first_slice": [0, 16, 32, 48],
                "n_slices": 16,
                "liver_voxels": [0, 9, 9, 0],
            }
        )
        tables.append(results / "chunks" / name / "chunks.tsv")
        filtered.append(results / "filtered" / f"{name}.tsv")
        write_table(tables[-1], table)
        write_table(filtered[-1], table[table["liver_voxels"] > 0])
        (tables[-1].parent / "image.npy").write_bytes(bytes(400_000))
        (tables[-1].parent / "label.npy").write_bytes(bytes(100_000))
    return tables, filtered


def _write_model(results: Path, model: str) -> tuple[Path, Path]:
    card = results / "models" / model / "model.json"
    write_json(
        card,
        {
            "name": model,
            "architecture": {"network": "unet3d", "width": 8},
            "training": {"epochs": 20},
            "metrics": {"best_dice": 0.95},
            "versions": {"torch": "2.13.0"},
            "data": {"p01": {"digest": "a" * 64, "split": "train"}},
            "device": "cpu",
            "threads": 2,
        },
    )
    epochs = np.arange(1, 21)
    dice = [float("nan") if epoch % 2 else 1 - 0.9 ** float(epoch) for epoch in epochs]
    history = results / "models" / model / "history.csv"
    write_table(
        history,
        pd.DataFrame({"epoch": epochs, "loss": 1.4 * 0.85**epochs + 0.1, "validation_dice": dice}),
    )
    return card, history


def _write_summary(results: Path, model: str, scores: list[Path]) -> Path:
    dice = [json.loads(path.read_text())["regions"]["liver"]["dice"] for path in scores]
    mean = float(np.mean(dice))
    record = {"n": len(dice), "mean": mean, "low": mean - 0.01, "high": mean + 0.01, "median": mean}
    summary = results / "scores" / model / "summary.json"
    write_json(
        summary,
        {
            "model": model,
            "confidence": 0.95,
            "regions": {
                "liver": {
                    "n": len(dice),
                    "metrics": {"dice": record},
                    "worst": {"patient": "p07", "dice": min(dice)},
                    "pooled": {"dice": mean},
                }
            },
        },
    )
    return summary
