"""Data files of the page: one call of a function that the page defines, which any browser loads
from disk with a script tag; browsers refuse to fetch a JSON file from there.
"""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from workflow.liverseg.files import write_text

OPENING, CLOSING = "liverseg.receive(", ");\n"


def write_payload(path: Path, name: str, content: dict[str, Any]) -> None:
    """Write a data file, whole; `name` is what the page asks for it by.

    Everything beyond ASCII and every `<` is escaped, so that the text is plain data in whatever
    encoding and place it is read.
    """
    parts = (json.dumps(part, allow_nan=False) for part in (name, content))
    write_text(path, OPENING + ", ".join(parts).replace("<", "\\u003c") + CLOSING)


def read_payload(path: Path) -> dict[str, Any]:
    """Read back what `write_payload` wrote; ValueError for any other file."""
    text = path.read_text(encoding="ascii")
    if not (text.startswith(OPENING) and text.endswith(CLOSING)):
        raise ValueError(f"{path.name} is no data file of the page")
    decoder = json.JSONDecoder()
    _, end = decoder.raw_decode(text, len(OPENING))
    content, _ = decoder.raw_decode(text, end + len(", "))
    return content


def to_base64(values: np.ndarray | bytes) -> str:
    """Bytes of an array (little-endian, C order) as text."""
    raw = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
    return base64.b64encode(raw).decode("ascii")


def to_address(raw: bytes, kind: str) -> str:
    """Bytes of a picture as an address that a page shows without asking for a file."""
    return f"data:image/{kind};base64,{to_base64(raw)}"


def encode_runs(classes: np.ndarray) -> str:
    """Run-length code of a uint8 array in C order: pairs of a value and the length of its run.

    A length is written in groups of seven bits, lowest first, the eighth bit saying that more
    follow. Masks shrink to a few kilobytes, and reading them takes a page five lines.
    """
    flat = np.ascontiguousarray(classes, dtype=np.uint8).ravel()
    if not flat.size:
        return ""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    coded = bytearray()
    for value, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        coded.append(value)
        while length > 127:
            coded.append(length & 127 | 128)
            length >>= 7
        coded.append(length)
    return to_base64(bytes(coded))


def decode_runs(text: str, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `encode_runs`, as the page does it."""
    coded, flat, place = base64.b64decode(text), np.zeros(int(np.prod(shape)), np.uint8), 0
    position = 0
    while position < len(coded):
        value, length, shift = coded[position], 0, 0
        position += 1
        while True:
            group = coded[position]
            position += 1
            length |= (group & 127) << shift
            shift += 7
            if group < 128:
                break
        flat[place : place + length] = value
        place += length
    return flat.reshape(shape)
