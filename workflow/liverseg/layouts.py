"""Recognise how a folder of CTs is laid out and list its pairs, by id and never by order.

Five layouts are known: LiTS (`volume-N.nii`, `segmentation-N.nii`), Medical Segmentation
Decathlon (`dataset.json`, `imagesTr`, `labelsTr`, `imagesTs`), nnU-Net raw (`*_0000.nii.gz`),
one folder a patient, and CTs without labels side by side. Only names are looked at: a listing must
stay cheap, since every job lists.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from workflow.liverseg.findings import Finding, warn
from workflow.liverseg.pseudonyms import SECRET, keyed, may_name, secret_at

NIFTI = (".nii.gz", ".nii")
OTHER_IMAGES = (".nrrd", ".nhdr", ".mha", ".mhd")
IMAGES = NIFTI + OTHER_IMAGES
# Where a patient's results would stand, a cohort's do: results/scores/{model}/summary.json.
RESERVED_IDS = ("summary",)
PATIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
HIDDEN_ID = re.compile(r"patient-[0-9a-f]{10}")
LABEL_NAMES = ("label", "labels", "liver", "mask", "seg", "segmentation")
DICOM_LABEL_NAMES = (*LABEL_NAMES, "rtstruct", "rtss", "rs")
IMAGE_NAMES = ("ct", "image", "img", "volume", "scan")
CHANNEL = re.compile(r"_\d{4}$")
# Folders that only a run of this workflow makes; each run makes one of them with its first job.
OWN_MARKS = (
    "cohort/inspection",
    *(
        f"logs/{rule}"
        for rule in ("inspect_patient", "import_dicom", "make_phantoms", "correct_spacing")
    ),
)


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
    """What a folder holds: entries, labels without a CT (by id), the count of files skipped.

    `unclear` are folders in which CT and label cannot be told apart, `empty` those without any
    image, `closed` those (or the patients') of which something may not be listed, `again` those
    with a link to what was listed already; `taken` are the images that the layout has a place
    for, `left` the ids of all others; `hidden` is how many patients' names are not repeated.
    """

    layout: str
    entries: tuple[Entry, ...]
    lone_labels: tuple[str, ...] = ()
    skipped: int = 0
    unclear: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    taken: frozenset[Path] = frozenset()
    left: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    hidden: int = 0


def is_litter(name: str) -> bool:
    """Say whether a name is what operating systems leave in archives (`._x`, `.DS_Store`)."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db", "desktop.ini"}


def normal_id(patient: str) -> str:
    """Return the id without what must not tell two patients apart: case and zero padding."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", patient.casefold())


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


def not_taken(number: int) -> Finding:
    """Remark on one of the images that no patient was made of."""
    return warn(
        "image_not_taken",
        "ct",
        found=f"an image that the layout has no place for, one of {number}",
        expected="images named and placed as the layout wants them",
        remedy="rename or move it, or write a table with the columns patient, image, label",
    )


def listed_again() -> Finding:
    """Remark on a link to a folder that is there under its own name, or above it."""
    return warn(
        "folder_again",
        "patient",
        found="a link to a folder that was listed already",
        expected="each folder once",
        remedy="nothing: it was read once",
    )


def names_hidden(number: int) -> Finding:
    """Remark on patients whose files or folders are named as persons may be."""
    return warn(
        "names_hidden",
        "patient",
        found=f"{number} names of files or folders with spaces, a date or a pair of words",
        expected="names that say nothing of a person",
        remedy="nothing: ids such as patient-0a1b… stand for them; for others write a table",
    )


def names_kept(number: int) -> Finding:
    """Remark on ids of a table that are such as persons' names are."""
    return warn(
        "names_kept",
        "patient",
        found=f"{number} ids in the table with a date or a pair of words, as persons' names have",
        expected="ids that say nothing of a person: folders, logs and pages are called by them",
        remedy="write other ids into the table, unless these are codes",
    )


def without_image() -> Finding:
    """Remark on a folder beside those of the patients."""
    return warn(
        "folder_without_image",
        "patient",
        found="a folder without any image",
        expected="a CT in each patient's folder",
        remedy="nothing, if it is no patient; else put the CT there",
    )


def asked_without_label(split: str) -> Finding:
    """Remark on a patient whom the sheet wants in a split that only a label opens."""
    return warn(
        "split_without_label",
        "patient",
        found=f"split {split!r} for a patient without a label",
        expected="a label for whoever trains, validates or tests",
        remedy="give the label, or write predict: until then the patient is predicted only",
    )


@dataclass(frozen=True)
class Walked:
    """The files below a folder, the count of litter, folders that are closed, or there again.

    `twice` are those of the files that are there a second time, below a link; `again` are links
    that lead back to where they stand, and `doubled` all other folders of files that are twice.
    """

    files: list[Path]
    skipped: int
    closed: list[Path]
    again: list[Path]
    twice: set[Path]
    doubled: list[Path]


def _walk(folder: Path, working: Path) -> Walked:
    """List the files below a folder, each folder's sorted, without litter, and count the litter.

    What runs have written is passed over and not counted: a count that grows with each run would
    make each run redo what the one before had done. Links are followed last. Two patients may
    share a folder, by links; below one child of `folder` each folder is listed once.
    """
    found = Walked([], 0, [], [], set(), [])
    skipped = 0
    seen: dict[tuple[int, int], set[str]] = {}
    starts = [folder]
    while starts:
        start = starts.pop(0)
        walk = os.walk(start, onerror=lambda error: found.closed.append(Path(error.filename)))
        for root, folders, names in walk:
            here, stat = Path(root), Path(root).stat()
            child = "" if here == folder else here.relative_to(folder).parts[0]
            children_here = seen.setdefault((stat.st_dev, stat.st_ino), set())
            known = bool(children_here & {"", child})
            if known or (here != folder and _is_output(here, folders)):
                found.again.extend([here] * known)
                folders.clear()
                continue
            others = [name for name in folders if not _is_of_run(here / name, working)]
            litter = [name for name in (*names, *others) if is_litter(name)]
            skipped += sum(not name.startswith(SECRET) for name in litter)
            below = [here / name for name in sorted(others) if not is_litter(name)]
            links = [path for path in below if _answered(path.is_symlink)]
            starts += links
            folders[:] = [path.name for path in below if path not in links]
            files = [here / name for name in sorted(names) if not is_litter(name)]
            found.files.extend(files)
            if children_here:
                found.twice.update(files)
                found.doubled.append(here)
            children_here.add(child)
    return replace(found, skipped=skipped)


def _answered(question: Callable[[], bool]) -> bool:
    """Ask about a path; no, where its folder may not be entered, which the walk itself tells."""
    try:
        return question()
    except PermissionError:
        return False


def _is_of_run(folder: Path, working: Path) -> bool:
    """Say whether a folder is what the run in the working directory writes to."""
    return folder.name in {"results", ".snakemake"} and folder.resolve().parent == working


def _is_output(folder: Path, children: list[str]) -> bool:
    """Say whether a folder is the output of a run elsewhere, by marks that only a run leaves."""
    return any(
        # The first spares most of the questions.
        mark.split("/")[0] in children and _answered((folder / mark).is_dir)
        for mark in OWN_MARKS
    )


def read_folder(folder: Path, working: Path | None = None) -> Listing | None:
    """List a folder's patients, or return None where no layout is recognised.

    `working` is the directory that the run stands in; its results are no data, and its secret
    stands for names that may be a person's.
    """
    working = (working or Path()).resolve()
    walked = _walk(folder, working)
    once = [path for path in walked.files if path not in walked.twice]
    known = (_nnunet, _decathlon, _lits, _folders, _bare)
    listings = (layout(folder, walked.files if layout is _folders else once) for layout in known)
    listing = next((found for found in listings if found is not None), None)
    closed = sorted({path.relative_to(folder).parts[0] for path in walked.closed})
    if listing is None:
        if not closed:
            return None
        listing = Listing("folders", ())
    shared = listing.layout == "folders"  # else a file's name is the id, and twice it would clash
    files, again = (walked.files, []) if shared else (once, walked.doubled)
    left = [p for p in files if is_image(p.name) and p not in listing.taken]
    links = sorted({path.relative_to(folder).parts[0] for path in (*walked.again, *again)})
    whole = replace(
        listing,
        skipped=walked.skipped,
        left=tuple(stem(path.name) for path in left),
        closed=tuple(closed),
        again=tuple(links),
    )
    return _hidden(whole, working / SECRET)


def _hidden(listing: Listing, secret: Path) -> Listing:
    """Replace each name that cannot be an id, or may be a person's; the same gives the same id."""
    others = (listing.lone_labels, listing.unclear, listing.empty, listing.closed)
    names = {entry.patient for entry in listing.entries}.union(*others, listing.left, listing.again)
    bad = {name for name in names if not PATIENT_ID.fullmatch(name) or may_name(name)}
    if not bad:
        return listing
    key = secret_at(secret)
    # By the normal form, so that two spellings of one id still clash.
    ids = {n: f"patient-{keyed(key, normal_id(n))}" if n in bad else n for n in names}

    def hidden(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(ids[name] for name in names)

    return replace(
        listing,
        entries=tuple(replace(one, patient=ids[one.patient]) for one in listing.entries),
        lone_labels=hidden(listing.lone_labels),
        unclear=hidden(listing.unclear),
        empty=hidden(listing.empty),
        closed=hidden(listing.closed),
        left=hidden(listing.left),
        again=hidden(listing.again),
        hidden=sum(entry.patient in bad for entry in listing.entries),
    )


def _pairs(
    layout: str, images: Iterable[tuple[str, Path]], labels: Iterable[tuple[str, Path]]
) -> Listing:
    """Join images and labels by id; the same id twice stays twice, for the caller to refuse."""
    by_id: dict[str, list[Path]] = {}
    images, labels = list(images), list(labels)
    for patient, path in labels:
        by_id.setdefault(patient, []).append(path)
    known = {patient for patient, _ in images}
    entries = [
        Entry(patient, (path,), (label,) if label.name else ())
        for patient, path in images
        for label in by_id.get(patient, [Path()])
    ]
    lone = tuple(sorted(set(by_id) - known))
    taken = frozenset(path for _, path in (*images, *labels))
    return Listing(layout, tuple(entries), lone, taken=taken)


def _in(folder: Path, files: list[Path]) -> Iterator[Path]:
    return (path for path in files if path.parent == folder and is_image(path.name))


def _decathlon(folder: Path, files: list[Path]) -> Listing | None:
    """Medical Segmentation Decathlon: images and labels of the same name in fixed folders."""
    images = [p for part in ("Tr", "Ts") for p in _in(folder / f"images{part}", files)]
    labels = [p for part in ("Tr", "Ts") for p in _in(folder / f"labels{part}", files)]
    if not images:
        return None
    return _pairs(
        "msd",
        [(stem(p.name), p) for p in images],
        [(stem(p.name), p) for p in labels],
    )


def _nnunet(folder: Path, files: list[Path]) -> Listing | None:
    """nnU-Net raw: `case_0000.nii.gz` is the CT, `case.nii.gz` in a labels folder its label."""
    images = [path for path in files if is_image(path.name)]
    labels = [path for path in images if _in_labels(folder, path)]
    others = [path for path in images if path not in set(labels)]
    channels = [path for path in others if CHANNEL.search(stem(path.name))]
    first = [path for path in channels if stem(path.name).endswith("_0000")]
    if not labels:
        labels = [path for path in others if path not in set(channels)]
    if not _numbers_are_channels(first, labels):
        return None
    return _pairs(
        "nnunet",
        [(CHANNEL.sub("", stem(p.name)), p) for p in first],
        [(stem(p.name), p) for p in labels],
    )


def _in_labels(folder: Path, path: Path) -> bool:
    return any(part.startswith("labels") for part in path.relative_to(folder).parts[:-1])


def _numbers_are_channels(first: list[Path], labels: list[Path]) -> bool:
    """Say whether `_0000` counts channels, as in nnU-Net, or is the number of a patient.

    Labels decide, as nnU-Net's lack the number. Where none meets an image, several names must be
    left without it: `patient_0000` to `patient_0003` are four patients.
    """
    full = {stem(path.name) for path in first}
    cases = {CHANNEL.sub("", name) for name in full}
    labelled = {stem(path.name) for path in labels}
    if labelled & (full | cases):
        return len(labelled & cases) > len(labelled & full)
    return len(cases) > 1


def _lits(folder: Path, files: list[Path]) -> Listing | None:
    """LiTS: `volume-N`, `segmentation-N`, `test-volume-N`, in one folder or spread over several."""
    found: dict[str, list[tuple[str, Path]]] = {"volume": [], "segmentation": []}
    for path in files:
        match = re.fullmatch(r"(test-)?(volume|segmentation)-(\w+)", stem(path.name).lower())
        if match and is_image(path.name):
            patient = f"lits-{match[1] or ''}{match[3]}"
            found[match[2]].append((patient, path))
    if not found["volume"]:
        return None
    return _pairs("lits", found["volume"], found["segmentation"])


def _folders(folder: Path, files: list[Path]) -> Listing | None:
    """One folder a patient: a CT, perhaps a label; or the files of a DICOM series."""
    children: dict[str, list[Path]] = {}
    for path in files:
        children.setdefault(path.relative_to(folder).parts[0], []).append(path)
    children = {child: mine for child, mine in children.items() if (folder / child).is_dir()}
    if any(_in(folder, files)) and not any(_surely(mine) for mine in children.values()):
        return None  # a LICENSE or Makefile in a folder beside CTs may be DICOM by its name only
    entries: list[Entry] = []
    lone, unclear, empty = [], [], []
    taken: set[Path] = set()
    for child, mine in sorted(children.items()):
        entry = _one_folder(child, mine)
        if entry is not None:
            taken |= {*entry.image_sources, *entry.label_sources}
        if not any(is_image(path.name) or is_dicom_name(path.name) for path in mine):
            empty.append(child)
        elif entry is None:
            unclear.append(child)
            taken |= set(mine)
        elif entry.image_sources:
            entries.append(entry)
        else:
            lone.append(entry.patient)
    if not entries and not unclear:
        return None
    found = Listing("folders", tuple(entries), tuple(lone), taken=frozenset(taken))
    return replace(found, unclear=tuple(unclear), empty=tuple(empty))


def _surely(files: list[Path]) -> bool:
    """Say whether a folder holds images by more than the lack of a suffix."""
    return any(is_image(p.name) or (p.suffix and is_dicom_name(p.name)) for p in files)


def _bare(folder: Path, files: list[Path]) -> Listing | None:
    """Images side by side and nothing that is named like a label: CTs to predict."""
    images = list(_in(folder, files))
    words = {word for path in images for word in re.split(r"[^a-z]+", stem(path.name).lower())}
    if not images or words & {*LABEL_NAMES, "labelled", "gt", "groundtruth"}:
        return None
    return _pairs("bare", [(stem(path.name), path) for path in images], [])


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
