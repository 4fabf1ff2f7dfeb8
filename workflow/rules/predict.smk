# In: models and raw CTs. Out: masks, masked CTs and probabilities on the scanner's own grid.


rule predict_patient:
    """Predict one patient's whole CT on its own grid, and say how far to trust it."""
    input:
        image=raw_image,
        weights="results/models/{model}/model.safetensors",
        card="results/models/{model}/model.json",
    output:
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
        masked_ct="results/predictions/{model}/{patient}/masked_ct.nii.gz",
        probability="results/predictions/{model}/{patient}/probability.nii.gz",
        record="results/predictions/{model}/{patient}/prediction.json",
    log:
        "results/logs/predict_patient/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/predict_patient/{model}/{patient}.tsv"
    conda:
        "../../envs/learn.yaml"
    params:
        settings=settings("prediction"),
        code=code_digest("predict_patient"),
    threads: CONFIG["prediction"]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=gpu,
    script:
        "../scripts/predict_patient.py"
