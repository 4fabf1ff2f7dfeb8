"""Look at one patient on a desktop: make view PATIENT=… [MODEL=…] [WAY=…] [WHAT=…] [PATIENTS=…]."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.viewers import WAYS, files_to_view, open_viewer


def main(files: Sequence[Path], way: str, screenshot: Path | None) -> None:
    """Show files in a window until it is closed, or write what the window shows."""
    plotter = open_viewer(way, files)
    plotter.show(interactive=screenshot is None)
    if screenshot:
        plotter.screenshot(str(screenshot))
    plotter.close()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patient", default="")
    parser.add_argument("--model", default="", help="needed where several have predicted")
    parser.add_argument("--way", choices=WAYS, default="slices")
    parser.add_argument(
        "--what", default="", help="ct, masked_ct, mask or probability; of a mesh: a region"
    )
    parser.add_argument("--patients", default="", help="the run's `patients`, to find its CTs")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--file", type=Path, help="show this file instead")
    parser.add_argument("--screenshot", type=Path, help="write a PNG and close")
    return parser.parse_args()


def chosen_files(chosen: argparse.Namespace) -> list[Path]:
    """The files that the command line asks for."""
    if chosen.file:
        return [chosen.file]
    return files_to_view(
        chosen.results,
        way=chosen.way,
        what=chosen.what,
        patient=chosen.patient,
        model=chosen.model,
        cohort=chosen.patients,
    )


if __name__ == "__main__":
    asked = parse()
    try:
        main(chosen_files(asked), asked.way, asked.screenshot)
    except LiversegError as error:
        sys.exit(str(error))
