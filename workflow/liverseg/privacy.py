"""What a file carries beside the image: named, never repeated."""

from workflow.liverseg.findings import Finding, warn
from workflow.liverseg.nifti_stream import Volume

EXTENSIONS = {2: "DICOM", 4: "AFNI", 6: "comment", 8: "XCEDE", 10: "JIM", 16: "CIFTI", 44: "Pixdim"}


def judge(volume: Volume, part: str) -> list[Finding]:
    """Warn of free text and header extensions, which often hold a person's name or number."""
    places = list(volume.header.texts)
    places += [f"a header extension ({EXTENSIONS.get(c, f'code {c}')})" for c in volume.extensions]
    if not places:
        return []
    return [
        warn(
            "private_text",
            part,
            found="text in " + ", ".join(places),
            expected="a header without free text",
            remedy="look at it before the file is passed on; no output of liverseg carries it",
        )
    ]
