# In: the chunks kept of the training patients, the volumes of the validation patients, and the
# weights of a released model where training begins from them.
# Out: results/models/{model}/: weights, card, history and TensorBoard events of each model under
# `train`; with cross-validation of each of its folds, in results/models/{model}/fold-{k}/.


rule train_model:
    """Train a model on the chunks kept; validate it on whole volumes."""
    input:
        train_images=train_images,
        train_labels=train_labels,
        train_kept=train_kept,
        validation_volumes=validation_volumes,
        warm_start=warm_start,
    output:
        weights="results/models/{model}{part}/model.safetensors",
        card="results/models/{model}{part}/model.json",
        history=report(
            "results/models/{model}{part}/history.csv",
            caption="../report/captions/history.rst",
            category="Training",
            labels={"model": "{model}{part}"},
        ),
        events="results/models/{model}{part}/events.out.tfevents.liverseg",
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
        device=training_device,
        checkpoint_seconds=checkpoint_seconds,
    params:
        settings=model_settings("labels", "volumes", "chunks", "training"),
        code=code_digest("train_model"),
        # Undeclared: Snakemake removes what a failed job declares.
        resume="results/.resume",
    script:
        "../scripts/train_model.py"


rule export_onnx:
    """Write a trained model as ONNX, checked against torch on a patient's volume."""
    input:
        weights="results/models/{model}{part}/model.safetensors",
        card="results/models/{model}{part}/model.json",
        volume=checked_volume,
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


rule export_bundle:
    """Write a trained model as a MONAI bundle."""
    input:
        weights="results/models/{model}{part}/model.safetensors",
        card="results/models/{model}{part}/model.json",
    output:
        metadata="results/models/{model}{part}/bundle/configs/metadata.json",
        inference="results/models/{model}{part}/bundle/configs/inference.json",
        state="results/models/{model}{part}/bundle/models/model.pt",
        readme="results/models/{model}{part}/bundle/docs/README.md",
        licence="results/models/{model}{part}/bundle/LICENSE",
        package="results/models/{model}{part}/bundle/scripts/__init__.py",
        padding="results/models/{model}{part}/bundle/scripts/padding.py",
        unet3d="results/models/{model}{part}/bundle/scripts/unet3d.py",
        predicting="results/models/{model}{part}/bundle/scripts/inference.py",
    log:
        "results/logs/export_bundle/{model}{part}.log",
    benchmark:
        "results/benchmarks/export_bundle/{model}{part}.tsv"
    conda:
        "../../envs/learn.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=some_settings(prediction=["enlarge", "overlap"]),
        code=code_digest("export_bundle"),
    script:
        "../scripts/export_bundle.py"


rule export:
    """Each trained model as ONNX and as a MONAI bundle; a model of folds: each of them."""
    input:
        exported_models,
