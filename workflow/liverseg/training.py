"""The training loop, to be read from top to bottom; what it stands on is in the modules beside."""

import copy
import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from workflow.liverseg.checkpoints import ResumeFolder
from workflow.liverseg.devices import Compute, machine_kind
from workflow.liverseg.distributed import ALONE, ProcessGroup
from workflow.liverseg.errors import fault
from workflow.liverseg.interruption import StopSignal, TrainingStopped
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.losses import Loss, deeply_supervised, overlap
from workflow.liverseg.schedules import build_optimiser, rate_factor
from workflow.liverseg.training_data import TrainingSet
from workflow.liverseg.training_progress import Reporter
from workflow.liverseg.training_state import Progress, Tensors, TrainingState, snapshot
from workflow.liverseg.validation import ValidationScore, validate
from workflow.liverseg.volumes import Volume

# A scale is halved from 65536 until float16 holds the gradients; few need more than some halvings.
SKIPPED_IN_A_ROW = 10


@dataclass(frozen=True)
class Trained:
    """What a training leaves: the weights to use, where they come from, one row an epoch.

    machines: each kind of machine that took part, the last one last, with what it computed in.
    """

    weights: Tensors
    best_epoch: int | None
    best_score: float | None
    history: list[dict[str, Any]]
    rollbacks: int
    machines: dict[str, str]


def train(
    network: nn.Module,
    data: TrainingSet,
    validation: dict[str, Volume],
    *,
    loss: Loss,
    labels: LabelMap,
    settings: dict[str, Any],
    compute: Compute,
    resume: ResumeFolder,
    report: Reporter,
    stop: StopSignal,
    group: ProcessGroup = ALONE,
) -> Trained:
    """Train `network` as the config's `training` says; goes on from where `resume` was left.

    Everything that happens is a function of the arguments and of the state, never of the time or
    of how often it was interrupted: the same bits come out. Raises TrainingStopped after a
    signal, with the state saved, and LiversegError when the loss stays without a finite value.
    Every process of `group` runs this loop on its share of each batch and holds the same state.
    """
    scaler = _loss_scaler(compute)
    machine = machine_kind(compute.device)
    network = compute.place_network(network)
    optimiser = build_optimiser(network, settings["optimiser"])
    decay = settings["average_decay"]
    state = TrainingState(network, optimiser, average_decay=decay, scaler=scaler)
    evaluated = copy.deepcopy(network)
    forward = _compiled(network, settings, report)
    steps_per_epoch, epochs = data.steps, settings["epochs"]
    steps = steps_per_epoch * epochs
    accumulate = settings["accumulate"]

    saved = resume.newest()
    good = resume.newest(boundary=True) if saved is not None else None
    if saved is not None:
        state.restore(saved.tensors, saved.progress)
        report.resumed(state.progress.step, steps)
    if good is None:
        good = snapshot(state)
    last_save = time.monotonic()

    if settings["early_stopping"] and not validation:  # a table may name validation patients
        report.say("nobody is there to validate on: `training.early_stopping` will end nothing")
    report.start(epochs, steps_per_epoch, state.progress.step)
    while len(state.progress.history) < epochs:
        progress = state.progress
        epoch, index = divmod(progress.step, steps_per_epoch)
        ended = epoch > len(progress.history)  # its last step is made, its row is not
        if index == 0 and not ended:
            good = snapshot(state)
            if settings["early_stopping"] and (
                progress.epochs_without_gain >= settings["early_stopping"]
            ):
                report.say(f"no gain for {progress.epochs_without_gain} epochs: stopped early")
                break
        asked = group.highest(stop.asked)
        if asked or time.monotonic() - last_save > 60 * settings["checkpoint_minutes"]:
            if group.leads:
                resume.save(good, boundary=True)
            if group.leads and (index != 0 or ended):
                resume.save(snapshot(state), boundary=False)
            last_save = time.monotonic()
        if asked:
            raise TrainingStopped(asked, progress.step)
        if machine != next(reversed(progress.machines), None):
            _come_to(machine, compute, progress, report)

        # The end of an epoch: validate where it is due, remember the best, write a row.
        if ended:
            score: ValidationScore | None = None
            every = settings["validate_every"]
            if validation and (epoch % every == 0 or epoch == epochs):
                evaluated.load_state_dict(state.weights())
                if group.leads:
                    score = validate(
                        evaluated,
                        validation,
                        patch=data.patch,
                        labels=labels,
                        compute=compute,
                        stop=stop,
                    )
                score = group.told(score)
                if score is None:  # asked to stop in the middle of it: saved above, then ended
                    continue
                if progress.best_score is None or score.dice > progress.best_score:
                    state.keep_as_best(score.dice, epoch)
                    progress.epochs_without_gain = 0
                else:
                    progress.epochs_without_gain += every
            last = rate_factor(settings["schedule"], progress.step - 1, steps)
            rate = settings["optimiser"]["learning_rate"] * progress.rate_scale * last
            progress.history.append(_row(progress, epoch, steps_per_epoch, rate, score))
            progress.loss_sum = progress.dice_sum = 0.0
            report.epoch(progress.history)
            continue

        # One step: a batch (or several, accumulated), gradients, a move of the weights.
        rate = settings["optimiser"]["learning_rate"] * progress.rate_scale
        for parameters in optimiser.param_groups:
            parameters["lr"] = rate * rate_factor(settings["schedule"], progress.step, steps)
        seed = settings["seed"] + group.rank * 1_009
        torch.manual_seed(seed * 1_000_003 + progress.step)  # drop-out's draws
        network.train()
        optimiser.zero_grad(set_to_none=True)
        loss_value = dice_value = 0.0
        for part in range(accumulate):
            batch = data.batch(epoch, index * accumulate + part)
            with compute.autocast():
                logits = forward(compute.place(batch.image))
            batch_loss = deeply_supervised(loss, logits, batch.classes) / accumulate
            (scaler.scale(batch_loss) if scaler else batch_loss).backward()
            loss_value += batch_loss.item()
            dice_value += _dice(logits, batch.classes, group) / accumulate
        group.sum_gradients(network)
        if scaler:
            scaler.unscale_(optimiser)
        length = _clip(network, settings["clip_norm"])
        progress.skipped = 0 if math.isfinite(length) else progress.skipped + 1
        sound = math.isfinite(loss_value) and (
            progress.skipped == 0 or (scaler is not None and _may_skip(scaler, progress.skipped))
        )
        if sound and scaler:
            scaler.step(optimiser)
        elif sound:
            optimiser.step()
        if scaler:
            scaler.update()
        if sound and index + 1 == steps_per_epoch:  # no later step would tell before they are used
            sound = _is_finite(network)
        if not sound:
            _check_rollbacks(progress.rollbacks, settings, epoch, index)
            report.rolled_back(epoch, index, loss_value, length)
            rollbacks, scale = progress.rollbacks + 1, progress.rate_scale / 2
            state.restore(good.tensors, good.copied_progress())
            state.progress.rollbacks, state.progress.rate_scale = rollbacks, scale
            state.progress.skipped = 0
            good = snapshot(state)
            if group.leads:  # a kill must not undo it
                resume.save(good, boundary=True)
            continue
        progress.step += 1
        state.update_average()
        progress.loss_sum += loss_value
        progress.dice_sum += dice_value
        report.step(epoch, index, loss_value, dice_value)

    report.end()
    if group.leads:  # should the model's writing be cut off, nothing is trained again
        resume.save(snapshot(state), boundary=True)
    progress = state.progress
    if state.best is None or settings["keep"] == "last":
        state.keep_as_best(progress.history[-1]["validation_dice"], progress.history[-1]["epoch"])
    return Trained(
        weights=state.best or {},
        best_epoch=progress.best_epoch,
        best_score=progress.best_score,
        history=progress.history,
        rollbacks=progress.rollbacks,
        machines=progress.machines,
    )


def _come_to(machine: str, compute: Compute, progress: Progress, report: Reporter) -> None:
    """Note that the training goes on here: better in mixed bits than not at all, but not unsaid."""
    before = [name for name in progress.machines if name != machine]
    if before:
        report.say(
            f"goes on on {machine}, after {', '.join(before)}: another kind of machine, whose bits "
            "differ; the model repeats on neither alone, and its card says so"
        )
    progress.machines = {name: progress.machines[name] for name in before}
    progress.machines[machine] = compute.describe()


def _loss_scaler(compute: Compute) -> torch.amp.GradScaler | None:
    """Keeps float16's small gradients from vanishing; no other precision needs it."""
    if compute.precision != torch.float16:
        return None
    return torch.amp.GradScaler(compute.device.type)


def _may_skip(scaler: torch.amp.GradScaler, in_a_row: int) -> bool:
    """Whether gradients without finite value still look like a scale that is being found."""
    return in_a_row < SKIPPED_IN_A_ROW and scaler.get_scale() >= 1


def _compiled(network: nn.Module, settings: dict[str, Any], report: Reporter) -> nn.Module:
    if not settings["compile"]:
        return network
    try:
        compiled = torch.compile(network)
    except Exception as error:  # whatever the compiler lacks here, training goes on without it
        report.say(f"torch.compile cannot be used here ({error}); training without it")
        return network
    torch._dynamo.config.suppress_errors = True  # falls back, and logs, when it fails later
    return compiled  # type: ignore[return-value]


def _clip(network: nn.Module, clip_norm: float | None) -> float:
    """Length of the gradient over all parameters, which is cut to `clip_norm`."""
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    return float(nn.utils.clip_grad_norm_(parameters, clip_norm or math.inf))


def _is_finite(network: nn.Module) -> bool:
    """Whether every weight is a number."""
    finite = [torch.isfinite(tensor).all() for tensor in network.state_dict().values()]
    return bool(torch.stack(finite).all())


def _dice(
    logits: torch.Tensor | list[torch.Tensor], classes: torch.Tensor, group: ProcessGroup
) -> float:
    """Mean soft Dice of the foreground classes, for the eye."""
    with torch.no_grad():
        finest = (logits if isinstance(logits, torch.Tensor) else logits[0]).detach().float()
        return float(overlap(torch.softmax(finest, dim=1), classes, group).dice().mean())


def _check_rollbacks(done: int, settings: dict[str, Any], epoch: int, index: int) -> None:
    if done >= settings["rollbacks"]:
        raise fault(
            found=f"no finite loss, gradient or weight in epoch {epoch + 1}, step {index + 1}, "
            f"after {done} returns to an earlier state",
            expected="a finite loss",
            remedy="lower `training.optimiser.learning_rate`, set `training.clip_norm`, or set "
            "`training.precision: float32`",
        )


def _row(
    progress: Progress, epoch: int, steps: int, rate: float, score: ValidationScore | None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "epoch": epoch,
        "step": progress.step,
        "learning_rate": rate,
        "train_loss": progress.loss_sum / steps,
        "train_dice": progress.dice_sum / steps,
        "validation_dice": score.dice if score else None,
    }
    for name, value in (score.regions if score and len(score.regions) > 1 else {}).items():
        row[f"validation_dice_{name}"] = value
    return row
