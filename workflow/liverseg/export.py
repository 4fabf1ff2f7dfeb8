"""A trained model as ONNX, checked against torch."""

from pathlib import Path

import numpy as np
import torch

from workflow.liverseg.errors import fault
from workflow.liverseg.files import whole
from workflow.liverseg.model_files import load_model

OPSET = 18
TOLERANCE = 1e-3  # of probabilities


def samples_of(image: np.ndarray, patch: list[int]) -> np.ndarray:
    """Two samples (2, *patch) of a prepared image (x, y, z): its middle and its lower corner.

    Where the image is smaller, air fills them up.
    """
    corners = [
        [0, 0, 0],
        [max(0, n - side) // 2 for n, side in zip(image.shape, patch, strict=True)],
    ]
    parts = [
        image[tuple(slice(start, start + side) for start, side in zip(corner, patch, strict=True))]
        for corner in reversed(corners)
    ]
    missing = [[(0, side - n) for n, side in zip(part.shape, patch, strict=True)] for part in parts]
    return np.stack([np.pad(part, width) for part, width in zip(parts, missing, strict=True)])


def export_onnx(weights: Path, card: Path, onnx: Path, samples: np.ndarray) -> float:
    """Write the network as ONNX (opset 18, any batch size, the card's patch), whole.

    `samples` (n, x, y, z) 0…1 of the patch's size are run through both; returns the greatest
    difference of probabilities, LiversegError where it passes 1e-3.
    """
    import onnxruntime

    network, _ = load_model(weights, card)
    x = torch.from_numpy(samples.astype(np.float32))[:, None]
    with whole(onnx) as temporary:
        torch.onnx.export(
            network,
            (x[:1],),
            str(temporary),
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run(None, {"image": x.numpy()})[0])
        with torch.inference_mode():
            expected = network(x)
        apart = (torch.softmax(found, 1) - torch.softmax(expected, 1)).abs().max().item()
        if not apart <= TOLERANCE:
            raise fault(
                file=onnx,
                expected=f"probabilities within {TOLERANCE} of torch's",
                found=f"a difference of {apart:.2g}",
                remedy="use the safetensors model; this network does not survive ONNX",
            )
    return apart
