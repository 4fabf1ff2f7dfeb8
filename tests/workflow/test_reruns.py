"""What reruns after which change: job for job, and the reason in words. DESIGN section 5.

The cohort: a1 a2 a3 train, b1 validation, c1 test, d1 without label. A dry run tells all that would
run, as long as the checkpoint stands; where it does not, the run is a real one.
"""

import ast
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.workflow.houses import COHORT, House, Run

Planned = Callable[..., set[str]]
TRAIN = ("a1", "a2", "a3")
SHOWN = ("c1", "d1")
PAGE = {"build_report", "record_provenance"}
FEATURES = {"tabulate_features"}
SUMMARISED = {"summarise_scores tiny", "write_model_card tiny"}
COHORT_WIDE = {"admit_cohort", "split_patients"} | PAGE | FEATURES


def each(rule: str, *names: str) -> set[str]:
    """The rule's jobs for each of the patients, or model-and-patients."""
    return {f"{rule} {name}" for name in names}


def shown(*patients: str, rules: str) -> set[str]:
    """Jobs of the tiny model for each patient."""
    return {f"{rule} tiny {patient}" for rule in rules.split() for patient in patients}


def meshed(*patients: str) -> set[str]:
    return shown(*patients, rules="export_mesh render_patient encode_case")


def scored(*patients: str) -> set[str]:
    return shown(*patients, rules="score_patient") | SUMMARISED


MESHED = meshed(*SHOWN) | FEATURES | PAGE
PREDICTED = shown(*SHOWN, rules="predict_patient export_seg") | MESHED | scored("c1")
TRAINED = {"train_model tiny"} | PREDICTED
CHUNKED = each("cut_chunks", *TRAIN) | each("filter_chunks", *TRAIN) | TRAINED
PREPARED = each("prepare_volume", *TRAIN, "b1") | CHUNKED
INSPECTED = each("inspect_patient", *COHORT)

SETTINGS: dict[str, tuple[dict, set[str], str]] = {
    "mesh": (
        {"mesh": {"iterations": 7}},
        MESHED,
        "export_mesh tiny c1: `mesh.iterations` 30 → 7",
    ),
    "pictures": (
        {"pictures": {"slices": 3}},
        shown(*SHOWN, rules="render_patient encode_case") | PAGE,
        "render_patient tiny c1: `pictures.slices` 2 → 3",
    ),
    "scores": (
        {"scores": {"surface_tolerance_mm": 3.5}},
        scored("c1") | PAGE,
        "score_patient tiny c1: `scores.surface_tolerance_mm` 2.0 → 3.5",
    ),
    "prediction": (
        {"prediction": {"overlap": 0.25}},
        PREDICTED,
        "predict_patient tiny c1: `prediction.overlap` 0.5 → 0.25",
    ),
    "training": (
        {"training": {"epochs": 3}},
        TRAINED,
        "train_model tiny: TRAINED AGAIN, `training.epochs` 2 → 3",
    ),
    "the model's own settings": (
        {"models": {"tiny": {"width": 3}}},
        TRAINED,
        "train_model tiny: TRAINED AGAIN, `model.width` 2 → 3",
    ),
    "filter": (
        {"filter": {"min_liver_voxels": 3}},
        each("filter_chunks", *TRAIN) | TRAINED,
        "filter_chunks a1: `filter.min_liver_voxels` 1 → 3",
    ),
    "chunks": (
        {"chunks": {"remainder": "pad"}},
        CHUNKED,
        'cut_chunks a1: `chunks.remainder` "shift" → "pad"',
    ),
    "volumes": (
        {"volumes": {"window_hu": [-150, 250]}},
        PREPARED,
        "prepare_volume a1: `volumes.window_hu` [-200, 250] → [-150, 250]",
    ),
    "report": (
        {"report": {"title": "Ours"}},
        PAGE,
        'build_report: `report.title` "Liver segmentation" → "Ours"',
    ),
    "a model that is not trained": (
        {"models": {"unet3d": {"width": 16}}},
        set(),
        "",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_reruns_what_depends_on_it_and_is_named(house: House, name: str) -> None:
    change, expected, told = SETTINGS[name]
    house.set(**change)
    run = house.snakemake("--dry-run")
    assert run.jobs == expected
    job, _, words = told.partition(": ")
    for part in words.split(", ", 1) if told else ():
        assert part in run.reasons[job]


CODE: dict[str, tuple[set[str], str]] = {
    "meshes": (MESHED, "export_mesh tiny c1"),
    "scores": (scored("c1") | PAGE, "score_patient tiny c1"),
    "summaries": (SUMMARISED | PAGE, "summarise_scores tiny"),
    "model_card": ({"write_model_card tiny", "record_provenance"}, "write_model_card tiny"),
    "losses": (TRAINED, "train_model tiny"),
    "chunks": (CHUNKED, "cut_chunks a1"),
    "splitting": ({"split_patients"}, "split_patients"),
}


@pytest.mark.parametrize("module", CODE)
def test_an_edit_of_a_module_reruns_its_dependants_and_is_named(house: House, module: str) -> None:
    expected, job = CODE[module]
    with (house.sources / f"workflow/liverseg/{module}.py").open("a") as stream:
        stream.write("\nEDITED = True\n")
    run = house.snakemake("--dry-run")
    if "split_patients" in expected:  # what follows the checkpoint is not planned before it ran
        after = {"train_model tiny"} | SUMMARISED | PAGE | FEATURES
        assert run.jobs - after == expected
    else:
        assert run.jobs == expected
    assert f"code of `{module}`" in run.reasons[job]


def test_an_edit_at_two_removes_reruns_its_dependants(house: House) -> None:
    helper = house.sources / "workflow/liverseg/helper_of_losses.py"
    helper.write_text('"""New."""\n\nFACTOR = 1\n')
    losses = house.sources / "workflow/liverseg/losses.py"
    text = losses.read_text()
    losses.write_text(f"{text}\nfrom workflow.liverseg.helper_of_losses import FACTOR\n")
    assert house.snakemake("--touch").returncode == 0
    helper.write_text('"""New."""\n\nFACTOR = 2\n')
    run = house.snakemake("--dry-run")
    assert run.jobs == TRAINED
    assert "code of `helper_of_losses`" in run.reasons["train_model tiny"]
    assert "TRAINED AGAIN" in run.reasons["train_model tiny"]


def nothing_at_all(house: House) -> None:
    pass


def touch_everything(house: House) -> None:
    for folder in (house.sources, house.run / "data"):
        for path in folder.rglob("*"):
            os.utime(path)


def checkout_to_and_fro(house: House) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(
            ["git", *identity, *words], cwd=house.sources, check=True, capture_output=True
        )

    git("init", "--initial-branch=main")
    git("add", "--all", "--force")
    git("commit", "--message=one")
    git("checkout", "-b", "other")
    for path in house.sources.rglob("*.py"):
        path.write_text(path.read_text() + "\nOTHER = 1\n")
    git("commit", "--all", "--message=two")
    git("checkout", "main")


def reformat_every_module(house: House) -> None:
    for path in house.sources.glob("workflow/**/*.py"):
        path.write_text(f"# another comment\n{ast.unparse(ast.parse(path.read_text()))}\n# end\n")


def rewrite_every_docstring(house: House) -> None:
    for path in house.sources.glob("workflow/**/*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(
                node
            ):
                node.body[0] = ast.Expr(ast.Constant("Other words."))
        path.write_text(ast.unparse(tree))


class OtherWords(ast.NodeTransformer):
    """Changes the texts of the errors that a module raises."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        for part in ast.walk(node.exc) if isinstance(node.exc, ast.Call) else ():
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                part.value = f"please: {part.value}"
        return node


def reword_errors(house: House) -> None:
    for path in house.sources.glob("workflow/**/*.py"):
        path.write_text(ast.unparse(OtherWords().visit(ast.parse(path.read_text()))))


def comment_rules(house: House) -> None:
    for path in house.sources.glob("workflow/rules/*.smk"):
        path.write_text("# another comment\n" + path.read_text().replace("mem_mb=", "mem_mb=1 + "))


def reorder_config(house: House) -> None:
    def backwards(value: object) -> object:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return value

    for path in (house.sources / "config/config.yaml", house.config):
        config = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(backwards(config), sort_keys=False))


def reorder_sheet(house: House) -> None:
    house.write_sheet(dict(reversed(COHORT.items())))


def rewrite_ct_with_the_same_bytes(house: House) -> None:
    path = house.run / "data/a1.nii.gz"
    path.write_bytes(path.read_bytes())


def lose_logs_and_benchmarks(house: House) -> None:
    shutil.rmtree(house.run / "results/logs")


def run_elsewhere(house: House) -> None:
    """Another device, and other times between the states that training saves."""
    house.set(training={"device": "cuda", "checkpoint_minutes": 9}, prediction={"device": "cuda"})


HARMLESS = [
    nothing_at_all,
    touch_everything,
    checkout_to_and_fro,
    reformat_every_module,
    rewrite_every_docstring,
    reword_errors,
    comment_rules,
    reorder_config,
    reorder_sheet,
    rewrite_ct_with_the_same_bytes,
    lose_logs_and_benchmarks,
    run_elsewhere,
]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__)
def test_what_changes_no_result_runs_nothing(
    house: House, planned: Planned, change: Callable[[House], None]
) -> None:
    change(house)
    assert planned() == set()


@pytest.mark.parametrize(
    "options",
    [["--cores", "1"], ["--cores", "7", "--resources", "gpu=2"], ["--profile", "profiles/other"]],
    ids=["one core", "seven cores, two GPUs", "another profile"],
)
def test_another_machine_or_profile_runs_nothing(
    house: House, planned: Planned, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    if "--profile" in options:
        profile = house.place / options[1]
        profile.mkdir(parents=True)
        (profile / "config.yaml").write_text(
            "latency-wait: 9\ndefault-resources: {slurm_partition: long, mem_mb: 77}\n"
        )
    assert planned(*options) == set()


def test_another_version_of_the_software_is_told_and_runs_nothing(house: House) -> None:
    recorded = house.run / "results/provenance/versions.json"
    recorded.write_text('{"torch": "1.0.0"}')
    run = house.snakemake("--dry-run")
    assert run.jobs == set()
    assert "the last run was made with others (torch 1.0.0 → " in run.text


def test_a_second_model_runs_its_own_jobs(house: House, planned: Planned) -> None:
    house.set(
        models={"other": {"network": "unet3d", "width": 3, "levels": 2}}, train=["tiny", "other"]
    )
    expected = {job.replace("tiny", "other") for job in TRAINED} | {"compare_models"}
    assert planned() == expected


def test_other_weights_to_begin_from_retrain_and_missing_ones_stop_the_run(house: House) -> None:
    released = house.run / "released"
    shutil.copytree(house.run / "results/models/tiny", released)
    house.set(training={"warm_start": "released"})
    assert house.snakemake("--dry-run").jobs == TRAINED
    assert house.snakemake("--touch").returncode == 0
    assert house.snakemake("--dry-run").jobs == set()
    weights = released / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"other")
    assert house.snakemake("--dry-run").jobs == TRAINED
    weights.unlink()
    run = house.snakemake("--dry-run")
    assert run.returncode != 0
    assert "`training.warm_start`" in run.text
    assert "no file released/model.safetensors" in run.text
    assert not run.jobs


def split_then_plan(house: House) -> set[str]:
    """Run up to the split, plan the rest: all that the change runs, without training it here."""
    first = house.snakemake("--until", "split_patients")
    assert first.returncode == 0, first.text
    second = house.snakemake("--dry-run")
    assert second.returncode == 0, second.text
    return first.jobs | second.jobs


def replace_ct(house: House, patient: str, number: int = 31) -> None:
    """Another CT with its label under the name of a patient."""
    house.draw("other", number)
    data = house.run / "data"
    (data / "other.nii.gz").rename(data / f"{patient}.nii.gz")
    (data / "other-label.nii.gz").rename(data / f"{patient}-label.nii.gz")


def whole_run(house: House) -> Run:
    run = house.snakemake()
    assert run.returncode == 0, run.text
    assert house.snakemake("--dry-run").jobs == set()
    return run


def of_a_new_patient(name: str) -> set[str]:
    return (
        {f"inspect_patient {name}", f"encode_scan {name}"}
        | shown(name, rules="predict_patient export_seg")
        | meshed(name)
    )


def of_a_training_patient(name: str) -> set[str]:
    rules = ("inspect_patient", "prepare_volume", "cut_chunks", "filter_chunks")
    return {f"{rule} {name}" for rule in rules}


def test_a_new_patient_without_label_is_predicted_and_nothing_else(house: House) -> None:
    house.draw("d2", 22)
    house.write_sheet({**COHORT, "d2": None})
    assert whole_run(house).jobs == of_a_new_patient("d2") | COHORT_WIDE


def test_a_new_labelled_test_patient_trains_nothing(house: House) -> None:
    house.draw("c2", 23)
    house.write_sheet({**COHORT, "c2": "test"})
    expected = of_a_new_patient("c2") | COHORT_WIDE | scored("c2")
    assert whole_run(house).jobs == expected


def test_another_ct_of_a_test_patient_reruns_that_patient_alone(house: House) -> None:
    replace_ct(house, "c1")
    expected = of_a_new_patient("c1") | COHORT_WIDE | scored("c1")
    assert whole_run(house).jobs == expected


def test_a_new_training_patient_retrains_and_says_so(house: House) -> None:
    house.draw("a4", 24)
    house.write_sheet({**COHORT, "a4": "train"})
    assert split_then_plan(house) == of_a_training_patient("a4") | COHORT_WIDE | TRAINED
    reason = house.snakemake("--dry-run").reasons["train_model tiny"]
    assert "TRAINED AGAIN" in reason


def test_another_ct_of_a_training_patient_retrains(house: House) -> None:
    replace_ct(house, "a2")
    assert split_then_plan(house) == of_a_training_patient("a2") | COHORT_WIDE | TRAINED


def test_another_ct_of_a_validation_patient_retrains(house: House) -> None:
    replace_ct(house, "b1")
    of_b1 = each("inspect_patient", "b1") | each("prepare_volume", "b1")
    assert split_then_plan(house) == of_b1 | COHORT_WIDE | TRAINED


def test_a_training_patient_removed_retrains(house: House) -> None:
    house.write_sheet({name: split for name, split in COHORT.items() if name != "a3"})
    assert split_then_plan(house) == COHORT_WIDE | TRAINED


def test_a_patient_without_label_removed_touches_the_tables_alone(house: House) -> None:
    house.write_sheet({name: split for name, split in COHORT.items() if name != "d1"})
    assert split_then_plan(house) == COHORT_WIDE


def test_a_renamed_patient_without_label_is_predicted_under_the_new_name(house: House) -> None:
    data = house.run / "data"
    (data / "d1.nii.gz").rename(data / "d9.nii.gz")
    house.write_sheet({**{k: v for k, v in COHORT.items() if k != "d1"}, "d9": None})
    assert split_then_plan(house) == of_a_new_patient("d9") | COHORT_WIDE


def test_a_corrected_label_of_a_test_patient_is_scored_again(house: House) -> None:
    correct(house.run / "data/c1-label.nii.gz")
    expected = {"inspect_patient c1"} | (COHORT_WIDE - FEATURES) | scored("c1")
    expected |= shown("c1", rules="encode_case")
    assert split_then_plan(house) == expected


def correct(label: Path) -> None:
    """Take one voxel out of a label."""
    import numpy as np

    from workflow.liverseg.images import read_image, write_image

    image = read_image(label, dtype=None)
    data = np.array(image.data)
    data[tuple(np.argwhere(data > 0)[0])] = 0
    write_image(label, data, image.affine)


def test_a_damaged_new_patient_is_rejected_and_nothing_else_runs(house: House) -> None:
    house.draw("d3", 25)
    path = house.run / "data/d3.nii.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    house.write_sheet({**COHORT, "d3": None})
    run = whole_run(house)
    assert run.jobs - {"split_patients"} == {"inspect_patient d3", "admit_cohort"} | PAGE
    assert "d3" in (house.run / "results/cohort/rejected.tsv").read_text()
