"""Room is estimated from headers alone."""

from pathlib import Path

import numpy as np
import pytest

from workflow.liverseg import space
from workflow.liverseg.images import write_image

SETTINGS = {
    "volumes": {"spacing_mm": [2.0, 2.0, None], "in_plane": {"mode": "keep"}},
    "train": ["a"],
}


def test_a_ct_counts_by_its_prepared_and_its_own_voxels(tmp_path: Path) -> None:
    ct = tmp_path / "ct.nii.gz"
    write_image(ct, np.zeros((40, 40, 10), np.int16), np.diag([1.0, 1.0, 5.0, 1.0]))
    fixed = space.MODEL_BYTES + space.SURFACES_AND_PICTURES_BYTES
    needed = space.space_needed([ct], SETTINGS)
    assert needed == pytest.approx(fixed + 6 * 20 * 20 * 10 + 0.3 * 16000)


def test_an_unreadable_ct_needs_none(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("<html>")
    (tmp_path / "b.nii").write_bytes(b"")
    (tmp_path / "c.nii.gz").write_bytes(b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 50)  # not deflate
    broken = [tmp_path / name for name in ("a.nii.gz", "b.nii", "c.nii.gz", "absent.nii")]
    assert space.space_needed(broken, SETTINGS) == space.MODEL_BYTES


def test_too_little_is_a_warning_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert space.space_note([], SETTINGS, tmp_path).startswith("Space: about 0.4 GB")
    monkeypatch.setattr(space, "MODEL_BYTES", 1e18)
    assert space.space_note([], SETTINGS, tmp_path).startswith(
        "WARNING: space: about 1000000000.0 GB"
    )
