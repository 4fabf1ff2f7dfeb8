# In: what every step wrote. Out: one page that opens from disk, with the patients' data beside it.
from workflow.liverseg.report_template import template_digests


rule encode_scan:
    """Make one patient's CT small enough for the page."""
    input:
        image=raw_image,
    output:
        data="results/report/scans/{patient}.js",
    log:
        "results/logs/encode_scan/{patient}.log",
    benchmark:
        "results/benchmarks/encode_scan/{patient}.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=viewer_settings(),
        code=code_digest("encode_scan"),
    script:
        "../scripts/encode_scan.py"


rule encode_case:
    """Make one patient's mask, surfaces and pictures small enough for the page."""
    input:
        scan="results/report/scans/{patient}.js",
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
        label=raw_label,
        meshes=expand("results/meshes/{{model}}/{{patient}}/{region}.stl", region=REGIONS),
        overlay="results/pictures/{model}/{patient}/overlay.png",
        projection="results/pictures/{model}/{patient}/projection.png",
        surface="results/pictures/{model}/{patient}/surface.png",
    output:
        data="results/report/cases/{model}/{patient}.js",
    log:
        "results/logs/encode_case/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/encode_case/{model}/{patient}.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=viewer_settings(),
        code=code_digest("encode_case"),
    script:
        "../scripts/encode_case.py"


rule build_report:
    """Build the page that shows the whole run."""
    input:
        cohort="results/cohort/cohort.tsv",
        rejected="results/cohort/rejected.tsv",
        split="results/split/split.tsv",
        inspections=every_inspection,
        chunks=training_chunks("results/chunks/{patient}/chunks.tsv"),
        filtered=training_chunks("results/filtered/{patient}.tsv"),
        cards=shown_models("model.json"),
        histories=shown_models("history.csv"),
        predictions=every_prediction("results/predictions/{model}/{patient}/prediction.json"),
        scores=every_score,
        summaries=every_summary,
        comparison=model_comparison,
        meshes=every_prediction("results/meshes/{model}/{patient}/mesh.json"),
        cases=every_prediction("results/report/cases/{model}/{patient}.js"),
    output:
        page=report(
            "results/report/index.html",
            caption="../report/captions/page.rst",
            category="Page",
            labels={"figure": "the whole run"},
        ),
    log:
        "results/logs/build_report/report.log",
    benchmark:
        "results/benchmarks/build_report/report.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=settings(*CONFIG),
        code=code_digest("build_report"),
        templates=template_digests(),
        benchmarks="results/benchmarks",
    script:
        "../scripts/build_report.py"
