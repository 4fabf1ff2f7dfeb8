"""The logic of liverseg; one module a stage, none of them knows Snakemake."""
