"""All that a training needs to go on as if it had never been interrupted."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


@dataclass
class Progress:
    """Where a training stands, in plain numbers: what JSON can hold exactly.

    machines: each kind that took part, the last one last, with what it computed in.
    skipped: the last steps, in a row, that a loss scale made without moving the weights.
    """

    step: int = 0
    rollbacks: int = 0
    rate_scale: float = 1.0
    skipped: int = 0
    best_score: float | None = None
    best_epoch: int | None = None
    epochs_without_gain: int = 0
    loss_sum: float = 0.0
    dice_sum: float = 0.0
    loss_scale: dict[str, Any] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


class TrainingState:
    """Network, optimiser, averaged weights and best weights, and the numbers beside them."""

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        average_decay: float | None,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        """`average_decay`: of the exponential moving average of the weights; None keeps none."""
        self.network = network
        self.optimiser = optimiser
        self.average_decay = average_decay
        self.scaler = scaler
        self.average = _copied(network.state_dict()) if average_decay is not None else None
        self.best: Tensors | None = None
        self.progress = Progress()

    def weights(self) -> Tensors:
        """What is validated and saved: the averaged weights where there are any."""
        return self.average if self.average is not None else self.network.state_dict()

    def update_average(self) -> None:
        """Move the average towards the weights of now; faster at first, to forget the start."""
        if self.average is None or self.average_decay is None:
            return
        step = self.progress.step
        decay = min(self.average_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)
                else:
                    self.average[name].copy_(tensor)

    def keep_as_best(self, score: float | None, epoch: int) -> None:
        """Remember the weights of now as the best so far."""
        self.best = _copied(self.weights())
        self.progress.best_score, self.progress.best_epoch = score, epoch

    def tensors(self) -> Tensors:
        """Every tensor of the state under one flat name (not copied)."""
        flat = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, values in self.optimiser.state_dict()["state"].items():
            for name, value in values.items():
                flat[f"optimiser.{index}.{name}"] = torch.as_tensor(value)
        for part, tensors in (("average", self.average), ("best", self.best)):
            flat |= {f"{part}.{name}": tensor for name, tensor in (tensors or {}).items()}
        return flat

    def restore(self, tensors: Tensors, progress: Progress) -> None:
        """Become the state that `tensors` and `progress` describe; the inverse of `tensors()`."""
        self.network.load_state_dict(_part(tensors, "network"))
        self._restore_optimiser(_part(tensors, "optimiser"))
        if self.average is not None:
            for name, tensor in _part(tensors, "average").items():
                self.average[name].copy_(tensor)
        best = _part(tensors, "best")
        self.best = _copied(best) if best else None
        self.progress = progress
        if self.scaler is not None and progress.loss_scale:
            self.scaler.load_state_dict(progress.loss_scale)

    def _restore_optimiser(self, flat: Tensors) -> None:
        state: dict[int, dict[str, torch.Tensor]] = {}
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        for key, tensor in flat.items():
            index, name = key.split(".", 1)
            parameter = parameters[int(index)]
            if tensor.shape == parameter.shape:  # in the parameter's own order of memory
                tensor = torch.empty_like(parameter).copy_(tensor)
            state.setdefault(int(index), {})[name] = tensor.clone()
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


@dataclass(frozen=True)
class Snapshot:
    """A copy of a state in memory or as read from a file."""

    tensors: Tensors
    progress: Progress

    def copied_progress(self) -> Progress:
        """The numbers, free to be changed."""
        return copy_of(self.progress)


def snapshot(state: TrainingState) -> Snapshot:
    """Copy a state; the best weights are shared, since nothing writes into them."""
    if state.scaler is not None:
        state.progress.loss_scale = dict(state.scaler.state_dict())
    tensors = {
        name: tensor if name.startswith("best.") else tensor.detach().clone()
        for name, tensor in state.tensors().items()
    }
    return Snapshot(tensors, copy_of(state.progress))


def copy_of(progress: Progress) -> Progress:
    """A copy that shares nothing changeable with the original."""
    history = [dict(row) for row in progress.history]
    return Progress(**{**vars(progress), "machines": {**progress.machines}, "history": history})


def _copied(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _part(tensors: Tensors, name: str) -> Tensors:
    start = f"{name}."
    return {
        key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)
    }
