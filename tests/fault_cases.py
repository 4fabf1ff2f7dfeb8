"""Every fault of the data that is known, by its number: files that have it, and who is asked.

Numbers are those of the list of faults in docs/faults.md. Each case writes its files into a folder
and returns what the user is told: findings as the records hold them, or the lines of an error.
"""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.dicom_files import hu_volume, write_series
from tests.intake_cases import AFFINE, LIVER, SETTINGS, SHAPE, body, liver, nifti, write
from workflow.liverseg.admission import find_duplicates
from workflow.liverseg.archives import unpack
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import read_json
from workflow.liverseg.imports import import_image
from workflow.liverseg.inspection import inspect
from workflow.liverseg.manifest import gone_patients, with_manifest
from workflow.liverseg.patients import read_cohort
from workflow.liverseg.persons import remarks_on, told_persons
from workflow.liverseg.pseudonyms import SECRET
from workflow.liverseg.settings import check, read_config

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config/config.yaml"
IDENTITY = np.eye(4)
Told = list[dict[str, Any]]
Files = tuple[Path, Path | None]


@dataclass(frozen=True)
class Case:
    """One fault: its number, its verdict, its code, and what is said of files that have it."""

    number: int
    verdict: str
    code: str
    told: Callable[[Path], Told]


def inspected(
    build: Callable[[Path], Files], changed: dict[str, Any] | None = None, **options: Any
) -> Callable[[Path], Told]:
    """What the inspection says of a pair; `changed` are settings."""

    def told(folder: Path) -> Told:
        image, label = build(folder)
        return inspect(
            image=image, label=label, patient="p", labels=LIVER,
            settings=SETTINGS | (changed or {}), **options,
        )["findings"]  # fmt: skip

    return told


def listed(build: Callable[[Path], Files], manifest: dict[str, str]) -> Callable[[Path], Told]:
    """What is said of a pair beside the manifest's entry."""

    def told(folder: Path) -> Told:
        image, label = build(folder)
        found = inspect(image=image, label=label, patient="p", labels=LIVER, settings=SETTINGS)
        return with_manifest(found, manifest, {})["findings"]

    return told


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
SFORM_TILTED = (AFFINE + np.outer([0, 8 * np.tan(np.radians(20)), 0, 0], [0, 0, 1, 0]))[:3]
MOVED = AFFINE + np.array([[0, 0, 0, 30.0], [0] * 4, [0] * 4, [0] * 4])
TWO_PIECES = with_value(1, np.s_[2:8, 2:8, 18:22], liver())
IN_AIR = with_value(1, np.s_[0:4, 0:4, 10:12], liver())
AIR = (body() < -900).astype(np.uint8)
WILD = with_value(20000, np.s_[0, 0, 0:3], body())
CLIPPED = np.clip(body(), -160, 240)
JUMP = np.concatenate([body((40, 36, 60))[:, :, :12], body((40, 36, 60))[:, :, 46:]], axis=2)
DICOM_HEADER = b"\x01\0\0\0" + np.array([32, 2], "<i4").tobytes() + b"DOE^JANE".ljust(24, b"\0")


def turned(data: np.ndarray, affine: np.ndarray) -> bytes:
    """The same voxels at the same places, stored with two axes swapped and one reversed."""
    to_old = np.array([[0, 1, 0, 0], [-1, 0, 0, data.shape[1] - 1], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    return nifti(data[:, ::-1].transpose(1, 0, 2), affine @ to_old)


def doubles(*labels: np.ndarray) -> Callable[[Path], Told]:
    """One CT under several names, flipped under an edited affine from the second on."""

    def told(folder: Path) -> Told:
        records = []
        for number, label in enumerate(labels):
            ct, mask = body(), label
            if number:
                ct, mask = ct[::-1], mask[::-1]
            affine = AFFINE * [[1 + number / 10], [1], [1], [1]]
            image, path = pair(nifti(ct, affine), nifti(mask, affine))(folder / f"p{number}")
            settings = SETTINGS | {"side": "any"}
            options = {"patient": f"p{number}", "labels": LIVER, "settings": settings}
            records.append(inspect(image=image, label=path, **options))
        return [finding.to_json() for _, finding in find_duplicates(records)]

    return told


def cohort(*lines: str, files: Sequence[str] = ()) -> Callable[[Path], Told]:
    """What is said of a table, or of a folder where no line is given."""

    def told(folder: Path) -> Told:
        for name in files:
            (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "data" / name).touch()
        if "link.nii" in " ".join(lines):
            (folder / "data/link.nii").symlink_to(folder / "gone.nii")
        place = folder / "data"
        if lines:
            place = folder / "data/patients.csv"
            columns = ["patient", "image", "label", "group"][: lines[0].count(",") + 1]
            place.write_text("\n".join([",".join(columns), *lines]) + "\n", encoding="utf-8")
        found = read_cohort(str(place), folder, {})
        return [refusal.finding.to_json() for refusal in (*found.refused, *found.remarks)]

    return told


@contextmanager
def as_stranger() -> Iterator[None]:
    """Root reads what it likes: give that up for a moment."""
    if os.getuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def without_permission(folder: Path) -> Told:
    """A table is read, and then a file that one may not read; all folders above are open."""
    table = folder / "patients.csv"
    table.write_text("patient,image\np,ct.nii.gz\n")
    image = write(folder / "ct.nii.gz", GOOD)
    image.chmod(0)
    for above in (folder, *folder.parents):
        if above == folder or above.name.startswith(("pytest", "popen")):
            above.chmod(0o755)
    with as_stranger():
        found = read_cohort(str(table), folder, {})
    return [refusal.finding.to_json() for refusal in found.refused]


def closed_folder(folder: Path) -> Told:
    """A folder of patients is read of which one is closed; all folders above are open."""
    write(folder / "data/a/ct.nii.gz", GOOD)
    (folder / "data/b").mkdir()
    for above in (folder / "data", folder, *folder.parents):
        if folder in (above, above.parent) or above.name.startswith(("pytest", "popen")):
            above.chmod(0o755)
    (folder / "data/b").chmod(0)
    with as_stranger():
        found = read_cohort(str(folder / "data"), folder, {})
    (folder / "data/b").chmod(0o755)
    return [refusal.finding.to_json() for refusal in found.refused]


def folder_named_like_a_file(folder: Path) -> Files:
    (folder / "ct.nii.gz").mkdir(parents=True)
    return folder / "ct.nii.gz", None


HU = hu_volume()


def imported(build: Callable[[Path], list[Path]]) -> Callable[[Path], Told]:
    """What the import says of DICOM files."""

    def told(folder: Path) -> Told:
        import_image(build(folder), [], folder / "ct.nii.gz", folder / "ct.json", folder / SECRET)
        return read_json(folder / "ct.json")["findings"]

    return told


def series(change: Callable[[Dataset, int], Dataset | None], **options: Any):
    return imported(lambda folder: write_series(folder, HU, change=change, **options))


def without_third(dataset: Dataset, k: int) -> Dataset | None:
    return None if k == 2 else dataset


def without_rescale(dataset: Dataset, k: int) -> Dataset:
    del dataset.RescaleIntercept
    return dataset


def uneven(dataset: Dataset, k: int) -> Dataset:
    dataset.ImagePositionPatient[2] = -33 + 2.5 * k + (0.9 if k == 3 else 0)
    return dataset


def shifted(dataset: Dataset, k: int) -> Dataset:
    dataset.ImagePositionPatient[0] += 40 * (2 <= k <= 3)
    return dataset


def unlike_spacing(dataset: Dataset, k: int) -> Dataset:
    dataset.PixelSpacing = [0.8, 0.7 + 0.1 * (k == 2)]
    return dataset


def same(dataset: Dataset, k: int) -> Dataset:
    return dataset


def last_without_place(dataset: Dataset, k: int) -> Dataset:
    if k == HU.shape[2] - 1:
        del dataset.ImagePositionPatient
    return dataset


def two_persons(dataset: Dataset, k: int) -> Dataset:
    dataset.PatientID = f"person {k // 3}"
    return dataset


def atomic_numbers(dataset: Dataset, k: int) -> Dataset:
    dataset.RescaleType = "Z_EFF"
    return dataset


def of_persons(*numbers: str, births: Sequence[str] = ("", "")) -> Callable[[Path], Told]:
    """What is said of series with these PatientIDs, each a patient of its own."""

    def told(folder: Path) -> Told:
        records = []
        for number, born in zip(numbers, births, strict=True):

            def change(dataset: Dataset, k: int, tags=(number, born)) -> Dataset:
                dataset.PatientID, dataset.PatientBirthDate = tags
                return dataset

            name, record = f"p{len(records)}", folder / "ct.json"
            files = write_series(folder / name, HU, change=change)
            import_image(files, [], folder / "ct.nii.gz", record, folder / SECRET)
            records.append({"patient": name, "imported": [read_json(record)]})
        groups = {record["patient"]: record["patient"] for record in records}
        found = remarks_on(told_persons(records), records, groups)
        return [refusal.finding.to_json() for refusal in found]

    return told


def doubled(folder: Path) -> list[Path]:
    uid = generate_uid()
    files = write_series(folder / "a", HU, series=uid)
    return files + write_series(
        folder / "b", HU, series=uid, change=lambda d, k: d if k == 4 else None
    )


def two_series(folder: Path) -> list[Path]:
    return [*write_series(folder / "a", HU), *write_series(folder / "b", HU[:, :, :4])]


def projection(dataset: Dataset, k: int) -> Dataset:
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL", "MIP"]
    return dataset


def projection_beside(folder: Path) -> list[Path]:
    mip = write_series(folder / "a", HU, change=projection)
    return [*mip, *write_series(folder / "b", HU)]


def cut_pixels(folder: Path) -> list[Path]:
    files = write_series(folder, HU)
    files[2].write_bytes(files[2].read_bytes()[:-60])
    return files


def damaged_file(folder: Path) -> list[Path]:
    files = write_series(folder, HU)
    files[-1].write_bytes(b"<html>404</html>")
    return files


TILT = (0.0, float(np.cos(np.radians(15))), float(np.sin(np.radians(15))))


def stopped(act: Callable[[Path], object]) -> Callable[[Path], Told]:
    """The whole text of the error that an act ends with."""

    def told(folder: Path) -> Told:
        try:
            act(folder)
        except LiversegError as error:
            return [{"verdict": "stop", "code": "error", "text": str(error)}]
        return []

    return told


def tar(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[Path], Told]:
    """An archive with one member is unpacked."""

    def act(folder: Path) -> object:
        with tarfile.open(folder / "a.tar", "w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
        return unpack(folder / "a.tar", folder / "out", most_bytes=1000)

    return stopped(act)


def bomb(folder: Path) -> object:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("big", b"\0" * 20_000_000)
    return unpack(folder / "a.zip", folder / "out", most_bytes=10**6)


def config(**changed: Any) -> Callable[[Path], Told]:
    """The shipped configuration with other sections is checked."""
    return stopped(lambda _: check(read_config(CONFIG) | changed))


def yaml_of_a_stranger(folder: Path) -> object:
    path = folder / "in/c.yaml"
    path.parent.mkdir()
    path.write_text("training: !!python/object/apply:os.system ['true']\n")
    return read_config(path)


def flipped_in_plain(folder: Path) -> Files:
    return raw(lambda b: flipped(b, 5000), "ct.nii")(folder)


FAULTS = [
    Case(1, "warn", "spacing_placeholder", inspected(ct_only(nifti(body(), IDENTITY)))),
    Case(1, "repair", "spacing_given", inspected(ct_only(GOOD), spacing_mm=[0.7, 0.7, 5.0])),
    Case(
        1,
        "reject",
        "spacing_placeholder",
        inspected(ct_only(nifti(body(), IDENTITY)), {"false_spacing": "reject"}),
    ),
    Case(2, "repair", "label_affine", inspected(pair(GOOD, nifti(liver(), IDENTITY)))),
    Case(2, "reject", "affines_differ", inspected(pair(GOOD, nifti(liver(), MOVED)))),
    Case(3, "repair", "label_orientation", inspected(pair(GOOD, turned(liver(), AFFINE)))),
    Case(
        4,
        "warn",
        "person_known",
        cohort("volume-28,a.nii,", "3Dircadb1.1,b.nii,", files=["a.nii", "b.nii"]),
    ),
    Case(
        4,
        "warn",
        "person_known",
        cohort("LiTS28,a.nii,,A", "3D-IRCADb-01-1,b.nii,,B", files=["a.nii", "b.nii"]),
    ),
    Case(4, "warn", "person_told", of_persons("4711", "4711")),
    Case(4, "warn", "person_told", of_persons("4711", "4711", births=("19600101", "19700101"))),
    Case(4, "warn", "persons_unsaid", of_persons("ANONYMOUS", "0")),
    Case(5, "reject", "duplicate_scan", doubles(liver(), liver())),
    Case(5, "reject", "duplicate_labels_differ", doubles(liver(), TWO_PIECES)),
    Case(5, "reject", "duplicate_labels_differ", doubles(liver(), liver()[::-1])),
    Case(7, "warn", "hu_outside", inspected(ct_only(nifti(WILD)))),
    Case(8, "reject", "hu_scale", inspected(ct_only(nifti(body() + np.int16(220))))),
    Case(
        8,
        "reject",
        "hu_scale",
        inspected(ct_only(nifti((body() + 1024).clip(0).astype(np.uint16)))),
    ),
    Case(8, "reject", "not_ct", inspected(ct_only(nifti((body() * 4).astype(np.int16))))),
    Case(8, "warn", "hu_air", inspected(ct_only(nifti((body() * 0.85).astype(np.int16))))),
    Case(9, "reject", "slices_scrambled", inspected(ct_only(nifti(scrambled())))),
    Case(9, "reject", "slices_scrambled", inspected(ct_only(nifti(np.roll(body(), 12, axis=2))))),
    Case(9, "warn", "slices_jump", inspected(ct_only(nifti(JUMP)))),
    Case(10, "warn", "label_in_padding", inspected(pair(GOOD, nifti(IN_AIR)))),
    Case(10, "reject", "label_in_padding", inspected(pair(GOOD, nifti(AIR)))),
    Case(10, "warn", "label_touches_border", inspected(pair(GOOD, nifti(IN_AIR)))),
    Case(
        10,
        "warn",
        "label_cropped",
        inspected(
            pair(GOOD, LABEL),
            volumes={"spacing_mm": None, "in_plane": {"mode": "crop_pad", "size": [24, 40]}},
        ),
    ),
    Case(11, "warn", "label_components", inspected(pair(GOOD, nifti(TWO_PIECES)))),
    Case(11, "warn", "label_side", inspected(pair(GOOD, LEFT))),
    Case(
        11,
        "warn",
        "label_volume",
        inspected(pair(nifti(body(), AFFINE / 4), nifti(liver(), AFFINE / 4))),
    ),
    Case(
        11,
        "reject",
        "label_volume",
        inspected(pair(nifti(body(), AFFINE * 2), nifti(1 - liver(), AFFINE * 2))),
    ),
    Case(12, "reject", "label_empty", inspected(pair(GOOD, nifti(np.zeros(SHAPE, np.uint8))))),
    Case(
        12,
        "warn",
        "label_empty",
        inspected(pair(GOOD, nifti(np.zeros(SHAPE, np.uint8))), {"empty_label": "keep"}),
    ),
    Case(
        13,
        "warn",
        "litter_skipped",
        cohort(files=["a.nii.gz", "._a.nii.gz", ".DS_Store", "__MACOSX/a.nii.gz"]),
    ),
    Case(
        14,
        "warn",
        "label_without_ct",
        cohort(files=["volume-1.nii", "segmentation-1.nii", "segmentation-2.nii"]),
    ),
    Case(15, "reject", "id_clash", cohort("p1,a.nii,", "P01,b.nii,", files=["a.nii", "b.nii"])),
    Case(15, "reject", "id_clash", cohort("p1,a.nii,", "p1,b.nii,", files=["a.nii", "b.nii"])),
    Case(16, "reject", "gzip_damaged", inspected(raw(lambda b: flipped(b, len(b) // 2)))),
    Case(17, "reject", "not_nifti", inspected(raw(lambda b: b""))),
    Case(
        17,
        "reject",
        "not_nifti",
        inspected(raw(lambda b: b"<!DOCTYPE html><html>not found</html>")),
    ),
    Case(18, "reject", "file_truncated", inspected(raw(lambda b: b[: len(b) // 2]))),
    Case(18, "reject", "file_truncated", inspected(raw(lambda b: b[:-1000], "ct.nii"))),
    Case(19, "reject", "gzip_damaged", inspected(raw(lambda b: flipped(b, len(b) - 6)))),
    Case(19, "reject", "file_truncated", inspected(raw(lambda b: b[:-8]))),
    Case(20, "reject", "manifest_differs", listed(flipped_in_plain, {"ct": "0" * 64})),
    Case(20, "warn", "manifest_missing", listed(ct_only(GOOD), {})),
    Case(20, "reject", "manifest_gone", listed(ct_only(GOOD), {"label": "0" * 64})),
    Case(
        20,
        "warn",
        "manifest_patient_gone",
        lambda _: [refusal.finding.to_json() for refusal in gone_patients({"p": {}}, ())],
    ),
    Case(
        21,
        "reject",
        "name_wrong",
        inspected(lambda f: (write(f / "a.gz", GOOD).rename(f / "ct.nii"), None)),
    ),
    Case(
        21,
        "reject",
        "name_wrong",
        inspected(lambda f: (write(f / "a", GOOD).rename(f / "ct.nii.gz"), None)),
    ),
    Case(22, "reject", "dimension_bad", inspected(fields(dim=[3, 40, 0, 24, 1, 1, 1, 1]))),
    Case(22, "reject", "dimension_bad", inspected(fields(dim=[3, 40, -36, 24, 1, 1, 1, 1]))),
    Case(
        22, "reject", "dimension_huge", inspected(fields(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]))
    ),
    Case(
        22,
        "reject",
        "dimension_huge",
        inspected(fields(dim=[3, 1000, 1000, 500, 1, 1, 1, 1], datatype=64, bitpix=64)),
    ),
    Case(22, "reject", "file_truncated", inspected(fields(dim=[3, 1000, 1000, 1000, 1, 1, 1, 1]))),
    Case(22, "reject", "bytes_behind", inspected(fields(dim=[3, 40, 36, 12, 1, 1, 1, 1]))),
    Case(23, "reject", "spacing_bad", inspected(fields(pixdim=[1, 0, 8, 8, 1, 1, 1, 1]))),
    Case(23, "reject", "spacing_bad", inspected(fields(pixdim=[1, 8, -8, 8, 1, 1, 1, 1]))),
    Case(23, "reject", "spacing_bad", inspected(fields(pixdim=[1, 8, 8, np.nan, 1, 1, 1, 1]))),
    Case(23, "reject", "affine_bad", inspected(fields(srow=SFORM_NAN))),
    Case(23, "reject", "affine_bad", inspected(fields(srow=SFORM_FLAT))),
    Case(23, "reject", "affine_bad", inspected(fields(sform_code=0, quatern=[1, 1, 1]))),
    Case(23, "reject", "affine_sheared", inspected(fields(srow=SFORM_TILTED))),
    Case(23, "warn", "spacing_unlikely", inspected(ct_only(nifti(body(), AFFINE / 100)))),
    Case(24, "warn", "forms_disagree", inspected(fields(qoffset=[0, 0, 0]))),
    Case(24, "warn", "affine_unset", inspected(fields(sform_code=0, qform_code=0))),
    Case(
        24,
        "warn",
        "spacing_disagrees",
        inspected(fields(qform_code=0, pixdim=[1, 4, 8, 8, 1, 1, 1, 1])),
    ),
    Case(25, "warn", "slope_bad", inspected(fields(scl_slope=np.nan))),
    Case(25, "warn", "slope_bad", inspected(fields(scl_slope=0))),
    Case(25, "warn", "slope_bad", inspected(fields(scl_slope=np.inf))),
    Case(26, "reject", "datatype_bad", inspected(fields(datatype=128, bitpix=24))),
    Case(26, "reject", "datatype_bad", inspected(fields(datatype=32, bitpix=64))),
    Case(26, "reject", "datatype_bad", inspected(fields(datatype=77))),
    Case(26, "reject", "header_inconsistent", inspected(fields(bitpix=8))),
    Case(
        26,
        "reject",
        "voxels_not_finite",
        inspected(ct_only(nifti(with_value(np.nan, (1, 2, 3), FLOATS)))),
    ),
    Case(
        26,
        "reject",
        "voxels_not_finite",
        inspected(ct_only(nifti(with_value(np.inf, (1, 2, 3), FLOATS)))),
    ),
    Case(27, "reject", "label_not_whole", inspected(pair(GOOD, nifti(SMOOTH)))),
    Case(
        27,
        "reject",
        "label_values_unknown",
        inspected(pair(GOOD, nifti(-liver().astype(np.int16)))),
    ),
    Case(28, "reject", "shapes_differ", inspected(pair(GOOD, nifti(liver((40, 36, 23)))))),
    Case(29, "repair", "singleton_axis", inspected(ct_only(nifti(body()[..., None])))),
    Case(29, "reject", "dimensions_not_three", inspected(ct_only(nifti(body()[:, :, 5])))),
    Case(
        29,
        "reject",
        "dimensions_not_three",
        inspected(ct_only(nifti(np.stack([body(), body()], axis=-1)))),
    ),
    Case(30, "warn", "few_slices", inspected(ct_only(nifti(body()[:, :, :12])))),
    Case(
        30,
        "warn",
        "few_slices",
        inspected(ct_only(nifti(body())), volumes={"spacing_mm": 16, "in_plane": {"mode": "keep"}}),
    ),
    Case(31, "reject", "not_ct", inspected(ct_only(nifti(mr())))),
    Case(31, "reject", "not_ct", inspected(ct_only(nifti(np.zeros(SHAPE, np.int16))))),
    Case(31, "warn", "hu_clipped", inspected(ct_only(nifti(CLIPPED)))),
    Case(32, "reject", "dicom_gap", series(without_third)),
    Case(32, "reject", "dicom_double", imported(doubled)),
    Case(32, "reject", "dicom_uneven", series(uneven)),
    Case(32, "reject", "dicom_tilt", series(same, directions=(1, 0, 0, *TILT), step=(0, 0, 2.5))),
    Case(32, "reject", "dicom_shifted", series(shifted)),
    Case(32, "reject", "dicom_spacing", series(unlike_spacing)),
    Case(32, "reject", "dicom_no_rescale", series(without_rescale)),
    Case(32, "reject", "dicom_unreadable", imported(cut_pixels)),
    Case(32, "warn", "dicom_damaged", imported(damaged_file)),
    Case(32, "warn", "dicom_no_place", series(last_without_place)),
    Case(32, "reject", "dicom_persons", series(two_persons)),
    Case(32, "reject", "dicom_not_hu", series(atomic_numbers)),
    Case(32, "warn", "dicom_several", imported(two_series)),
    Case(32, "warn", "dicom_projection", imported(projection_beside)),
    Case(32, "reject", "dicom_no_ct", series(projection)),
    Case(33, "reject", "file_unreadable", without_permission),
    Case(33, "reject", "file_unreadable", inspected(folder_named_like_a_file)),
    Case(33, "reject", "file_unreadable", closed_folder),
    Case(33, "reject", "file_missing", cohort("p,link.nii,", files=["a.nii"])),
    Case(33, "reject", "file_missing", cohort("p,gone.nii,", files=["a.nii"])),
    Case(48, "warn", "private_text", inspected(fields(descrip=b"DOE^JANE"))),
    Case(48, "warn", "private_text", inspected(ct_only(nifti(body(), front=DICOM_HEADER)))),
    Case(48, "warn", "private_text", series(same)),
    Case(49, "reject", "id_invalid", cohort("$(rm -r x),a.nii,", files=["a.nii"])),
    Case(49, "reject", "id_reserved", cohort("summary,a.nii,", files=["a.nii"])),
    Case(49, "reject", "path_braces", cohort("p,{a}.nii,", files=["{a}.nii"])),
    Case(51, "stop", "error", tar("../outside")),
    Case(51, "stop", "error", tar("/outside")),
    Case(51, "stop", "error", tar("link", tarfile.SYMTYPE, "/etc")),
    Case(51, "stop", "error", stopped(bomb)),
    Case(53, "stop", "error", config(traning={})),
    Case(53, "stop", "error", config(chunks=read_config(CONFIG)["chunks"] | {"slice": 16})),
    Case(53, "stop", "error", stopped(yaml_of_a_stranger)),
]
