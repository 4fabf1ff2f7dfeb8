# In: files of other formats (DICOM, NRRD, MetaImage), or the address of a released dataset. Out: one
# NIfTI volume a patient, its label on the same grid, a record of each; or the dataset's folder.


include: "import_inputs.smk"


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
        secret=SECRET,
        person_key=person_key,
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
        settings=some_settings(dicom="structures"),
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
