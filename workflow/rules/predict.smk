# In: models (trained here, or released) and raw CTs. Out: masks, masked CTs and probabilities on
# the scanner's own grid.

if RELEASED:

    ruleorder: take_model > train_model

    rule take_model:
        """Take the released model over into the results, once it is seen to load."""
        input:
            sources=list(RELEASED.files().values()),
            released_history=RELEASED.history(),
        output:
            taken=[f"results/models/{RELEASED.name}/{name}" for name in RELEASED.files()],
            history=f"results/models/{RELEASED.name}/history.csv",
        log:
            f"results/logs/take_model/{RELEASED.name}.log",
        benchmark:
            f"results/benchmarks/take_model/{RELEASED.name}.tsv"
        conda:
            "../../envs/learn.yaml"
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            code=code_digest("take_model"),
        script:
            "../scripts/take_model.py"


rule predict_patient:
    """Predict one patient's whole CT on its own grid, and say how far to trust it."""
    input:
        image=raw_image,
        weights=model_weights,
        card=model_cards,
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
    threads: CONFIG["prediction"]["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=gpu,
        device=CONFIG["prediction"]["device"],
    params:
        settings=settings("prediction"),
        code=code_digest("predict_patient"),
    script:
        "../scripts/predict_patient.py"


rule predict:
    """Masks, surfaces, measurements and the page: with `released_model` nothing is trained."""
    input:
        "results/report/index.html",
        "results/features.csv",
        every_prediction("results/predictions/{model}/{patient}/prediction.json"),
        every_segmentation,
