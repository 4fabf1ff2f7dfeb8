"""Predict one patient on the scanner's own grid, with one model or an ensemble."""

from pathlib import Path

from workflow.liverseg.cleanup import clean_up
from workflow.liverseg.devices import choose_compute, machine_settings
from workflow.liverseg.files import write_json
from workflow.liverseg.inference import load_ensemble
from workflow.liverseg.prediction import predict
from workflow.liverseg.prediction_files import as_list, read_ct, write_prediction
from workflow.liverseg.prediction_record import record_of
from workflow.liverseg.voxels import voxel_ml


def main(
    image: Path,
    weights: Path | list[Path],
    card: Path | list[Path],
    mask: Path,
    masked_ct: Path,
    probability: Path,
    record: Path,
    patient: str,
    settings: dict,
    device: str,
) -> None:
    """Write mask, masked CT, probability, and the record of how they came to be."""
    how = settings["prediction"]
    compute = choose_compute({**how, "device": device})
    network, cards = load_ensemble(
        as_list(weights), as_list(card), flips=how["flips"], compute=compute
    )
    hu, affine = read_ct(image, patient)
    options = {name: how[name] for name in ("overlap", "batch", "enlarge", "crop_to_body")}
    with machine_settings(compute, how["threads"]):
        prediction = predict(hu, affine, network, **options)
    clean = clean_up(
        prediction.mask,
        prediction.probability,
        voxel_ml(affine),
        how["clean_up"],
        cards[0].label_map.outermost,
        cards[0].label_map.nested,
    )
    names = [one.name for one in cards]
    facts = {"hu": hu, "affine": affine, "labels": cards[0].label_map, "limits": how["confidence"]}
    content = record_of(patient, names, prediction, clean, compute=compute.describe(), **facts)
    places = {"mask": mask, "masked_ct": masked_ct, "probability": probability}
    write_prediction(prediction, hu, affine, **places)
    write_json(record, content)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
