"""What training minimises: Dice and its companions, on logits and class indices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from workflow.liverseg.distributed import ALONE, ProcessGroup

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SMOOTHING = 1.0  # voxels: keeps a batch without foreground from dividing 0 by 0


@dataclass(frozen=True)
class Overlap:
    """Soft counts per foreground class, each of shape (classes − 1,): summed over the batch."""

    true_positive: torch.Tensor
    predicted: torch.Tensor
    present: torch.Tensor

    def dice(self) -> torch.Tensor:
        """Soft Dice of each foreground class, summed over the batch before the division."""
        numerator = 2 * self.true_positive + SMOOTHING
        return numerator / (self.predicted + self.present + SMOOTHING)

    def tversky(self, false_positive: float, false_negative: float) -> torch.Tensor:
        """Tversky index (Salehi et al. 2017), with the weights of the two kinds of error."""
        wrong = self.predicted - self.true_positive
        missed = self.present - self.true_positive
        hits = self.true_positive + SMOOTHING
        return hits / (hits + false_positive * wrong + false_negative * missed)


def overlap(
    probability: torch.Tensor, classes: torch.Tensor, group: ProcessGroup = ALONE
) -> Overlap:
    """Soft counts of `probability` (batch, classes, x, y, z) against `classes` (batch, x, y, z).

    The background is left out: it would flatter every score. Counted over the batch of `group`.
    """
    counts = []
    for index in range(1, probability.shape[1]):
        there = (classes == index).to(probability.dtype)
        foreground = probability[:, index]
        counts.append(torch.stack([torch.sum(foreground * there), foreground.sum(), there.sum()]))
    true_positive, predicted, present = group.summed(torch.stack(counts, dim=1))
    return Overlap(true_positive, predicted, present)


def build_loss(
    settings: dict[str, Any],
    class_weights: torch.Tensor | None = None,
    group: ProcessGroup = ALONE,
) -> Loss:
    """The loss that `settings["name"]` names, as a function of logits and class indices.

    `logits` (batch, classes, x, y, z) float32, `classes` (batch, x, y, z) int64. The weights,
    one a class with the background, serve every cross-entropy part; None weighs all alike.
    Means are those of the batch of `group`.
    """
    weight = settings.get("cross_entropy_weight", 1.0)

    def mean(each: torch.Tensor, divisor: torch.Tensor | int) -> torch.Tensor:
        total = each.sum()
        total, over = group.summed(torch.stack([total, torch.as_tensor(divisor).to(total)]))
        return total / over

    def counts(logits: torch.Tensor, classes: torch.Tensor) -> Overlap:
        return overlap(torch.softmax(logits, dim=1), classes, group)

    def dice_loss(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return 1 - counts(logits, classes).dice().mean()

    def cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        each = functional.cross_entropy(logits, classes, weight=class_weights, reduction="none")
        return mean(each, each.numel() if class_weights is None else class_weights[classes].sum())

    def dice_cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return dice_loss(logits, classes) + weight * cross_entropy(logits, classes)

    def dice_focal(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        gamma = settings.get("focal_gamma", 2.0)
        each = focal(logits, classes, gamma, class_weights)
        return dice_loss(logits, classes) + weight * mean(each, each.numel())

    def tversky(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        alpha, beta = settings.get("false_positive", 0.3), settings.get("false_negative", 0.7)
        return 1 - counts(logits, classes).tversky(alpha, beta).mean()

    choices: dict[str, Loss] = {
        "dice_cross_entropy": dice_cross_entropy,
        "dice": dice_loss,
        "cross_entropy": cross_entropy,
        "dice_focal": dice_focal,
        "tversky": tversky,
    }
    return choices[settings["name"]]


def focal(
    logits: torch.Tensor, classes: torch.Tensor, gamma: float, weights: torch.Tensor | None
) -> torch.Tensor:
    """Focal loss (Lin et al. 2017) of each voxel: cross-entropy, less where the network is sure."""
    log_probability = torch.log_softmax(logits, dim=1)
    of_truth = log_probability.gather(1, classes.unsqueeze(1)).squeeze(1)
    loss = -((1 - of_truth.exp()) ** gamma) * of_truth
    return loss if weights is None else loss * weights[classes]


def deeply_supervised(
    loss: Loss, logits: torch.Tensor | list[torch.Tensor], classes: torch.Tensor
) -> torch.Tensor:
    """Mean of `loss` over the levels of `logits`, each coarser one at half the weight before it.

    A coarse level is held against what fills most of each of its voxels (`coarser`).
    """
    if isinstance(logits, torch.Tensor):
        return loss(logits.float(), classes)
    weights = [0.5**level for level in range(len(logits))]
    total = torch.zeros((), device=classes.device)
    for level, weight in enumerate(weights):
        found = logits[level].float()
        truth = coarser(classes, 2**level, found.shape[1]) if level else classes
        total = total + weight * loss(found, truth)
    return total / sum(weights)


def coarser(classes: torch.Tensor, step: int, n_classes: int) -> torch.Tensor:
    """Classes (batch, x, y, z) of blocks of `step`³ voxels, fewer where the last ones are cut off.

    A block is background where more than half of it is, so that several classes do not lose one
    by one what they hold together; else its most frequent class, of equals the last.
    """

    def share(index: int) -> torch.Tensor:
        there = (classes == index).to(torch.float32)
        return functional.avg_pool3d(there, step, ceil_mode=True)

    background = share(0)
    most, chosen = torch.zeros_like(background), torch.zeros_like(background, dtype=classes.dtype)
    for index in range(1, n_classes):
        held = share(index)
        chosen = torch.where(held >= most, index, chosen)
        most = torch.maximum(most, held)
    return chosen.masked_fill(background > 0.5, 0)


def frequency_weights(voxels: list[int]) -> list[float]:
    """Class weights from class counts: inverse square root of frequency, with mean 1.

    The root tames the inverse: at 2 % foreground, 1/frequency would weigh one voxel as fifty.
    """
    total = sum(voxels)
    raw = [(total / max(count, 1)) ** 0.5 for count in voxels]
    mean = sum(raw) / len(raw)
    return [value / mean for value in raw]
