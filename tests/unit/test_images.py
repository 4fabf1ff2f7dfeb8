"""Reading the workflow's own images: whole, or with words that help."""

from pathlib import Path

import numpy as np
import pytest

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.images import read_image, write_image


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda b: b[:-8], "ends too early"),
        (lambda b: b[: len(b) // 2], "ends too early"),
        (lambda b: b[:-6] + bytes([b[-6] ^ 1]) + b[-5:], "a damaged gzip stream"),
        (lambda b: b[:40] + bytes(60) + b[100:], "a damaged gzip stream"),
    ],
    ids=["no trailer", "half", "checksum", "stream"],
)
def test_a_damaged_mask_is_named_with_the_remedy(tmp_path: Path, damage, found: str):
    path = tmp_path / "p7" / "mask.nii.gz"
    path.parent.mkdir()
    write_image(path, np.random.default_rng(0).integers(0, 9, (9, 9, 9), np.uint8), np.eye(4))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(LiversegError) as caught:
        read_image(path)
    text = str(caught.value)
    assert "file: p7/mask.nii.gz" in text
    assert found in text
    assert "remedy: delete the file and run again" in text
