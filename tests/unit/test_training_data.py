"""Batches out of chunks: which patches are drawn."""

import numpy as np
import torch

from workflow.liverseg.training_data import Chunk, TrainingSet, read_chunks

PLAIN = {
    "seed": 1,
    "batch_size": 1,
    "accumulate": 1,
    "steps_per_epoch": 1,
    "patch": [8, 8, 8],
    "foreground_fraction": 1.0,
    "augmentation": {
        "rotation_degrees": [0, 0, 0],
        "scale": [1, 1],
        "stretch": 0,
        "flip": [0, 0, 0],
    },
}


def chunks_of(folder, label: np.ndarray) -> list[Chunk]:
    paths = [folder / name for name in ("image.npy", "label.npy", "kept.tsv")]
    np.save(paths[0], np.zeros((1, *label.shape), dtype=np.float16))
    np.save(paths[1], label[None])
    paths[2].write_text(f"chunk\tn_slices\n0\t{label.shape[2]}\n")
    return read_chunks(*([path] for path in paths))


def test_a_small_class_is_centred_as_often_as_a_large_one(tmp_path):
    label = np.zeros((40, 40, 40), dtype=np.uint8)
    label[2:22, 2:22, 2:22] = 1
    label[36, 36, 36] = 2  # one voxel of 8,000
    data = TrainingSet(
        chunks_of(tmp_path, label), settings=PLAIN, spacing_mm=None, device=torch.device("cpu")
    )
    seen = [bool((data.batch(epoch, 0).classes == 2).any()) for epoch in range(200)]
    assert 70 < sum(seen) < 130
