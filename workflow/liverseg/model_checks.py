"""What makes a model untrainable, told from its settings alone: before anything is computed."""

from collections.abc import Iterator
from typing import Any

BATCH_NORM = {"unet3d": "batch", "unet": "instance"}  # the norm of those where it can be chosen
WITHOUT_CROSS_ENTROPY = ("dice", "tversky")
ALWAYS_BATCH_NORM = ("attention_unet", "vnet")


def takes_batch_norm(model: dict[str, Any]) -> bool:
    """Whether the network of a `models` entry takes statistics over the batch."""
    network = model["network"]
    chosen = model.get("norm", BATCH_NORM.get(network))
    return network in ALWAYS_BATCH_NORM or chosen == "batch"


def sample_size(
    training: dict[str, Any], volumes: dict[str, Any], chunk_slices: int
) -> tuple[int | None, int | None, int]:
    """Voxels (x, y, z) of a training sample; None in plane where each CT has its own size."""
    if training["patch"]:
        x, y, z = training["patch"]
        return x, y, z
    x, y = volumes["in_plane"].get("size", (None, None))
    return x, y, chunk_slices


def untrainable(
    model: dict[str, Any],
    training: dict[str, Any],
    *,
    n_classes: int,
    sample: tuple[int | None, int | None, int],
    chunk_slices: int,
) -> Iterator[str]:
    """What is wrong with a `models` entry and its whole `training`, each with its remedy.

    sample: voxels (x, y, z) of a training sample, None where not known yet.
    """
    if takes_batch_norm(model) and training["batch_size"] == 1:
        other = "`norm: instance`" if model["network"] in BATCH_NORM else "another network"
        yield (
            "batch norm with `training.batch_size: 1` has one sample for its statistics; "
            f"raise the batch size, or choose {other}"
        )
    yield from _loss_problems(training["loss"], n_classes)
    if training["device"] == "cpu" and training["precision"] == "float16":
        yield (
            "`training.precision: float16` is for GPUs; set auto, bfloat16 or float32, "
            "or another `training.device`"
        )
    if training["patch"] and training["patch"][2] > 2 * chunk_slices:
        yield (
            f"patches of {training['patch'][2]} slices out of chunks of {chunk_slices} are air for "
            "the most part; raise `chunks.slices`, or lower the third number of `training.patch`"
        )
    yield from _unequal_parts(model)
    yield from _size_problems(model, sample)


def _loss_problems(loss: dict[str, Any], n_classes: int) -> Iterator[str]:
    weights = loss["class_weights"]
    if isinstance(weights, list) and len(weights) != n_classes:
        yield (
            f"`training.loss.class_weights` holds {len(weights)} numbers for {n_classes} classes; "
            "give the background's, then one for each of `labels`"
        )
    elif isinstance(weights, list) and not any(weights):
        yield "`training.loss.class_weights` are all 0: nothing is left to learn; raise some"
    if weights is not None and loss["name"] in WITHOUT_CROSS_ENTROPY:
        yield (
            f"`training.loss.class_weights` weigh a cross-entropy, which {loss['name']} has not; "
            "set them to null, or choose cross_entropy or dice_cross_entropy"
        )


def coarsest(model: dict[str, Any]) -> int:
    """By how much the deepest level of a `models` entry's network is coarser than its input."""
    match model["network"]:
        case "unet3d":
            return 2 ** (model["levels"] - 1)
        case "unet" | "attention_unet" | "dynunet":
            return 2 ** (len(model["channels"]) - 1)
        case "segresnet":
            return 2 ** (len(model["blocks_down"]) - 1)
        case "swin_unetr":
            return 32
    return 16


def _size_problems(
    model: dict[str, Any], sample: tuple[int | None, int | None, int]
) -> Iterator[str]:
    """Samples that leave one voxel at the deepest level, or are larger than the network takes."""
    known = [side for side in sample if side is not None]
    deepest = coarsest(model)
    # Batch norm has the batch's other samples, group norm other channels; UNETR has one size.
    alone = not takes_batch_norm(model) and model["network"] not in {"segresnet", "unetr"}
    if alone and len(known) == 3 and all(side <= deepest for side in known):
        yield (
            f"samples of {'×'.join(map(str, known))} voxels are one voxel at the deepest level, "
            f"{deepest} times as coarse, and have no statistics there; enlarge `training.patch` "
            "(or `chunks.slices`), or give the network fewer levels"
        )
    if model["network"] == "unetr":
        pairs = zip(sample, model["size"], strict=True)
        if any(side is not None and side > most for side, most in pairs):
            yield (
                f"samples of {'×'.join(map(str, known))} voxels do not fit `size` {model['size']}; "
                "enlarge it, or set `training.patch` to no more"
            )


def _unequal_parts(model: dict[str, Any]) -> Iterator[str]:
    """Tokens that heads cannot share out evenly, and ways down and up that do not meet."""
    if model["network"] == "unetr" and model["hidden_size"] % model["heads"]:
        yield (
            f"`hidden_size` {model['hidden_size']} is no multiple of `heads` {model['heads']}; "
            "choose one that is"
        )
    if model["network"] == "segresnet" and model["blocks_up"]:
        levels = len(model["blocks_down"])
        if len(model["blocks_up"]) != levels - 1:
            yield (
                f"`blocks_up` holds {len(model['blocks_up'])} numbers for {levels} levels of "
                f"`blocks_down`; give {levels - 1}, or null"
            )
    if model["network"] == "swin_unetr":
        for stage, heads in enumerate(model["heads"]):
            length = model["width"] * 2**stage
            if length % heads:
                yield (
                    f"`heads` {heads} of stage {stage + 1} do not divide its {length} channels "
                    "(`width`, doubled with each stage); choose a number that does"
                )
