"""What every test may ask for."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real CTs named by LIVERSEG_REAL_DATA; without it the test skips and says so."""
    folder = os.environ.get("LIVERSEG_REAL_DATA")
    if not folder:
        pytest.skip("LIVERSEG_REAL_DATA names no folder of real CTs")
    return Path(folder)
