"""The configuration: strict, with remedies, and the same text for the same settings."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow.liverseg import settings
from workflow.liverseg.errors import NOT_NAMED, LiversegError
from workflow.liverseg.settings import canonical, check, overlay, read_config, with_repeats

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config() -> dict[str, Any]:
    return copy.deepcopy(read_config(ROOT / "config/config.yaml"))


def test_the_shipped_configuration_is_valid_and_checking_changes_no_value(config: dict) -> None:
    before = copy.deepcopy(config)
    checked = check(config)
    assert config == before
    for section, values in config.items():
        if isinstance(values, dict):
            plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
            assert {key: checked[section][key] for key in plain} == plain


def test_defaults_are_filled_in_the_same_way_every_time(config: dict) -> None:
    first, second = check(config), check(config)
    first["models"]["unet3d"]["width"] = 1
    assert second == check(config)
    assert check(check(config)) == check(config)


def test_each_schema_is_read_once(config: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    load = yaml.load
    monkeypatch.setattr(yaml, "load", lambda text, Loader: read.append(text) or load(text, Loader))
    settings._schemas.cache_clear()
    settings._validator.cache_clear()
    check(config)
    schemas = (ROOT / "workflow/schemas").glob("*.schema.yaml")
    assert sorted(read) == sorted(path.read_bytes() for path in schemas)


def test_a_file_that_would_build_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(LiversegError, match="correct the YAML"):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ("training", "epoch", "training: unknown key `epoch`; did you mean `epochs`?"),
        ("volumes", "spacing", "volumes: unknown key `spacing`; did you mean `spacing_mm`?"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known(
    config: dict, section: str, key: str, words: str
) -> None:
    config[section][key] = 1
    with pytest.raises(LiversegError) as caught:
        check(config)
    assert words in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once(config: dict) -> None:
    config["training"]["epochs"] = "many"
    config["chunks"]["slices"] = 0
    with pytest.raises(LiversegError, match=r"(?s)chunks\.slices.*training\.epochs"):
        check(config)


def test_a_model_that_the_catalogue_lacks_is_refused_with_the_nearest(config: dict) -> None:
    config["train"] = ["unet3d-narow"]
    with pytest.raises(LiversegError, match="did you mean `unet3d-narrow`"):
        check(config)


def test_an_overlays_model_replaces_the_defaults_model(config: dict, tmp_path: Path) -> None:
    layer = tmp_path / "mine.yaml"
    layer.write_text("models:\n  unet3d: {network: vnet}\n")
    config["models"]["unet3d"]["network"] = "vnet"  # as Snakemake merges it: the width is left over
    assert overlay(config, [layer])["models"]["unet3d"] == {"network": "vnet"}
    assert "unet3d-narrow" in overlay(config, [layer])["models"]


def test_equal_settings_give_one_text_in_any_order_and_swapped_values_another() -> None:
    one = {"a": {"x": 1, "y": 2}, "b": 3}
    assert canonical(one, "a", "b") == canonical({"b": 3, "a": {"y": 2, "x": 1}}, "b", "a")
    assert canonical(one, "a") != canonical({"a": {"x": 2, "y": 1}}, "a")
    assert json.loads(canonical(one, "a")) == {"a": {"x": 1, "y": 2}}


@pytest.mark.parametrize("text", ["a: [1", "- a list", "just words"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(LiversegError, match=r"c\.yaml"):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("volumes", "window_hu", [250, -200], r"volumes\.window_hu: \[250, -200\] is no range"),
        ("inspection", "volume_ml", [10, 10], r"inspection\.volume_ml"),
    ],
)
def test_a_range_the_wrong_way_round_is_refused(section, key, value, words):
    config = read_config(ROOT / "config/config.yaml")
    config[section][key] = value
    with pytest.raises(LiversegError, match=words):
        check(config)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([("tumour", [2]), ("liver", "positive")], "no voxel can be `tumour`"),
        ([("liver", [1]), ("Liver", [2])], "stands twice"),
        ([("liver", [1]), ("Scene", [2])], "`Scene` is the name of the file .*another name"),
    ],
)
def test_regions_that_cannot_be_are_refused(labels, words):
    config = read_config(ROOT / "config/config.yaml")
    config["labels"] = [{"name": name, "values": values} for name, values in labels]
    with pytest.raises(LiversegError, match=words):
        check(config)


def test_an_overlay_replaces_what_belongs_together(tmp_path):
    layer = tmp_path / "mine.yaml"
    layer.write_text("training: {augmentation: {}, epochs: 3}\n")
    config = read_config(ROOT / "config/config.yaml")
    config["training"]["epochs"] = 3  # as Snakemake has merged it
    laid = overlay(config, [layer])
    assert laid["training"]["augmentation"] == {}
    assert laid["training"]["optimiser"] == config["training"]["optimiser"]
    assert laid["training"]["epochs"] == 3


def test_repeats_are_models_with_seeds_of_their_own():
    config = check({**read_config(ROOT / "config/config.yaml"), "repeats": 2})
    first = config["training"]["seed"]
    repeated = with_repeats(config)
    assert repeated["train"] == [f"unet3d-narrow-seed{first}", f"unet3d-narrow-seed{first + 1}"]
    seeds = [repeated["models"][name]["training"]["seed"] for name in repeated["train"]]
    assert seeds == [first, first + 1]
    assert with_repeats(check(read_config(ROOT / "config/config.yaml")))["train"] == [
        "unet3d-narrow"
    ]


def test_an_ensemble_of_what_is_not_trained_is_refused():
    config = {
        **read_config(ROOT / "config/config.yaml"),
        "ensembles": {"both": ["unet3d-narrow", "unet3d"]},
    }
    with pytest.raises(LiversegError, match=r"ensembles\.both: `unet3d` is not under `train`"):
        check(config)


EFFECTS = ["cut", "blur", "low_resolution", "noise", "brightness", "contrast", "gamma"]


def with_effect(effect: str, ends: list[float]) -> dict[str, Any]:
    config = read_config(ROOT / "config/config.yaml")
    config["training"]["augmentation"][effect] = {"probability": 0.5, "range": ends}
    return config


@pytest.mark.parametrize("effect", [*EFFECTS, "invert_gamma"])
def test_strengths_of_augmentation_are_bounded_and_in_order(effect):
    check(with_effect(effect, [0.4, 0.5] if effect != "low_resolution" else [1.5, 2]))
    place = rf"training\.augmentation\.{effect}\.range"
    for beyond in ([-2, 1], [0.5, 11]):
        with pytest.raises(LiversegError, match=place):
            check(with_effect(effect, beyond))
    reversed_range = [0.5, 0.4] if effect != "low_resolution" else [2, 1.5]
    with pytest.raises(
        LiversegError, match=rf"{place}: \[.*\] is no range; write \[lower, upper\]"
    ):
        check(with_effect(effect, reversed_range))


def test_a_scale_the_wrong_way_round_is_refused_in_a_models_own_training_too():
    config = read_config(ROOT / "config/config.yaml")
    config["models"]["unet3d-narrow"]["training"] = {"augmentation": {"scale": [1.2, 0.8]}}
    words = r"models\.unet3d-narrow\.training\.augmentation\.scale: \[1\.2, 0\.8\] is no range"
    with pytest.raises(LiversegError, match=words):
        check(config)


def test_an_effect_that_is_left_out_is_off(config: dict) -> None:
    config["training"]["augmentation"] = {}
    how = check(config)["training"]["augmentation"]
    off = {effect: [1, 1] for effect in ("low_resolution", "contrast", "gamma", "invert_gamma")}
    off |= {effect: [0, 0] for effect in ("cut", "blur", "noise", "brightness")}
    assert {name: effect["range"] for name, effect in how.items() if name in off} == off
    assert all(how[name]["probability"] == 0 for name in off)


def test_where_a_job_runs_is_no_part_of_what_is_compared():
    config = read_config(ROOT / "config/config.yaml")
    elsewhere = {
        "training": {**config["training"], "device": "cuda", "checkpoint_minutes": 9},
        "prediction": {**config["prediction"], "device": "cpu"},
        "model": {"network": "unet", "training": {"device": "cpu", "epochs": 3}},
    }
    here = {**elsewhere, "training": config["training"], "prediction": config["prediction"]}
    assert canonical(elsewhere, *elsewhere) == canonical(here, *here)
    for own in ({"epochs": 4}, {"epochs": 3, "precision": "float32"}):
        other = {**elsewhere, "model": {"network": "unet", "training": own}}
        assert canonical(other, *other) != canonical(here, *here)


def test_a_path_of_the_user_is_not_handed_on():
    place = "/home/janedoe/model"
    config = {
        "patients": "/data/janedoe",
        "released_model": place,
        "training": {"warm_start": place, "epochs": 3},
        "models": {"mine": {"training": {"warm_start": place}}},
        "model": {"training": {"warm_start": None}},
        "inspection": {"manifest": place, "spacing_table": "results/spacings.tsv"},
    }
    text = canonical(config, *config)
    assert "janedoe" not in text
    assert json.loads(text)["training"] == {"warm_start": NOT_NAMED, "epochs": 3}
    assert json.loads(text)["model"]["training"]["warm_start"] is None
    inspection = {"manifest": NOT_NAMED, "spacing_table": "results/spacings.tsv"}
    assert json.loads(text)["inspection"] == inspection
    for stays in ("demo", "results/datasets/Task03_Liver"):
        assert json.loads(canonical({"patients": stays}, "patients")) == {"patients": stays}


def test_a_model_without_network_is_told_so_and_nothing_else(config):
    config["models"]["mine"] = {"width": 4}
    with pytest.raises(LiversegError) as error:
        check(config)
    assert str(error.value).splitlines()[1:] == ["  models.mine: 'network' is a required property"]


@pytest.mark.parametrize(
    ("values", "ignored"), [("positive", [3]), ("positive", "others"), ([6, 3], [3])]
)
def test_a_value_is_not_both_ignored_and_of_a_region(config: dict, values, ignored) -> None:
    config["labels"] = [{"name": "liver", "values": values}]
    config["inspection"]["ignored_values"] = ignored
    with pytest.raises(LiversegError, match="ignored_values: `liver`"):
        check(config)
