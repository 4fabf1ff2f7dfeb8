# In: predictions on the patients' own grids. Out: surfaces in scanner millimetres, and pictures.


rule export_mesh:
    """Turn one patient's probability and mask into measured surfaces of each region."""
    input:
        image=raw_image,
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
        probability="results/predictions/{model}/{patient}/probability.nii.gz",
    output:
        meshes=expand(
            "results/meshes/{{model}}/{{patient}}/{region}.{format}",
            region=REGIONS,
            format=FORMATS,
        ),
        scene="results/meshes/{model}/{patient}/scene.glb",
        record="results/meshes/{model}/{patient}/mesh.json",
    log:
        "results/logs/export_mesh/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/export_mesh/{model}/{patient}.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=settings("labels", "mesh"),
        code=code_digest("export_mesh"),
    script:
        "../scripts/export_mesh.py"


rule export_seg:
    """Write one patient's mask as a segmentation that 3D Slicer opens."""
    input:
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
    output:
        nrrd="results/predictions/{model}/{patient}/mask.seg.nrrd",
    log:
        "results/logs/export_seg/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/export_seg/{model}/{patient}.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("labels"),
        code=code_digest("export_seg"),
    script:
        "../scripts/export_seg.py"


rule export_dicom_seg:
    """Write one patient's mask as DICOM SEG, where the CT came as DICOM."""
    input:
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
        sources=image_sources,
        ct_record=imported_ct_record,
        weights=model_weights,
    output:
        dicom="results/predictions/{model}/{patient}/mask.seg.dcm",
    log:
        "results/logs/export_dicom_seg/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/export_dicom_seg/{model}/{patient}.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=some_settings("labels", dicom="seg"),
        code=code_digest("export_dicom_seg"),
    script:
        "../scripts/export_dicom_seg.py"


rule tabulate_features:
    """Gather the measurements of all patients' regions into one table."""
    input:
        records=every_prediction("results/meshes/{model}/{patient}/mesh.json"),
    output:
        table=report(
            "results/features.csv",
            caption="../report/captions/features.rst",
            category="Measurements",
        ),
    log:
        "results/logs/tabulate_features/features.log",
    benchmark:
        "results/benchmarks/tabulate_features/features.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=settings(),
        code=code_digest("tabulate_features"),
    script:
        "../scripts/tabulate_features.py"


rule render_patient:
    """Show one patient: slices with the mask's outline, a ray-cast projection, the surface."""
    input:
        image=raw_image,
        mask="results/predictions/{model}/{patient}/mask.nii.gz",
        meshes=expand("results/meshes/{{model}}/{{patient}}/{region}.ply", region=REGIONS),
    output:
        overlay=report(
            "results/pictures/{model}/{patient}/overlay.png",
            caption="../report/captions/overlay.rst",
            category="Patients",
            subcategory="{model}",
            labels={"patient": "{patient}", "figure": "mask on slices"},
        ),
        projection=report(
            "results/pictures/{model}/{patient}/projection.png",
            caption="../report/captions/projection.rst",
            category="Patients",
            subcategory="{model}",
            labels={"patient": "{patient}", "figure": "maximum-intensity projection"},
        ),
        surface=report(
            "results/pictures/{model}/{patient}/surface.png",
            caption="../report/captions/surface.rst",
            category="Patients",
            subcategory="{model}",
            labels={"patient": "{patient}", "figure": "surface"},
        ),
    log:
        "results/logs/render_patient/{model}/{patient}.log",
    benchmark:
        "results/benchmarks/render_patient/{model}/{patient}.tsv"
    conda:
        "../../envs/show.yaml"
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        settings=settings("labels", "pictures"),
        code=code_digest("render_patient"),
    script:
        "../scripts/render_patient.py"
