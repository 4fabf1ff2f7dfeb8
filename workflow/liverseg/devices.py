"""Which device, number format and memory format a training runs in, and why."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from workflow.liverseg.errors import fault
from workflow.liverseg.machine import memory_free_bytes

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Compute:
    """Device, the format products are computed in, the order of memory, and the reasons."""

    device: torch.device
    precision: torch.dtype
    channels_last: bool
    deterministic: bool
    reason: str

    def autocast(self) -> AbstractContextManager:
        """The context in which the network runs forward."""
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    def place(self, tensor: torch.Tensor) -> torch.Tensor:
        """A batch (batch, channels, x, y, z) on the device, in the chosen memory format."""
        order = torch.channels_last_3d if self.channels_last else torch.contiguous_format
        return tensor.to(self.device, memory_format=order, non_blocking=True)

    def place_network(self, network: nn.Module) -> nn.Module:
        """The network on the device, in the chosen memory format."""
        order = torch.channels_last_3d if self.channels_last else torch.contiguous_format
        return network.to(self.device).to(memory_format=order)  # type: ignore[call-overload]

    def describe(self) -> str:
        """One line for the log."""
        order = "channels_last_3d" if self.channels_last else "channels first"
        precision = str(self.precision).removeprefix("torch.")
        return f"{self.device.type}, {precision}, {order}: {self.reason}"


def machine_kind(device: torch.device) -> str:
    """GPU or CPU, by name: on another kind the same training ends in other bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    found = torch.cpu.get_capabilities()
    widest = torch.backends.cpu.get_cpu_capability()
    for flag, name in (("avx512_bf16", "AVX512-BF16"), ("amx_bf16", "AMX")):
        widest = name if found.get(flag) else widest
    return f"{found.get('cpu_name') or 'CPU'} with {widest}"


def choose_compute(settings: dict[str, Any]) -> Compute:
    """Choose for this machine; `device`, `precision`, `memory_format` overrule where not `auto`.

    LiversegError where the device is not there, or cannot compute in that precision.
    """
    prepare_cuda(settings)
    device = _device(settings.get("device", "auto"))
    precision, order, reason = _best(device)
    if settings.get("precision", "auto") != "auto":
        precision, reason = PRECISIONS[settings["precision"]], "as the config says"
    if device.type == "cpu" and precision == torch.float16:
        raise fault(
            found="`precision: float16` on a CPU",
            expected="a GPU: on CPUs half precision is slow, and its gradients vanish",
            remedy="set `precision` to auto, bfloat16 or float32, or compute on a GPU",
        )
    if settings.get("memory_format", "auto") != "auto":
        order = settings["memory_format"] == "channels_last"
        reason += ", memory format as the config says"
    return Compute(device, precision, order, settings.get("deterministic", True), reason)


def prepare_cuda(settings: dict[str, Any]) -> None:
    """Let cuBLAS repeat its sums where that is wanted; it looks once, when CUDA's context is made.

    A value that the user has set stays.
    """
    if settings.get("deterministic", True):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def _device(wanted: str) -> torch.device:
    cuda = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if cuda else "cpu")
    if wanted == "cuda" and not cuda:
        raise fault(
            found="no CUDA device that torch can use",
            expected="`training.device: cuda` means one",
            remedy="set `training.device: auto`, or install a driver and a CUDA build of torch",
        )
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise fault(found="no Apple GPU", remedy="set `training.device: auto`")
    return torch.device(wanted)


def _best(device: torch.device) -> tuple[torch.dtype, bool, str]:
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, True, f"{name} computes bfloat16 on its tensor cores"
        return torch.float16, True, f"{name} has no bfloat16; float16 with a loss scale"
    if device.type == "mps":
        return torch.float32, False, "what is tried on Apple GPUs"
    found = torch.cpu.get_capabilities()
    if found.get("amx_bf16"):
        return torch.bfloat16, True, "the CPU has AMX"
    if found.get("avx512_bf16"):
        return torch.bfloat16, True, "the CPU has AVX512-BF16"
    return torch.float32, True, "the CPU has no bfloat16 arithmetic"


@contextmanager
def machine_settings(compute: Compute, threads: int) -> Iterator[None]:
    """Set threads and determinism for a training, and put back what was there.

    A fixed number of threads, since sums over threads end in other bits with another number.
    """
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
    )
    torch.set_num_threads(threads)
    if compute.device.type == "cuda":
        # Autotuning picks by time and so by chance; it is left out where bits must repeat.
        # warn_only: a few layers of MONAI's networks have no deterministic backward on CUDA.
        torch.use_deterministic_algorithms(compute.deterministic, warn_only=True)
        torch.backends.cudnn.benchmark = not compute.deterministic
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        torch.backends.cudnn.benchmark = before[2]
        torch.backends.cuda.matmul.allow_tf32 = before[3]
        torch.backends.cudnn.allow_tf32 = before[4]


def peak_bytes(device: torch.device) -> int:
    """Most memory in use so far: allocated on a CUDA device, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def memory_told(device: torch.device, training: dict[str, Any]) -> Iterator[None]:
    """Where the device's memory ends, say what took it, and what takes less."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise fault(
            found=f"no memory left on {device} for batches of {training['batch_size']}",
            expected="room for network, gradients and one batch",
            remedy="lower `training.batch_size` (and raise `training.accumulate` as much: the same "
            "samples a step), `training.patch`, or the model's width",
        ) from error


def device_free_bytes(device: torch.device) -> int:
    """Bytes free on a CUDA device; of other devices, what the process may take; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return memory_free_bytes()
