"""Chunks: no slice is lost by default, and who is kept depends on no one else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.liverseg.chunks import Chunk, cut_volume, keep_chunks, plan_chunks
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.volume_files import Volume

SHIFT = {"slices": 16, "remainder": "shift"}


def volume_of(n_slices, liver=()):
    image = np.ones((3, 4, n_slices), np.float16) * np.arange(n_slices, dtype=np.float16)
    label = np.zeros(image.shape, np.uint8)
    label[1, 1, list(liver)] = 1
    return Volume(image, label, np.eye(4))


def slices_of(chunks):
    return {c.first_slice + z for c in chunks for z in range(c.n_slices)}


@given(n_slices=st.integers(1, 200), remainder=st.sampled_from(["shift", "pad"]))
def test_no_slice_is_lost(n_slices, remainder):
    assert slices_of(plan_chunks(n_slices, 16, remainder)) == set(range(n_slices))


@given(n_slices=st.integers(16, 200))
def test_shift_fills_every_chunk(n_slices):
    assert {chunk.n_slices for chunk in plan_chunks(n_slices, 16, "shift")} == {16}


def test_remainder_is_shifted_padded_or_dropped():
    assert plan_chunks(35, 16, "shift") == (Chunk(0, 16), Chunk(16, 16), Chunk(19, 16))
    assert plan_chunks(35, 16, "pad") == (Chunk(0, 16), Chunk(16, 16), Chunk(32, 3))
    assert plan_chunks(35, 16, "drop") == (Chunk(0, 16), Chunk(16, 16))


@pytest.mark.parametrize("remainder", ["shift", "pad", "drop"])
def test_thin_volume_is_padded_with_air_and_background(remainder):
    settings = {"slices": 16, "remainder": remainder}
    table, image, label = cut_volume(volume_of(11, liver=[10]), settings)
    assert table.to_dict("records") == [
        {"chunk": 0, "first_slice": 0, "n_slices": 11, "liver_voxels": 1}
        | {"x_mm": 1, "y_mm": 1, "z_mm": 1}
    ]
    assert image.shape == label.shape == (1, 3, 4, 16)
    assert not image[..., 11:].any()
    assert not label[..., 11:].any()


def test_the_table_holds_the_voxels_sides():
    turned = np.array([[0.6, -1.6, 0, 9], [0.8, 1.2, 0, 9], [0, 0, 5, 9], [0, 0, 0, 1]])
    volume = volume_of(35)
    table, _, _ = cut_volume(Volume(volume.image, volume.label, turned), SHIFT)
    assert table[["x_mm", "y_mm", "z_mm"]].to_numpy().tolist() == [[1, 2, 5]] * 3


def test_chunks_hold_the_slices_that_the_table_names():
    table, image, _ = cut_volume(volume_of(35), SHIFT)
    for row, chunk in zip(table.itertuples(), image, strict=True):
        expected = np.arange(row.first_slice, row.first_slice + 16)
        np.testing.assert_array_equal(chunk[0, 0], expected)


def test_volume_without_label_is_refused():
    with pytest.raises(LiversegError, match="without"):
        cut_volume(Volume(np.zeros((2, 2, 20), np.float16), None, np.eye(4)), SHIFT)


def filter_settings(**changed):
    return {"min_liver_voxels": 1, "empty_fraction": 0.0, "seed": 0} | changed


@given(liver=st.sets(st.integers(0, 69)))
def test_default_keeps_every_slice_of_liver(liver):
    table, _, _ = cut_volume(volume_of(70, liver), SHIFT)
    kept = keep_chunks(table, "a", filter_settings())
    assert liver <= slices_of(Chunk(r.first_slice, r.n_slices) for r in kept.itertuples())


def empty_table(n):
    return pd.DataFrame({"chunk": range(n), "first_slice": 0, "n_slices": 16, "liver_voxels": 0})


def test_fraction_of_empty_chunks_is_kept():
    kept = keep_chunks(empty_table(2000), "a", filter_settings(empty_fraction=0.25))
    assert len(kept) == pytest.approx(500, abs=60)


def test_patients_and_seeds_draw_apart_and_again_alike():
    def drawn(patient, seed):
        settings = filter_settings(empty_fraction=0.5, seed=seed)
        return tuple(keep_chunks(empty_table(64), patient, settings)["chunk"])

    assert drawn("a", 0) == drawn("a", 0)
    assert len({drawn("a", 0), drawn("b", 0), drawn("a", 1)}) == 3


def test_no_empty_chunk_is_kept_unless_asked_for():
    assert keep_chunks(empty_table(50), "a", filter_settings()).empty
    assert len(keep_chunks(empty_table(50), "a", filter_settings(empty_fraction=1.0))) == 50
