# In: files of other formats (DICOM, NRRD, MetaImage), or the address of a released dataset. Out: one
# NIfTI volume a patient, its label on the same grid, a record of each; or the dataset's folder.


def image_sources(wildcards):
    """The files that the patient's CT has to be imported from; Snakemake sees each of them."""
    return [str(path) for path in PATIENTS[wildcards.patient].image_sources]


def label_sources(wildcards):
    """The files that the patient's label has to be imported from."""
    return [str(path) for path in PATIENTS[wildcards.patient].label_sources]


def imported_ct_record(wildcards):
    """The record of the CT's import; nothing where the CT is the user's own NIfTI file."""
    sources = PATIENTS[wildcards.patient].image_sources
    return f"results/imported/{wildcards.patient}/ct.json" if sources else []


def import_records(wildcards):
    """The records of all that was imported for a patient, for the inspection."""
    patient = PATIENTS[wildcards.patient]
    parts = {"ct": patient.image_sources, "label": patient.label_sources}
    return [f"results/imported/{patient.patient}/{part}.json" for part in parts if parts[part]]


rule import_dicom:
    """Choose and read one CT series (or a NRRD or MetaImage file) of a patient, in HU."""
    input:
        sources=image_sources,
        label_sources=label_sources,
    output:
        ct="results/imported/{patient}/ct.nii.gz",
        record="results/imported/{patient}/ct.json",
    log:
        "results/logs/import_dicom/{patient}.log",
    benchmark:
        "results/benchmarks/import_dicom/{patient}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_digest("import_dicom"),
    script:
        "../scripts/import_dicom.py"


rule import_label:
    """Bring a SEG, an RTSTRUCT, a NRRD or a MetaImage label onto the grid of its CT."""
    input:
        sources=label_sources,
        ct=raw_image,
        ct_record=imported_ct_record,
    output:
        label="results/imported/{patient}/label.nii.gz",
        record="results/imported/{patient}/label.json",
    log:
        "results/logs/import_label/{patient}.log",
    benchmark:
        "results/benchmarks/import_label/{patient}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=settings("dicom"),
        code=code_digest("import_label"),
    script:
        "../scripts/import_label.py"


if CONFIG["dataset"]:

    # Not part of the main job: who the patients are is known only once the folder is there.
    rule fetch_dataset:
        """Fetch a released dataset, verify it and unpack it beside the record."""
        output:
            record=f"results/datasets/{CONFIG['dataset']['name']}.json",
        log:
            f"results/logs/fetch_dataset/{CONFIG['dataset']['name']}.log",
        benchmark:
            f"results/benchmarks/fetch_dataset/{CONFIG['dataset']['name']}.tsv"
        conda:
            "../../envs/data.yaml"
        resources:
            mem_mb=1000,
            runtime=1440,
        params:
            settings=settings("dataset"),
            code=code_digest("fetch_dataset"),
        script:
            "../scripts/fetch_dataset.py"
