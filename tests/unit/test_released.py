"""A released model's folder: what it holds, and what it puts in the place of training."""

import pytest

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import write_json
from workflow.liverseg.layouts import read_folder
from workflow.liverseg.released import read_released, warm_starts
from workflow.liverseg.splitting import Member, split_patients

UNET = {"network": "unet3d"}
CARD = {
    "name": "narrow",
    "labels": [{"name": "liver", "values": [1]}],
    "architecture": UNET,
    "preprocessing": {"spacing_mm": 2, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}},
}
OUTSIDE = "../../../../evil"


def release(folder, *parts, card=CARD):
    for part in parts or ("",):
        write_json(folder / part / "model.json", card)
        (folder / part / "model.safetensors").write_bytes(b"weights")
    return folder


def test_one_model(tmp_path):
    released = read_released(release(tmp_path))
    assert (released.name, released.parts) == ("narrow", ("",))
    assert set(released.files()) == {"model.safetensors", "model.json"}
    assert released.history() == []


def test_folds_in_their_order_with_a_card_to_show(tmp_path):
    released = read_released(release(tmp_path, *(f"fold-{k}" for k in range(11))))
    assert released.parts == tuple(f"/fold-{k}" for k in range(11))
    assert released.files()["model.json"] == str(tmp_path / "fold-0/model.json")
    assert released.files()["fold-10/model.safetensors"].endswith("fold-10/model.safetensors")


def test_configuration_is_the_models_own(tmp_path):
    config = {"labels": [], "models": {"a": {}}, "train": ["a"], "split": {"seed": 3, "train": 0.7}}
    over = read_released(release(tmp_path)).over(config)
    assert over["labels"] == CARD["labels"]
    assert over["train"] == ["narrow"]
    assert over["split"] == {"seed": 3, "train": 0, "validation": 0, "test": 1}


def test_missing_weights_are_named(tmp_path):
    release(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(LiversegError, match=r"no model\.safetensors"):
        read_released(tmp_path)


@pytest.mark.parametrize("card", [{}, [], {**CARD, "name": "two words"}])
def test_card_that_is_none_is_refused(tmp_path, card):
    with pytest.raises(LiversegError):
        read_released(release(tmp_path, card=card))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"labels": [{"name": OUTSIDE, "values": [1]}]}, r"labels\.0\.name: .*evil.*match"),
        ({"labels": [{"name": "liver\n", "values": [1]}]}, r"labels\.0\.name"),
        ({"labels": "liver"}, r"labels: 'liver' is no list"),
        ({"labels": [{"name": "scene", "values": [1]}]}, r"scene\.glb"),
        ({"labels": [{"name": "liver"}]}, r"labels\.0: 'values' is a required"),
        ({"architecture": {"network": OUTSIDE}}, r"models\.narrow\.network"),
        ({"architecture": {"network": "unet3d", "wdith": 8}}, r"did you mean `width`"),
        ({"preprocessing": {"spacing_mm": 2}}, r"volumes: 'window_hu' is a required"),
        ({"preprocessing": CARD["preprocessing"] | {"window_hu": [9, 9]}}, r"volumes\.window_hu"),
    ],
)
@pytest.mark.parametrize("parts", [("",), ("fold-0", "fold-1")])
def test_a_card_is_held_to_the_schemas_whoever_wrote_it(tmp_path, changed, told, parts):
    release(tmp_path, *parts)
    release(tmp_path, parts[-1], card=CARD | changed)
    with pytest.raises(LiversegError, match=f"model.json(?s:.*){told}"):
        read_released(tmp_path)


def test_a_card_is_read_as_it_stands(tmp_path):
    assert read_released(release(tmp_path)).architecture == CARD["architecture"]


@pytest.mark.parametrize("part", ["", "fold-0"])
def test_a_model_of_this_runs_own_results_is_refused(tmp_path, monkeypatch, part):
    monkeypatch.chdir(tmp_path)
    folder = release(tmp_path / "results/models/narrow", part)
    for asked in (folder, folder / part, folder.relative_to(tmp_path)):
        with pytest.raises(LiversegError, match="use another --directory"):
            read_released(asked)


def test_a_missing_folder_is_told_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(LiversegError, match=r"read from the working directory.*--directory"):
        read_released(tmp_path / "nowhere")


def test_nothing_need_be_trained_on_with_a_released_model():
    fractions = {"train": 0, "validation": 0, "test": 1}
    unlabelled = Member(patient="a", group="a", labelled=False, split=None, digests=())
    labelled = Member(patient="b", group="b", labelled=True, split=None, digests=())
    splits = {
        one.patient: one.split
        for one in split_patients([unlabelled, labelled], fractions=fractions, seed=0)
    }
    assert splits == {"a": "predict", "b": "test"}
    assert split_patients([unlabelled], fractions=fractions, seed=0)[0].split == "predict"


def test_cts_side_by_side_are_patients_to_predict(tmp_path):
    for name in ("one.nii.gz", "two.nii"):
        (tmp_path / name).touch()
    listing = read_folder(tmp_path)
    assert {entry.patient: entry.label_sources for entry in listing.entries} == {
        "one": (),
        "two": (),
    }


def test_what_is_named_like_a_label_is_not_taken_for_a_ct(tmp_path):
    for name in ("one.nii.gz", "one_label.nii.gz"):
        (tmp_path / name).touch()
    assert read_folder(tmp_path) is None


def test_weights_to_begin_from_are_those_of_the_folder_and_a_models_own_setting_wins(tmp_path):
    config = {
        "train": ["a", "b", "c"],
        "training": {"warm_start": str(release(tmp_path / "general"))},
        "models": {
            "a": UNET,
            "b": UNET | {"training": {"warm_start": str(release(tmp_path / "own"))}},
            "c": UNET | {"training": {"warm_start": None}},
        },
    }
    general, own = (str(tmp_path / name / "model.safetensors") for name in ("general", "own"))
    assert warm_starts(config) == {"a": [general], "b": [own], "c": []}


@pytest.mark.parametrize(
    ("own", "setting"),
    [({}, "`training.warm_start`"), ({"warm_start": "gone"}, "`models.a.training.warm_start`")],
)
def test_missing_weights_to_begin_from_are_told_with_setting_and_path(own, setting):
    config = {
        "train": ["a"],
        "training": {"warm_start": "gone"},
        "models": {"a": {"training": own}},
    }
    with pytest.raises(LiversegError, match=f"{setting}.*(?s:.)*no file gone/model.safetensors"):
        warm_starts(config)


def test_to_begin_from_another_network_is_refused_with_what_differs(tmp_path):
    other = {"network": "unet3d", "width": 8, "training": {}}
    release(tmp_path, card=CARD | {"architecture": {"network": "unet3d", "width": 32}})
    config = {"training": {"warm_start": str(tmp_path)}, "models": {"a": other}, "train": ["a"]}
    with pytest.raises(
        LiversegError, match=r"(?s)`width` is 8.*`width` is 32.*same network, width and norm"
    ):
        warm_starts(config)
