"""`snakemake predict`: a released model on a folder of new CTs, with nothing to train on."""

import subprocess
import sys
from pathlib import Path

import pytest
from pandas import read_csv

from tests.scripts.test_predict_patient import write_model
from tests.workflow.houses import Run
from workflow.liverseg.files import read_table
from workflow.liverseg.phantoms import make_phantom, write_image

ROOT = Path(__file__).resolve().parents[2]
PHANTOM = {
    "seed": 1,
    "in_plane_pixels": [40, 48],
    "slices": [18, 22],
    "short": [],
    "damaged": [],
    "noise_hu": [8, 18],
}

OF_A_PATIENT = ("predict_patient", "export_mesh", "export_seg", "render_patient", "encode_case")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    write_model(folder / "model")
    (folder / "new").mkdir()
    for number in (1, 2):
        phantom = make_phantom(f"phantom-{number:02}", PHANTOM)
        write_image(folder / f"new/{number}.nii.gz", phantom.hu, phantom.affine)
    (folder / "new/broken.nii.gz").write_bytes(b"<html>not found</html>")
    done = predict(folder)
    assert done.returncode == 0, done.stderr
    return folder


def predict(folder, *options):
    command = [sys.executable, "-m", "snakemake", "predict", "--cores", "2"]
    command += ["-s", str(ROOT / "Snakefile"), "--directory", str(folder / "run"), *options]
    command += ["--configfile", str(ROOT / "tests/workflow/tiny.yaml"), "--config"]
    command += [f"patients={folder / 'new'}", f"released_model={folder / 'model'}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)


def test_every_sound_ct_is_predicted_and_the_page_is_built(place):
    results = place / "run/results"
    for patient in ("1", "2"):
        folder = results / "predictions/model" / patient
        assert {path.name for path in folder.iterdir()} >= {
            "mask.nii.gz",
            "masked_ct.nii.gz",
            "probability.nii.gz",
            "prediction.json",
            "mask.seg.nrrd",
        }
        assert (results / "meshes/model" / patient / "mesh.json").exists()
    assert (results / "report/index.html").exists()
    assert set(read_csv(results / "features.csv")["patient"].astype(str)) == {"1", "2"}


def test_nothing_is_trained_or_cut(place):
    results = place / "run/results"
    for never in ("volumes", "chunks", "logs/train_model"):
        assert not (results / never).exists()


def test_wrong_input_is_listed_with_its_remedy_and_the_others_finish(place):
    rejected = read_table(place / "run/results/cohort/rejected.tsv")
    assert list(rejected["patient"]) == ["broken"]
    assert rejected["remedy"].str.len().min() > 0


def test_a_new_patient_costs_its_own_jobs_only(place):
    phantom = make_phantom("phantom-03", PHANTOM)
    write_image(place / "new/3.nii.gz", phantom.hu, phantom.affine)
    done = predict(place)
    assert done.returncode == 0, done.stderr
    assert Run(done.returncode, done.stdout + done.stderr).jobs == {
        "inspect_patient 3",
        "admit_cohort",
        "split_patients",
        *(f"{rule} model 3" for rule in OF_A_PATIENT),
        "encode_scan 3",
        "tabulate_features",
        "build_report",
        "predict",
    }
