"""Nothing is written beside the inputs, nor in them."""

from pathlib import Path

from tests.listing import Listing
from tests.listing import listing as listed
from tests.workflow.houses import House


def test_a_whole_run_leaves_the_folder_of_the_inputs_as_it_was(
    drawn: tuple[House, Listing], finished: tuple[House, Path]
) -> None:
    _, before = drawn
    kept, _ = finished
    assert len(before) > 10
    assert listed(kept.run / "data") == before
