"""True spacings from a table: for the patients in it, and for no others."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.intake_cases import SHAPE, body, liver, nifti, write
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.findings import Refusal, reject
from workflow.liverseg.images import read_image
from workflow.liverseg.intake import Case, read_case
from workflow.liverseg.patients import Cohort, Patient
from workflow.liverseg.respacing import correct_spacing
from workflow.liverseg.spacings import read_spacings, respaced


def table(folder: Path, *lines: str) -> Path:
    path = folder / "spacings.tsv"
    path.write_text("\n".join(["patient\tx\ty\tz", *lines]) + "\n")
    return path


def test_patients_of_the_table_are_read_from_their_corrected_copies(tmp_path):
    patients = tuple(Patient(n, Path(f"{n}.nii"), Path("l.nii"), n) for n in ("a", "b"))
    path = table(tmp_path, "a\t0.7\t0.7\t5")
    one, other = respaced(Cohort(patients), str(path)).patients
    assert one.image == Path("results/respaced/a/ct.nii.gz")
    assert one.unspaced == {"ct": Path("a.nii"), "label": Path("l.nii")}
    assert (other.image, other.spacing_mm) == (Path("b.nii"), None)


def test_corrected_pair_keeps_voxels_and_directions(tmp_path):
    flipped = np.diag([-1.0, -1, 1, 1])
    for part, data in (("ct", body()), ("label", liver())):
        source = write(tmp_path / f"{part}.nii", nifti(data, flipped))
        ct = tmp_path / "ct.nii"
        correct_spacing(source, ct, tmp_path / f"out/{part}.nii.gz", part, [0.7, 0.8, 5.0])
    case = read_case(tmp_path / "out/ct.nii.gz", tmp_path / "out/label.nii.gz", "p")
    np.testing.assert_allclose(np.diag(case.image.affine), [-0.7, -0.8, 5, 1], rtol=1e-6)
    np.testing.assert_array_equal(case.image.data, body())
    assert case.label is not None and case.label.data.shape == SHAPE


def test_scaled_ct_keeps_its_hu(tmp_path):
    stored = (body().astype(int) + 1200).astype(np.uint16)
    source = write(tmp_path / "ct.nii", nifti(stored, np.eye(4), fields={"scl_inter": -1200}))
    correct_spacing(source, source, tmp_path / "out.nii.gz", "ct", [1, 1, 2])
    np.testing.assert_array_equal(read_image(tmp_path / "out.nii.gz").data, body())


def test_damaged_file_is_handed_on_for_the_inspection_to_judge(tmp_path):
    source = tmp_path / "ct.nii.gz"
    source.write_bytes(write(tmp_path / "x.nii.gz", nifti(body())).read_bytes()[:-20])
    correct_spacing(source, source, tmp_path / "out.nii.gz", "ct", [1, 1, 2])
    assert (tmp_path / "out.nii.gz").read_bytes() == source.read_bytes()


def respaced_case(folder: Path, ct: bytes, label: bytes) -> Case:
    """The pair as the intake reads it once both files were corrected to 0.7 × 0.8 × 5 mm."""
    sources = {part: folder / f"{part}.nii" for part in ("ct", "label")}
    for part, content in (("ct", ct), ("label", label)):
        write(sources[part], content)
        out = folder / f"out/{part}.nii.gz"
        correct_spacing(sources[part], sources["ct"], out, part, [0.7, 0.8, 5.0])
    return read_case(folder / "out/ct.nii.gz", folder / "out/label.nii.gz", "p")


def stored_along(
    order: tuple[int, ...], flips: tuple[bool, ...], label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A label `(i, j, k)` of an identity affine stored along other axes, and its affine then."""
    turn = np.eye(4)[:, [*order, 3]]
    for axis, flip in enumerate(flips):
        if flip:
            turn[:3, 3] += turn[:3, axis] * (label.shape[order[axis]] - 1)
            turn[:3, axis] *= -1
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    return label.transpose(order)[steps], turn


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)))
def test_label_along_other_axes_is_put_right_with_its_ct(tmp_path, order, flips):
    voxels, affine = stored_along(order, flips, liver())
    case = respaced_case(tmp_path, nifti(body(), np.eye(4)), nifti(voxels, affine))
    np.testing.assert_array_equal(case.label.data, liver())
    turned = not np.array_equal(affine, np.eye(4))
    assert [finding.code for finding in case.repairs] == ["label_orientation"] * turned


def test_label_without_affine_takes_the_corrected_ct_s_and_that_is_said(tmp_path):
    moved = np.eye(4)
    moved[:3, 3] = -30
    case = respaced_case(tmp_path, nifti(body(), moved), nifti(liver(), np.eye(4)))
    np.testing.assert_array_equal(case.label.data, liver())
    assert [finding.code for finding in case.repairs] == ["label_affine"]


def test_label_that_has_the_true_spacing_already_keeps_it(tmp_path):
    true = np.diag([0.7, 0.8, 5.0, 1])
    case = respaced_case(tmp_path, nifti(body(), np.eye(4)), nifti(liver(), true))
    np.testing.assert_array_equal(case.label.data, liver())


def test_label_elsewhere_is_refused_with_a_table_too(tmp_path):
    elsewhere = np.eye(4)
    elsewhere[:3, 3] = 20
    with pytest.raises(LiversegError, match="nothing says which of the two is right"):
        respaced_case(tmp_path, nifti(body(), np.eye(4)), nifti(liver(), elsewhere))


def test_flipped_label_whose_affine_was_not_moved_along_is_refused(tmp_path):
    moved = np.eye(4)
    moved[:3, 3] = -30
    wrong = moved @ np.diag([-1.0, 1, 1, 1])
    with pytest.raises(LiversegError, match="nothing says which of the two is right"):
        respaced_case(tmp_path, nifti(body(), moved), nifti(liver()[::-1], wrong))


def test_nifti_ct_is_corrected_whatever_its_label_is(tmp_path):
    imported = Path("results/imported/a/label.nii.gz")
    sources = (Path("a.seg.nrrd"),)
    patient = Patient("a", Path("a.nii"), imported, "a", kind="nrrd", label_sources=sources)
    path = table(tmp_path, "a\t0.7\t0.7\t5")
    found = respaced(Cohort((patient,)), str(path))
    (one,) = found.patients
    assert one.image == Path("results/respaced/a/ct.nii.gz")
    assert (one.label, one.unspaced) == (imported, {"ct": Path("a.nii")})
    assert found.remarks == ()


def test_spacing_of_an_imported_ct_is_not_used_and_that_is_said(tmp_path):
    image = Path("results/imported/a/ct.nii.gz")
    patient = Patient("a", image, None, "a", kind="dicom", image_sources=(Path("1.dcm"),))
    found = respaced(Cohort((patient,)), str(table(tmp_path, "a\t0.7\t0.7\t5")))
    assert found.patients == (patient,)
    assert [(r.patient, r.finding.code) for r in found.remarks] == [("a", "spacing_not_used")]


@pytest.mark.parametrize(
    ("name", "told"),
    [("lits-29", "did you mean 'lits-28'"), ("4", "no patient has: '4'"), ("A B", "cannot be one")],
)
def test_id_that_no_patient_has_stops(tmp_path, name, told):
    cohort = Cohort((Patient("lits-28", Path("a.nii"), None, "a"),))
    with pytest.raises(LiversegError, match=told):
        respaced(cohort, str(table(tmp_path, f"{name}\t1\t1\t5")))


def test_id_of_a_patient_who_was_refused_is_known(tmp_path):
    finding = reject("file_missing", "ct", found="x", expected="y", remedy="z")
    cohort = Cohort((), (Refusal("a", finding),))
    assert respaced(cohort, str(table(tmp_path, "a\t1\t1\t5"))) == cohort


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\tb\n1\t2\n", "the columns a, b"),
        (b"", "the columns"),
        (b"patient\tx\ty\tz\nM\xfcller\t1\t1\t1\n", "not UTF-8"),
        (b"patient\tx\ty\tz\na\t1\t1\t1\na\t1\t1\t5\n", "number 3"),
        (b"patient,x,y,z\na,0,7,0,7,5\n", "line 2 with 6 cells"),
    ],
)
def test_other_table_stops_in_words(tmp_path, content, told):
    path = tmp_path / "s.tsv"
    path.write_bytes(content)
    with pytest.raises(LiversegError, match=told):
        read_spacings(path)


def test_table_of_commas_is_read(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("patient,x,y,z\na,0.7,0.7,5\n")
    assert read_spacings(path) == {"a": (0.7, 0.7, 5.0)}


@pytest.mark.parametrize("line", ["a\t0\t1\t1", "a\tx\t1\t1", "a\t1\t1\t", "a\t1\tnan\t1"])
def test_line_without_three_positive_numbers_stops(tmp_path, line):
    with pytest.raises(LiversegError, match="three positive numbers"):
        read_spacings(table(tmp_path, line))
