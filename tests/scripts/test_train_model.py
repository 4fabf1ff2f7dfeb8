"""The script of train_model writes weights, card and history."""

from tests.tiny_training import tiny_files, tiny_settings
from workflow.scripts.train_model import main


def test_it_writes_weights_card_and_history(tmp_path):
    files = tiny_files(tmp_path, out="results/models/tiny")
    main(
        **vars(files),
        model="tiny",
        settings=tiny_settings(epochs=1),
        code=[],
        resume=str(tmp_path / ".resume"),
        gpu=0,
        device="cpu",
        checkpoint_seconds=120,
    )
    assert files.weights.exists()
    assert files.card.exists()
    assert files.history.read_text().startswith("epoch,step,learning_rate")
