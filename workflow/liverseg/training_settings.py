"""What the settings of a training demand of each other, found before a minute is spent on it."""

from collections.abc import Iterator
from typing import Any

from workflow.liverseg.labels import LabelMap

BATCH_NORM = ("vnet", "attention_unet")  # of MONAI's networks those that have no other


def contradictions(
    model: dict[str, Any], training: dict[str, Any], labels: LabelMap
) -> Iterator[str]:
    """What cannot go together of a model of the catalogue and its whole `training`."""
    if _has_batch_norm(model) and training["batch_size"] == 1:
        remedy = "set `norm: instance`" if "norm" in model else "take a network with another norm"
        yield (
            "batch norm with `batch_size: 1`: the statistics of one sample say nothing of the "
            f"next; raise `training.batch_size`, or {remedy}"
        )
    weights = training["loss"]["class_weights"]
    if isinstance(weights, list) and len(weights) != labels.n_classes:
        yield (
            f"{len(weights)} numbers in `training.loss.class_weights`: {labels.n_classes} are "
            "needed, the background's, then one for each of `labels`"
        )
    if model["network"] == "unetr" and model["hidden_size"] % model["heads"]:
        yield (
            f"`hidden_size: {model['hidden_size']}` cannot be shared out evenly to "
            f"`heads: {model['heads']}`; make it a multiple"
        )


def reversed_ranges(training: dict[str, Any]) -> Iterator[str]:
    """Ranges of the augmentation whose lower end lies above their upper end, each explained."""
    augmentation = training["augmentation"]
    ranges = {"scale": augmentation["scale"]} | {
        f"{name}.range": effect["range"]
        for name, effect in augmentation.items()
        if isinstance(effect, dict)
    }
    for name, (low, high) in ranges.items():
        if low > high:
            yield f"training.augmentation.{name}: [{low}, {high}] is no range; write [lower, upper]"


def _has_batch_norm(model: dict[str, Any]) -> bool:
    return model["network"] in BATCH_NORM or model.get("norm") == "batch"
