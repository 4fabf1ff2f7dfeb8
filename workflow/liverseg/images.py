"""NIfTI images in and out: voxels, affine, nothing else of a header survives."""

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from isal import igzip, igzip_lib
from nibabel.orientations import aff2axcodes

from workflow.liverseg.errors import LiversegError, fault


@dataclass(frozen=True)
class Image:
    """Voxels `(i, j, k)` and the affine that takes an index to RAS millimetres."""

    data: np.ndarray
    affine: np.ndarray

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm of neighbouring voxels along i, j, k."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def orientation(self) -> str:
        """Axis codes such as `LPS`: where i, j and k run to."""
        return "".join(str(code) for code in aff2axcodes(self.affine))


def read_bytes(path: Path) -> bytes:
    """All bytes of a file, inflated if it is gzip (by content, not by name).

    Reads the stream to its end, so that a wrong checksum or a cut is found, which nibabel alone
    does not notice; LiversegError then names the file. For the workflow's own files: those of
    the user are read by `intake`, which repeats no name.
    """
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return igzip.decompress(raw)
    except (gzip.BadGzipFile, zlib.error, igzip_lib.IsalError) as error:  # type: ignore[misc]
        raise _damaged(path, "a damaged gzip stream") from error
    except EOFError as error:
        raise _damaged(path, "a gzip stream that ends too early") from error


def _damaged(path: Path, found: str) -> LiversegError:
    return fault(
        file=path,
        expected="a gzip stream that is whole and whose checksum is right",
        found=found,
        remedy="delete the file and run again, or copy it here once more if it came from elsewhere",
    )


def read_image(path: Path, dtype: type | None = np.float32) -> Image:
    """Read a NIfTI file: voxels with slope and intercept applied, as `dtype`.

    `dtype=None` keeps the stored integers where there is no scaling (labels). The affine is the
    sform if set, else the qform, as nibabel chooses.
    """
    stream = io.BytesIO(read_bytes(path))
    magic = stream.getbuffer()[344:348].tobytes()
    kind = nibabel.Nifti1Image if magic in (b"n+1\0", b"ni1\0") else nibabel.Nifti2Image
    loaded = kind.from_stream(stream)
    if dtype is None:
        data = np.asanyarray(loaded.dataobj)
    else:
        data = loaded.get_fdata(dtype=dtype, caching="unchanged")
    return Image(data=data, affine=np.asarray(loaded.affine, dtype=np.float64))


def write_image(path: Path, data: np.ndarray, affine: np.ndarray, *, slope: float = 1.0) -> None:
    """Write voxels under a fresh header (mm, sform = qform), whole; same input, same bytes.

    `slope` is stored as `scl_slope`: a reader sees `data * slope`. Fast compression: masks and
    probabilities are mostly empty, CTs mostly noise, and neither gains from more.
    """
    from workflow.liverseg.files import whole

    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1, strip_shears=True)
    if slope != 1.0:
        image.header.set_slope_inter(slope, 0.0)
    with whole(path) as temporary, temporary.open("wb") as raw:
        if path.suffix == ".gz":
            # No name and no time in the gzip header: the bytes depend on the content alone.
            with gzip_writer(raw) as stream:
                _serialise(stream, image, data, slope)
        else:
            _serialise(raw, image, data, slope)


def gzip_writer(raw: io.BufferedIOBase | io.BufferedWriter) -> gzip.GzipFile:
    """A fast gzip stream over `raw` whose bytes do not depend on time or name."""
    return igzip.IGzipFile(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0)


def _serialise(
    stream: gzip.GzipFile | io.BufferedWriter,
    image: nibabel.Nifti1Image,
    data: np.ndarray,
    slope: float,
) -> None:
    # nibabel divides by the slope when it writes; the voxels given here are stored as they are.
    header = image.header.copy()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = slope, 0.0
    stream.write(header.binaryblock.ljust(352, b"\0"))
    # Slices in the order of the file, never a copy of the whole: a large CT is 0.5 GB.
    planes = np.moveaxis(data, (0, 1), (-2, -1)) if data.ndim > 2 else data[None]
    for index in np.ndindex(*reversed(planes.shape[:-2])):
        plane = np.asarray(planes[index[::-1]], dtype=header.get_data_dtype())
        stream.write(plane.tobytes(order="F"))
