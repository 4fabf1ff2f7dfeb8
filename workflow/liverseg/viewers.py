"""Windows to look at one patient with: vedo's own applications, on a desktop."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workflow.liverseg.errors import fault
from workflow.liverseg.images import read_image

if TYPE_CHECKING:
    import vedo

WAYS = ("slices", "isosurface", "projection", "composite", "mesh")
CONTENTS = ("masked_ct", "mask", "probability")


def load_volume(path: Path, *, longest: int = 384) -> "vedo.Volume":
    """Read a NIfTI image as a volume in mm whose axes run to the patient's right, front and head.

    Thinned to `longest` voxels along each axis, so that a desktop turns it without waiting.
    """
    import vedo
    from nibabel.orientations import apply_orientation, io_orientation

    image = read_image(path)
    turn = io_orientation(image.affine)
    voxels = apply_orientation(image.data, turn)
    spacing = np.array(image.spacing_mm)[np.argsort(turn[:, 0])]
    thinned = [max(1, -(-size // longest)) for size in voxels.shape]
    voxels = voxels[tuple(slice(None, None, step) for step in thinned)]
    return vedo.Volume(np.ascontiguousarray(voxels), spacing=tuple(spacing * thinned))


def open_viewer(way: str, path: Path, *, offscreen: bool = False) -> "vedo.Plotter":
    """Make the window that shows a file in one of WAYS, not yet shown.

    `slices` (sliders along three axes), `isosurface` (a slider sets the value: vedo's
    IsosurfaceBrowser), `projection` and `composite` (vedo's RayCastPlotter, maximum intensity and
    composite; buttons change between modes) take a NIfTI image, `mesh` a surface file.
    LiversegError if the file is not there; ValueError for another way.
    """
    if way not in WAYS:
        raise ValueError(f"one of {', '.join(WAYS)} is needed, not {way}")
    if not path.is_file():
        raise fault(
            file=path,
            found="no such file",
            remedy="run the workflow first, or choose another PATIENT, MODEL or WHAT",
        )
    import vedo
    from vedo.applications import IsosurfaceBrowser, RayCastPlotter, Slicer3DPlotter

    if way == "mesh":
        plotter = vedo.Plotter(title=path.name, bg="white", offscreen=offscreen)
        return plotter.add(vedo.load(str(path)).c("#E69F00").phong())
    volume = load_volume(path)
    if way == "slices":
        low, high = grey_window(volume)
        plotter = Slicer3DPlotter(
            volume, cmaps=("gray", "bone", "hot_r"), vmin=low, vmax=high, show_histo=False,
            bg="black", offscreen=offscreen,
        )  # fmt: skip
    elif way == "isosurface":
        plotter = IsosurfaceBrowser(volume, use_gpu=False, c="#E69F00", offscreen=offscreen)
    else:
        volume.mode(1 if way == "projection" else 0)
        plotter = RayCastPlotter(volume, bg="black", offscreen=offscreen)
    look_at(plotter, volume, from_feet=way == "slices")
    return plotter


def grey_window(volume: "vedo.Volume") -> tuple[float, float]:
    """Values shown black and white: a soft-tissue window for HU, the whole range for a mask."""
    low, high = volume.dataset.GetScalarRange()
    return (-160.0, 240.0) if low < -500 else (low, high)


def look_at(plotter: "vedo.Plotter", volume: "vedo.Volume", *, from_feet: bool) -> None:
    """Stand in front of the patient, or at the feet as slices are read: right is on the left."""
    middle = np.array(volume.center())
    camera = plotter.camera
    camera.SetFocalPoint(*middle)
    camera.SetPosition(*(middle + ((0, 0, -1000) if from_feet else (0, 1000, 0))))
    camera.SetViewUp(*((0, 1, 0) if from_feet else (0, 0, 1)))


def file_to_view(results: Path, *, way: str, what: str, patient: str, model: str) -> Path:
    """Where the workflow wrote what is to be shown; the CT itself is found by the caller."""
    if way == "mesh":
        return results / "meshes" / model / patient / "liver.ply"
    return results / "predictions" / model / patient / f"{what}.nii.gz"
