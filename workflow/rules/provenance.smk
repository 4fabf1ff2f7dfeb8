# In: the finished run. Out: results/ro-crate-metadata.json and results/provenance/: what came from
# what, by digest. Said at the start: what was made with other versions than those at hand.


rule record_provenance:
    """Record where every result came from, as a Workflow Run RO-Crate."""
    input:
        page="results/report/index.html",
        features="results/features.csv",
        cards=described_models,
        segmentations=every_segmentation,
    output:
        crate="results/ro-crate-metadata.json",
        digests="results/provenance/digests.tsv",
        snakefile="results/provenance/Snakefile",
        config="results/provenance/config.json",
        versions="results/provenance/versions.json",
    log:
        "results/logs/record_provenance/run.log",
    benchmark:
        "results/benchmarks/record_provenance/run.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        settings=settings(*CONFIG),
        code=code_digest("record_provenance"),
    script:
        "../scripts/record_provenance.py"


if workflow.is_main_process and (note := changed_versions()):
    logger.warning(note)
