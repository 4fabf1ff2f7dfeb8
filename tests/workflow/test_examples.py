"""The examples of several networks and of several regions, through a whole tiny run."""

import re
from itertools import combinations
from typing import Any

from tests.report_tree import SETTINGS
from tests.workflow.houses import House
from workflow.liverseg.files import read_json
from workflow.liverseg.settings import read_config
from workflow.scripts import build_report

BRIEF = {"epochs": 1, "steps_per_epoch": 2, "validate_every": 1}


def lay_over(house: House, example: str) -> dict[str, Any]:
    """Lay an example over the tiny cohort's settings, its training cut to two steps."""
    content = read_config(house.sources / f"config/examples/{example}.yaml")
    content["training"] = {**content.get("training", {}), **BRIEF}
    house.set(**content, prediction={"splits": ["test"]})
    return content


def page_of(house: House, models: list[str]) -> str:
    """The page of what was trained, predicted and scored; meshes are another test's."""
    results = house.run / "results"
    build_report.main(
        page=results / "report/index.html",
        cohort=results / "cohort/cohort.tsv",
        rejected=results / "cohort/rejected.tsv",
        split=results / "split/split.tsv",
        inspections=sorted(results.glob("cohort/inspection/*.json")),
        chunks=[],
        filtered=[],
        cards=[results / f"models/{name}/model.json" for name in models],
        histories=[results / f"models/{name}/history.csv" for name in models],
        predictions=[results / f"predictions/{name}/c1/prediction.json" for name in models],
        scores=[results / f"scores/{name}/c1.json" for name in models],
        summaries=[results / f"scores/{name}/summary.json" for name in models],
        meshes=[],
        comparison=[results / "scores/comparison.json"],
        benchmarks=str(results / "benchmarks"),
        settings=SETTINGS,
    )
    return (results / "report/index.html").read_text()


def test_five_architectures_end_in_one_table_and_one_figure(house: House) -> None:
    models = lay_over(house, "five-architectures")["train"]
    summaries = [f"results/scores/{name}/summary.json" for name in models]
    run = house.snakemake("--", "results/scores/comparison.json", *summaries)
    assert run.returncode == 0, run.text
    assert {job for job in run.jobs if "train" in job} == {f"train_model {name}" for name in models}
    cards = [read_json(house.run / f"results/models/{name}/model.json") for name in models]
    assert len({card["architecture"]["network"] for card in cards}) == len(models) == 5
    pairs = read_json(house.run / "results/scores/comparison.json")["pairs"]
    compared = {frozenset((pair["first"], pair["second"])) for pair in pairs}
    assert compared == set(map(frozenset, combinations(models, 2)))
    section = page_of(house, models).partition('id="scores"')[2]
    table = re.search(r"<table.*?</table>", section, re.S)
    figure = re.search(r"<svg.*?</svg>", section, re.S)
    assert table and figure
    for name in models:
        assert name in table[0]
        assert name in figure[0]


def test_liver_and_tumour_are_masked_scored_and_meshed(house: House) -> None:
    house.draw("c1", 13)  # one with lesions of some size
    lay_over(house, "tumour")
    folder = house.run / "results"
    wanted = ["results/scores/tiny/summary.json", "results/meshes/tiny/c1/mesh.json"]
    run = house.snakemake("--", *wanted)
    assert run.returncode == 0, run.text
    both = {"liver", "tumour"}
    columns = (folder / "models/tiny/history.csv").read_text().splitlines()[0]
    assert "validation_dice_tumour" in columns
    assert set(read_json(folder / "predictions/tiny/c1/prediction.json")["volume_ml"]) == both
    scores = read_json(folder / "scores/tiny/c1.json")["regions"]
    assert set(scores) == both
    assert 0 < scores["tumour"]["reference_ml"] < scores["liver"]["reference_ml"]
    assert set(read_json(folder / "scores/tiny/summary.json")["regions"]) == both
    assert set(read_json(folder / "meshes/tiny/c1/mesh.json")["regions"]) == both
    assert {path.stem for path in (folder / "meshes/tiny/c1").glob("*.stl")} == both
