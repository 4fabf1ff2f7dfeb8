"""The script of export_onnx writes a model that onnxruntime reads."""

from tests.tiny_training import tiny_files, tiny_settings
from workflow.liverseg.training_run import run_training
from workflow.scripts.export_onnx import main


def test_it_writes_an_onnx_model(tmp_path):
    files = tiny_files(tmp_path)
    settings = tiny_settings(epochs=1, patch=[16, 16, 8])
    run_training(files, name="tiny", settings=settings, resume_root=tmp_path / ".resume")
    onnx = tmp_path / "model.onnx"
    lists = (files.train_images, files.train_labels, files.train_kept)
    main(files.weights, files.card, *lists, onnx)
    assert onnx.stat().st_size > 1000
