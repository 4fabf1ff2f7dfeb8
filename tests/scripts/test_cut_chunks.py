"""cut_chunks and filter_chunks: from a volume on disk to the rows that training reads."""

import numpy as np

from workflow.liverseg.files import read_table
from workflow.liverseg.volume_files import Volume, write_volume
from workflow.scripts import cut_chunks, filter_chunks


def test_chunks_are_cut_and_filtered(tmp_path):
    image = np.random.default_rng(0).random((4, 5, 35)).astype(np.float16)
    label = np.zeros(image.shape, np.uint8)
    label[2, 2, 17] = 1
    write_volume(tmp_path / "v.npz", Volume(image, label, np.eye(4)))
    table, images, labels = (tmp_path / name for name in ("t.tsv", "image.npy", "label.npy"))
    settings = {"chunks": {"slices": 16, "remainder": "shift"}}
    cut_chunks.main(tmp_path / "v.npz", table, images, labels, settings)
    assert np.load(images).shape == np.load(labels).shape == (3, 4, 5, 16)
    assert np.load(images).dtype == np.float16

    chosen = {"filter": {"min_liver_voxels": 1, "empty_fraction": 0.0, "seed": 0}}
    filter_chunks.main(table, tmp_path / "kept.tsv", "p", chosen)
    kept = read_table(tmp_path / "kept.tsv")
    columns = ["chunk", "first_slice", "n_slices", "liver_voxels", "x_mm", "y_mm", "z_mm"]
    assert list(kept.columns) == columns
    assert list(kept["chunk"]) == [1]
