"""Recognise how a folder of CTs is laid out and list its pairs, by id and never by order.

Five layouts are known: LiTS (`volume-N.nii`, `segmentation-N.nii`), Medical Segmentation
Decathlon (`dataset.json`, `imagesTr`, `labelsTr`, `imagesTs`), nnU-Net raw (`*_0000.nii.gz`),
one folder a patient, and CTs without labels side by side. Only names are looked at: a listing must
stay cheap, since every job lists.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workflow.liverseg.findings import Finding

NIFTI = (".nii.gz", ".nii")
OTHER_IMAGES = (".nrrd", ".nhdr", ".mha", ".mhd")
IMAGES = NIFTI + OTHER_IMAGES
PATIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LABEL_NAMES = ("label", "labels", "liver", "mask", "seg", "segmentation")
DICOM_LABEL_NAMES = (*LABEL_NAMES, "rtstruct", "rtss", "rs")
IMAGE_NAMES = ("ct", "image", "img", "volume", "scan")


@dataclass(frozen=True)
class Entry:
    """One patient as the layout or the sheet gives it; nothing has been opened yet.

    `image_sources` and `label_sources` are several files for a DICOM series, else one. `wrong` is
    what the line itself, before any file is looked at, is refused for.
    """

    patient: str
    image_sources: tuple[Path, ...]
    label_sources: tuple[Path, ...] = ()
    group: str = ""
    split: str = ""
    wrong: Finding | None = None


@dataclass(frozen=True)
class Listing:
    """What a folder holds: entries, labels without a CT (by id), the count of files skipped."""

    layout: str
    entries: tuple[Entry, ...]
    lone_labels: tuple[str, ...] = ()
    skipped: int = 0
    unclear: tuple[str, ...] = field(default=())


def is_litter(name: str) -> bool:
    """Say whether a name is what operating systems leave in archives (`._x`, `.DS_Store`)."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db", "desktop.ini"}


def stem(name: str) -> str:
    """Return a file's name without its image suffix."""
    for suffix in IMAGES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def is_image(name: str) -> bool:
    """Say whether a file is named like an image that can be read."""
    return name.lower().endswith(IMAGES)


def is_dicom_name(name: str) -> bool:
    """Say whether a file may be DICOM by its name: .dcm, .ima, none, or the end of a UID."""
    suffix = Path(name).suffix.lower()
    return suffix in {".dcm", ".ima", ""} or suffix[1:].isdigit()


def pseudonym(name: str) -> str:
    """Return an id for a name that cannot be one; the same name gives the same id."""
    if PATIENT_ID.fullmatch(name):
        return name
    return "patient-" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _walk(folder: Path) -> tuple[list[Path], int]:
    """List the files below a folder, sorted, without litter, and count the litter."""
    files: list[Path] = []
    skipped = 0
    for root, folders, names in os.walk(folder, followlinks=True):
        skipped += sum(is_litter(name) for name in (*names, *folders))
        folders[:] = sorted(name for name in folders if not is_litter(name))
        files += [Path(root) / name for name in sorted(names) if not is_litter(name)]
    return files, skipped


def read_folder(folder: Path) -> Listing | None:
    """List a folder's patients, or return None where no layout is recognised."""
    files, skipped = _walk(folder)
    for layout in (_decathlon, _nnunet, _lits, _folders, _bare):
        listing = layout(folder, files)
        if listing is not None:
            return Listing(
                listing.layout, listing.entries, listing.lone_labels, skipped, listing.unclear
            )
    return None


def _pairs(
    layout: str, images: Iterable[tuple[str, Path]], labels: Iterable[tuple[str, Path]]
) -> Listing:
    """Join images and labels by id; the same id twice stays twice, for the caller to refuse."""
    by_id: dict[str, list[Path]] = {}
    for patient, path in labels:
        by_id.setdefault(patient, []).append(path)
    images = list(images)
    known = {patient for patient, _ in images}
    entries = [
        Entry(patient, (path,), (label,) if label.name else ())
        for patient, path in images
        for label in by_id.get(patient, [Path()])
    ]
    lone = tuple(sorted(set(by_id) - known))
    return Listing(layout, tuple(entries), lone)


def _in(folder: Path, files: list[Path]) -> Iterator[Path]:
    return (path for path in files if path.parent == folder and is_image(path.name))


def _decathlon(folder: Path, files: list[Path]) -> Listing | None:
    """Medical Segmentation Decathlon: images and labels of the same name in fixed folders."""
    if not (folder / "imagesTr").is_dir() or any(
        stem(path.name).endswith("_0000") for path in _in(folder / "imagesTr", files)
    ):
        return None
    images = [(pseudonym(stem(p.name)), p) for p in _in(folder / "imagesTr", files)]
    images += [(pseudonym(stem(p.name)), p) for p in _in(folder / "imagesTs", files)]
    labels = [(pseudonym(stem(p.name)), p) for p in _in(folder / "labelsTr", files)]
    labels += [(pseudonym(stem(p.name)), p) for p in _in(folder / "labelsTs", files)]
    return _pairs("msd", images, labels)


def _nnunet(folder: Path, files: list[Path]) -> Listing | None:
    """nnU-Net raw: `case_0000.nii.gz` is the CT, `case.nii.gz` in a labels folder its label."""
    channels = [p for p in files if is_image(p.name) and re.search(r"_\d{4}$", stem(p.name))]
    images = [p for p in channels if stem(p.name).endswith("_0000")]
    if not images:
        return None
    labels = [p for p in files if is_image(p.name) and p.parent.name.startswith("labels")]
    if not labels:
        labels = [p for p in files if is_image(p.name) and p not in set(channels)]
    return _pairs(
        "nnunet",
        [(pseudonym(stem(p.name)[: -len("_0000")]), p) for p in images],
        [(pseudonym(stem(p.name)), p) for p in labels],
    )


def _lits(folder: Path, files: list[Path]) -> Listing | None:
    """LiTS: `volume-N` and `segmentation-N`, in one folder or spread over several."""
    found: dict[str, list[tuple[str, Path]]] = {"volume": [], "segmentation": []}
    for path in files:
        match = re.fullmatch(r"(volume|segmentation)-(\w+)", stem(path.name))
        if match and is_image(path.name):
            found[match[1]].append((f"lits-{match[2]}", path))
    if not found["volume"]:
        return None
    return _pairs("lits", found["volume"], found["segmentation"])


def _folders(folder: Path, files: list[Path]) -> Listing | None:
    """One folder a patient: a CT, perhaps a label; or the files of a DICOM series."""
    entries: list[Entry] = []
    lone: list[str] = []
    unclear: list[str] = []
    for child in sorted({path.relative_to(folder).parts[0] for path in files}):
        if not (folder / child).is_dir():
            continue
        mine = [path for path in files if path.relative_to(folder).parts[0] == child]
        entry = _one_folder(pseudonym(child), mine)
        if entry is None:
            unclear.append(pseudonym(child))
        elif entry.image_sources:
            entries.append(entry)
        else:
            lone.append(entry.patient)
    if not entries and not unclear:
        return None
    return Listing("folders", tuple(entries), tuple(lone), 0, tuple(unclear))


def _bare(folder: Path, files: list[Path]) -> Listing | None:
    """Images side by side and nothing that is named like a label: CTs to predict."""
    images = list(_in(folder, files))
    words = {word for path in images for word in re.split(r"[^a-z]+", stem(path.name).lower())}
    if not images or words & {*LABEL_NAMES, "labelled", "gt", "groundtruth"}:
        return None
    return _pairs("bare", [(pseudonym(stem(path.name)), path) for path in images], [])


def _one_folder(patient: str, files: list[Path]) -> Entry | None:
    """Tell CT from label in one patient's folder; None where the names do not say."""
    images = [path for path in files if is_image(path.name)]
    labels = [path for path in images if _named(path, LABEL_NAMES)]
    others = [path for path in images if path not in labels]
    if not images:
        dicom = [path for path in files if is_dicom_name(path.name)]
        drawn = [path for path in dicom if _named(path, DICOM_LABEL_NAMES)]
        if len(drawn) == 1 and len(dicom) > 2:
            return Entry(patient, tuple(p for p in dicom if p not in drawn), tuple(drawn))
        return Entry(patient, tuple(dicom)) if dicom else None
    if len(others) > 1:
        others = [path for path in others if _named(path, IMAGE_NAMES)]
    if len(others) > 1 or len(labels) > 1 or (not others and not labels):
        return None
    if not others:
        dicom = [p for p in files if p.suffix and p not in images and is_dicom_name(p.name)]
        return Entry(patient, tuple(dicom), tuple(labels))
    return Entry(patient, tuple(others), tuple(labels))


def _named(path: Path, words: tuple[str, ...]) -> bool:
    return any(part in words for part in re.split(r"[^a-z]+", stem(path.name).lower()))
