# In: the patients. Out: what the rules of the import ask about them.
from workflow.liverseg.pseudonyms import SECRET, keyed, secret_at


def image_sources(wildcards):
    """The files that the patient's CT has to be imported from; Snakemake sees each of them."""
    return [str(path) for path in PATIENTS[wildcards.patient].image_sources]


def person_key(wildcards):
    """What tells one secret from another: under two of them no person would be known again."""
    is_dicom = PATIENTS[wildcards.patient].kind == "dicom"
    return keyed(secret_at(Path(SECRET)), "persons") if is_dicom else ""


def label_sources(wildcards):
    """The files that the patient's label has to be imported from."""
    return [str(path) for path in PATIENTS[wildcards.patient].label_sources]


def imported_ct_record(wildcards):
    """The record of the CT's import; nothing where the CT is the user's own NIfTI file."""
    sources = PATIENTS[wildcards.patient].image_sources
    return f"results/imported/{wildcards.patient}/ct.json" if sources else []


def import_records(wildcards):
    """The records of all that was imported for a patient, for the inspection."""
    patient = PATIENTS[wildcards.patient]
    parts = {"ct": patient.image_sources, "label": patient.label_sources}
    return [f"results/imported/{patient.patient}/{part}.json" for part in parts if parts[part]]
