"""`fetch_dataset` refuses what it cannot fetch, with the folder untouched."""

from pathlib import Path

import pytest

from workflow.liverseg.errors import LiversegError
from workflow.scripts.fetch_dataset import main


def test_a_folder_that_is_in_the_way_is_never_overwritten(tmp_path: Path):
    (tmp_path / "Liver").mkdir()
    (tmp_path / "Liver/mine").write_text("mine")
    dataset = {"name": "Liver", "url": "http://127.0.0.1:9/a.tar", "md5": "0" * 32}
    with pytest.raises(LiversegError, match="move it away"):
        main(tmp_path / "Liver.json", {"dataset": dataset})
    assert (tmp_path / "Liver/mine").read_text() == "mine"
