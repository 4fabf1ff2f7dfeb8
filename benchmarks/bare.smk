# The shape of liverseg's workflow and nothing else: what Snakemake itself costs.
import csv

ROWS = list(csv.DictReader(open("patients.tsv"), delimiter="\t"))
PATIENTS = {row["patient"]: row for row in ROWS}
MODELS = config["models"].split()


def of(*splits):
    with open(checkpoints.split_patients.get().output[0]) as table:
        return [row["patient"] for row in csv.DictReader(table, delimiter="\t") if row["split"] in splits]


def image(wildcards):
    return PATIENTS[wildcards.patient]["image"]


def label(wildcards):
    return PATIENTS[wildcards.patient]["label"] or []


def shown(pattern):
    return lambda wildcards: expand(pattern, model=MODELS, patient=of("test", "predict"))


def predictions_of(*names):
    return [f"results/predictions/{{model}}/{{patient}}/{name}" for name in names]


rule all:
    input:
        "results/report/index.html", "results/features.csv",
        "results/ro-crate-metadata.json",
        shown(*predictions_of("mask.seg.nrrd")),
        "results/scores/comparison.json" if len(MODELS) > 1 else [],
        expand("results/models/{model}/README.md", model=MODELS),

rule inspect_patient:
    input: image, label
    output: "results/cohort/inspection/{patient}.json"
    shell: "touch {output}"

rule admit_cohort:
    input: expand("results/cohort/inspection/{patient}.json", patient=PATIENTS)
    output: "results/cohort/cohort.tsv", "results/cohort/rejected.tsv", "results/cohort/remarks.tsv"
    shell: "touch {output}"

checkpoint split_patients:
    input: "results/cohort/cohort.tsv", "results/cohort/rejected.tsv"
    output: "results/split/split.tsv"
    shell: "touch {output}"

rule prepare_volume:
    input: image, label
    output: "results/volumes/{patient}.npz"
    shell: "touch {output}"

rule cut_chunks:
    input: "results/volumes/{patient}.npz"
    output: multiext("results/chunks/{patient}/", "chunks.tsv", "image.npy", "label.npy")
    shell: "touch {output}"

rule filter_chunks:
    input: "results/chunks/{patient}/chunks.tsv"
    output: "results/filtered/{patient}.tsv"
    shell: "touch {output}"

rule train_model:
    input:
        lambda w: expand("results/chunks/{patient}/{part}.npy", patient=of("train"), part=["image", "label"]),
        lambda w: expand("results/filtered/{patient}.tsv", patient=of("train")),
        lambda w: expand("results/volumes/{patient}.npz", patient=of("validation")),
    output: multiext("results/models/{model}/", "model.safetensors", "model.json", "history.csv", "events.out.tfevents.liverseg")
    shell: "touch {output}"

rule predict_patient:
    input: image, "results/models/{model}/model.safetensors", "results/models/{model}/model.json"
    output: predictions_of("mask.nii.gz", "masked_ct.nii.gz", "probability.nii.gz", "prediction.json")
    shell: "touch {output}"

rule score_patient:
    input: "results/predictions/{model}/{patient}/mask.nii.gz", label
    output: "results/scores/{model}/{patient}.json"
    shell: "touch {output}"

rule summarise_scores:
    input: lambda w: expand("results/scores/{model}/{patient}.json", model=w.model, patient=of("test"))
    output: "results/scores/{model}/summary.csv", "results/scores/{model}/summary.json"
    shell: "touch {output}"

rule compare_models:
    input: lambda w: expand("results/scores/{model}/{patient}.json", model=MODELS, patient=of("test"))
    output: "results/scores/comparison.json"
    shell: "touch {output}"

rule write_model_card:
    input: "results/models/{model}/model.json", multiext("results/scores/{model}/", "summary.json", "summary.csv")
    output: "results/models/{model}/README.md"
    shell: "touch {output}"

rule export_seg:
    input: predictions_of("mask.nii.gz")
    output: predictions_of("mask.seg.nrrd")
    shell: "touch {output}"

rule export_mesh:
    input: image, "results/predictions/{model}/{patient}/probability.nii.gz", "results/predictions/{model}/{patient}/mask.nii.gz"
    output: multiext("results/meshes/{model}/{patient}/", "liver.stl", "liver.ply", "liver.obj", "liver.glb", "scene.glb", "mesh.json")
    shell: "touch {output}"

rule tabulate_features:
    input: shown("results/meshes/{model}/{patient}/mesh.json")
    output: "results/features.csv"
    shell: "touch {output}"

rule render_patient:
    input: image, "results/predictions/{model}/{patient}/mask.nii.gz", "results/meshes/{model}/{patient}/liver.ply"
    output: multiext("results/pictures/{model}/{patient}/", "overlay.png", "projection.png", "surface.png")
    shell: "touch {output}"

rule encode_scan:
    input: image
    output: "results/report/scans/{patient}.js"
    shell: "touch {output}"

rule encode_case:
    input:
        "results/report/scans/{patient}.js", "results/predictions/{model}/{patient}/mask.nii.gz", label,
        "results/meshes/{model}/{patient}/liver.stl",
        multiext("results/pictures/{model}/{patient}/", "overlay.png", "projection.png", "surface.png"),
    output: "results/report/cases/{model}/{patient}.js"
    shell: "touch {output}"

rule build_report:
    input:
        "results/cohort/cohort.tsv", "results/cohort/rejected.tsv", "results/split/split.tsv",
        expand("results/cohort/inspection/{patient}.json", patient=PATIENTS),
        lambda w: expand("results/chunks/{patient}/chunks.tsv", patient=of("train")),
        lambda w: expand("results/filtered/{patient}.tsv", patient=of("train")),
        expand("results/models/{model}/{file}", model=MODELS, file=["model.json", "history.csv"]),
        shown("results/predictions/{model}/{patient}/prediction.json"),
        lambda w: expand("results/scores/{model}/{patient}.json", model=MODELS, patient=of("test")),
        expand("results/scores/{model}/summary.json", model=MODELS),
        shown("results/meshes/{model}/{patient}/mesh.json"),
        shown("results/report/cases/{model}/{patient}.js"),
    output: "results/report/index.html"
    shell: "touch {output}"

rule record_provenance:
    input:
        "results/report/index.html", "results/features.csv", expand("results/models/{model}/README.md", model=MODELS),
        shown("results/predictions/{model}/{patient}/mask.seg.nrrd"),
    output:
        "results/ro-crate-metadata.json",
        multiext("results/provenance/", "digests.tsv", "Snakefile", "config.json", "versions.json"),
    shell: "touch {output}"
