"""ONNX says what torch says."""

import numpy as np
import pytest

from tests.tiny_training import MODEL, tiny_files, tiny_settings
from workflow.liverseg.export import export_onnx
from workflow.liverseg.training_run import run_training


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_onnx_answers_as_torch_does_on_the_chunks(tmp_path, norm):
    files = tiny_files(tmp_path)
    settings = {**tiny_settings(epochs=1), "model": {**MODEL, "norm": norm}}
    run_training(files, name="tiny", settings=settings, resume_root=tmp_path / ".resume")
    chunks = np.concatenate([np.load(path) for path in files.train_images])
    onnx = tmp_path / "model.onnx"
    assert export_onnx(files.weights, files.card, onnx, chunks) < 1e-3
    assert onnx.stat().st_size > 1000
