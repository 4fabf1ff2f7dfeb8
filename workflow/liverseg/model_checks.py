"""What makes a model untrainable, told from its settings alone: before anything is computed."""

from collections.abc import Iterator
from typing import Any

BATCH_NORM = {"unet3d": "batch", "unet": "instance"}  # the norm of those where it can be chosen
ALWAYS_BATCH_NORM = ("attention_unet", "vnet")


def takes_batch_norm(model: dict[str, Any]) -> bool:
    """Whether the network of a `models` entry takes statistics over the batch."""
    network = model["network"]
    chosen = model.get("norm", BATCH_NORM.get(network))
    return network in ALWAYS_BATCH_NORM or chosen == "batch"


def untrainable(
    model: dict[str, Any], training: dict[str, Any], *, n_classes: int
) -> Iterator[str]:
    """What is wrong with a `models` entry and its whole `training`, each with its remedy."""
    if takes_batch_norm(model) and training["batch_size"] == 1:
        other = "`norm: instance`" if model["network"] in BATCH_NORM else "another network"
        yield (
            "batch norm with `training.batch_size: 1` has one sample for its statistics; "
            f"raise the batch size, or choose {other}"
        )
    weights = training["loss"]["class_weights"]
    if isinstance(weights, list) and len(weights) != n_classes:
        yield (
            f"`training.loss.class_weights` holds {len(weights)} numbers for {n_classes} classes; "
            "give the background's, then one for each of `labels`"
        )
    if training["device"] == "cpu" and training["precision"] == "float16":
        yield (
            "`training.precision: float16` is for GPUs; set auto, bfloat16 or float32, "
            "or another `training.device`"
        )
    yield from _unequal_heads(model)


def _unequal_heads(model: dict[str, Any]) -> Iterator[str]:
    """Tokens that attention cannot share out evenly among its heads."""
    if model["network"] == "unetr" and model["hidden_size"] % model["heads"]:
        yield (
            f"`hidden_size` {model['hidden_size']} is no multiple of `heads` {model['heads']}; "
            "choose one that is"
        )
    if model["network"] == "swin_unetr":
        for stage, heads in enumerate(model["heads"]):
            length = model["width"] * 2**stage
            if length % heads:
                yield (
                    f"`heads` {heads} of stage {stage + 1} do not divide its {length} channels "
                    "(`width`, doubled with each stage); choose a number that does"
                )
