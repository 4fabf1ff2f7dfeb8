"""One finished run that all tests of this folder copy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.houses import House


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, Path]:
    """A house whose run has ended, set aside, and the place that it was made in."""
    place = tmp_path_factory.mktemp("house") / "here"
    house = House.build(place)
    done = house.snakemake()
    assert done.returncode == 0, done.text
    return house.copy_to(place.with_name("finished")), place


@pytest.fixture
def house(finished: tuple[House, Path]) -> House:
    """A fresh copy of the finished house, always in the one place: paths are part of a run."""
    kept, place = finished
    return kept.copy_to(place)


@pytest.fixture
def planned(house: House) -> Callable[..., set[str]]:
    """Jobs that a dry run on the house would do."""

    def jobs(*options: str) -> set[str]:
        run = house.snakemake("--dry-run", *options)
        assert run.returncode == 0, run.text
        return run.jobs

    return jobs
