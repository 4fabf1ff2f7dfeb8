"""What a file carries beside the image: named, never repeated."""

from collections.abc import Sequence

from workflow.liverseg.findings import Finding, warn
from workflow.liverseg.nifti_stream import Volume

EXTENSIONS = {2: "DICOM", 4: "AFNI", 6: "comment", 8: "XCEDE", 10: "JIM", 16: "CIFTI", 44: "Pixdim"}


def judge(volume: Volume, part: str) -> list[Finding]:
    """Warn of free text and header extensions, which often hold a person's name or number."""
    places = list(volume.header.texts)
    places += [f"a header extension ({EXTENSIONS.get(c, f'code {c}')})" for c in volume.extensions]
    return _told("text in", places, "a header without free text", part)


def judge_places(places: Sequence[str], part: str) -> list[Finding]:
    """Warn of DICOM files that say who the person is; `places` are where they say it."""
    return _told("a person's name or date of birth in", places, "files without it", part)


def _told(what: str, places: Sequence[str], expected: str, part: str) -> list[Finding]:
    if not places:
        return []
    return [
        warn(
            "private_text",
            part,
            found=f"{what} {', '.join(places)}",
            expected=expected,
            remedy="look at it before the file is passed on; no output of liverseg carries it",
        )
    ]
