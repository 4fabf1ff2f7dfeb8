"""Surfaces of real livers held to the figures that phantoms are held to."""

import numpy as np
import pytest
import yaml

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.images import read_image
from workflow.liverseg.mesh_records import make_surface, region_record
from workflow.liverseg.settings import SCHEMAS

SETTINGS = yaml.safe_load((SCHEMAS.parents[1] / "config/config.yaml").read_text(encoding="utf-8"))
REAL = ("chaos_ct03", "amos_0018", "totalseg_example", "amos_0001_slab", "amos_0013_slab",
        "lits117_crop")  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_surface_of_a_real_liver_keeps_volume_place_and_centre(real_data, name):
    label = read_image(real_data / name / "liver.nii.gz", None)
    box = bounding_box(label.data, margin=1)
    mask, affine = np.asarray(label.data[box]) > 0, label.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    surface, correction = make_surface(
        mask.astype(np.float32), mask, affine, settings=SETTINGS["mesh"]
    )
    record = region_record(surface, mask, affine, np.zeros(mask.shape), correction)
    assert record["closed_manifold"]
    assert abs(record["volume_error_percent"]) < 1
    assert record["deviation_from_mask"]["within_half_voxel"] > 0.95
    assert record["centre_offset_mm"] < 0.1
