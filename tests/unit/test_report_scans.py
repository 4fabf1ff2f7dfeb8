"""A CT for the page: turned to the patient's axes, cropped to the body, small enough."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.report_tree import VIEWER, ellipsoid
from workflow.liverseg.report_scans import (
    ViewGrid,
    average_blocks,
    encode_scan,
    pick_centres,
    plan_view,
)


def voxels_of(content: dict) -> np.ndarray:
    """Grey values (x, y, z) of the picture in a scan's data file."""
    raw = base64.b64decode(content["ct"].partition(",")[2])
    sheet = np.array(Image.open(io.BytesIO(raw)))
    nx, ny, nz = content["shape"]
    places = [(n // content["columns"] * ny, n % content["columns"] * nx) for n in range(nz)]
    return np.stack([sheet[top : top + ny, left : left + nx].T for top, left in places], axis=2)


@pytest.fixture
def hu() -> np.ndarray:
    body = np.where(ellipsoid((40, 30, 12), (14, 10, 99)), 40.0, -1000.0)
    return body.astype(np.float32)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1)])
def test_axes_run_to_the_right_the_front_and_the_head(
    hu: np.ndarray, signs: tuple[int, int, int]
) -> None:
    hu[22:26, 16:18, 8:11] = 300.0  # right, front and above in RAS
    turned = hu[tuple(slice(None, None, sign) for sign in signs)]
    content, _ = encode_scan(turned, np.diag([*(2.0 * s for s in signs), 1.0]), VIEWER)
    bright = np.argwhere(voxels_of(content) > 240).mean(axis=0)
    middle = (np.array(content["shape"]) - 1) / 2
    assert (bright > middle).all()


def test_the_air_around_the_body_is_cropped(hu: np.ndarray) -> None:
    grid = plan_view(hu, (1.0, 1.0, 1.0), pixels=256, slices=64)
    assert grid.shape[0] < 40
    assert grid.shape[2] == 12


def test_the_grid_keeps_to_its_limits(hu: np.ndarray) -> None:
    grid = plan_view(hu, (1.0, 1.5, 2.0), pixels=12, slices=5)
    assert max(grid.shape[:2]) <= 12
    assert grid.shape[2] <= 5
    assert grid.spacing_mm == tuple(s * b for s, b in zip((1.0, 1.5, 2.0), grid.block, strict=True))


def test_blocks_are_averaged() -> None:
    voxels = np.arange(4 * 4 * 2, dtype=np.float32).reshape(4, 4, 2)
    grid = ViewGrid((0, 0, 0), (2, 2, 2), (2, 2, 1), (1.0, 1.0, 1.0))
    assert average_blocks(voxels, grid)[0, 0, 0] == voxels[:2, :2, :2].mean()


def test_classes_come_from_the_middle_of_blocks() -> None:
    classes = np.zeros((6, 6, 3), np.uint8)
    classes[1, 4, 1] = 2
    grid = ViewGrid((0, 0, 0), (3, 3, 3), (2, 2, 1), (1.0, 1.0, 1.0))
    assert pick_centres(classes, grid)[0, 1, 0] == 2


def test_a_scan_gives_way_to_its_limit() -> None:
    noise = np.random.default_rng(0).normal(50, 100, (120, 120, 60)).astype(np.float32)
    content, grid = encode_scan(noise, np.eye(4), {**VIEWER, "scan_kb": 60})
    assert len(content["ct"]) < 60_000 * 4 / 3 + 100
    assert grid.shape[2] < 60


def test_a_grid_comes_back_from_its_record() -> None:
    grid = ViewGrid((1, 2, 0), (2, 2, 1), (10, 9, 8), (1.4, 1.4, 5.0))
    assert ViewGrid.from_json({**grid.to_json(), "ct": ""}) == grid
