"""Damage files at random and count what the inspection finds; count alarms on sound ones.

    python benchmarks/corruption.py --mutations 1000 --variants 500 [--seed 1]

A mutation is found when the verdict is worse, or a finding more, than for the sound file. One
that changes nothing that matters (a flipped bit in a gzip header's time stamp) is counted apart:
after it nibabel reads the same voxels on the same grid. What only the manifest can find is counted
apart as well: voxels of a plain .nii, and their scaling; and a grid that nothing else tells of,
which is one of a plain .nii without a label, with an sform or a qform alone, of which only bytes
changed that say where the volume lies: another origin is as good as the right one. Any other
changed grid that nothing finds without the manifest is a miss.
"""

import argparse
import gzip
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.intake_cases import AFFINE, LIVER, SETTINGS, body, liver, nifti
from workflow.liverseg.findings import SEVERITY
from workflow.liverseg.inspection import inspect
from workflow.liverseg.manifest import with_manifest
from workflow.liverseg.nifti_header import LAYOUTS, affine_distance_mm

PLACE = ("pixdim", "quatern", "qoffset", "srow")
NAMES = ("scan", "Bild 1", "größe", "it's", 'a "b"', "ct;x", "日本")


@dataclass(frozen=True)
class Sound:
    """A sound CT, perhaps with a label, as bytes; `lone`: nothing else tells of the CT's grid."""

    names: dict[str, str]
    contents: dict[str, bytes]
    lone: bool = False


def sound(random: np.random.Generator, suffix: str) -> Sound:
    """Make a CT of its own noise, with or without a label, placed by sform, qform or both."""
    sform, qform = random.choice([(1, 1), (1, 0), (0, 1)])
    codes = {"sform_code": int(sform), "qform_code": int(qform)}
    contents = {"ct": nifti(body(seed=int(random.integers(1000))), fields=codes)}
    if random.integers(2):
        contents["label"] = nifti(liver(), fields=codes)
    lone = bool(sform != qform) and len(contents) == 1 and suffix == ".nii"
    if suffix == ".nii.gz":
        contents = {part: gzip.compress(content, 1) for part, content in contents.items()}
    return Sound({part: part + suffix for part in contents}, contents, lone)


def verdict(folder: Path, pair: Sound, manifest: dict[str, str] | None = None) -> dict:
    """Inspect a CT, and its label if there is one, after writing them."""
    for part, content in pair.contents.items():
        (folder / pair.names[part]).write_bytes(content)
    image, label = (
        folder / pair.names[part] if part in pair.names else None for part in ("ct", "label")
    )
    record = inspect(image=image, label=label, patient="p", labels=LIVER, settings=SETTINGS)
    return with_manifest(record, manifest, {})


def damage(content: bytes, random: np.random.Generator) -> tuple[str, bytes]:
    """Damage bytes in one of five ways; returns its name as well."""
    way = str(random.choice(["bit", "cut", "swap", "header", "overwrite"]))
    changed = bytearray(content)
    size = len(changed)
    if way == "bit":
        changed[int(random.integers(size))] ^= 1 << int(random.integers(8))
    elif way == "cut":
        del changed[int(random.integers(size)) :]
    elif way == "swap":
        one, other = sorted(int(x) for x in random.integers(size - 64, size=2))
        block = changed[one : one + 64]
        changed[one : one + 64] = changed[other : other + 64]
        changed[other : other + 64] = block
    elif way == "header":
        changed[int(random.integers(min(352, size)))] = int(random.integers(256))
    else:
        start = int(random.integers(size))
        changed[start : start + 100] = bytes(min(100, size - start))
    return way, bytes(changed)


def compare(one: bytes, other: bytes) -> tuple[bool, bool]:
    """Say whether two files have the same grid, to 0.1 voxels, and the same voxels on it."""
    import nibabel

    try:
        images = []
        for content in (one, other):
            plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            images.append(nibabel.Nifti1Image.from_bytes(plain))
        first, second = images
        size_mm = float(np.linalg.norm(first.affine[:3, :3], axis=0).min())
        apart_mm = affine_distance_mm(first.affine, second.affine, first.shape)
        grid = first.shape == second.shape and apart_mm <= 0.1 * size_mm
        return grid, grid and np.array_equal(first.get_fdata(), second.get_fdata())
    except (
        OSError,
        EOFError,
        ValueError,
        gzip.zlib.error,
        nibabel.spatialimages.HeaderDataError,
        nibabel.filebasedimages.ImageFileError,
        nibabel.wrapstruct.WrapStructError,
    ):
        return False, False


def mutate(count: int, random: np.random.Generator, folder: Path) -> Counter[str]:
    """Damage `count` files; returns how many were found, harmless, or missed."""
    tally: Counter[str] = Counter()
    for _ in range(count):
        pair = sound(random, str(random.choice([".nii.gz", ".nii"])))
        before = verdict(folder, pair)
        part = str(random.choice(list(pair.contents)))
        way, changed = damage(pair.contents[part], random)
        while changed == pair.contents[part]:  # two equal blocks swapped, a byte set to itself
            way, changed = damage(pair.contents[part], random)
        worse = Sound(pair.names, {**pair.contents, part: changed})
        after = verdict(folder, worse)
        digest = before["sha256"]
        tally["made"] += 1
        place = f"{pair.names[part]}, {where(pair.contents[part], changed, way)}"
        if _rank(after) > _rank(before):
            tally["found without help"] += 1
        elif compare(pair.contents[part], changed)[1]:
            tally["harmless: same voxels, same grid"] += 1
        elif kind := only_by_manifest(pair, pair.contents[part], changed):
            known = verdict(folder, worse, digest)["verdict"] == "rejected"
            tally[f"{kind}, found by the manifest" if known else "missed"] += 1
            tally[f"  of these: {place}"] += 1
        else:
            tally["missed"] += 1
            tally[f"  missed: {place}"] += 1
    return tally


def only_by_manifest(pair: Sound, before: bytes, after: bytes) -> str:
    """Say what was changed that nothing but the manifest can tell of; empty for anything else."""
    if compare(before, after)[0]:
        return "voxels changed"
    if not pair.lone or len(before) != len(after):
        return ""
    fields = LAYOUTS[348].fields or {}
    places = [(fields[name][1], fields[name][0].itemsize) for name in PLACE]
    changed = (i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    inside = all(any(at <= i < at + size for at, size in places) for i in changed)
    return "grid changed that nothing else tells of" if inside else ""


def where(before: bytes, after: bytes, way: str) -> str:
    """Say what of a plain file was changed: the header's fields, or voxels."""
    if len(before) != len(after):
        return way
    different = (i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    first = next(different, len(before))
    fields = LAYOUTS[348].fields or {}
    inside = [name for name, (kind, at, *_) in fields.items() if at <= first < at + kind.itemsize]
    return f"header: {inside[0]}" if first < 348 else f"voxels ({way})"


def _rank(record: dict) -> tuple[int, int]:
    worst = max((SEVERITY[f["verdict"]] for f in record["findings"]), default=0)
    return worst, len(record["findings"])


def variant(random: np.random.Generator) -> Sound:
    """Make a valid pair that is stored in an unusual way."""
    ct, label = body(seed=int(random.integers(1000))), liver()
    affine = AFFINE.copy()
    axes = random.permutation(3)
    order = np.eye(4)
    order[:3, :3] = np.eye(3)[:, axes]
    ct, label, affine = ct.transpose(axes), label.transpose(axes), affine @ order
    for axis in np.flatnonzero(random.integers(2, size=3)):
        flip = np.eye(4)
        flip[axis, axis] = -1
        flip[axis, 3] = ct.shape[axis] - 1
        ct, label, affine = np.flip(ct, axis), np.flip(label, axis), affine @ flip
    fields = [
        {"sform_code": int(s), "qform_code": int(q)}
        for s, q in random.choice([(1, 1), (1, 0), (0, 1), (2, 3), (4, 1)], size=2)
    ]
    slope, inter = [(1, 0), (1, -1024), (0.5, -3000), (-1, 0)][int(random.integers(4))]
    stored = np.rint((ct - float(inter)) / slope)
    kinds = [k for k in ("i2", "i4", "f4", "f8", "u2", "i8") if np.can_cast(np.int16, k) or
             stored.min() >= 0]  # fmt: skip
    fields[0] |= {"scl_slope": slope, "scl_inter": inter}
    contents = {}
    names = {}
    for index, (part, data, kind) in enumerate(
        (
            ("ct", stored, str(random.choice(kinds))),
            ("label", label, str(random.choice(["u1", "i1", "i2", "f4", "u2"]))),
        )
    ):
        suffix = str(random.choice([".nii", ".nii.gz", ".NII.GZ"]))
        version = int(random.integers(1, 3))
        byte_order = str(random.choice(["<", ">"]))
        content = nifti(
            data.astype(kind), affine, order=byte_order, version=version, fields=fields[index]
        )
        zipped = suffix.lower() == ".nii.gz"
        contents[part] = gzip.compress(content, 1) if zipped else content
        names[part] = f"{random.choice(NAMES)}-{part}{suffix}"
    return Sound(names, contents)


def alarms(count: int, random: np.random.Generator, folder: Path) -> Counter[str]:
    """Inspect `count` valid variants; returns the codes of all findings on them."""
    tally: Counter[str] = Counter()
    for _ in range(count):
        record = verdict(folder, variant(random))
        tally["made"] += 1
        tally["false alarms"] += bool(record["findings"])
        tally.update(f"  {finding['code']}" for finding in record["findings"])
    return tally


def main() -> None:
    """Print both tallies; the exit status is 1 after a miss or a false alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--variants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        found = mutate(options.mutations, random, Path(folder))
        false = alarms(options.variants, random, Path(folder))
    for title, tally in (("mutations", found), ("valid variants", false)):
        print(title)
        for name, number in tally.items():
            print(f"  {name}: {number}")
    sys.exit(bool(found["missed"] or false["false alarms"]))


if __name__ == "__main__":
    main()
