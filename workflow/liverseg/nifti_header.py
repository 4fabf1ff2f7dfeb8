"""The NIfTI header, read strictly: what nibabel repairs in silence is said here.

nibabel turns a voxel size of 0 into 1, reads an image whose checksum is wrong, and takes the
identity where no affine is set. Field by field, in either byte order, after nifti1.h and nifti2.h
(https://nifti.nimh.nih.gov). Imports numpy only, so that an inspection starts at once.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workflow.liverseg.findings import Finding, Rejection, reject, warn

_FIELDS_1: list[tuple] = [
    ("sizeof_hdr", "i4"),
    ("data_type", "S10"),
    ("db_name", "S18"),
    ("extents", "i4"),
    ("session_error", "i2"),
    ("regular", "S1"),
    ("dim_info", "u1"),
    ("dim", "i2", 8),
    ("intent_p", "f4", 3),
    ("intent_code", "i2"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("slice_start", "i2"),
    ("pixdim", "f4", 8),
    ("vox_offset", "f4"),
    ("scl_slope", "f4"),
    ("scl_inter", "f4"),
    ("slice_end", "i2"),
    ("slice_code", "u1"),
    ("xyzt_units", "u1"),
    ("cal_max", "f4"),
    ("cal_min", "f4"),
    ("slice_duration", "f4"),
    ("toffset", "f4"),
    ("glmax", "i4"),
    ("glmin", "i4"),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("qform_code", "i2"),
    ("sform_code", "i2"),
    ("quatern", "f4", 3),
    ("qoffset", "f4", 3),
    ("srow", "f4", (3, 4)),
    ("intent_name", "S16"),
    ("magic", "S4"),
]
_FIELDS_2: list[tuple] = [
    ("sizeof_hdr", "i4"),
    ("magic", "S4"),
    ("eol_check", "S4"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("dim", "i8", 8),
    ("intent_p", "f8", 3),
    ("pixdim", "f8", 8),
    ("vox_offset", "i8"),
    ("scl_slope", "f8"),
    ("scl_inter", "f8"),
    ("cal_max", "f8"),
    ("cal_min", "f8"),
    ("slice_duration", "f8"),
    ("toffset", "f8"),
    ("slice_start", "i8"),
    ("slice_end", "i8"),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("qform_code", "i4"),
    ("sform_code", "i4"),
    ("quatern", "f8", 3),
    ("qoffset", "f8", 3),
    ("srow", "f8", (3, 4)),
    ("slice_code", "i4"),
    ("xyzt_units", "i4"),
    ("intent_code", "i4"),
    ("intent_name", "S16"),
    ("dim_info", "u1"),
    ("unused", "S15"),
]
LAYOUTS = {348: np.dtype(_FIELDS_1), 540: np.dtype(_FIELDS_2)}
TEXTS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
DATATYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
NOT_SCALAR = {1: "binary", 32: "complex", 128: "RGB", 1536: "float128", 1792: "complex"}
NOT_SCALAR |= {2048: "complex", 2304: "RGBA"}
MAX_VOXELS = 1_500_000_000
MAX_BYTES = 2 * MAX_VOXELS  # as many at the 16 bits of a CT
# A quaternion in float32 gives angles near 180 degrees to the root of its precision, in radians.
QUATERNION_PRECISION = 4e-4
SHEAR_DEGREES = 0.51  # what an import from DICOM lets through (half a degree), and rounding
KNOWN_CODES = range(0, 6)


ByteOrder = Literal["<", ">"]


@dataclass(frozen=True)
class Header:
    """What the voxels need to become an image; `affine` takes an index to RAS millimetres.

    `slope` and `inter` are ready to use (1 and 0 where the file has none). `texts` holds the
    names of the free-text fields that are not empty, never their content.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    slope: float
    inter: float
    affine: np.ndarray
    affine_from: str
    texts: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def data_bytes(self) -> int:
        """Bytes that the voxels take."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def header_size(start: bytes) -> int | None:
    """Return 348 or 540 from a file's first four bytes, or None when it is no NIfTI."""
    for order in ("<", ">"):
        size = int(np.frombuffer(start[:4], f"{order}i4")[0]) if len(start) >= 4 else 0
        if size in LAYOUTS:
            return size
    return None


def parse_header(raw: bytes, part: str) -> Header:
    """Read a header of 348 or 540 bytes; Rejection where the image cannot be what it says.

    `part` is "ct" or "label" and names the file in findings.
    """
    size = header_size(raw)
    if size is None or len(raw) < size:
        raise Rejection(not_nifti(part, "no NIfTI header"))
    order: ByteOrder = "<" if int(np.frombuffer(raw[:4], "<i4")[0]) == size else ">"
    fields = np.frombuffer(raw[:size], LAYOUTS[size].newbyteorder(order))[0]
    _check_magic(fields, size, part)
    shape = _shape(fields, part)
    dtype = _dtype(fields, order, part)
    _check_bytes(shape, dtype, part)
    findings: list[Finding] = []
    affine, source = _affine(fields, shape, part, findings)
    slope, inter = _scaling(fields, part, findings)
    offset = _offset(fields, size, part)
    known = LAYOUTS[size].names or ()
    texts = tuple(name for name in TEXTS if name in known and _has_text(fields[name]))
    return Header(shape, dtype, offset, slope, inter, affine, source, texts, tuple(findings))


def not_nifti(part: str, found: str) -> Finding:
    """Build the finding for a file that is no NIfTI image at all."""
    return reject(
        "not_nifti",
        part,
        found=found,
        expected="a NIfTI image in one file (.nii or .nii.gz)",
        remedy="download or export the file again",
    )


def _has_text(value: bytes) -> bool:
    return bool(bytes(value).strip(b"\0 "))


def _check_magic(fields: np.void, size: int, part: str) -> None:
    magic = bytes(fields["magic"])
    if magic in (b"ni1", b"ni2"):
        raise Rejection(
            reject(
                "nifti_pair",
                part,
                found="the header of a .hdr/.img pair",
                expected="header and voxels in one file",
                remedy="convert the pair to .nii.gz",
            )
        )
    if magic != (b"n+1" if size == 348 else b"n+2"):
        raise Rejection(not_nifti(part, "a header without the NIfTI magic (Analyze, or damaged)"))


def _shape(fields: np.void, part: str) -> tuple[int, ...]:
    dim = [int(value) for value in fields["dim"]]
    shape = tuple(dim[1 : dim[0] + 1]) if 1 <= dim[0] <= 7 else ()
    if not shape or min(shape) < 1:
        found = f"dimensions {' × '.join(map(str, shape or dim))}"
        raise Rejection(
            reject(
                "dimension_bad",
                part,
                found=found,
                expected="one to seven dimensions, each at least 1",
                remedy="export the image again",
            )
        )
    voxels = int(np.prod(shape, dtype=object))
    if voxels > MAX_VOXELS:
        raise Rejection(
            reject(
                "dimension_huge",
                part,
                found=f"{voxels:.3g} voxels ({' × '.join(map(str, shape))})",
                expected=f"at most {MAX_VOXELS:.2g}",
                remedy="check the header; crop or resample a volume that is truly this large",
            )
        )
    return shape


def _dtype(fields: np.void, order: ByteOrder, part: str) -> np.dtype:
    code = int(fields["datatype"])
    if code not in DATATYPES:
        kind = NOT_SCALAR.get(code, "unknown")
        raise Rejection(
            reject(
                "datatype_bad",
                part,
                found=f"data type {code} ({kind})",
                expected="one whole or real number a voxel",
                remedy="export the image with 16-bit integers",
            )
        )
    dtype = np.dtype(DATATYPES[code]).newbyteorder(order)
    if int(fields["bitpix"]) != dtype.itemsize * 8:
        raise Rejection(
            reject(
                "header_inconsistent",
                part,
                found=f"{int(fields['bitpix'])} bits a voxel for a {dtype.itemsize * 8}-bit type",
                expected="a header whose fields agree",
                remedy="the header is damaged: export or download the image again",
            )
        )
    return dtype


def _check_bytes(shape: tuple[int, ...], dtype: np.dtype, part: str) -> None:
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size > MAX_BYTES:
        raise Rejection(
            reject(
                "dimension_huge",
                part,
                found=f"{size:.3g} bytes ({' × '.join(map(str, shape))} voxels of "
                f"{dtype.itemsize * 8} bits)",
                expected=f"at most {MAX_BYTES:.2g}",
                remedy="store it with 16-bit integers, or a label with 8 bits; crop or resample a "
                "volume that is truly this large",
            )
        )


def _offset(fields: np.void, size: int, part: str) -> int:
    value = float(fields["vox_offset"])
    # ASSUME 0 means "right after the header and its four flag bytes", as nibabel writes it.
    if value == 0:
        return size + 4
    if not np.isfinite(value) or value < size + 4 or value > 2**31 or value != int(value):
        raise Rejection(
            reject(
                "header_inconsistent",
                part,
                found=f"voxels that begin at byte {value:g}",
                expected=f"a whole number from {size + 4} on",
                remedy="the header is damaged: export or download the image again",
            )
        )
    return int(value)


def _scaling(fields: np.void, part: str, findings: list[Finding]) -> tuple[float, float]:
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if np.isfinite(slope) and slope != 0 and np.isfinite(inter):
        return slope, inter
    findings.append(
        warn(
            "slope_bad",
            part,
            found=f"slope {slope:g} and intercept {inter:g}",
            expected="finite numbers, the slope not 0",
            remedy="check the intensities; the image was read without scaling",
        )
    )
    return 1.0, 0.0


def _affine(
    fields: np.void, shape: tuple[int, ...], part: str, findings: list[Finding]
) -> tuple[np.ndarray, str]:
    """Choose the sform, else the qform, else the bare spacing, as nibabel does; check all."""
    spacing = _spacing(fields, part)
    sform = _sform(fields, part) if int(fields["sform_code"]) > 0 else None
    qform = _qform(fields, spacing, part) if int(fields["qform_code"]) > 0 else None
    if sform is not None and qform is not None:
        corners = _corner_distance(sform, qform, shape)
        extent_mm = float(np.linalg.norm(spacing * [*shape, 1, 1, 1][:3]))
        if corners > 0.02 * float(spacing.min()) + QUATERNION_PRECISION * extent_mm:
            findings.append(_forms_differ(part, corners))
    if sform is not None:
        norms = np.linalg.norm(sform[:3, :3], axis=0)
        if not np.allclose(norms, spacing, rtol=0.005):
            findings.append(_spacing_differs(part, spacing, norms))
        return sform, "sform"
    if qform is not None:
        return qform, "qform"
    findings.append(
        warn(
            "affine_unset",
            part,
            found="neither sform nor qform is set",
            expected="at least one of them",
            remedy="orientation and position are unknown: do not rely on sides, meshes may mirror",
        )
    )
    return base_affine(shape, spacing), "none"


def _forms_differ(part: str, distance_mm: float) -> Finding:
    return warn(
        "forms_disagree",
        part,
        found=f"sform and qform up to {distance_mm:.3g} mm apart",
        expected="the same place from both",
        remedy="the sform was taken; check it against the scanner's images",
    )


def _spacing_differs(part: str, spacing: np.ndarray, norms: np.ndarray) -> Finding:
    return warn(
        "spacing_disagrees",
        part,
        found=f"pixdim {_mm(spacing)} beside an sform of {_mm(norms)} mm",
        expected="the same voxel size from both",
        remedy="the sform was taken; check it against the scanner's images",
    )


def _mm(values: np.ndarray) -> str:
    return " × ".join(f"{float(value):.4g}" for value in values)


def _spacing(fields: np.void, part: str) -> np.ndarray:
    spacing = np.asarray(fields["pixdim"], dtype=np.float64)[1:4]
    if int(fields["dim"][0]) < 3:
        spacing = np.where(np.arange(3) < int(fields["dim"][0]), spacing, 1.0)
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise Rejection(
            reject(
                "spacing_bad",
                part,
                found=f"a voxel size of {_mm(spacing)} mm",
                expected="three positive numbers",
                remedy="export the image again; the size cannot be guessed",
            )
        )
    return spacing


def _bad_affine(part: str, found: str) -> Rejection:
    return Rejection(
        reject(
            "affine_bad",
            part,
            found=found,
            expected="a finite affine that can be inverted",
            remedy="export the image again",
        )
    )


def _sform(fields: np.void, part: str) -> np.ndarray:
    affine = np.eye(4)
    affine[:3] = fields["srow"]
    if not np.isfinite(affine).all():
        raise _bad_affine(part, "an sform with NaN or infinity")
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if norms.min() == 0 or abs(np.linalg.det(affine[:3, :3] / norms)) < 1e-3:
        raise _bad_affine(part, "an sform that cannot be inverted")
    off = shear_degrees(affine)
    if off > SHEAR_DEGREES:
        raise Rejection(_sheared(part, off))
    return affine


def shear_degrees(affine: np.ndarray) -> float:
    """Return by how many degrees the axes of an affine are off right angles, at the most."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(steps.T @ steps)[np.triu_indices(3, 1)]
    return float(np.degrees(np.arcsin(min(1.0, float(cosines.max())))))


def _sheared(part: str, degrees: float) -> Finding:
    return reject(
        "affine_sheared",
        part,
        found=f"axes that are {degrees:.1f}° off right angles (a gantry tilt?)",
        expected="axes at right angles: voxels that are boxes",
        remedy="export a reconstruction without gantry tilt, or resample CT and label onto a grid "
        "with right angles",
    )


def _qform(fields: np.void, spacing: np.ndarray, part: str) -> np.ndarray:
    """Build the affine of the quaternion (nifti1.h, method 2)."""
    b, c, d = (float(value) for value in fields["quatern"])
    offset = np.asarray(fields["qoffset"], dtype=np.float64)
    squares = b * b + c * c + d * d
    if not np.isfinite(squares) or squares > 1.0 + 1e-4 or not np.isfinite(offset).all():
        raise _bad_affine(part, "a qform whose quaternion is no rotation")
    a = np.sqrt(max(0.0, 1.0 - squares))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    qfac = -1.0 if float(fields["pixdim"][0]) < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * (spacing * (1.0, 1.0, qfac))
    affine[:3, 3] = offset
    return affine


def base_affine(shape: tuple[int, ...], spacing: np.ndarray) -> np.ndarray:
    """Return the affine that nibabel takes where none is set: x flipped, centred (mm)."""
    extent = np.asarray([*shape, 1, 1, 1][:3], dtype=np.float64)
    steps = spacing * (-1.0, 1.0, 1.0)
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = -steps * (extent - 1) / 2
    return affine


def _corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the largest distance in mm of the eight corners under two affines."""
    size = np.asarray([*shape, 1, 1, 1][:3]) - 1
    corners = np.stack(np.meshgrid(*[(0, n) for n in size], indexing="ij")).reshape(3, -1)
    points = np.vstack([corners, np.ones(8)])
    return float(np.linalg.norm(((first - second) @ points)[:3], axis=0).max())


def affine_distance_mm(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far apart, in mm, two affines put the corners of one grid `shape`."""
    return _corner_distance(first, second, shape)
