# In: CTs and labels as the user has them (or the demo's phantoms). Out: a record of each patient,
# the tables of the admitted and the rejected, and the split.


if CONFIG["patients"] == "demo":

    rule make_phantoms:
        """Make one synthetic CT with its label for the demo cohort."""
        output:
            ct="results/phantoms/{patient}/ct.nii.gz",
            label="results/phantoms/{patient}/label.nii.gz",
        log:
            "results/logs/make_phantoms/{patient}.log",
        benchmark:
            "results/benchmarks/make_phantoms/{patient}.tsv"
        conda:
            "../../envs/data.yaml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            settings=settings("phantoms"),
            code=code_digest("make_phantoms"),
        script:
            "../scripts/make_phantoms.py"


rule inspect_patient:
    """Read every byte of one CT and its label; check geometry, intensities, label."""
    input:
        image=raw_image,
        label=raw_label,
        imported=import_records,
    output:
        record="results/cohort/inspection/{patient}.json",
    log:
        "results/logs/inspect_patient/{patient}.log",
    benchmark:
        "results/benchmarks/inspect_patient/{patient}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=settings("inspection", "labels"),
        code=code_digest("inspect_patient"),
    script:
        "../scripts/inspect_patient.py"


rule admit_cohort:
    """Admit or reject each patient; the rejected are listed with code, finding and remedy."""
    input:
        records=expand("results/cohort/inspection/{patient}.json", patient=PATIENTS),
    output:
        cohort="results/cohort/cohort.tsv",
        rejected="results/cohort/rejected.tsv",
    log:
        "results/logs/admit_cohort/cohort.log",
    benchmark:
        "results/benchmarks/admit_cohort/cohort.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=settings("inspection"),
        people=COHORT.people_json(),
        refused=COHORT.refused_json(),
        code=code_digest("admit_cohort"),
    script:
        "../scripts/admit_cohort.py"


checkpoint split_patients:
    """Split by person into train, validation, test and predict; nobody stands in two of them."""
    input:
        cohort="results/cohort/cohort.tsv",
    output:
        split="results/split/split.tsv",
    log:
        "results/logs/split_patients/split.log",
    benchmark:
        "results/benchmarks/split_patients/split.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        settings=settings("split"),
        code=code_digest("split_patients"),
    script:
        "../scripts/split_patients.py"
