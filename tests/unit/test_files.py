"""Outputs appear whole or not at all, and say so when the disk is full."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import (
    read_json,
    read_table,
    sha256,
    whole,
    write_json,
    write_table,
    write_text,
)

ROOT = Path(__file__).resolve().parents[2]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_appears_only_when_finished_and_keeps_its_suffixes(tmp_path: Path) -> None:
    target = tmp_path / "deep/mask.nii.gz"
    with whole(target) as temporary:
        temporary.write_text("mask")
        assert not target.exists()
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == target.parent
    assert target.read_text() == "mask"
    assert names(target.parent) == ["mask.nii.gz"]


def test_after_an_error_the_old_file_stands_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), whole(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom workflow.liverseg.files import whole\n"
        "with whole(Path(sys.argv[1])) as t:\n    t.write_text('half'); print('x', flush=True)\n"
        "    time.sleep(60)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(target)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EDQUOT, "q"),
        ValueError("No space left on device"),
    ],
)
def test_a_full_disk_is_named(tmp_path: Path, error: Exception) -> None:
    wanted = r"a\.bin[\s\S]*no space left[\s\S]*make room"
    with pytest.raises(LiversegError, match=wanted), whole(tmp_path / "a.bin"):
        raise error
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_as_the_kernel_reports_it(tmp_path: Path) -> None:
    with pytest.raises(LiversegError, match="no space left"), whole(tmp_path / "a.bin"):
        Path("/dev/full").write_bytes(b"x" * 100_000)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_as_numpy_reports_it(tmp_path: Path) -> None:
    with pytest.raises(LiversegError, match="no space left"), whole(tmp_path / "a.npy"):
        np.zeros(100_000).tofile("/dev/full")


def test_json_is_readable_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "ü"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "b": 1,\n "a": "ü"\n}\n'
    assert read_json(tmp_path / "a.json") == json.loads('{"b": 1, "a": "ü"}')
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_tables_keep_names_that_look_like_numbers(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"patient": ["007", "NA"], "dice": [0.5, None]})
    write_table(tmp_path / name, table)
    read = read_table(tmp_path / name)
    assert list(read["patient"]) == ["007", "NA"]
    assert read["dice"].isna().tolist() == [False, True]


def test_sha256_of_abc(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf")
