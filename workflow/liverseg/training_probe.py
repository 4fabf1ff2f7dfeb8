"""What a step will cost, tried out before the first: its seconds and the memory it needs."""

import copy
import time
from dataclasses import dataclass

import torch
from torch import nn

from workflow.liverseg.devices import Compute, peak_bytes
from workflow.liverseg.losses import Loss, deeply_supervised
from workflow.liverseg.training_data import TrainingSet


@dataclass(frozen=True)
class StepCost:
    """seconds: of one step. peak_bytes: most memory in use so far, of the device or the process."""

    seconds: float
    peak_bytes: int


def try_step(
    network: nn.Module, data: TrainingSet, *, loss: Loss, accumulate: int, compute: Compute
) -> StepCost:
    """Run forward and backward twice on a copy of `network` and time the second.

    The first also pays for what is prepared once. Nothing that training stands on is changed:
    batches are a function of their place, and the copy keeps the norms' statistics to itself.
    Every process of a group runs it, since losses are summed over all.
    """
    tried = compute.place_network(copy.deepcopy(network)).train()
    seconds = 0.0
    for _ in range(2):
        start = time.monotonic()
        for part in range(accumulate):
            batch = data.batch(0, part)
            with compute.autocast():
                logits = tried(compute.place(batch.image))
            # The value is what waits for a GPU to be done.
            value = deeply_supervised(loss, logits, batch.classes)
            value.backward()
            value.item()
        if compute.device.type == "cuda":
            torch.cuda.synchronize(compute.device)
        seconds = time.monotonic() - start
    return StepCost(seconds, peak_bytes(compute.device))
