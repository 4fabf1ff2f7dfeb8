# In: predicted masks and the users' labels. Out: scores of each patient, and of each model.


rule score_patient:
    """Compare one predicted mask with its label, on the patient's own grid."""
    input:
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
        label=raw_label,
    output:
        scores="results/scores/{model}/{patient}.json",
    log:
        "results/logs/score_patient/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/score_patient/{model}/{patient}.tsv"
    conda:
        "../../envs/learn.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=settings("labels", "scores"),
        code=code_digest("score_patient"),
    script:
        "../scripts/score_patient.py"


rule summarise_scores:
    """Gather one model's scores into a table and a summary with confidence intervals."""
    input:
        scores=model_scores,
    output:
        table=report(
            "results/scores/{model}/summary.csv",
            caption="../report/captions/scores.rst",
            category="Scores",
            labels={"model": "{model}"},
        ),
        summary="results/scores/{model}/summary.json",
    log:
        "results/logs/summarise_scores/{model}.log",
    benchmark:
        "results/benchmarks/summarise_scores/{model}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=settings("scores"),
        code=code_digest("summarise_scores"),
    script:
        "../scripts/summarise_scores.py"


rule compare_models:
    """Compare the models by the differences of their scores within patients."""
    input:
        scores=every_score,
    output:
        comparison="results/scores/comparison.json",
    log:
        "results/logs/compare_models/comparison.log",
    benchmark:
        "results/benchmarks/compare_models/comparison.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=settings("scores", "repeated"),
        code=code_digest("compare_models"),
    script:
        "../scripts/compare_models.py"
