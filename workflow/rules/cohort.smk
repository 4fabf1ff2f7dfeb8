# In: CTs and labels as the user has them (or the demo's phantoms). Out: a record of each patient,
# the tables of the admitted and the rejected, and the split.


include: "cohort_inputs.smk"


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


rule correct_spacing:
    """Write a CT or label again with the spacing that the user's table gives."""
    input:
        source=unspaced,
        ct=unspaced_ct,
    output:
        image="results/respaced/{patient}/{part}.nii.gz",
    log:
        "results/logs/correct_spacing/{patient}.{part}.log",
    benchmark:
        "results/benchmarks/correct_spacing/{patient}.{part}.tsv"
    wildcard_constraints:
        part="ct|label",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        spacing_mm=given_spacing,
        code=code_digest("correct_spacing"),
    script:
        "../scripts/correct_spacing.py"


rule inspect_patient:
    """Read every byte of one CT and its label; check geometry, intensities, label."""
    input:
        image=raw_image,
        label=raw_label,
        imported=import_records,
        sources=unspaced_sources,
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
        settings=inspection_settings(),
        manifest=manifest_entry,
        spacing_mm=given_spacing,
        code=code_digest("inspect_patient"),
    script:
        "../scripts/inspect_patient.py"


rule admit_cohort:
    """Admit or reject each patient; the rejected are listed with code, finding and remedy."""
    input:
        records=expand("results/cohort/inspection/{patient}.json", patient=list(PATIENTS)),
    output:
        cohort=report(
            "results/cohort/cohort.tsv",
            caption="../report/captions/cohort.rst",
            category="Cohort",
            labels={"table": "admitted patients"},
        ),
        rejected=report(
            "results/cohort/rejected.tsv",
            caption="../report/captions/rejected.rst",
            category="Cohort",
            labels={"table": "rejected patients"},
        ),
        remarks="results/cohort/remarks.tsv",
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
        people=COHORT.people_json(),
        refused=refused_patients(),
        code=code_digest("admit_cohort"),
    script:
        "../scripts/admit_cohort.py"


rule summarise_cohort:
    """Sum up the inspection: a text for the terminal, a page with charts and the odd ones."""
    input:
        cohort="results/cohort/cohort.tsv",
        rejected="results/cohort/rejected.tsv",
        remarks="results/cohort/remarks.tsv",
        records=expand("results/cohort/inspection/{patient}.json", patient=list(PATIENTS)),
    output:
        summary="results/cohort/summary.txt",
        page_file="results/cohort/index.html",
    log:
        "results/logs/summarise_cohort/cohort.log",
    benchmark:
        "results/benchmarks/summarise_cohort/cohort.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_digest("summarise_cohort"),
        template=template_digest("cohort.html.j2", "cohort.css", "page/page.css"),
    script:
        "../scripts/summarise_cohort.py"


rule inspect:
    """Look at data that have just arrived, and at nothing else; ends with a summary."""
    input:
        "results/cohort/summary.txt",
        "results/cohort/index.html",


checkpoint split_patients:
    """Split by person into train, validation, test and predict; nobody stands in two of them."""
    input:
        cohort="results/cohort/cohort.tsv",
        rejected="results/cohort/rejected.tsv",
    output:
        split=report(
            "results/split/split.tsv",
            caption="../report/captions/split.rst",
            category="Cohort",
            labels={"table": "split"},
        ),
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
        settings=split_settings(),
        code=code_digest("split_patients"),
    script:
        "../scripts/split_patients.py"


rule write_manifest:
    """Write the SHA-256 of every inspected file that is sound; keep it beside the data."""
    input:
        records=expand("results/cohort/inspection/{patient}.json", patient=list(PATIENTS)),
    output:
        manifest="results/cohort/manifest.tsv",
    log:
        "results/logs/write_manifest/manifest.log",
    benchmark:
        "results/benchmarks/write_manifest/manifest.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        before=json.dumps(MANIFEST, sort_keys=True),
        code=code_digest("write_manifest"),
    script:
        "../scripts/write_manifest.py"
