"""Windows to look at one patient with: vedo's own applications, on a desktop."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workflow.liverseg.colours import region_colour
from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.files import read_json
from workflow.liverseg.images import read_image
from workflow.liverseg.patients import read_cohort

if TYPE_CHECKING:
    import vedo

WAYS = ("slices", "isosurface", "projection", "composite", "mesh")
CONTENTS = ("ct", "masked_ct", "mask", "probability")
# Where the workflow puts a CT that is not the user's own file, the last correction first.
MADE_CTS = ("respaced", "imported", "phantoms")
AROUND = 0.35  # opacity of a surface that lies around others


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


def open_viewer(way: str, files: Sequence[Path], *, offscreen: bool = False) -> "vedo.Plotter":
    """Make the window that shows files in one of WAYS, not yet shown.

    `slices` (sliders along three axes), `isosurface` (a slider sets the value: vedo's
    IsosurfaceBrowser), `projection` and `composite` (vedo's RayCastPlotter, maximum intensity and
    composite; buttons change between modes) take one NIfTI image, `mesh` surface files, the first
    translucent around the others. LiversegError if a file is not there; ValueError for another way.
    """
    if way not in WAYS:
        raise ValueError(f"one of {', '.join(WAYS)} is needed, not {way}")
    for path in files:
        if not path.is_file():
            raise fault(
                file=path,
                found="no such file",
                remedy="run the workflow first, or choose another PATIENT, MODEL, WHAT or FILE",
            )
    import vedo
    from vedo.applications import IsosurfaceBrowser, RayCastPlotter, Slicer3DPlotter

    if way == "mesh":
        plotter = vedo.Plotter(title=files[0].name, bg="white", offscreen=offscreen)
        for number, path in enumerate(files):
            opacity = AROUND if number == 0 and len(files) > 1 else 1.0
            plotter.add(vedo.load(str(path)).c(region_colour(number)).alpha(opacity).phong())
        return plotter
    (path,) = files
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


def files_to_view(
    results: Path, *, way: str, what: str, patient: str, model: str = "", cohort: str = ""
) -> list[Path]:
    """The files that show what is asked for, found in the results.

    `what` is one of CONTENTS, with `mesh` a region; empty: the masked CT, or all regions. `model`
    may be left out where one model alone has predicted the patient. `cohort` is the config's
    `patients`, for a CT that is the user's own file. LiversegError where there is no such thing.
    """
    if way != "mesh" and what == "ct":
        return [_ct(results, patient, cohort)]
    kind = "meshes" if way == "mesh" else "predictions"
    model = model or _only_model(results / kind, patient)
    folder = results / kind / model / patient
    if not (patient and folder.is_dir()):
        raise _unknown("PATIENT", patient, [path.name for path in _folders(folder.parent)])
    if way == "mesh":
        return _surfaces(folder, what)
    what = what or "masked_ct"
    if what not in CONTENTS:
        raise _unknown("WHAT", what, CONTENTS)
    return [folder / f"{what}.nii.gz"]


def _surfaces(folder: Path, region: str) -> list[Path]:
    """The surface of one region, or those of all, in the order of the settings."""
    regions = read_json(folder / "mesh.json")["regions"]
    if region and region not in regions:
        raise _unknown("WHAT", region, list(regions))
    wanted = [region] if region else list(regions)
    there = [name for name in wanted if not regions[name].get("absent")]
    if not there:
        raise fault(
            patient=folder.name,
            found=f"nothing was predicted as {' or '.join(wanted)}, so there is no surface",
            remedy="look at the CT instead: WAY=slices WHAT=ct",
        )
    return [folder / f"{name}.ply" for name in there]


def _only_model(folder: Path, patient: str) -> str:
    """The model whose results hold the patient; LiversegError where none or several do."""
    models = _folders(folder)
    found = [model.name for model in models if patient and (model / patient).is_dir()]
    if not found:
        patients = {path.name for model in models for path in _folders(model)}
        raise _unknown("PATIENT", patient, sorted(patients))
    if len(found) > 1:
        raise fault(
            patient=patient,
            found=f"results of several models: {', '.join(found)}",
            remedy=f"choose one: MODEL={found[0]}",
        )
    return found[0]


def _ct(results: Path, patient: str, cohort: str) -> Path:
    """The CT as the workflow reads it: one that it made, else the user's own file."""
    for kind in MADE_CTS:
        path = results / kind / patient / "ct.nii.gz"
        if path.is_file():
            return path
    if cohort in ("", "demo"):  # the demo's CTs are results: here they are not made yet
        raise fault(
            patient=patient,
            found="the CT is no file of the results, which do not keep where yours lie",
            remedy="give the `patients` of the run as well: PATIENTS=/data/my-cts",
        )
    patients = {one.patient: one.image for one in read_cohort(cohort, Path.cwd(), {}).patients}
    if patient not in patients:
        raise _unknown("PATIENT", patient, list(patients))
    return patients[patient]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _unknown(name: str, asked: str, known: Sequence[str]) -> LiversegError:
    near = difflib.get_close_matches(asked, known, n=3) or list(known)[:8]
    more = " …" if len(known) > len(near) else ""
    return fault(
        expected=f"{name}: one of {', '.join(near)}{more}" if known else None,
        found=f"{name}={asked}, of which the results hold nothing" if asked else f"no {name}",
        remedy=f"correct {name}" if known else "run the workflow first, or give its folder: DIR=…",
    )
