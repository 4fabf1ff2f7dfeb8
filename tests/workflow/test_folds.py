"""Cross-validation in a whole run: the fold that has not seen a patient predicts him."""

import json
import re

from tests.workflow.houses import COHORT, House
from workflow.liverseg.files import read_table


def test_labelled_patients_are_predicted_by_their_unseen_fold_new_ones_by_all(house: House) -> None:
    rows = [
        f"{name}\t{name}.nii.gz\t{f'{name}-label.nii.gz' if split else ''}"
        for name, split in COHORT.items()
    ]
    sheet = house.run / "data/patients.tsv"
    sheet.write_text("\n".join(["patient\timage\tlabel", *rows]) + "\n")
    house.set(cross_validation={"folds": 2})
    masks = [f"results/predictions/tiny/{patient}/mask.nii.gz" for patient in ("c1", "d1")]
    run = house.snakemake("--", *masks)
    assert run.returncode == 0, run.text
    trained = {job for job in run.jobs if job.startswith("train_model")}
    assert trained == {"train_model tiny /fold-0", "train_model tiny /fold-1"}
    split = read_table(house.run / "results/split/split.tsv").set_index("patient")
    unseen = int(float(split.loc["c1", "fold"]))
    assert split.loc["c1", f"fold-{unseen}"] == "test"
    inputs = re.findall(
        r"^    input: .*$\n    output: results/predictions/tiny/c1/.*$", run.text, re.M
    )
    assert f"fold-{unseen}/model.safetensors" in inputs[0]
    assert f"fold-{1 - unseen}/" not in inputs[0]
    folder = house.run / "results/predictions/tiny"
    counts = {
        patient: len(json.loads((folder / patient / "prediction.json").read_text())["models"])
        for patient in ("c1", "d1")
    }
    assert counts == {"c1": 1, "d1": 2}
    planned = house.snakemake("--dry-run", "--", "results/models/tiny/README.md")
    cards = [f"results/models/tiny/fold-{number}/model.json" for number in (0, 1)]
    assert re.search(rf"rule write_model_card:\n    input: {', '.join(cards)},", planned.text)
