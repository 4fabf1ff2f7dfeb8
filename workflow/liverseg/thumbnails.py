"""One small slice of a CT, for the page that shows what is odd about it."""

import base64
import struct
import zlib

import numpy as np

from workflow.liverseg.nifti_stream import Volume

PIXELS = 128
WINDOW_HU = (-160.0, 240.0)


def thumbnail(volume: Volume) -> str:
    """Return the middle slice across the body as a PNG in base64.

    As a radiologist expects it: the patient's right on the left, the front above; pixels square.
    """
    header = volume.header
    affine = header.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    steps = affine[:3, :3] / spacing
    z = int(np.abs(steps[2]).argmax())
    x, y = sorted(set(range(3)) - {z}, key=lambda axis: -abs(steps[0, axis]))
    place: list[slice | int] = [slice(None)] * 3
    place[z] = volume.voxels.shape[z] // 2
    plane = volume.voxels[tuple(place)]
    plane = plane if y < x else plane.T  # rows along y, columns along x
    plane = plane[::-1] if steps[1, y] > 0 else plane
    plane = plane[:, ::-1] if steps[0, x] > 0 else plane
    size = np.array(plane.shape) * (spacing[y], spacing[x])
    rows, columns = (np.maximum(1, np.rint(PIXELS * size / size.max()))).astype(int)
    chosen = plane[
        np.arange(rows) * plane.shape[0] // rows, :
    ][:, np.arange(columns) * plane.shape[1] // columns]  # fmt: skip
    hu = chosen.astype(np.float32) * header.slope + header.inter
    low, high = WINDOW_HU
    grey = np.clip((np.nan_to_num(hu) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return base64.b64encode(png(grey)).decode("ascii")


def png(grey: np.ndarray) -> bytes:
    """Return an 8-bit greyscale PNG of `(rows, columns)` uint8 (RFC 2083)."""
    rows, columns = grey.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), grey], axis=1)

    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    body = _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + body + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
