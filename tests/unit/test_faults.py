"""Every fault of the data that the intake knows: a file that has it, and what is said of it."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.intake_cases import AFFINE, LIVER, SETTINGS, SHAPE, body, liver, nifti, write
from workflow.liverseg.inspection import inspect

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    "admission",
    "inspection",
    "intake",
    "intensities",
    "label_checks",
    "manifest",
    "nifti_header",
    "nifti_stream",
    "patients",
    "privacy",
    "slice_order",
]
IDENTITY = np.eye(4)


def ct_only(content: bytes, name: str = "ct.nii.gz") -> Callable[[Path], tuple[Path, None]]:
    return lambda folder: (write(folder / name, content), None)


def pair(ct: bytes, label: bytes) -> Callable[[Path], tuple[Path, Path]]:
    return lambda f: (write(f / "ct.nii.gz", ct), write(f / "label.nii.gz", label))


def raw(change: Callable[[bytes], bytes], name: str = "ct.nii.gz"):
    """A CT whose bytes on disk are changed."""

    def build(folder: Path) -> tuple[Path, None]:
        path = write(folder / name, nifti(body()))
        path.write_bytes(change(path.read_bytes()))
        return path, None

    return build


def fields(**values):
    return ct_only(nifti(body(), fields=values))


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 0x10
    return bytes(changed)


def scrambled() -> np.ndarray:
    return body()[:, :, np.random.default_rng(1).permutation(SHAPE[2])]


def with_value(value: float, place: tuple, data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[place] = value
    return data


def mr() -> np.ndarray:
    return np.clip((body().astype(float) + 1000) * 0.4 - 40, -40, 900).astype(np.int16)


GOOD = nifti(body())
LABEL = nifti(liver())
LEFT = nifti(liver()[::-1])
FLOATS = body().astype(np.float32)
SMOOTH = (liver() + np.roll(liver(), 1, 0)).astype(np.float32) / 2
SFORM_NAN = np.full((3, 4), np.nan)
SFORM_FLAT = np.vstack([AFFINE[:2], AFFINE[1:2]])
MOVED = AFFINE + np.array([[0, 0, 0, 30.0], [0] * 4, [0] * 4, [0] * 4])
TWO_PIECES = with_value(1, np.s_[2:8, 2:8, 18:22], liver())
IN_AIR = with_value(1, np.s_[0:4, 0:4, 10:12], liver())
WILD = with_value(20000, np.s_[0, 0, 0:3], body())
CLIPPED = np.clip(body(), -160, 240)
JUMP = np.concatenate([body((40, 36, 60))[:, :, :12], body((40, 36, 60))[:, :, 46:]], axis=2)

# Number in the list of known faults, what is done about it, the code, and a file that has it.
FAULTS = [
    (1, "warn", "spacing_placeholder", ct_only(nifti(body(), IDENTITY))),
    (2, "repair", "label_affine", pair(GOOD, nifti(liver(), IDENTITY))),
    (2, "reject", "affines_differ", pair(GOOD, nifti(liver(), MOVED))),
    (7, "warn", "hu_outside", ct_only(nifti(WILD))),
    (8, "reject", "hu_scale", ct_only(nifti(body() + np.int16(220)))),
    (8, "reject", "hu_scale", ct_only(nifti((body() + 1024).clip(0).astype(np.uint16)))),
    (8, "reject", "not_ct", ct_only(nifti((body() * 4).astype(np.int16)))),
    (9, "reject", "slices_scrambled", ct_only(nifti(scrambled()))),
    (9, "warn", "slices_jump", ct_only(nifti(JUMP))),
    (10, "warn", "label_in_padding", pair(GOOD, nifti(IN_AIR))),
    (10, "warn", "label_touches_border", pair(GOOD, nifti(IN_AIR))),
    (11, "warn", "label_components", pair(GOOD, nifti(TWO_PIECES))),
    (11, "warn", "label_side", pair(GOOD, LEFT)),
    (11, "warn", "label_volume", pair(nifti(body(), AFFINE / 4), nifti(liver(), AFFINE / 4))),
    (12, "reject", "label_empty", pair(GOOD, nifti(np.zeros(SHAPE, np.uint8)))),
    (16, "reject", "gzip_damaged", raw(lambda b: flipped(b, len(b) // 2))),
    (17, "reject", "not_nifti", raw(lambda b: b"")),
    (17, "reject", "not_nifti", raw(lambda b: b"<!DOCTYPE html><html>not found</html>")),
    (18, "reject", "file_truncated", raw(lambda b: b[: len(b) // 2])),
    (18, "reject", "file_truncated", raw(lambda b: b[:-1000], "ct.nii")),
    (19, "reject", "gzip_damaged", raw(lambda b: flipped(b, len(b) - 6))),
    (19, "reject", "file_truncated", raw(lambda b: b[:-8])),
    (21, "reject", "name_wrong", lambda f: (write(f / "a.gz", GOOD).rename(f / "ct.nii"), None)),
    (21, "reject", "name_wrong", lambda f: (write(f / "a", GOOD).rename(f / "ct.nii.gz"), None)),
    (22, "reject", "dimension_bad", fields(dim=[3, 40, 0, 24, 1, 1, 1, 1])),
    (22, "reject", "dimension_bad", fields(dim=[3, 40, -36, 24, 1, 1, 1, 1])),
    (22, "reject", "dimension_huge", fields(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])),
    (22, "reject", "file_truncated", fields(dim=[3, 1000, 1000, 1000, 1, 1, 1, 1])),
    (22, "reject", "bytes_behind", fields(dim=[3, 40, 36, 12, 1, 1, 1, 1])),
    (23, "reject", "spacing_bad", fields(pixdim=[1, 0, 8, 8, 1, 1, 1, 1])),
    (23, "reject", "spacing_bad", fields(pixdim=[1, 8, -8, 8, 1, 1, 1, 1])),
    (23, "reject", "spacing_bad", fields(pixdim=[1, 8, 8, np.nan, 1, 1, 1, 1])),
    (23, "reject", "affine_bad", fields(srow=SFORM_NAN)),
    (23, "reject", "affine_bad", fields(srow=SFORM_FLAT)),
    (23, "reject", "affine_bad", fields(sform_code=0, quatern=[1, 1, 1])),
    (23, "warn", "spacing_unlikely", ct_only(nifti(body(), AFFINE / 100))),
    (24, "warn", "forms_disagree", fields(qoffset=[0, 0, 0])),
    (24, "warn", "affine_unset", fields(sform_code=0, qform_code=0)),
    (24, "warn", "spacing_disagrees", fields(qform_code=0, pixdim=[1, 4, 8, 8, 1, 1, 1, 1])),
    (25, "warn", "slope_bad", fields(scl_slope=np.nan)),
    (25, "warn", "slope_bad", fields(scl_slope=0)),
    (25, "warn", "slope_bad", fields(scl_slope=np.inf)),
    (26, "reject", "datatype_bad", fields(datatype=128, bitpix=24)),
    (26, "reject", "datatype_bad", fields(datatype=32, bitpix=64)),
    (26, "reject", "datatype_bad", fields(datatype=77)),
    (26, "reject", "header_inconsistent", fields(bitpix=8)),
    (26, "reject", "voxels_not_finite", ct_only(nifti(with_value(np.nan, (1, 2, 3), FLOATS)))),
    (26, "reject", "voxels_not_finite", ct_only(nifti(with_value(np.inf, (1, 2, 3), FLOATS)))),
    (27, "reject", "label_not_whole", pair(GOOD, nifti(SMOOTH))),
    (27, "reject", "label_values_unknown", pair(GOOD, nifti(-liver().astype(np.int16)))),
    (28, "reject", "shapes_differ", pair(GOOD, nifti(liver((40, 36, 23))))),
    (29, "repair", "singleton_axis", ct_only(nifti(body()[..., None]))),
    (29, "reject", "dimensions_not_three", ct_only(nifti(body()[:, :, 5]))),
    (29, "reject", "dimensions_not_three", ct_only(nifti(np.stack([body(), body()], axis=-1)))),
    (30, "warn", "few_slices", ct_only(nifti(body()[:, :, :12]))),
    (31, "reject", "not_ct", ct_only(nifti(mr()))),
    (31, "reject", "not_ct", ct_only(nifti(np.zeros(SHAPE, np.int16)))),
    (31, "warn", "hu_clipped", ct_only(nifti(CLIPPED))),
    (48, "warn", "private_text", fields(descrip=b"DOE^JANE")),
]


@pytest.mark.parametrize(
    ("number", "verdict", "code", "build"),
    FAULTS,
    ids=[f"{number}-{code}-{i}" for i, (number, _, code, _) in enumerate(FAULTS)],
)
def test_fault_is_found_with_its_verdict(tmp_path, number, verdict, code, build):
    image, label = build(tmp_path)
    record = inspect(image=image, label=label, patient="p", labels=LIVER, settings=SETTINGS)
    found = {finding["code"]: finding for finding in record["findings"]}
    assert code in found, f"fault {number}: found only {sorted(found)}"
    assert found[code]["verdict"] == verdict
    assert all(found[code][key] for key in ("found", "expected", "remedy"))


def test_sound_pair_is_admitted_without_any_finding(tmp_path):
    image, label = pair(GOOD, LABEL)(tmp_path)
    record = inspect(image=image, label=label, patient="p", labels=LIVER, settings=SETTINGS)
    assert (record["verdict"], record["findings"]) == ("admitted", [])
    assert set(record["sha256"]) == {"ct", "label"}


def test_every_code_stands_in_the_table_of_faults():
    modules = [ROOT / f"workflow/liverseg/{name}.py" for name in MODULES]
    source = "".join(path.read_text(encoding="utf-8") for path in modules)
    codes = re.findall(r'(?:\breject|\brepair|\b_?warn|Finding)\(\s*"([a-z_]+)"', source)
    documented = re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs/faults.md").read_text(), re.M)
    assert sorted(set(codes) - set(documented)) == []
    assert sorted(set(documented) - set(codes)) == []
