"""One finished run that all tests of this folder copy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.listing import Listing, listing, read_only
from tests.workflow.houses import House


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, Listing]:
    """A house before its run, and what its folder of CTs and labels holds."""
    house = House.build(tmp_path_factory.mktemp("house") / "here")
    return house, listing(house.run / "data")


@pytest.fixture(scope="session")
def finished(drawn: tuple[House, Listing]) -> tuple[House, Path]:
    """A house whose run has ended, set aside, and the place that it was made in."""
    house, _ = drawn
    with read_only(house.run / "data"):
        done = house.snakemake()
    assert done.returncode == 0, done.text
    return house.copy_to(house.place.with_name("finished")), house.place


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
