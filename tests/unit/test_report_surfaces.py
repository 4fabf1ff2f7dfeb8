"""Surfaces for the page: read, thinned out, and measured against the reference."""

from pathlib import Path

import numpy as np
import pytest

from tests.report_tree import VIEWER, write_ball
from workflow.liverseg.report_surfaces import prepare_surface, read_stl, signed_distances, simplify


def test_an_stl_is_read_with_each_vertex_once(tmp_path: Path) -> None:
    write_ball(tmp_path / "b.stl", (10, 10, 10))
    vertices, triangles = read_stl(tmp_path / "b.stl")
    assert len(np.unique(vertices, axis=0)) == len(vertices)
    assert np.linalg.norm(vertices[triangles], axis=2) == pytest.approx(10, abs=1e-4)


def test_a_cut_stl_is_refused(tmp_path: Path) -> None:
    write_ball(tmp_path / "b.stl", (10, 10, 10))
    raw = (tmp_path / "b.stl").read_bytes()
    (tmp_path / "b.stl").write_bytes(raw[:-7])
    with pytest.raises(ValueError, match="no binary STL"):
        read_stl(tmp_path / "b.stl")


def test_simplifying_keeps_to_the_limit(tmp_path: Path) -> None:
    write_ball(tmp_path / "b.stl", (10, 10, 10))
    _, triangles = simplify(*read_stl(tmp_path / "b.stl"), most=500)
    assert 100 < len(triangles) <= 550


def test_an_empty_surface_is_none(tmp_path: Path) -> None:
    (tmp_path / "b.stl").write_bytes(bytes(84))
    assert prepare_surface(tmp_path / "b.stl", None, np.eye(4), VIEWER) is None


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_distances_from_a_box_in_millimetres(flip: float) -> None:
    reference = np.zeros((20, 20, 20), bool)
    reference[5:15, 5:15, 5:15] = True
    affine = np.diag([2.0 * flip, 2.0, 2.0, 1.0])
    affine[:3, 3] = (7.0, -3.0, 11.0)
    # Voxel centres 4 voxels before, on the near side of, and well within the box's lower face.
    places = np.array([[1.0, 10, 10], [4.5, 10, 10], [7.0, 10, 10]])
    points = places @ affine[:3, :3].T + affine[:3, 3]
    assert signed_distances(points, reference, affine) == pytest.approx([7.0, 0.0, -5.0], abs=1e-4)


@pytest.mark.parametrize("far", [1.0, 2.0, 5.0])
def test_distances_are_true_millimetres_where_slices_are_thick(far: float) -> None:
    reference = np.zeros((20, 20, 12), bool)
    reference[5:15, 5:15, 4:8] = True  # along z its faces lie at 3.5 and 7.5
    spacing = np.array([0.8, 0.8, 5.0])
    affine = np.diag([*spacing, 1.0])
    above = np.array([10.0, 10.0, 7.5]) * spacing + [0.0, 0.0, far]
    below = np.array([10.0, 10.0, 3.5]) * spacing - [0.0, 0.0, far]
    beside = np.array([14.5, 10.0, 5.0]) * spacing + [far, 0.0, 0.0]
    within = np.array([14.5, 10.0, 5.3]) * spacing - [far / 2, 0.0, 0.0]
    found = signed_distances(np.stack([above, below, beside, within]), reference, affine)
    assert found == pytest.approx([far, far, far, -far / 2])


def test_an_empty_reference_has_no_distance() -> None:
    assert signed_distances(np.zeros((3, 3)), np.zeros((4, 4, 4), bool), np.eye(4)) is None
