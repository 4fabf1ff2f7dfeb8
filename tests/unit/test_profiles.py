"""What the profiles for clusters bundle, and what must not be in a bundle."""

from pathlib import Path

import pytest
import yaml

PROFILES = sorted(Path(__file__).resolve().parents[2].glob("profiles/slurm*/profile.yaml"))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.parent.name)
def test_the_record_of_the_run_is_made_alone(profile: Path) -> None:
    # Snakemake writes its records of a bundle's jobs when the whole bundle has ended.
    groups = yaml.safe_load(profile.read_text())["groups"]
    assert "build_report" in groups
    assert "record_provenance" not in groups


def test_both_cluster_profiles_are_looked_at() -> None:
    assert [path.parent.name for path in PROFILES] == ["slurm", "slurm-apptainer"]
