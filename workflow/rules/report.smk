# In: what every step wrote. Out: one page that opens from disk, with the patients' data beside it.
from workflow.liverseg.report_template import template_digests


rule build_report:
    """Build the page that shows the whole run."""
    input:
        cohort="results/cohort/cohort.tsv",
        rejected="results/cohort/rejected.tsv",
        split="results/split/split.tsv",
        inspections=every_inspection,
        chunks=training_chunks("results/chunks/{patient}/chunks.tsv"),
        filtered=training_chunks("results/filtered/{patient}.tsv"),
        cards=expand("results/models/{model}/model.json", model=MODELS),
        histories=expand("results/models/{model}/history.csv", model=MODELS),
        predictions=every_prediction("results/predictions/{model}/{patient}/prediction.json"),
        scores=every_score,
        summaries=every_summary,
        meshes=every_prediction("results/meshes/{model}/{patient}/mesh.json"),
        overlays=every_prediction("results/pictures/{model}/{patient}/overlay.png"),
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
        "../../envs/data.yaml"
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
