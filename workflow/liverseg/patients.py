"""Who the patients are: from the config's `patients:` to a cohort of pairs.

Read whenever Snakemake parses the workflow, also in every job: names and file sizes are looked
at, nothing is opened but the sheet. What cannot be a patient is refused here with code, finding
and remedy, and reaches `rejected.tsv`; it is never handed to Snakemake as an input.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.findings import Finding, Refusal, reject, warn
from workflow.liverseg.layouts import (
    NIFTI,
    OTHER_IMAGES,
    PATIENT_ID,
    RESERVED_IDS,
    Entry,
    asked_without_label,
    is_dicom_name,
    is_image,
    is_litter,
    listed_again,
    names_hidden,
    names_kept,
    normal_id,
    not_taken,
    read_folder,
    without_image,
)
from workflow.liverseg.persons import join_known, name_groups
from workflow.liverseg.pseudonyms import may_name

Kind = Literal["nifti", "nrrd", "dicom", "phantom"]
SPLITS_OF_LABELLED = ("train", "validation", "test")
SPLITS = (*SPLITS_OF_LABELLED, "predict")
COLUMNS = ("patient", "image", "label", "group", "split")


@dataclass(frozen=True)
class Patient:
    """One patient whose files exist.

    `image` and `label` are what the rules take: the user's own NIfTI file, or what
    `import_dicom` (kinds "dicom" and "nrrd") or `make_phantoms` makes. The `..._sources` are the
    user's files that have to be imported, empty where `image` (or `label`) is one itself.
    `split` is what the sheet asks for, or None. `spacing_mm` is what the user's table gives, and
    `unspaced` the files (by "ct", "label") whose spacing is then corrected.
    """

    patient: str
    image: Path
    label: Path | None
    group: str
    split: str | None = None
    kind: Kind = "nifti"
    image_sources: tuple[Path, ...] = ()
    label_sources: tuple[Path, ...] = ()
    spacing_mm: tuple[float, float, float] | None = None
    unspaced: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Cohort:
    """The patients, those who are refused before anything is read, and remarks on the sheet."""

    patients: tuple[Patient, ...]
    refused: tuple[Refusal, ...] = ()
    remarks: tuple[Refusal, ...] = ()
    layout: str = "demo"

    def people_json(self) -> str:
        """Return group and split of each patient as canonical JSON, for a rule's params."""
        people = {p.patient: {"group": p.group, "split": p.split} for p in self.patients}
        return json.dumps(people, sort_keys=True)

    def refused_json(self) -> str:
        """Return refusals and remarks as canonical JSON, for a rule's params."""
        both = [refusal.to_json() for refusal in (*self.refused, *self.remarks)]
        return json.dumps(both, sort_keys=True)

    def check_labels(self) -> None:
        """LiversegError where it is certain that there is nothing to train on: no label at all.

        A label that is there may still be rejected once it is read; then the split says so.
        """
        if self.patients and all(patient.label is None for patient in self.patients):
            raise fault(
                expected="patients with a label, to train a model on",
                found=f"{len(self.patients)} patients, none of whom has a label",
                remedy="name a trained model to predict them with: --config released_model=FOLDER "
                "(results/models/NAME of another run); or give labels",
            )


def read_cohort(setting: str, directory: Path, phantoms: Mapping[str, Any]) -> Cohort:
    """Find the patients that `patients:` names.

    `setting` is "demo", a table (TSV or CSV), or a folder of a known layout; a relative path is
    read from `directory`. `phantoms` is the config's section of that name. Raises LiversegError
    where there is no such place, the table lacks a column, or the layout is not known.
    """
    if setting == "demo":
        return _cohort(_demo(phantoms["labelled"], phantoms["unlabelled"]), (), (), "demo")
    place = directory / Path(setting).expanduser()
    if _is_folder(place, setting):
        return _from_folder(place, directory)
    entries = _read_sheet(place)
    telling = sum(may_name(entry.patient) for entry in entries)
    remarks = (Refusal("-", names_kept(telling)),) if telling else ()
    return _from_entries(entries, "sheet", (), remarks)


def _is_folder(place: Path, setting: str) -> bool:
    """Tell a folder from a table; LiversegError where there is neither, or none to be read."""
    try:
        if place.is_dir():
            next(place.iterdir(), None)  # walking a folder that is closed would find it empty
            return True
        exists = place.exists()
    except PermissionError:
        raise fault(
            found=f"patients: {setting!r}, which may not be read",
            expected="a table or a folder that can be read",
            remedy="chmod u+rX, or ask its owner",
        ) from None
    if not exists:
        raise fault(
            found=f"patients: {setting!r}, where there is nothing",
            expected="'demo', a table (.tsv or .csv) or a folder of CTs",
            remedy="correct the path; a relative one is read from the working directory",
        )
    return False


def _demo(labelled: int, unlabelled: int) -> list[Patient]:
    patients = []
    for number in range(1, labelled + unlabelled + 1):
        name = f"phantom-{number:02d}"
        folder = Path("results/phantoms") / name
        label = folder / "label.nii.gz" if number <= labelled else None
        patients.append(Patient(name, folder / "ct.nii.gz", label, name, kind="phantom"))
    return patients


def _cohort(
    patients: list[Patient],
    refused: tuple[Refusal, ...],
    remarks: tuple[Refusal, ...],
    layout: str,
) -> Cohort:
    ordered = sorted(patients, key=lambda patient: patient.patient)
    return Cohort(tuple(ordered), refused, remarks, layout)


def _from_folder(folder: Path, directory: Path) -> Cohort:
    """Read a folder of a known layout; what it holds beside patients becomes remarks."""
    listing = read_folder(folder, directory)
    if listing is None or not (listing.entries or listing.unclear or listing.closed):
        raise _no_layout(folder)
    remarks = [Refusal(patient, _lone_label()) for patient in listing.lone_labels]
    remarks += [Refusal(folder, without_image()) for folder in listing.empty]
    remarks += [Refusal(link, listed_again()) for link in listing.again]
    remarks += [Refusal(image, not_taken(len(listing.left))) for image in listing.left]
    if listing.skipped:
        remarks.append(Refusal("-", _litter(listing.skipped)))
    if listing.hidden:
        remarks.append(Refusal("-", names_hidden(listing.hidden)))
    refused = [Refusal(patient, _unclear()) for patient in listing.unclear]
    refused += [Refusal(patient, _closed_folder()) for patient in listing.closed]
    # Whose folder is half closed may have a label there, or another half of the CT.
    entries = [entry for entry in listing.entries if entry.patient not in listing.closed]
    return _from_entries(entries, listing.layout, tuple(refused), tuple(remarks))


def _no_layout(folder: Path) -> LiversegError:
    """Build the error of a folder that cannot be read as patients; DICOM can be sorted first."""
    loose = [p.name for p in folder.iterdir() if p.suffix and is_dicom_name(p.name)]
    sort = (
        "python -m workflow.liverseg.dicom_sorting FOLDER sorted, then "
        "patients: sorted/patients.tsv (docs/formats.md)"
    )
    if loose:
        return fault(
            found=f"{len(loose)} files that may be DICOM, not in a folder a patient",
            expected="a folder whose folders hold a patient's files each",
            remedy=f"sort them into links first: {sort}",
        )
    return fault(
        found="a folder in which no known layout was recognised",
        expected="LiTS, Medical Segmentation Decathlon, nnU-Net raw, or one folder a patient",
        remedy="write a table with the columns patient, image, label and give its path; "
        f"for DICOM files beside each other: {sort}",
    )


def _closed_folder() -> Finding:
    return reject(
        "file_unreadable",
        "patient",
        found="a folder that may not be listed",
        expected="folders that can be read",
        remedy="chmod u+rx, or ask its owner",
    )


def _lone_label() -> Finding:
    return warn(
        "label_without_ct",
        "label",
        found="a label for which there is no CT",
        expected="a CT of the same id",
        remedy="add the CT, or remove the label",
    )


def _litter(count: int) -> Finding:
    return warn(
        "litter_skipped",
        "patient",
        found=f"{count} files or folders such as ._name or .DS_Store",
        expected="images only",
        remedy="nothing: they were skipped",
    )


def _unclear() -> Finding:
    return reject(
        "folder_unclear",
        "patient",
        found="a folder in which it is not clear which file is the CT and which the label",
        expected="ct.nii.gz and perhaps label.nii.gz, or the files of a DICOM series",
        remedy="rename the files, or write a table with the columns patient, image, label",
    )


def _from_entries(
    entries: list[Entry],
    layout: str,
    refused: tuple[Refusal, ...],
    remarks: tuple[Refusal, ...],
) -> Cohort:
    """Refuse what clashes or is not there; the rest are patients."""
    refusals = list(refused)
    patients: list[Patient] = []
    clashes = _clashes([entry.patient for entry in entries])
    sheet = {entry.patient: entry.group for entry in entries if entry.wrong is None}
    groups = name_groups(sheet)
    for entry in entries:
        finding = clashes.get(entry.patient) or _reserved(entry.patient) or _cannot_open(entry)
        if finding is None:
            patients.append(_patient(entry, groups[entry.patient]))
        else:
            refusals.append(Refusal(entry.patient, finding))
    if not patients and not refusals:
        raise fault(
            found="no patient at all",
            expected="at least one line below the heading",
            remedy="add patients to the table",
        )
    refusals.sort(key=lambda refusal: refusal.patient)
    unique = tuple(dict.fromkeys(refusals))
    persons, known = join_known({one.patient: one.group for one in patients}, sheet)
    patients = [replace(one, group=persons[one.patient]) for one in patients]
    asked = [
        Refusal(patient.patient, asked_without_label(patient.split))
        for patient in patients
        if patient.label is None and patient.split in SPLITS_OF_LABELLED
    ]
    return _cohort(patients, unique, (*remarks, *known, *asked), layout)


def _clashes(ids: list[str]) -> dict[str, Finding]:
    """Refuse every id that another one equals but for case or zero padding."""
    seen: dict[str, list[str]] = {}
    for patient in ids:
        seen.setdefault(normal_id(patient), []).append(patient)
    times = Counter(ids)
    clashes = {}
    for group in seen.values():
        if len(group) < 2:
            continue
        for patient in group:
            others = sorted(set(group) - {patient})
            found = f"also {', '.join(others)}" if others else f"{times[patient]} times"
            clashes[patient] = reject(
                "id_clash",
                "patient",
                found=f"the id {found}",
                expected="ids that differ by more than case or leading zeros, each once",
                remedy="give each patient an id of its own, or remove the double",
            )
    return clashes


def _reserved(patient: str) -> Finding | None:
    """Refuse an id that results of the whole cohort have; upper and lower case are alike."""
    if patient.casefold() not in RESERVED_IDS:
        return None
    return reject(
        "id_reserved",
        "patient",
        found=f"the id {patient!r}, under which the cohort's own results stand",
        expected=f"any other id than {', '.join(RESERVED_IDS)}",
        remedy="give the patient another id in a table; the file may keep its name",
    )


def _cannot_open(entry: Entry) -> Finding | None:
    """Return why this patient cannot be opened, or None when all files can."""
    if entry.wrong is not None:
        return entry.wrong
    for part, paths in (("ct", entry.image_sources), ("label", entry.label_sources)):
        for path in paths:
            finding = _missing(part, path)
            if finding is not None:
                return finding
    return None


def _missing(part: str, path: Path) -> Finding | None:
    if set(str(path)) & set("{}\n"):
        return reject(
            "path_braces",
            part,
            found="a path with a curly brace or a line break",
            expected="a path without them: to Snakemake they are wildcards",
            remedy="rename the file or folder, or put a link to it elsewhere",
        )
    try:
        exists = path.exists()
    except PermissionError:  # of a folder above
        return _unreadable(part)
    if not exists:
        dangling = path.is_symlink()
        return reject(
            "file_missing",
            part,
            found="a link that leads nowhere" if dangling else "no file at that path",
            expected="a file",
            remedy="correct the path in the table, or restore the file",
        )
    # A folder among the files is one that could not be listed.
    return None if os.access(path, os.R_OK) and not path.is_dir() else _unreadable(part)


def _unreadable(part: str) -> Finding:
    return reject(
        "file_unreadable",
        part,
        found="no permission to read the file",
        expected="a file that can be read",
        remedy="chmod u+r, or ask its owner",
    )


def _patient(entry: Entry, group: str) -> Patient:
    """Say which files the rules take, and which have to be imported first."""
    kind = _kind(entry.image_sources)
    imported = Path("results/imported") / entry.patient
    image = entry.image_sources[0] if kind == "nifti" else imported / "ct.nii.gz"
    label: Path | None = None
    label_kind = _kind(entry.label_sources) if entry.label_sources else "nifti"
    if entry.label_sources:
        label = entry.label_sources[0] if label_kind == "nifti" else imported / "label.nii.gz"
    return Patient(
        patient=entry.patient,
        image=image,
        label=label,
        group=group,
        split=entry.split or None,
        kind=kind if kind != "nifti" else label_kind,
        image_sources=() if kind == "nifti" else entry.image_sources,
        label_sources=() if label_kind == "nifti" else entry.label_sources,
    )


def _kind(sources: tuple[Path, ...]) -> Kind:
    """Tell from the names alone how files are read; what is no image is taken for DICOM."""
    name = sources[0].name.lower()
    if len(sources) == 1 and name.endswith(NIFTI):
        return "nifti"
    if len(sources) == 1 and name.endswith(OTHER_IMAGES):
        return "nrrd"
    return "dicom"


def _read_sheet(table: Path) -> list[Entry]:
    """Read a TSV or CSV with the columns patient, image, label and perhaps group, split."""
    if is_image(table.name) or table.suffix.lower() in {".dcm", ".ima"}:
        raise fault(
            file=table.name,
            found="this is an image: give its folder or a table",
            expected="'demo', a table (.tsv or .csv) or a folder of CTs",
            remedy="write a table with the columns patient, image, label, or name the folder",
        )
    rows = read_table(table, _check_columns, "correct the path, or ask the owner of the table")
    return [_entry(table.parent, row, line) for line, row in rows]


def read_table(
    table: Path, check: Callable[[Path, list[str]], None], remedy: str
) -> list[tuple[int, dict[str, str]]]:
    """Return each line of a TSV or CSV that is not blank, with its number.

    `check` raises where the columns are not those of such a table. Raises LiversegError where it
    cannot be read (then with this remedy), or where a line has not just the heading's cells:
    what stands in the wrong column must not be taken for something else.
    """
    lines = _text(table, remedy).split("\n")
    tabs = "\t" in lines[0]
    names = _cells(table, lines[0], 1, tabs)
    check(table, names)
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = _cells(table, line, number, tabs)
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise fault(
                file=table.name,
                found=f"line {number} with {len(cells)} cells",
                expected=f"{len(names)}, as in the first line",
                remedy="add or remove cells in that line; an empty one needs its tab or comma too",
            )
        rows.append((number, dict(zip(names, cells, strict=True))))
    return rows


def _text(table: Path, remedy: str) -> str:
    try:
        return table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise fault(
            file=table.name,
            found=f"bytes that are not UTF-8 (position {error.start})",
            expected="a table in UTF-8",
            remedy="save the table as UTF-8",
        ) from None
    except OSError as error:
        raise fault(
            file=table.name,
            found=error.strerror or "no file",
            expected="a table that can be read",
            remedy=remedy,
        ) from None


def _cells(table: Path, line: str, number: int, tabs: bool) -> list[str]:
    """Split one line by itself, so that an unpaired quote cannot swallow the next.

    Between tabs a quote is a character like any other, as names of files may have it.
    """
    try:
        if tabs:
            rows = list(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE))
        else:
            rows = list(csv.reader([line], strict=True))
    except csv.Error:
        raise fault(
            file=table.name,
            found=f"line {number} with a quote that does not close, or with text behind one",
            expected='quotes around a whole cell, and "" for a quote within it',
            remedy="correct the quotes of that line",
        ) from None
    return [cell.strip() for cell in (rows[0] if rows else [])]


def _check_columns(table: Path, names: list[str]) -> None:
    missing = [name for name in COLUMNS[:2] if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown or len(set(names)) < len(names):
        raise fault(
            file=table.name,
            found=f"the columns {', '.join(names) or '(none)'}",
            expected="patient, image, label, and where wanted group, split",
            remedy="correct the first line of the table",
        )


def _entry(folder: Path, row: dict[str, str], line: int) -> Entry:
    """Read one line; an id that cannot be one is not repeated, as it may be a person's name."""
    image, label, group = (row.get(name, "") for name in ("image", "label", "group"))
    patient = row.get("patient", "")
    valid = PATIENT_ID.fullmatch(patient) is not None
    wrong = _bad_id() if not valid else _no_image() if not image else _bad_split(row)
    return Entry(
        patient=patient if valid else f"line-{line}",
        image_sources=_files(folder / Path(image).expanduser()) if image else (),
        label_sources=_files(folder / Path(label).expanduser()) if label else (),
        group=group,
        split=row.get("split", ""),
        wrong=wrong,
    )


def _bad_id() -> Finding:
    return reject(
        "id_invalid",
        "patient",
        found="an id that is empty, too long, or has characters that are not allowed",
        expected="a letter or digit, then up to 63 letters, digits, and _ . -",
        remedy="give the patient a plain id in the table; the file may keep its name",
    )


def _no_image() -> Finding:
    return reject(
        "image_not_given",
        "ct",
        found="a line without an image",
        expected="the path of a CT",
        remedy="fill in the image column, or take the line out",
    )


def _bad_split(row: Mapping[str, str]) -> Finding | None:
    split = row.get("split", "")
    if not split or split in SPLITS:
        return None
    near = get_close_matches(split, SPLITS, 1)
    return reject(
        "split_unknown",
        "patient",
        found=f"split {split[:20]!r}",
        expected=", ".join(SPLITS) + ", or nothing",
        remedy=f"did you mean {near[0]!r}?" if near else "correct the split column",
    )


def _files(path: Path) -> tuple[Path, ...]:
    """Return the file, or the files of a folder (a DICOM series), sorted."""
    try:
        if not path.is_dir():
            return (path,)
    except PermissionError:  # of a folder above: told where the file is looked for
        return (path,)
    closed: list[Path] = []
    walk = os.walk(path, onerror=lambda error: closed.append(Path(error.filename)))
    found = [Path(root) / name for root, _, names in walk for name in names if not is_litter(name)]
    return tuple(sorted([*found, *closed])) or (path / "(empty)",)
