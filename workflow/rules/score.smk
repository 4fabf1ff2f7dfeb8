# In: predicted masks and the users' labels. Out: scores of each patient and of each
# model, and the model's card for readers, which tells them.


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
        inspections=scored_inspections,
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
        comparison=report(
            "results/scores/comparison.json",
            caption="../report/captions/comparison.rst",
            category="Scores",
        ),
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


rule write_model_card:
    """Describe a trained model for readers: Hugging Face's sections, CLAIM's items."""
    input:
        cards=model_records,
        summary=model_summary,
        table=model_score_table,
    output:
        readme=report(
            "results/models/{model}/README.md",
            caption="../report/captions/model_card.rst",
            category="Training",
            labels={"model": "{model}"},
        ),
    log:
        "results/logs/write_model_card/{model}.log",
    benchmark:
        "results/benchmarks/write_model_card/{model}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=card_settings(),
        code=code_digest("write_model_card"),
        template=template_digest("model_card.md.j2"),
    script:
        "../scripts/write_model_card.py"
