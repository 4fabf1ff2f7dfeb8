# In: the configuration. Out: checked settings, the patients, and what the rules ask about them.
import posixpath
import re
import sys
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT))

from snakemake.logging import logger

from workflow.liverseg import settings as _settings
from workflow.liverseg.code_digest import DigestMemory, code_digest as _code_digest
from workflow.liverseg.commands import note_command
from workflow.liverseg.containers import bind, files_of, folders_to_bind
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.jobs import prepare_jobs
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.machine import gpus_here
from workflow.liverseg.patients import Cohort, read_cohort
from workflow.liverseg.released import read_released, warm_starts
from workflow.liverseg.run_notes import RunNotes
from workflow.liverseg.software import installed_versions, locked_versions, versions_note
from workflow.liverseg.space import space_note
from workflow.liverseg.spacings import respaced
from workflow.liverseg.upkeep import driver_ends, driver_fails, driver_starts, unrecorded_note

prepare_jobs(ROOT)


def checked_config():
    """The configuration with overlays laid over the defaults, checked against the schema."""
    layers = [Path(path) for path in workflow.overwrite_configfiles]
    try:
        return _settings.check(_settings.overlay(config, layers))
    except LiversegError as error:
        raise WorkflowError(str(error)) from None


CONFIG = checked_config()


def drive(directory):
    """Write down that this process drives the run; say which other one does, too."""
    try:
        return driver_starts(directory)
    except LiversegError as error:
        raise WorkflowError(str(error)) from None


# Said of a dry run, too, and where Snakemake finds nothing to be done.
if workflow.is_main_process and (note := unrecorded_note(Path.cwd())):
    logger.warning(str(note))


def released_here():
    """The released model that takes the place of training, or None."""
    folder = CONFIG["released_model"]
    try:
        return None if folder is None else read_released(Path(folder))
    except LiversegError as error:
        raise WorkflowError(str(error)) from None


RELEASED = released_here()
CONFIG = RELEASED.over(CONFIG) if RELEASED else _settings.with_repeats(CONFIG)


def warm_starts_here():
    """The weights that each model's training begins from, seen to be there before anything runs."""
    try:
        return {} if RELEASED else warm_starts(CONFIG)
    except LiversegError as error:
        raise WorkflowError(str(error)) from None


WARM_STARTS = warm_starts_here()


def cohort_here():
    """The patients of the configuration, relative paths read from the working directory."""
    if CONFIG["dataset"] and not Path(CONFIG["patients"]).exists():
        # Only `fetch_dataset` can run: who the patients are is known once its folder is there.
        return Cohort(patients=())
    try:
        cohort = read_cohort(CONFIG["patients"], Path.cwd(), CONFIG["phantoms"])
        return respaced(cohort, CONFIG["inspection"]["spacing_table"])
    except LiversegError as error:
        raise WorkflowError(str(error)) from None


COHORT = cohort_here()
PATIENTS = {patient.patient: patient for patient in COHORT.patients}
TRAINED = tuple(CONFIG["train"])
ENSEMBLES = CONFIG["ensembles"]
MODELS = (*TRAINED, *ENSEMBLES)
FOLDS = range(CONFIG["cross_validation"]["folds"] or 0)
REGIONS = LabelMap.from_settings(CONFIG["labels"]).names
FORMATS = ("stl", "ply", "obj", "glb")
GPUS = gpus_here()
DIGESTS = DigestMemory(Path(".snakemake/liverseg/code_digests.json"))
NOTES = RunNotes()
logger.addFilter(NOTES)


def container_image():
    """The container's file, beside the Snakefile; what its jobs must see is bound into it.

    Where no container is used the name alone: Snakemake refuses a path with spaces even then.
    """
    methods = {method.name for method in workflow.deployment_settings.deployment_method}
    if "APPTAINER" not in methods:
        return "liverseg.sif"
    files = [path for patient in COHORT.patients for path in files_of(patient)]
    files += [Path(path) for paths in WARM_STARTS.values() for path in paths]
    files += map(Path, RELEASED.files().values()) if RELEASED else []
    try:
        bind(folders_to_bind(ROOT, files))
    except LiversegError as error:
        raise WorkflowError(str(error)) from None
    return str(ROOT / "liverseg.sif")


def one_of(names):
    """A wildcard constraint: exactly these names, or nothing at all where there are none."""
    return "|".join(sorted(map(re.escape, names))) or "(?!)"


wildcard_constraints:
    patient=one_of(PATIENTS),
    model=one_of((*CONFIG["models"], *ENSEMBLES)),
    part=r"(/fold-\d+)?",
    region=one_of(REGIONS),


def settings(*sections):
    """The named sections of the configuration as one canonical line, for a rule's params."""
    return _settings.canonical(CONFIG, *sections)


def some_settings(*sections, **keys):
    """The same of whole sections, and of some keys of others: what else they hold starts no job."""
    chosen = {name: CONFIG[name] for name in sections}
    for name, key in keys.items():
        wanted = [key] if isinstance(key, str) else key
        chosen[name] = {one: CONFIG[name][one] for one in wanted}
    return _settings.canonical(chosen, *chosen)


def model_settings(*sections):
    """A param function: the sections, and the wildcard's entry of the catalogue as `model`."""

    def of_model(wildcards):
        chosen = {name: CONFIG[name] for name in sections}
        chosen["model"] = CONFIG["models"][wildcards.model]
        return _settings.canonical(chosen, *chosen)

    return of_model


def code_digest(rule_name):
    """Digests of the rule's script and of each module that it imports."""
    return _code_digest(ROOT / f"workflow/scripts/{rule_name}.py", ROOT, DIGESTS)


def split_table():
    """Rows of the split's table, a dict each; waits for the checkpoint."""
    table = Path(checkpoints.split_patients.get().output.split)
    stat = table.stat()
    return split_rows(table, (stat.st_ino, stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1)
def split_rows(table, state):
    """Rows of the table, read once for each state of the file: every job asks for them."""
    header, *rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def patients_in(*splits, fold=None):
    """Names of the patients in the given splits (train, validation, test, predict), or in those
    of one fold (`fold-0`)."""
    return [row["patient"] for row in split_table() if row[fold or "split"] in splits]


def patients_of(wildcards, split):
    """Names of the patients whom a model, or one fold of it, trains or validates on.

    Asked before the checkpoint too: where nobody has a label, nothing is begun.
    """
    try:
        COHORT.check_labels()
    except LiversegError as error:
        raise WorkflowError(str(error)) from None
    return patients_in(split, fold=wildcards.part.removeprefix("/") or None)


def predicted():
    """Names of the patients that the configuration wants predicted; a released model's: all."""
    if RELEASED:
        return patients_in("train", "validation", "test", "predict")
    return patients_in(*CONFIG["prediction"]["splits"])


def scored():
    """Names of the predicted patients that have a label."""
    return [patient for patient in predicted() if PATIENTS[patient].label is not None]


def model_scores(wildcards):
    """Score files of all of one model's predicted patients that have a label."""
    return [f"results/scores/{wildcards.model}/{patient}.json" for patient in scored()]


def scored_inspections(wildcards):
    """Inspection records of these patients, which say whose mm are doubtful."""
    return [f"results/cohort/inspection/{patient}.json" for patient in scored()]


def raw_image(wildcards):
    """The patient's CT as the user gave it."""
    return str(PATIENTS[wildcards.patient].image)


def raw_label(wildcards):
    """The patient's label as the user gave it; nothing where there is none."""
    label = PATIENTS[wildcards.patient].label
    return [] if label is None else str(label)


def gpu(wildcards):
    """Ask for a GPU only where there is one: `--resources gpu=1` is a limit, not a demand."""
    return min(1, GPUS)


def own_training(wildcards, name):
    """A setting of `training`: the model's own, or that of all."""
    own = CONFIG["models"][wildcards.model].get("training", {})
    return own.get(name, CONFIG["training"][name])


def training_threads(wildcards):
    """Threads that a model trains with."""
    return own_training(wildcards, "threads")


def training_device(wildcards):
    """The device that a model trains on."""
    return own_training(wildcards, "device")


def checkpoint_seconds(wildcards):
    """Seconds between two states that a model's training saves."""
    return round(60 * own_training(wildcards, "checkpoint_minutes"))


def train_images(wildcards):
    """Chunks' images of the training patients."""
    return [f"results/chunks/{patient}/image.npy" for patient in patients_of(wildcards, "train")]


def train_labels(wildcards):
    """Chunks' labels of the training patients."""
    return [f"results/chunks/{patient}/label.npy" for patient in patients_of(wildcards, "train")]


def train_kept(wildcards):
    """Tables of the training patients' chunks that are worth training on."""
    return [f"results/filtered/{patient}.tsv" for patient in patients_of(wildcards, "train")]


def validation_volumes(wildcards):
    """Prepared volumes of the validation patients."""
    patients = patients_of(wildcards, "validation")
    return [f"results/volumes/{patient}.npz" for patient in patients]


def warm_start(wildcards):
    """Weights that the model's training begins from; nothing where it begins anew."""
    return WARM_STARTS.get(wildcards.model, [])


def every_prediction(pattern):
    """An input function: the pattern for each model and predicted patient."""

    def files(wildcards):
        return expand(pattern, model=MODELS, patient=predicted())

    return files


def every_segmentation(wildcards):
    """Segmentations for other programs: for 3D Slicer of all, as DICOM SEG where DICOM came in."""
    patients = predicted()
    segs = [] if CONFIG["dicom"]["seg"] == "none" else dicom_patients(patients)
    nrrd = "results/predictions/{model}/{patient}/mask.seg.nrrd"
    seg = "results/predictions/{model}/{patient}/mask.seg.dcm"
    return [
        *expand(nrrd, model=MODELS, patient=patients),
        *expand(seg, model=MODELS, patient=segs),
    ]


def dicom_patients(patients):
    """Those of the patients whose CT came as DICOM."""
    sources = {name: PATIENTS[name].image_sources for name in patients}
    others = (".nrrd", ".nhdr", ".mha", ".mhd", ".raw", ".zraw")
    return [
        name
        for name in patients
        if sources[name] and not any(path.name.lower().endswith(others) for path in sources[name])
    ]


def model_comparison(wildcards):
    """The comparison of the models, where there are several and patients to compare them on."""
    return ["results/scores/comparison.json"] if len(MODELS) > 1 and scored() else []


def every_score(wildcards):
    """Score files of each model's predicted patients that have a label."""
    return expand("results/scores/{model}/{patient}.json", model=MODELS, patient=scored())


def every_summary(wildcards):
    """Summaries of the models; none where no predicted patient has a label."""
    models = MODELS if scored() else []
    return expand("results/scores/{model}/summary.json", model=models)


def model_summary(wildcards):
    """The summary of one model's scores; nothing where no predicted patient has a label."""
    return [f"results/scores/{wildcards.model}/summary.json"] if scored() else []


def model_score_table(wildcards):
    """The table of one model's scores; nothing where no predicted patient has a label."""
    return [f"results/scores/{wildcards.model}/summary.csv"] if scored() else []


def every_inspection(wildcards):
    """Inspection records of all patients of the sheet, admitted or not."""
    if not PATIENTS and CONFIG["dataset"]:
        raise WorkflowError(
            f"There is nothing at {CONFIG['patients']}: run `snakemake fetch_dataset` with the "
            "same options first, or correct `patients`."
        )
    return expand("results/cohort/inspection/{patient}.json", patient=list(PATIENTS))


def viewer_settings():
    """What the page's data files depend on: a change of the page's title encodes no CT again."""
    chosen = {"labels": CONFIG["labels"], "viewer": CONFIG["report"]["viewer"]}
    return _settings.canonical(chosen, *chosen)


def training_chunks(pattern):
    """An input function: the pattern for each patient who trains, in any fold."""

    def files(wildcards):
        folds = [f"fold-{number}" for number in FOLDS] or [None]
        patients = sorted(
            {patient for fold in folds for patient in patients_in("train", fold=fold)}
        )
        return expand(pattern, patient=patients)

    return files


def model_weights(wildcards):
    """The weights that predict together: of one model, of its folds, of an ensemble's members."""
    return model_files(wildcards.model, "model.safetensors", unseen_by(wildcards.patient))


def model_cards(wildcards):
    """The cards of these weights, in the same order."""
    return model_files(wildcards.model, "model.json", unseen_by(wildcards.patient))


def unseen_by(patient):
    """The part of each model that has not seen the patient; None where all parts predict."""
    if not FOLDS:
        return None
    fold = next(row["fold"] for row in split_table() if row["patient"] == patient)
    return fold_part(fold) if fold else None


def model_files(model, name, part=None):
    """A file of one part, or of every part, of a model or of each member of an ensemble."""
    parts = model_parts() if part is None else (part,)
    members = ENSEMBLES.get(model, [model])
    return [f"results/models/{member}{part}/{name}" for member in members for part in parts]


def model_parts():
    """What a model consists of: itself, or its folds."""
    if RELEASED:
        return RELEASED.parts
    return tuple(map(fold_part, FOLDS)) or ("",)


def fold_part(number):
    """The part that one fold is: with its slash, so that a model without folds has none."""
    # Not one text: the linter would take it for an absolute path.
    return posixpath.sep + f"fold-{number}"


def exported_models(wildcards):
    """Each trained model in the forms that other programs read."""
    forms = ("model.onnx", "bundle/configs/inference.json")
    return [path for name in forms for path in shown_models(name)]


def checked_volume(wildcards):
    """A volume to compare exported models on: a training patient's, or of one to be predicted."""
    patient = (predicted() if RELEASED else patients_of(wildcards, "train"))[0]
    return f"results/volumes/{patient}.npz"


def model_records(wildcards):
    """model.json of a trained model, or of each of its folds."""
    return model_files(wildcards.model, "model.json")


def described_models(wildcards):
    """The card for readers of each model that is trained here; a released model has its own."""
    return [] if RELEASED else [f"results/models/{model}/README.md" for model in TRAINED]


def card_settings():
    """What a model's card tells of the run; of the data's place only whether it is the demo."""
    chosen = ("inspection", "split", "cross_validation", "filter", "scores")
    told = {name: CONFIG[name] for name in chosen}
    told["dataset"] = CONFIG["dataset"] and CONFIG["dataset"]["name"]
    told["synthetic"] = CONFIG["patients"] == "demo"
    return _settings.canonical(told, *told)


def template_digest(*parts):
    """Digest of templates and styles below workflow/report: another look makes the page again."""
    files = [ROOT / "workflow/report" / part for part in parts]
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def shown_models(name):
    """A file of each trained model, fold by fold; of a released model the one of its first part."""
    parts = ("",) if RELEASED else model_parts()
    return [f"results/models/{model}{part}/{name}" for model in TRAINED for part in parts]


def changed_versions():
    """What of the results was made with other versions than those that jobs would run with."""
    cards = [] if RELEASED else map(Path, shown_models("model.json"))
    if workflow.deployment_settings.deployment_method:
        present = locked_versions(ROOT / "envs/requirements.txt")
    else:
        present = installed_versions()
    return versions_note(cards, Path("results/provenance/versions.json"), present)
