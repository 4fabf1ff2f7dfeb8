"""Training side by side with MONAI: steps, voxels, memory, and what augmentation costs.

    python -m benchmarks.training [--width 32] [--steps 20] [--device cuda]
    python -m benchmarks.training --example lits [--device cuda]

Run from the project's root. Every contender trains the same network on the same phantoms with
the same batches and the same kinds of augmentation, in a process of its own:

monai       as its tutorials do it: dictionary transforms, CacheDataset, DataLoader with workers,
            Adam, float32, channels first
liverseg    the rule's own loop with what it chooses for the machine
… alone     the same with one batch made beforehand: what the network takes, data aside

On CUDA, where there is a device, also liverseg with the autotuner (deterministic: false) and
with torch.compile. "of matmul" and "of conv" are shares of the fastest matrix product and
3×3×3 convolution that the device makes in this very run. Peak memory is the device's on CUDA,
else that of the process itself, without MONAI's workers. With `--example`, that example's own
network, batch, patch and settings alone: seconds of a step, and memory beside what the data take.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow.liverseg.checkpoints import ResumeFolder
from workflow.liverseg.chunks import SIDES
from workflow.liverseg.devices import choose_compute, machine_settings
from workflow.liverseg.files import write_table
from workflow.liverseg.images import write_image
from workflow.liverseg.interruption import StopSignal
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.losses import build_loss
from workflow.liverseg.networks import build_network
from workflow.liverseg.phantoms import make_phantom
from workflow.liverseg.settings import check, merged, overlay, read_config
from workflow.liverseg.training import train
from workflow.liverseg.training_data import TrainingSet, read_chunks
from workflow.liverseg.training_progress import Reporter

ROOT = Path(__file__).resolve().parents[1]
PATIENTS = 4
PHANTOM = {"seed": 5, "short": [], "damaged": [], "noise_hu": [12, 12]}
HEAD = ("s / step", "steps / s", "Mvoxel / s", "of matmul", "of conv", "peak GB")
TUNED = {"deterministic": False}
CONTENDERS: dict[str, dict[str, Any]] = {
    "monai": {},
    "monai alone": {},
    "liverseg": {},
    "liverseg alone": {},
    "liverseg autotuned": TUNED,
    "liverseg compiled": {**TUNED, "compile": True},
}


@dataclass(frozen=True)
class Pace:
    """What one contender measured: seconds of a step, gigabytes at most, words on the device."""

    seconds: float
    peak_gb: float
    compute: str = ""
    data_gb: float = 0.0


def main() -> None:
    """Print a table for the CPU, and one for the GPU where there is one."""
    options = arguments()
    if options.contender:
        run_contender(options)
        return
    there = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in [options.device] if options.device else there:
        (show_example if options.example else compare)(sized_for(device, options))


def arguments() -> argparse.Namespace:
    """The command line; what is None depends on the device."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: all there are")
    parser.add_argument("--width", type=int, help="of the U-Net; 16 on a CPU, 32 (the paper's)")
    parser.add_argument("--patch", type=int, nargs=3, help="128 128 16 on a CPU, 256 256 16")
    parser.add_argument("--steps", type=int, help="that are timed; 8 on a CPU, 100")
    parser.add_argument("--warm", type=int, help="steps before them; 2 on a CPU, 20")
    parser.add_argument("--batch", type=int, help="2")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--example", choices=("laptop", "lits"))
    parser.add_argument("--work", type=Path, default=Path("results/benchmarks/training"))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def sized_for(device: str, options: argparse.Namespace) -> argparse.Namespace:
    """The options with what was left open filled in: half the width for a CPU."""
    usual = {"width": 32, "patch": [256, 256, 16], "steps": 100, "warm": 20, "batch": 2}
    if device == "cpu":
        usual |= {"width": 16, "patch": [128, 128, 16], "steps": 8, "warm": 2}
    if options.example:
        config = example_config(options.example)
        whole_chunk = [*config["volumes"]["in_plane"].get("size", []), config["chunks"]["slices"]]
        training = config["training"]
        usual |= {"patch": training["patch"] or whole_chunk, "batch": training["batch_size"]}
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(
        **{"contender": None, "example": None, **usual, **given, "device": device}
    )


def compare(options: argparse.Namespace) -> None:
    """Measure the device and every contender on it, and print them."""
    make_data(options)
    flops = step_flops(options)
    products, convolutions = device_rates(options)
    x, y, z = options.patch
    print(
        f"{options.device}: U-Net of width {options.width}, batch {options.batch} × {x}×{y}×{z}, "
    )
    print(f"{options.threads} threads, {flops / 1e12:.2f} TFLOP a step; measured TFLOP/s:")
    for name, rates in (("matmul", products), ("conv", convolutions)):
        print(f"  {name:7}" + ", ".join(f"{kind} {rate:.2f}" for kind, rate in rates.items()))
    print(" " * 20 + "".join(f"{title:>12}" for title in HEAD))
    tops = max(products.values()), max(convolutions.values())
    paces = {}
    for name, own in CONTENDERS.items():
        if options.device == "cuda" or not own:
            paces[name] = measure(name, options)
            print_row(name, paces[name], options, flops, tops)
    faster = paces["monai"].seconds / paces["liverseg"].seconds
    print(f"liverseg ({paces['liverseg'].compute}): {faster:.2f} × monai")
    for name in ("monai", "liverseg"):
        ratio = paces[name].seconds / paces[f"{name} alone"].seconds
        print(f"{name}: a step with augmentation takes {ratio:.2f} × one without")


def show_example(options: argparse.Namespace) -> None:
    """Print what one example's own training takes."""
    make_data(options)
    pace = measure("liverseg", options)
    x, y, z = options.patch
    print(
        f"{options.example}.yaml ({pace.compute}; {options.threads} threads): batch "
        f"{options.batch} × {x}×{y}×{z}, {pace.seconds:.2f} s a step, peak {pace.peak_gb:.2f} GB, "
        f"{pace.data_gb:.2f} GB of it data"
    )


def print_row(
    name: str, pace: Pace, options: argparse.Namespace, flops: float, tops: tuple[float, float]
) -> None:
    """One contender's line of the table."""
    voxels = options.batch * np.prod(options.patch)
    rate = flops / pace.seconds / 1e12
    shares = "".join(f"{100 * rate / top:10.1f} %" for top in tops)
    print(
        f"{name:20}{pace.seconds:12.3f}{1 / pace.seconds:12.2f}{voxels / pace.seconds / 1e6:12.2f}"
        f"{shares}{pace.peak_gb:12.2f}",
        flush=True,
    )


def measure(name: str, options: argparse.Namespace) -> Pace:
    """Run one contender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training", "--contender", name]
    for option in ("device", "width", "patch", "steps", "warm", "batch", "threads", "workers"):
        value = getattr(options, option)
        command += [f"--{option}", *map(str, value if isinstance(value, list) else [value])]
    command += ["--work", str(options.work.resolve())]
    command += ["--example", options.example] if options.example else []
    log = options.work / f"{options.device}-{name.replace(' ', '-')}.log"
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stream, cwd=ROOT, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{log.read_text()}")
    return Pace(**json.loads(done.stdout.splitlines()[-1]))


# What the contenders read, and what the device can do.


def make_data(options: argparse.Namespace) -> None:
    """Phantoms as CT and label for MONAI, and as the chunks that the rules would have made."""
    side = max(options.patch[:2]) + 16
    size = {"in_plane_pixels": [side, side], "slices": [64, 64]}
    for number in range(1, PATIENTS + 1):
        folder = data_folder(number, options)
        if (folder / "kept.tsv").exists():
            continue
        phantom = make_phantom(f"phantom-{number:02d}", PHANTOM | size)
        write_image(folder / "ct.nii.gz", phantom.hu, phantom.affine)
        write_image(folder / "label.nii.gz", phantom.label, phantom.affine)
        image = ((phantom.hu.astype(np.float32) + 200) / 450).clip(0, 1).astype(np.float16)
        np.save(folder / "image.npy", image[None])
        np.save(folder / "label.npy", (phantom.label > 0).astype(np.uint8)[None])
        depth = image.shape[2]
        sides = dict(zip(SIDES, np.linalg.norm(phantom.affine[:3, :3], axis=0), strict=True))
        write_table(folder / "kept.tsv", pd.DataFrame([{"chunk": 0, "n_slices": depth, **sides}]))


def data_folder(number: int, options: argparse.Namespace) -> Path:
    """Where one phantom lies; it is kept between runs."""
    return options.work / f"{options.device}-{max(options.patch[:2])}" / f"phantom-{number:02d}"


def build(options: argparse.Namespace) -> torch.nn.Module:
    """The network that all train, from the same first weights."""
    torch.manual_seed(1)
    architecture = {"network": "unet3d", "width": options.width}
    if options.example:
        config = example_config(options.example)
        architecture = config["models"][config["train"][0]]
    return build_network(architecture, out_channels=2)


def step_flops(options: argparse.Namespace) -> float:
    """Floating-point operations of one step, forward and backward, counted without computing."""
    from torch.utils.flop_counter import FlopCounterMode

    network = build(options).to("meta")
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(options.batch, 1, *options.patch, device="meta")).sum().backward()
    return counter.get_total_flops()


def device_rates(options: argparse.Namespace) -> tuple[dict[str, float], dict[str, float]]:
    """TFLOP/s of a square matrix product and of a 3×3×3 convolution, by number format."""
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    side, channels, voxels = (2048, 64, 32) if options.device == "cpu" else (8192, 128, 128)
    products, convolutions = {}, {}
    for kind in (torch.float32, torch.bfloat16):
        how = {"device": options.device, "dtype": kind}
        name = str(kind).removeprefix("torch.")
        a, b = torch.rand(side, side, **how), torch.rand(side, side, **how)
        products[name] = 2 * side**3 / best_seconds(lambda a=a, b=b: a @ b, options) / 1e12
        order = {"memory_format": torch.channels_last_3d}
        x = torch.rand(2, channels, voxels, voxels, 16, **how).to(**order)
        layer = torch.nn.Conv3d(channels, channels, 3, padding=1, bias=False, **how).to(**order)
        flops = 2 * x.numel() * channels * 27
        with torch.inference_mode():
            seconds = best_seconds(lambda x=x, layer=layer: layer(x), options)
        convolutions[name] = flops / seconds / 1e12
    return products, convolutions


def best_seconds(work: Callable[[], Any], options: argparse.Namespace) -> float:
    """Seconds of the fastest of some runs of `work`, the device waited for."""
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        work()
        if options.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


# The contenders.


def run_contender(options: argparse.Namespace) -> None:
    """What the measured process does; its last line of output is its pace."""
    contend = with_monai if options.contender.startswith("monai") else with_liverseg
    moments, compute, data_gb = contend(options)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if options.device == "cuda":
        peak = torch.cuda.max_memory_reserved()
    timed = moments[options.warm - 1 :]
    pace = Pace((timed[-1] - timed[0]) / (len(timed) - 1), peak / 1e9, compute, data_gb)
    print(json.dumps(vars(pace)))


class Stopwatch(Reporter):
    """Remembers the moment at which each step was made."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.moments: list[float] = []

    def step(self, epoch: int, index: int, loss: float, dice: float) -> None:
        """One step was made."""
        super().step(epoch, index, loss, dice)
        self.moments.append(time.perf_counter())


def with_liverseg(options: argparse.Namespace) -> tuple[list[float], str, float]:
    """The moments at which the rule's own loop had made a step, with what it computed, and GB."""
    settings = training_settings(options)
    compute = choose_compute(settings)
    names = ("image.npy", "label.npy", "kept.tsv")
    files = [[data_folder(n, options) / name for n in range(1, PATIENTS + 1)] for name in names]
    watch = Stopwatch(options.contender)
    # States of its own: another contender's would be gone on from, without a step to time.
    with machine_settings(compute, options.threads), tempfile.TemporaryDirectory() as states:
        data = TrainingSet(read_chunks(*files), settings=settings, device=compute.device)
        if options.contender.endswith("alone"):
            made = data.batch(0, 0)
            data.batch = lambda epoch, index: made  # type: ignore[method-assign]
        train(
            build(options),
            data,
            validation={},
            loss=build_loss(settings["loss"]),
            labels=LabelMap.from_settings([{"name": "liver", "values": "positive"}]),
            settings=settings,
            compute=compute,
            resume=ResumeFolder(Path(states)),
            report=watch,
            stop=StopSignal(),
        )
    return watch.moments, compute.describe(), data.bytes / 1e9


def training_settings(options: argparse.Namespace) -> dict[str, Any]:
    """An example's training; the laptop's, whose augmentation is the strongest, for comparisons."""
    alike = {
        "optimiser": {"name": "adam", "learning_rate": 1e-4, "weight_decay": 0.0},
        "average_decay": None,
        **CONTENDERS[options.contender],
    }
    return example_config(options.example or "laptop")["training"] | {
        "device": options.device,
        "threads": options.threads,
        "epochs": 1,
        "steps_per_epoch": options.warm + options.steps,
        "batch_size": options.batch,
        "patch": options.patch,
        "checkpoint_minutes": 1e6,
        **({} if options.example else alike),
    }


def example_config(name: str) -> dict[str, Any]:
    """The configuration as it is with an example laid over it."""
    path = ROOT / f"config/examples/{name}.yaml"
    shipped = read_config(ROOT / "config/config.yaml")
    return check(overlay(merged(shipped, read_config(path)), [path]))


def with_monai(options: argparse.Namespace) -> tuple[list[float], str, float]:
    """The moments at which a loop as in MONAI's tutorials had made a step."""
    from monai.data import CacheDataset, DataLoader
    from monai.losses import DiceCELoss
    from torch.utils.data import RandomSampler

    torch.set_num_threads(options.threads)
    folders = [data_folder(number, options) for number in range(1, PATIENTS + 1)]
    files = [{"image": f / "ct.nii.gz", "label": f / "label.nii.gz"} for f in folders]
    cached = CacheDataset(files, monai_transforms(options), num_workers=options.workers)
    count = options.warm + options.steps
    # One long epoch, so that no start of workers falls into what is timed.
    sampler = RandomSampler(cached, replacement=True, num_samples=count * options.batch)
    batches: Iterable[Any] = DataLoader(
        cached, batch_size=options.batch, sampler=sampler, num_workers=options.workers,
        pin_memory=options.device == "cuda",
    )  # fmt: skip
    if options.contender.endswith("alone"):
        batches = itertools.repeat(next(iter(batches)), count)
    network = build(options).to(options.device).train()
    loss_function = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    moments = []
    for batch in batches:
        image, label = batch["image"].to(options.device), batch["label"].to(options.device)
        optimiser.zero_grad()
        loss = loss_function(network(image), label)
        loss.backward()
        optimiser.step()
        loss.item()
        moments.append(time.perf_counter())
    return moments, "float32, channels first", 0.0


def monai_transforms(options: argparse.Namespace) -> Any:
    """Reading, windowing, cropping, and `training_settings`' augmentation in MONAI's words."""
    from monai import transforms

    settings = training_settings(options)
    how, foreground = settings["augmentation"], settings["foreground_fraction"]
    both = ("image", "label")
    steps = [
        transforms.LoadImaged(both),
        transforms.EnsureChannelFirstd(both),
        transforms.Orientationd(both, axcodes="RAS", labels=None),
        transforms.ScaleIntensityRanged("image", -200, 250, 0, 1, clip=True),
        transforms.AsDiscreted("label", threshold=0.5),
        transforms.RandCropByPosNegLabeld(
            both, "label", options.patch, pos=foreground, neg=1 - foreground
        ),
        transforms.RandAffined(
            both,
            prob=1.0,
            rotate_range=np.radians(how["rotation_degrees"]).tolist(),
            scale_range=[side - 1 for side in how["scale"]],
            mode=("bilinear", "nearest"),
            padding_mode="zeros",
        ),
    ]
    return transforms.Compose([*steps, *monai_intensities(how)])


def monai_intensities(how: dict[str, Any]) -> list[Any]:
    """The effects on intensity in MONAI's words; `cut` has no like there and is left out."""
    from monai import transforms

    effects = {name: effect for name, effect in how.items() if isinstance(effect, dict)}
    chance = {name: effect["probability"] for name, effect in effects.items()}
    span = {name: tuple(effect["range"]) for name, effect in effects.items()}
    blur = {f"sigma_{axis}": span["blur"] for axis in "xyz"}
    coarse = tuple(1 / factor for factor in reversed(span["low_resolution"]))
    contrast = tuple(factor - 1 for factor in span["contrast"])
    return [
        transforms.RandGaussianSmoothd("image", **blur, prob=chance["blur"]),
        transforms.RandSimulateLowResolutiond(
            "image", prob=chance["low_resolution"], zoom_range=coarse
        ),
        transforms.RandGaussianNoised("image", prob=chance["noise"], std=span["noise"][1]),
        transforms.RandShiftIntensityd("image", span["brightness"], prob=chance["brightness"]),
        transforms.RandScaleIntensityFixedMeand("image", contrast, prob=chance["contrast"]),
        transforms.ScaleIntensityRanged("image", 0, 1, 0, 1, clip=True),
        transforms.RandAdjustContrastd("image", prob=chance["gamma"], gamma=span["gamma"]),
        transforms.RandAdjustContrastd(
            "image", chance["invert_gamma"], gamma=span["invert_gamma"], invert_image=True
        ),
    ]


if __name__ == "__main__":
    main()
