# liverseg: from abdominal CTs to a trained model, masks, surfaces, scores and a report.
from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config/config.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


# Looked at with `--sdm apptainer` only (profiles/slurm-apptainer); liverseg.def says how to build it.
container: container_image()


include: "workflow/rules/import.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/mesh.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"


rule all:
    """Everything, ending in the page that a clinician opens."""
    default_target: True
    input:
        "results/report/index.html",
        "results/features.csv",
        "results/ro-crate-metadata.json",
        every_segmentation,
        model_comparison,
        described_models,


onstart:
    if other := drive(Path.cwd()):
        logger.warning(f"Another run is at work in this folder: {other}.")
    note_command(sys.argv, Path.cwd(), ROOT)
    logger.info(space_note(COHORT.patients, CONFIG, Path.cwd()))


onsuccess:
    driver_ends(Path.cwd())
    print(inspection_summary(), end="")


onerror:
    logger.error(NOTES.closing_words(Path.cwd()))
    driver_fails(
        Path.cwd(),
        NOTES.lost_bundles(),
        keep=workflow.execution_settings.keep_incomplete,
    )
