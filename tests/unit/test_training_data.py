"""Batches out of chunks: which patches are drawn, and how they lie."""

from dataclasses import replace

import numpy as np
import torch

from workflow.liverseg import training_data
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


def chunks_of(folder, label: np.ndarray, sides=(1.0, 1.0, 1.0)) -> list[Chunk]:
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in ("image.npy", "label.npy", "kept.tsv")]
    np.save(paths[0], np.zeros((1, *label.shape), dtype=np.float16))
    np.save(paths[1], label[None])
    row = "\t".join(map(str, [0, label.shape[2], *sides]))
    paths[2].write_text(f"chunk\tn_slices\tx_mm\ty_mm\tz_mm\n{row}\n")
    return read_chunks(*([path] for path in paths))


def test_a_small_class_is_centred_as_often_as_a_large_one(tmp_path):
    label = np.zeros((40, 40, 40), dtype=np.uint8)
    label[2:22, 2:22, 2:22] = 1
    label[36, 36, 36] = 2  # one voxel of 8,000
    data = TrainingSet(chunks_of(tmp_path, label), settings=PLAIN, device=torch.device("cpu"))
    seen = [bool((data.batch(epoch, 0).classes == 2).any()) for epoch in range(200)]
    assert 70 < sum(seen) < 130


def tilt_degrees(classes: torch.Tensor, sides: tuple[float, ...]) -> float:
    """By what angle about x, on the patient, the class 1 of (x, y, z) leans out of plane."""
    _, y, z = (axis.double() for axis in (classes == 1).nonzero(as_tuple=True))
    y, z = (y - y.mean()) * sides[1], (z - z.mean()) * sides[2]
    return float(torch.rad2deg(torch.atan2((y * z).sum(), (y * y).sum())).abs())


def test_a_rotation_out_of_plane_is_by_the_voxels_of_each_chunk(tmp_path, monkeypatch):
    shapes = {"thick": (1.5, 1.5, 5.0), "cubes": (1.5, 1.5, 1.5)}
    label = np.zeros((4, 64, 64), dtype=np.uint8)
    label[:, 4:60, 31:33] = 1  # a plate that lies flat
    chunks = [
        chunk
        for name, sides in shapes.items()
        for chunk in chunks_of(tmp_path / name, label, sides)
    ]
    turned = {**PLAIN["augmentation"], "rotation_degrees": [10, 0, 0]}
    settings = {**PLAIN, "batch_size": 2, "patch": None, "augmentation": turned}
    ten = np.array([[1, 0, 0], [0, np.cos(np.pi / 18), -np.sin(np.pi / 18)],
                    [0, np.sin(np.pi / 18), np.cos(np.pi / 18)]])  # fmt: skip
    real = training_data.draw
    monkeypatch.setattr(training_data, "draw", lambda *of: replace(real(*of), matrix=ten))
    data = TrainingSet(chunks, settings=settings, device=torch.device("cpu"))
    order = {tuple(data._chunk_at(sample).spacing_mm): sample for sample in range(2)}
    batch = data.batch(0, 0)
    for sides in shapes.values():
        assert abs(tilt_degrees(batch.classes[order[sides]], sides) - 10) < 1.5
    # 84 mm of plate: its ends are 14.8 mm apart, 3 slices of 5 mm, 10 of 1.5 mm.
    spread = {}
    for name, sides in shapes.items():
        plate = (batch.classes[order[sides]] == 1).nonzero()
        spread[name] = int(plate[:, 2].max() - plate[:, 2].min())
    assert spread["thick"] <= 5
    assert 9 <= spread["cubes"] <= 12
