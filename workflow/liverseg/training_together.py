"""One training by several processes of this machine, a GPU each."""

import os
import signal
import tempfile
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing

from workflow.liverseg.devices import prepare_cuda
from workflow.liverseg.distributed import joined
from workflow.liverseg.errors import fault
from workflow.liverseg.interruption import SIGNALS, StopSignal, TrainingStopped
from workflow.liverseg.jobs import die_with
from workflow.liverseg.settings import merged
from workflow.liverseg.training_run import TrainingFiles, run_training

POLL_SECONDS = 0.2
GRACE_SECONDS = 60.0  # for the others, when one has failed


def train_together(files: TrainingFiles, *, processes: int, **arguments: Any) -> None:
    """Train one model by `processes` processes; `arguments` are those of `run_training`.

    A signal to this process reaches all of them, and the first saves the state. What one raises
    ends the others and is raised here. LiversegError where GPUs are missing, or where the batch
    cannot be shared out evenly.
    """
    settings = arguments["settings"]
    devices = torch.cuda.device_count() if torch.cuda.is_available() else processes
    if devices < processes:
        raise fault(
            found=f"{devices} GPUs where {processes} are asked for",
            remedy=f"--set-resources train_model:gpu={devices}",
        )
    training = merged(settings["training"], settings["model"].get("training", {}))
    prepare_cuda(training)  # the processes take this one's environment, and make their contexts
    batch_size = training["batch_size"]
    if batch_size % processes:
        raise fault(
            found=f"a batch of {batch_size} for {processes} GPUs",
            expected="as many samples for each",
            remedy="set `training.batch_size` to a multiple of the GPUs, or ask for fewer: "
            "--set-resources train_model:gpu=1",
        )
    # The processes meet on this machine alone; a host name that resolves nowhere does not matter.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    spawn = torch.multiprocessing.get_context("spawn")
    ended: SimpleQueue = spawn.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, StopSignal().listening() as stop:
        group = torch.multiprocessing.start_processes(
            _member,
            args=(processes, os.getpid(), Path(folder) / "meeting", ended, files, arguments),
            nprocs=processes,
            join=False,
        )
        while not group.join(timeout=POLL_SECONDS, grace_period=GRACE_SECONDS):
            for process in group.processes:
                if stop.asked and process.is_alive():
                    os.kill(process.pid, stop.asked)  # again and again, until its loop hears it
    if not ended.empty():
        raise TrainingStopped(*ended.get())


def _member(
    rank: int,
    size: int,
    parent: int,
    meeting: Path,
    ended: SimpleQueue,
    files: TrainingFiles,
    arguments: dict[str, Any],
) -> None:
    die_with(parent)
    for number in SIGNALS:  # only the loop hears them: before it there is nothing to save, and
        signal.signal(number, signal.SIG_IGN)  # after it a kill would cost what is just finished
    try:
        with joined(rank, size, meeting) as group:
            run_training(files, group=group, **arguments)
    except TrainingStopped as stopped:
        ended.put((stopped.number, stopped.step))
