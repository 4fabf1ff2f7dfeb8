"""A run leaves a card beside its model that tells its own figures, and records where it is from."""

import json

from tests.workflow.houses import House


def test_the_card_tells_the_runs_scores_and_stands_in_the_crate(house: House) -> None:
    results = house.run / "results"
    text = (results / "models/tiny/README.md").read_text(encoding="utf-8")
    summary = json.loads((results / "scores/tiny/summary.json").read_text())
    dice = summary["regions"]["liver"]["metrics"]["dice"]["mean"]
    assert f"| liver | dice | 1 | {dice:.4g} |" in text
    assert "| tiny | 3 patients | 1 patients |" in text
    crate = json.loads((results / "ro-crate-metadata.json").read_text())
    described = {entity["@id"]: entity for entity in crate["@graph"]}
    card = described["models/tiny/README.md"]
    assert card["description"] == "made by write_model_card"
