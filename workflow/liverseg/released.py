"""A released model: a folder of weights and card, applied as it is or trained on from there."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow.liverseg.errors import fault
from workflow.liverseg.files import read_json
from workflow.liverseg.settings import merged, section_problems

WEIGHTS, CARD, HISTORY = "model.safetensors", "model.json", "history.csv"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
READ_FROM = "(a relative path is read from the working directory, which `--directory` names)"


@dataclass(frozen=True)
class Released:
    """Where a released model lies, and what the workflow must know of it.

    parts: `("",)` for one model, `("/fold-0", "/fold-1", …)` for an ensemble of folds.
    """

    folder: Path
    parts: tuple[str, ...]
    name: str
    labels: list[dict[str, Any]]
    architecture: dict[str, Any]

    def files(self) -> dict[str, str]:
        """From each file below `results/models/NAME/` to the released file that it is taken from.

        An ensemble has the card of its first fold beside the folds, for those who show it.
        """
        wanted = [f"{part}/{name}".lstrip("/") for part in self.parts for name in (WEIGHTS, CARD)]
        files = {name: str(self.folder / name) for name in wanted}
        return files | {CARD: str(self.folder / self.parts[0].lstrip("/") / CARD)}

    def history(self) -> list[str]:
        """The training history, where the release has one."""
        path = self.folder / HISTORY
        return [str(path)] if path.is_file() else []

    def over(self, config: dict[str, Any]) -> dict[str, Any]:
        """The configuration with this model in the place of those to train.

        Labels are the model's own. Patients with a label are all there to test on.
        """
        split = dict(config["split"]) | {"train": 0, "validation": 0, "test": 1}
        return config | {
            "labels": self.labels,
            "models": {self.name: self.architecture},
            "train": [self.name],
            "ensembles": {},
            "repeated": {},
            "cross_validation": {"folds": None},
            "split": split,
        }


def read_released(folder: Path, results: Path = Path("results")) -> Released:
    """Find out what a released folder holds; only the cards are opened, so that parsing is quick.

    A card may come from anybody, and its labels become names of files: it is held to the schemas
    of the configuration. LiversegError where weights or card are missing, the card is none, or
    the folder is one of this run's own `results`.
    """
    if folder.resolve().is_relative_to(results.resolve()):
        raise fault(
            file=folder,
            expected="`released_model`: the model of another run",
            found="a model among the results of this working directory, which it would replace",
            remedy="use another --directory: one folder a cohort",
        )
    parts = _parts(folder)
    cards = [_read_card(folder / part.lstrip("/") / CARD) for part in parts]
    return Released(folder, parts, cards[0]["name"], cards[0]["labels"], cards[0]["architecture"])


def _parts(folder: Path) -> tuple[str, ...]:
    """What the model consists of; LiversegError where a part lacks its weights or its card."""
    folds = sorted(
        (path for path in folder.glob("fold-*") if path.is_dir()),
        key=lambda path: (len(path.name), path.name),
    )
    parts = tuple(f"/{path.name}" for path in folds) or ("",)
    missing = [
        f"{part}/{name}".lstrip("/")
        for part in parts
        for name in (WEIGHTS, CARD)
        if not (folder / part.lstrip("/") / name).is_file()
    ]
    if missing:
        raise fault(
            file=folder,
            expected=f"`released_model`: a folder with {WEIGHTS} and {CARD}, or with fold-0, …",
            found=f"no {', '.join(missing)} {READ_FROM}",
            remedy="give the folder of one model, such as results/models/NAME of another run",
        )
    return parts


def _read_card(path: Path) -> dict[str, Any]:
    """A card whose name, labels, network and preprocessing this workflow can use."""
    try:
        card = read_json(path)
        name, labels, volumes = card["name"], card["labels"], card["preprocessing"]
        architecture = card["architecture"]
    except (ValueError, KeyError, TypeError) as error:
        raise fault(
            file=path,
            found=f"no model card: {type(error).__name__}",
            remedy="fetch the model again",
        ) from error
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise fault(
            file=path, found=f"the name {name!r}", remedy="give the model a name without blanks"
        )
    sections = {"labels": labels, "models": {name: architecture}, "volumes": volumes}
    problems = [problem for one in sections for problem in section_problems(one, sections[one])]
    if problems:
        raise fault(
            file=path,
            expected="a card as this workflow writes it",
            found="; ".join(problems),
            remedy="do not use this model; fetch it again from whom it comes",
        )
    return card


def warm_starts(config: dict[str, Any]) -> dict[str, list[str]]:
    """From each trained model to the weights that it begins from; none where it begins anew.

    LiversegError where a folder that `training.warm_start` names holds no weights.
    """
    return {name: _warm_start(name, config) for name in config["train"]}


def _warm_start(name: str, config: dict[str, Any]) -> list[str]:
    own = config["models"][name].get("training", {})
    folder = merged(config["training"], own)["warm_start"]
    if folder is None:
        return []
    weights = Path(folder) / WEIGHTS
    if not weights.is_file():
        setting = f"models.{name}.training" if "warm_start" in own else "training"
        raise fault(
            expected=f"`{setting}.warm_start`: the folder of a trained model",
            found=f"no file {weights} {READ_FROM}",
            remedy="correct the path (of a model of folds take one: FOLDER/fold-0), or set null",
        )
    _check_alike(name, config["models"][name], Path(folder) / CARD)
    return [str(weights)]


def _check_alike(name: str, model: dict[str, Any], card: Path) -> None:
    """LiversegError where the card beside the weights is of another network than `model`."""
    if not card.is_file():
        return  # weights without a card: what fits is seen when they are loaded
    try:
        there = read_json(card)["architecture"]
    except (ValueError, KeyError, TypeError):
        return
    # What the weights themselves tell, or do not hang on.
    free = {"training", "dropout", "deep_supervision", "blocks_up"}
    differs = sorted(
        key for key in (set(model) | set(there)) - free if model.get(key) != there.get(key)
    )
    if differs:
        raise fault(
            expected=f"`warm_start` of a model like `models.{name}`, whose "
            + ", ".join(f"`{key}` is {model.get(key)}" for key in differs),
            found="one whose " + ", ".join(f"`{key}` is {there.get(key)}" for key in differs),
            remedy="set `training.warm_start` to a model of the same network, width and norm, "
            "or to null",
        )


def other_preprocessing(weights: Path, volumes: dict[str, Any]) -> str:
    """Where the card beside `weights` was trained on CTs prepared in another way than `volumes`.

    Empty where nothing differs, or nothing is known: without a card that can be read.
    """
    try:
        there = read_json(weights.with_name(CARD))["preprocessing"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if section_problems("volumes", there):
        return ""
    differs = sorted(
        key
        for key in set(there) | set(volumes)
        if _sides(there.get(key)) != _sides(volumes.get(key))
    )
    return ", ".join(f"`{key}` {there.get(key)}, here {volumes.get(key)}" for key in differs)


def _sides(value: Any) -> Any:
    """A setting as it is compared: one number for a spacing means it for all three axes."""
    return [value] * 3 if value is None or isinstance(value, int | float) else value
