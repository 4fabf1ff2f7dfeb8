"""Whose millimetres and millilitres rest on a grid that the file did not really give."""

from collections.abc import Mapping
from typing import Any

GRID_DOUBTS = {
    "spacing_placeholder": "no mm and no ml is to be trusted: the file gives 1 mm in every "
    "direction, as where the spacing is lost",
    "affine_unset": "mm and ml rest on the voxel size alone: the file gives no orientation",
}


def grid_doubts(inspection: Mapping[str, Any]) -> list[str]:
    """Return the codes, of those above, that an inspection's record holds of the CT."""
    codes = {one["code"] for one in inspection.get("findings", []) if one["part"] == "ct"}
    return [code for code in GRID_DOUBTS if code in codes]
