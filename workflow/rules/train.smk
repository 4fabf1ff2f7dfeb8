# In: the chunks kept of the training patients, the volumes of the validation patients.
# Out: results/models/{model}/: weights, card and history of each model under `train`; with
# cross-validation of each of its folds, in results/models/{model}/fold-{k}/.


rule train_model:
    """Train a model on the chunks kept; validate it on whole volumes."""
    input:
        train_images=train_images,
        train_labels=train_labels,
        train_kept=train_kept,
        validation_volumes=validation_volumes,
    output:
        weights="results/models/{model}{part}/model.safetensors",
        card="results/models/{model}{part}/model.json",
        history=report(
            "results/models/{model}{part}/history.csv",
            caption="../report/captions/history.rst",
            category="Training",
            labels={"model": "{model}{part}"},
        ),
    log:
        "results/logs/train_model/{model}{part}.log",
    benchmark:
        "results/benchmarks/train_model/{model}{part}.tsv"
    retries: 2
    conda:
        "../../envs/learn.yaml"
    threads: training_threads
    resources:
        mem_mb=8000,
        runtime=2880,
        gpu=gpu,
    params:
        settings=model_settings("labels", "volumes", "chunks", "training"),
        code=code_digest("train_model"),
        # Undeclared: Snakemake removes what a failed job declares.
        resume="results/.resume",
    script:
        "../scripts/train_model.py"


rule export_onnx:
    """Write a trained model as ONNX, checked against torch on a training patient's chunks."""
    input:
        weights="results/models/{model}{part}/model.safetensors",
        card="results/models/{model}{part}/model.json",
        train_images=train_images,
        train_labels=train_labels,
        train_kept=train_kept,
    output:
        onnx="results/models/{model}{part}/model.onnx",
    log:
        "results/logs/export_onnx/{model}{part}.log",
    benchmark:
        "results/benchmarks/export_onnx/{model}{part}.tsv"
    conda:
        "../../envs/learn.yaml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=code_digest("export_onnx"),
    script:
        "../scripts/export_onnx.py"
