"""Look at one patient on a desktop: make view PATIENT=… [MODEL=…] [WAY=…] [WHAT=…]."""

import argparse
from pathlib import Path

from workflow.liverseg.viewers import CONTENTS, WAYS, file_to_view, open_viewer


def main(path: Path, way: str, screenshot: Path | None) -> None:
    """Show a file in a window until it is closed, or write what the window shows."""
    plotter = open_viewer(way, path)
    plotter.show(interactive=screenshot is None)
    if screenshot:
        plotter.screenshot(str(screenshot))
    plotter.close()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patient", default="")
    parser.add_argument("--model", default="unet3d-narrow")
    parser.add_argument("--way", choices=WAYS, default="slices")
    parser.add_argument("--what", choices=CONTENTS, default="masked_ct")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--file", type=Path, help="show this file instead, such as the CT itself")
    parser.add_argument("--screenshot", type=Path, help="write a PNG and close")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse()
    shown = chosen.file or file_to_view(
        chosen.results, way=chosen.way, what=chosen.what, patient=chosen.patient, model=chosen.model
    )
    main(shown, chosen.way, chosen.screenshot)
