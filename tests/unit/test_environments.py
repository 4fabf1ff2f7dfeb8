"""One set of versions: what the conda files and the project files name is what the lock pins."""

import re

import pytest
import yaml

from tests.conftest import ROOT

PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;]+)")


def pins(lines: list[str]) -> dict[str, set[str]]:
    """Package -> versions; the lock may pin two, for different Python versions."""
    found: dict[str, set[str]] = {}
    for line in lines:
        if match := PIN.match(line.strip()):
            found.setdefault(match[1].lower(), set()).add(match[2])
    return found


LOCK = pins((ROOT / "envs/requirements.txt").read_text().splitlines())


@pytest.mark.parametrize("name", ["data", "learn", "show"])
def test_conda_files_pin_what_the_lock_pins(name: str) -> None:
    content = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    wanted = pins(content["dependencies"][-1]["pip"])
    assert wanted
    assert {package: versions for package, versions in wanted.items()
            if not versions <= LOCK.get(package, set())} == {}  # fmt: skip


def recipe(name: str) -> tuple[str, set[str], set[str]]:
    """Base image, Debian packages and what pip installs, of a container's recipe."""
    text = (ROOT / name).read_text()
    image = re.search(r"^from:? (\S+)$", text, re.M | re.I)
    packages = re.search(r"apt-get install -y --no-install-recommends ([^\n\\]+)", text)
    pip = re.search(r"pip install --no-cache-dir ([^\n]+)", text)
    assert image and packages and pip
    return image[1], set(packages[1].split()), set(pip[1].split())


def test_both_containers_hold_the_same() -> None:
    assert recipe("Dockerfile") == recipe("liverseg.def")
    assert "envs/requirements.txt /opt/requirements.txt" in (ROOT / "Dockerfile").read_text()
    assert "envs/requirements.txt /opt/requirements.txt" in (ROOT / "liverseg.def").read_text()


def test_torch_is_pinned_without_suffix_hash_or_cuda_packages() -> None:
    text = (ROOT / "envs/requirements.txt").read_text()
    assert "torch==2.13.0\n" in text
    assert "--hash" not in text
    unlocked = (ROOT / "envs/unlocked.txt").read_text().split()
    assert not set(unlocked) & set(LOCK)


def test_every_direct_dependency_is_locked() -> None:
    lines = (ROOT / "envs/requirements.in").read_text().splitlines()
    wanted = [line for line in lines if line and line[0] != "#"]
    names = {re.split(r"[=\[<>]", line)[0].strip().lower() for line in wanted}
    assert names - set(LOCK) == set()
