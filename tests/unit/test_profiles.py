"""The profiles for clusters say what their comments and docs/clusters.md promise."""

import re

import pytest
import yaml

from tests.conftest import ROOT

RULE = re.compile(
    r"^ *(?:rule|checkpoint) (\w+):\n(.*?)(?=^ *(?:rule|checkpoint) |\Z)", re.M | re.S
)
RULES = {
    name: body
    for path in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for name, body in RULE.findall(path.read_text())
}
OF_PATIENTS = sorted(
    name for name, body in RULES.items() if "{patient}" in body.partition("output:")[2]
)
CLUSTERS = ["slurm", "slurm-apptainer"]


def profile(name: str) -> dict:
    """A profile's settings."""
    return yaml.safe_load((ROOT / f"profiles/{name}/profile.yaml").read_text())


def test_the_container_is_all_that_sets_the_two_apart() -> None:
    plain, contained = profile("slurm"), profile("slurm-apptainer")
    own = {key: contained.pop(key) for key in ("software-deployment-method", "apptainer-args")}
    assert own == {"software-deployment-method": "apptainer", "apptainer-args": "--nv"}
    assert contained == plain
    assert list(contained) == list(plain)


@pytest.mark.parametrize("name", CLUSTERS)
@pytest.mark.parametrize("rule", [*OF_PATIENTS, "train_model"])
def test_each_retry_asks_for_more_memory_than_the_rule_does(name: str, rule: str) -> None:
    asked = profile(name)["set-resources"][rule]["mem_mb"]
    found = re.fullmatch(r"(\d+) \* attempt", asked)
    own = re.search(r"mem_mb=(\d+)", RULES[rule])
    assert found and own
    assert int(found[1]) >= int(own[1])


def test_the_rules_of_patients_are_found() -> None:
    assert {"inspect_patient", "prepare_volume", "predict_patient", "encode_case"} <= {*OF_PATIENTS}


@pytest.mark.parametrize("name", CLUSTERS)
def test_only_training_goes_where_the_gpus_are(name: str) -> None:
    asked = profile(name)["set-resources"]
    assert asked["train_model"]["gpu"] == asked["train_model"]["nodes"] == 1
    assert asked["predict_patient"]["gpu"] == 0  # also when the login node has one
    with_gpu = {rule for rule, body in RULES.items() if re.search(r"^ +gpu=", body, re.M)}
    assert with_gpu <= asked.keys()
    partitions = {rule for rule, values in asked.items() if "slurm_partition" in values}
    assert partitions == {"train_model"}


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_record_of_the_run_is_made_alone(name: str) -> None:
    # Snakemake writes its records of a bundle's jobs when the whole bundle has ended.
    groups = profile(name)["groups"]
    assert "build_report" in groups
    assert "record_provenance" not in groups
