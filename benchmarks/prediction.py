"""Prediction side by side with MONAI: seconds, peak memory and agreement of the masks.

    python benchmarks/prediction.py --model results/models/unet3d-narrow
    python benchmarks/prediction.py --model results/models/unet3d-narrow --slices 987 --only slabs
    python benchmarks/prediction.py --model results/models/unet3d-narrow --slices 987 --only memory

Every contender runs in a process of its own, from the CT on disk to the mask on disk, with the
same network, size of windows, overlap and threads:

liverseg   the rule's own main(): slabs, body crop, empty windows skipped, bfloat16 where the
           machine computes it, batch norms folded
at_once    the same with one slab for the whole CT, to show that slabs change no voxel
worst      the rule's own with a second class, and a false positive in two opposite corners of the
           scan, so that the mask's box is the whole of it: the most memory, still below 2.5 GB
monai      LoadImaged … Spacingd … sliding_window_inference (Gaussian) and Invertd, float32

The CT is a phantom of 512×512×300; more slices repeat it, mirrored in turn.
"""

import argparse
import functools
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
WIDTHS = (9, 8, 9, 21, 16)
CONTENDERS = ("liverseg", "at_once", "worst", "monai")
PHANTOM = {"seed": 5, "short": [], "damaged": [], "noise_hu": [12, 12]}


def main() -> None:
    """Run the contenders and print a table."""
    options = arguments()
    if options.contender:
        run_contender(options)
        return
    ct = options.ct or make_ct(options.work, options.slices)
    wanted = {
        "all": CONTENDERS,
        "pair": ("liverseg", "monai"),
        "slabs": ("liverseg", "at_once"),
        "memory": ("liverseg", "worst"),
    }
    rows = [measure(name, ct, options) for name in wanted[options.only]]
    head = ("seconds", "CPU s", "peak GB", "Dice with the first", "faster than it")
    print(
        " " * 10 + "".join(f"{title:>{width}}" for title, width in zip(head, WIDTHS, strict=True))
    )
    for name, seconds, cpu_seconds, gigabytes, mask in rows:
        dice = dice_of(rows[0][-1], mask)
        ratio = rows[0][1] / seconds
        print(f"{name:10}{seconds:9.1f}{cpu_seconds:8.1f}{gigabytes:9.2f}{dice:21.6f}{ratio:16.2f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder with model.safetensors")
    parser.add_argument("--ct", type=Path, help="a CT of your own instead of the phantom")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--only", choices=("all", "pair", "slabs", "memory"), default="pair")
    parser.add_argument("--work", type=Path, default=Path("results/benchmarks/prediction"))
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def make_ct(work: Path, n_slices: int) -> Path:
    """The phantom CT, kept between runs; some minutes the first time."""
    from workflow.liverseg.images import read_image, write_image
    from workflow.liverseg.phantoms import make_phantom

    base, path = work / "ct-300.nii.gz", work / f"ct-{n_slices}.nii.gz"
    if not base.exists():
        size = {"in_plane_pixels": [512, 512], "slices": [300, 300]}
        phantom = make_phantom("phantom-03", PHANTOM | size)
        write_image(base, phantom.hu, phantom.affine)
    if not path.exists():
        import numpy as np

        image = read_image(base, None)
        order = np.concatenate([np.arange(300), np.arange(300)[::-1]])
        stack = image.data[:, :, np.resize(order, n_slices)]
        write_image(path, np.asfortranarray(stack), image.affine)
    return path


def measure(
    name: str, ct: Path, options: argparse.Namespace
) -> tuple[str, float, float, float, Path]:
    """Run one contender in a process of its own: name, seconds, CPU seconds, peak GB, its mask."""
    place = options.work / name
    place.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--contender", name, "--ct", ct, "--work", place]
    command += ["--model", options.model, "--threads", options.threads]
    command += ["--overlap", options.overlap]
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{name} failed")
    unit = 1 if sys.platform == "darwin" else 1024
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return name, seconds, cpu_seconds, usage.ru_maxrss * unit / 1e9, place / "mask.nii.gz"


def dice_of(first: Path, second: Path) -> float:
    """Dice of two masks' foreground."""
    from workflow.liverseg.images import read_image

    a, b = (read_image(path, None).data > 0 for path in (first, second))
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def run_contender(options: argparse.Namespace) -> None:
    """What the measured process does."""
    if options.contender == "monai":
        predict_with_monai(options)
        return
    import workflow.scripts.predict_patient as script

    how = shipped_settings() | {"threads": options.threads, "overlap": options.overlap}
    if options.contender == "at_once":
        script.predict = functools.partial(script.predict, slab=1 << 20)
    if options.contender == "worst":
        make_worst(script)
    names = ("mask", "masked_ct", "probability")
    places: dict[str, Any] = {name: options.work / f"{name}.nii.gz" for name in names}
    script.main(
        image=options.ct,
        weights=options.model / "model.safetensors",
        card=options.model / "model.json",
        record=options.work / "prediction.json",
        patient="benchmark",
        device="auto",
        settings={"prediction": how},
        **places,
    )


def shipped_settings() -> dict[str, Any]:
    """The config's `prediction`."""
    from workflow.liverseg.settings import check, read_config

    return check(read_config(ROOT / "config/config.yaml"))["prediction"]


def make_worst(script: Any) -> None:
    """Give the script's network a second class, and its masks two far-off false positives."""
    import numpy as np

    load, predict = script.load_ensemble, script.predict
    nested = [{"name": "liver", "values": "positive"}, {"name": "tumour", "values": [2]}]

    def load_two_classes(*files: Any, **how: Any) -> Any:
        network, cards = load(*files, **how)
        members = [
            lambda windows, one=one: np.repeat(one(windows) / 2, 2, axis=1)
            for one in network.members
        ]
        network = replace(network, members=members, n_classes=2, inner={"tumour": (2,)})
        return network, [replace(card, labels=nested) for card in cards]

    def predict_specks(*scan: Any, **how: Any) -> Any:
        prediction = predict(*scan, **how)
        prediction.mask[0, 0, 0] = prediction.mask[-1, -1, -1] = 1
        return prediction

    script.load_ensemble, script.predict = load_two_classes, predict_specks


def predict_with_monai(options: argparse.Namespace) -> None:
    """MONAI's usual way: transforms, sliding windows in float32, Invertd on the probabilities."""
    import numpy as np
    import torch
    from monai.inferers import sliding_window_inference
    from monai.transforms import Invertd

    from workflow.liverseg.devices import choose_compute
    from workflow.liverseg.images import write_image
    from workflow.liverseg.inference import load_ensemble
    from workflow.liverseg.model_files import load_model
    from workflow.liverseg.prediction import window_size

    torch.set_num_threads(options.threads)
    files = (options.model / "model.safetensors", options.model / "model.json")
    network, card = load_model(*files)
    ours, _ = load_ensemble([files[0]], [files[1]], flips=(), compute=choose_compute({}))
    before = monai_transforms(card.preprocessing)
    with torch.inference_mode():
        data = before({"image": options.ct})
        shape = tuple(data["image"].shape[1:])
        size = window_size(ours, shape, shipped_settings()["enlarge"])
        logits = sliding_window_inference(
            data["image"][None], size, 1, network, overlap=options.overlap, mode="gaussian"
        )
        data["probability"] = torch.softmax(logits[0], dim=0)
        after = Invertd("probability", before, orig_keys="image", nearest_interp=False)
        probability = after(data)["probability"]
        mask = probability.argmax(dim=0).numpy().astype(np.uint8)
    affine = data["image"].meta["original_affine"]
    write_image(options.work / "mask.nii.gz", mask, np.asarray(affine))


def monai_transforms(volumes: dict[str, Any]) -> Any:
    """The config's `volumes` in MONAI's words."""
    from monai import transforms

    low, high = volumes["window_hu"]
    steps: list[Any] = [
        transforms.LoadImaged("image", image_only=True, ensure_channel_first=True),
        transforms.Orientationd("image", axcodes="RAS", labels=None),
    ]
    spacing = volumes["spacing_mm"]
    if spacing is not None:
        spacing = spacing if isinstance(spacing, list) else [spacing] * 3
        pixdim = [side or float("nan") for side in spacing]
        steps.append(transforms.Spacingd("image", pixdim=pixdim, mode="bilinear"))
    steps.append(transforms.ScaleIntensityRanged("image", low, high, 0, 1, clip=True))
    size = [*volumes["in_plane"].get("size", []), -1]
    if volumes["in_plane"]["mode"] == "crop_pad":
        steps.append(transforms.SpatialPadd("image", spatial_size=size))
    if volumes["in_plane"]["mode"] == "resize":
        steps.append(transforms.Resized("image", spatial_size=size, mode="trilinear"))
    return transforms.Compose(steps)


if __name__ == "__main__":
    main()
