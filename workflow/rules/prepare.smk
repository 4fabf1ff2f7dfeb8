# In: the CTs and labels of admitted patients. Out: prepared volumes, their chunks, and the
# chunks worth training on.


rule prepare_volume:
    """Bring one CT and its label to canonical axes, spacing, HU window and in-plane size."""
    input:
        image=raw_image,
        label=raw_label,
    output:
        volume="results/volumes/{patient}.npz",
    log:
        "results/logs/prepare_volume/{patient}.log",
    benchmark:
        "results/benchmarks/prepare_volume/{patient}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=6000,
        runtime=20,
    params:
        settings=settings("volumes", "labels"),
        code=code_digest("prepare_volume"),
    script:
        "../scripts/prepare_volume.py"


rule cut_chunks:
    """Cut one prepared volume into chunks of slices; no slice of liver is lost by default."""
    input:
        volume="results/volumes/{patient}.npz",
    output:
        table="results/chunks/{patient}/chunks.tsv",
        image="results/chunks/{patient}/image.npy",
        label="results/chunks/{patient}/label.npy",
    log:
        "results/logs/cut_chunks/{patient}.log",
    benchmark:
        "results/benchmarks/cut_chunks/{patient}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        settings=settings("chunks"),
        code=code_digest("cut_chunks"),
    script:
        "../scripts/cut_chunks.py"


rule filter_chunks:
    """Keep the chunks that hold liver, and some of the empty ones by choice."""
    input:
        table="results/chunks/{patient}/chunks.tsv",
    output:
        kept="results/filtered/{patient}.tsv",
    log:
        "results/logs/filter_chunks/{patient}.log",
    benchmark:
        "results/benchmarks/filter_chunks/{patient}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=settings("filter"),
        code=code_digest("filter_chunks"),
    script:
        "../scripts/filter_chunks.py"
