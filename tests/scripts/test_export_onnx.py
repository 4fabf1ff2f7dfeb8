"""The script of export_onnx writes a model that onnxruntime reads."""

import numpy as np

from tests.tiny_training import tiny_files, tiny_settings
from workflow.liverseg.export import samples_of
from workflow.liverseg.training_run import run_training
from workflow.scripts.export_onnx import main


def test_it_writes_an_onnx_model(tmp_path):
    files = tiny_files(tmp_path)
    settings = tiny_settings(epochs=1, patch=[16, 16, 8])
    run_training(files, name="tiny", settings=settings, resume_root=tmp_path / ".resume")
    onnx = tmp_path / "model.onnx"
    main(files.weights, files.card, files.validation_volumes[0], onnx)
    assert onnx.stat().st_size > 1000


def test_samples_are_the_middle_and_the_corner_filled_up_with_air():
    image = np.arange(1, 9 * 4 * 2 + 1, dtype=np.float16).reshape(9, 4, 2)
    middle, corner = samples_of(image, [3, 4, 4])
    np.testing.assert_array_equal(middle[..., :2], image[3:6])
    np.testing.assert_array_equal(corner[..., :2], image[:3])
    assert not middle[..., 2:].any()
    assert not corner[..., 2:].any()
