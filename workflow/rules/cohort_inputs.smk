# In: the configuration and the patients. Out: what the rules of the intake ask about them.
import json
from dataclasses import replace
from workflow.liverseg.manifest import check_secret, gone_patients, read_manifest


def inspection_summary():
    """The summary, where `inspect` was asked for and has been made."""
    text = Path("results/cohort/summary.txt")
    asked = "inspect" in workflow.dag_settings.targets and text.exists()
    return text.read_text(encoding="utf-8") if asked else ""


def manifest_here():
    """The manifest that the configuration names, read from the working directory, or None."""
    path = CONFIG["inspection"]["manifest"]
    if path is None:
        return None
    try:
        manifest = read_manifest(Path(path))
        check_secret(Path(path), manifest, known_patients())
        return manifest
    except LiversegError as error:
        raise WorkflowError(str(error)) from None


def inspection_settings():
    """What inspection depends on; how training prepares volumes counts where there is training."""
    chosen = {name: CONFIG[name] for name in ("inspection", "labels")}
    volumes = CONFIG["volumes"]
    grid = {name: volumes[name] for name in ("spacing_mm", "in_plane")}
    return _settings.canonical(
        {**chosen, "volumes": None if RELEASED else grid}, *chosen, "volumes"
    )


def split_settings():
    """What the split depends on: its own settings, and how many may be rejected before it."""
    chosen = {name: CONFIG[name] for name in ("split", "cross_validation")}
    limits = {name: CONFIG["inspection"][name] for name in ("on_reject", "max_rejected")}
    return _settings.canonical({**chosen, "inspection": limits}, *chosen, "inspection")


def unspaced(wildcards):
    """The user's file whose spacing the table overrules."""
    return str(PATIENTS[wildcards.patient].unspaced[wildcards.part])


def unspaced_sources(wildcards):
    """The user's CT, and label, where the table overrules their spacing: the manifest has these."""
    return [str(path) for path in PATIENTS[wildcards.patient].unspaced.values()]


def unspaced_ct(wildcards):
    """The user's CT, whose axes those of the table are: its label may be stored along others."""
    return str(PATIENTS[wildcards.patient].unspaced["ct"])


def given_spacing(wildcards):
    """The spacing that the user's table gives, as JSON; null where it gives none."""
    return json.dumps(PATIENTS[wildcards.patient].spacing_mm)


def manifest_entry(wildcards):
    """The manifest's digests of this patient's files, as JSON; null without a manifest."""
    entry = None if MANIFEST is None else MANIFEST.get(wildcards.patient, {})
    return json.dumps(entry, sort_keys=True)


def known_patients():
    """The ids of all patients, also of those who are refused before anything is read."""
    return {*PATIENTS, *(refusal.patient for refusal in COHORT.refused)}


def refused_patients():
    """Refusals and remarks on the sheet, with those whom the manifest lists in vain, as JSON."""
    gone = [] if MANIFEST is None else gone_patients(MANIFEST, known_patients())
    return replace(COHORT, remarks=(*COHORT.remarks, *gone)).refused_json()


MANIFEST = manifest_here()
