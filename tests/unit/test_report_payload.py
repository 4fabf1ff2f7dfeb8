"""Data files of the page: what is written is what the page reads, and nothing else can be in it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workflow.liverseg.report_payload import decode_runs, encode_runs, read_payload, write_payload


@given(arrays(np.uint8, st.tuples(*[st.integers(1, 9)] * 3), elements=st.integers(0, 2)))
def test_runs_come_back(classes: np.ndarray) -> None:
    assert (decode_runs(encode_runs(classes), classes.shape) == classes).all()


def test_long_runs_come_back_and_are_short() -> None:
    classes = np.zeros((64, 64, 64), np.uint8)
    classes[20:40] = 1
    text = encode_runs(classes)
    assert len(text) < 40
    assert (decode_runs(text, classes.shape) == classes).all()


def test_a_payload_comes_back(tmp_path: Path) -> None:
    write_payload(tmp_path / "p.js", "scans/p", {"words": "</script>ß\u2028", "n": [1, 2]})
    assert read_payload(tmp_path / "p.js") == {"words": "</script>ß\u2028", "n": [1, 2]}


def test_a_payload_is_plain_ascii_without_tags(tmp_path: Path) -> None:
    write_payload(tmp_path / "p.js", "x", {"words": "</script>ß\u2028"})
    raw = (tmp_path / "p.js").read_bytes()
    assert raw.isascii()
    assert b"<" not in raw


def test_another_script_is_no_payload(tmp_path: Path) -> None:
    (tmp_path / "p.js").write_text("alert(1)\n")
    with pytest.raises(ValueError, match="no data file"):
        read_payload(tmp_path / "p.js")
