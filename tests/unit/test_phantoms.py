"""The demo cohort: different patients, stable draws, a liver that a threshold does not find."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from workflow.liverseg.grids import plan_route
from workflow.liverseg.images import read_image
from workflow.liverseg.phantoms import (
    Phantom,
    make_phantom,
    phantom_names,
    phantom_number,
    write_phantom,
)
from workflow.liverseg.settings import read_config

CONFIG = read_config(Path(__file__).parents[2] / "config/config.yaml")
DEFAULTS = CONFIG["phantoms"]
TINY = {**DEFAULTS, "in_plane_pixels": [40, 56], "slices": [18, 30]}


@pytest.fixture(scope="module")
def cohort() -> dict[str, Phantom]:
    return {name: make_phantom(name, TINY) for name, _ in phantom_names(TINY)}


def test_twenty_have_a_label_and_two_have_none():
    names = phantom_names(DEFAULTS)
    assert [labelled for _, labelled in names] == [True] * 20 + [False] * 2
    assert names[0][0] == "phantom-01" and names[-1][0] == "phantom-22"


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="lits-3"):
        phantom_number("lits-3")


def test_the_same_patient_is_the_same_whatever_the_cohort():
    first = make_phantom("phantom-03", TINY)
    again = make_phantom("phantom-03", {**TINY, "labelled": 3, "unlabelled": 0})
    other_seed = make_phantom("phantom-03", {**TINY, "seed": 2})
    assert np.array_equal(first.hu, again.hu) and np.array_equal(first.affine, again.affine)
    assert first.hu.shape != other_seed.hu.shape or not np.array_equal(first.hu, other_seed.hu)


def test_sizes_spacings_and_orientations_differ(cohort: dict[str, Phantom]):
    phantoms = list(cohort.values())
    slices = [p.hu.shape[2] for p in phantoms]
    assert min(slices) < 16 and any(n % 16 for n in slices if n > 16)
    assert len({p.hu.shape for p in phantoms}) == len(phantoms)
    spacings = {tuple(np.linalg.norm(p.affine[:3, :3], axis=0)) for p in phantoms}
    assert len(spacings) == len(phantoms)
    axes = {"".join(nibabel.aff2axcodes(p.affine)) for p in phantoms}
    assert axes == {"RAS", "LPS", "LAS"}


def test_every_liver_has_a_plausible_volume_on_the_right(cohort: dict[str, Phantom]):
    for name, phantom in cohort.items():
        liver = phantom.label > 0
        volume_ml = liver.sum() * abs(np.linalg.det(phantom.affine[:3, :3])) / 1000
        assert 600 < volume_ml < 2500, name
        body = phantom.hu > -300
        liver_x, body_x = (
            (np.argwhere(mask) @ phantom.affine[:3, :3].T).mean(axis=0)[0] for mask in (liver, body)
        )
        assert liver_x > body_x + 15, name


def test_some_livers_hold_lesions_and_some_do_not(cohort: dict[str, Phantom]):
    with_lesion = [bool((p.label == 2).any()) for p in cohort.values()]
    assert any(with_lesion) and not all(with_lesion)


def test_intensities_look_like_hounsfield_units(cohort: dict[str, Phantom]):
    for name, phantom in cohort.items():
        corner = phantom.hu[:3, :3].mean()
        assert -1030 < corner < -970, name
        assert phantom.hu.min() >= -1024 and phantom.hu.max() > 250, name
        assert 45 < np.median(phantom.hu[phantom.label == 1]) < 135, name


def test_no_threshold_finds_the_liver(cohort: dict[str, Phantom]):
    """The best pair of thresholds of each patient, chosen with the answer at hand, is poor."""
    for name, phantom in cohort.items():
        liver = phantom.label > 0
        middle = np.median(phantom.hu[liver])
        best = 0.0
        for half in (10, 20, 30, 40, 60):
            guess = np.abs(phantom.hu - middle) < half
            best = max(best, 2 * (guess & liver).sum() / (guess.sum() + liver.sum()))
        assert best < 0.8, name


def test_what_is_written_is_read_back(tmp_path: Path):
    ct, label = tmp_path / "ct.nii.gz", tmp_path / "label.nii.gz"
    write_phantom(ct, label, "phantom-02", TINY)
    made = make_phantom("phantom-02", TINY)
    image = read_image(ct)
    assert np.array_equal(image.data, made.hu) and np.allclose(image.affine, made.affine)
    assert np.array_equal(read_image(label, None).data, made.label)


def test_a_short_phantom_has_fewer_slices_than_a_chunk_once_it_is_prepared():
    phantom = make_phantom("phantom-07", DEFAULTS)
    route = plan_route(phantom.hu.shape, phantom.affine, CONFIG["volumes"])
    assert route.shape[2] < CONFIG["chunks"]["slices"]


def test_the_damaged_ct_is_a_truncated_gzip(tmp_path: Path):
    ct, label = tmp_path / "ct.nii.gz", tmp_path / "label.nii.gz"
    write_phantom(ct, label, "phantom-13", TINY)
    with gzip.open(ct) as stream, pytest.raises(EOFError):
        stream.read()
    assert nibabel.load(ct).shape == nibabel.load(label).shape
    assert read_image(label, None).data.any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nii.gz", "label.nii.gz"]
