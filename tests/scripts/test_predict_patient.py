"""predict_patient: from a CT and a model on disk to files on the CT's own grid."""

import nibabel
import numpy as np
import pytest
import torch
import yaml

from tests.unit.test_volumes import RESAMPLED, scan_in
from workflow.liverseg.files import read_json
from workflow.liverseg.images import read_image, write_image
from workflow.liverseg.model_files import ModelCard, save_model
from workflow.liverseg.networks import build_network
from workflow.liverseg.prediction import predict
from workflow.liverseg.settings import SCHEMAS
from workflow.scripts import predict_patient
from workflow.scripts.predict_patient import main

LABELS = [{"name": "liver", "values": "positive"}]
ARCHITECTURE = {"network": "unet3d", "width": 2, "levels": 2}
DEFAULTS = yaml.safe_load((SCHEMAS.parents[1] / "config/config.yaml").read_text(encoding="utf-8"))


def write_model(folder, *, seed=0, labels=LABELS):
    """A network whose output is all but the brightness of a voxel."""
    torch.manual_seed(seed)
    classes = len(labels) + 1
    network = build_network(ARCHITECTURE, out_channels=classes)
    card = ModelCard(
        name=folder.name,
        architecture=ARCHITECTURE,
        labels=labels,
        preprocessing=RESAMPLED,
        chunk_slices=8,
        patch=[16, 16, 8],
        training={},
        data={},
        metrics={},
        versions={},
        device="cpu",
        threads=1,
    )
    save_model(folder / "model.safetensors", folder / "model.json", network.state_dict(), card)
    return folder


def run(folder, models, **changed):
    out = folder / "out"
    settings = DEFAULTS["prediction"] | {"precision": "float32"} | changed
    main(
        folder / "ct.nii.gz",
        [model / "model.safetensors" for model in models],
        [model / "model.json" for model in models],
        out / "mask.nii.gz",
        out / "masked_ct.nii.gz",
        out / "probability.nii.gz",
        out / "prediction.json",
        "p",
        {"prediction": settings},
        device="cpu",
    )
    return out


@pytest.fixture
def scan(tmp_path):
    image, _ = scan_in((2, 0, 1), (1, -1, -1))
    write_image(tmp_path / "ct.nii.gz", np.rint(image.data).astype(np.int16), image.affine)
    return tmp_path


def test_outputs_lie_on_the_scans_own_grid(scan):
    out = run(scan, [write_model(scan / "a")])
    ct = nibabel.load(scan / "ct.nii.gz")
    for name, dtype in (("mask", np.uint8), ("masked_ct", np.int16), ("probability", np.uint8)):
        found = nibabel.load(out / f"{name}.nii.gz")
        assert found.shape == ct.shape
        assert found.get_data_dtype() == dtype
        np.testing.assert_allclose(found.affine, ct.affine, atol=1e-5)


def test_masked_ct_is_the_ct_in_the_mask_and_air_elsewhere(scan):
    out = run(scan, [write_model(scan / "a")])
    hu, mask = read_image(scan / "ct.nii.gz").data, read_image(out / "mask.nii.gz").data
    expected = np.where(mask > 0, hu, -1024)
    np.testing.assert_array_equal(read_image(out / "masked_ct.nii.gz").data, expected)


def test_mask_is_where_the_stored_probability_passes_one_half(scan):
    out = run(scan, [write_model(scan / "a")])
    probability = read_image(out / "probability.nii.gz").data
    assert probability.max() <= 1
    np.testing.assert_array_equal(probability > 0.5, read_image(out / "mask.nii.gz").data > 0)


def test_record_names_models_and_light(scan):
    record = read_json(run(scan, [write_model(scan / "a")]) / "prediction.json")
    assert record["models"] == ["a"]
    assert record["confidence"]["light"] in {"green", "yellow", "red"}
    assert record["windows"]["run"] > 0


def test_twice_gives_the_same_bytes(scan):
    model = write_model(scan / "a")
    first = (run(scan, [model]) / "mask.nii.gz").read_bytes()
    assert (run(scan, [model]) / "mask.nii.gz").read_bytes() == first


def test_ensemble_and_flips_are_compared(scan):
    models = [write_model(scan / "a"), write_model(scan / "b", seed=1)]
    assert len(members(run(scan, models))) == 2
    assert len(members(run(scan, models[:1], flips=["x", "z"]))) == 4
    assert members(run(scan, models[:1])) == []


def members(out):
    return read_json(out / "prediction.json")["confidence"]["members"]["dice"]


def test_several_classes_give_one_probability_each(scan):
    labels = [*LABELS, {"name": "tumour", "values": [2]}]
    out = run(scan, [write_model(scan / "a", labels=labels)])
    assert nibabel.load(out / "probability.nii.gz").shape == (14, 20, 18, 2)
    record = read_json(out / "prediction.json")
    assert set(record["volume_ml"]) == {"liver", "tumour"}
    assert set(record["confidence"]["inner"]) == {"tumour"}
    names = {check["name"] for check in record["confidence"]["checks"]}
    assert ("tumour.share" in names) == (record["volume_ml"]["tumour"] > 0)


def test_small_tumours_become_the_liver_around_them(scan, monkeypatch):
    def with_a_speck(*arguments, **options):
        prediction = predict(*arguments, **options)
        place = np.argwhere(prediction.mask > 0)[100]
        prediction.mask[prediction.mask > 0] = 1
        prediction.mask[tuple(place)] = 2
        return prediction

    monkeypatch.setattr(predict_patient, "predict", with_a_speck)
    model = write_model(scan / "a", labels=[*LABELS, {"name": "tumour", "values": [2]}])
    clean = DEFAULTS["prediction"]["clean_up"] | {"smallest_ml": 0.1}
    record = read_json(run(scan, [model], clean_up=clean) / "prediction.json")
    assert record["volume_ml"]["liver"] > record["volume_ml"]["tumour"] == 0
    assert record["clean_up"]["merged_components"] == 1


def test_models_that_read_other_volumes_are_no_ensemble(scan):
    other = [{"name": "organ", "values": "positive"}]
    models = [write_model(scan / "a"), write_model(scan / "b", labels=other)]
    with pytest.raises(Exception, match="same labels"):
        run(scan, models)


def test_scan_with_slope_and_offset_is_read_in_hu(scan):
    model = write_model(scan / "a")
    expected = read_image(run(scan, [model]) / "masked_ct.nii.gz").data
    ct = nibabel.load(scan / "ct.nii.gz")
    raw = (np.asarray(ct.dataobj) + 1024).astype(np.uint16)
    image = nibabel.Nifti1Image(raw, ct.affine)
    image.header.set_slope_inter(1, -1024)
    nibabel.save(image, scan / "ct.nii.gz")
    np.testing.assert_array_equal(
        read_image(run(scan, [model]) / "masked_ct.nii.gz").data, expected
    )
