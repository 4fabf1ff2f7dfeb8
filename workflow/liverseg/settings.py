"""The configuration: laid over the defaults, checked strictly, handed on as canonical text."""

import copy
import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from workflow.liverseg.errors import NOT_NAMED, LiversegError, fault, is_users_own
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.model_checks import sample_size, untrainable

RANGES = (
    "volumes.window_hu",
    "pictures.window_hu",
    "inspection.spacing_mm",
    "inspection.volume_ml",
    "phantoms.in_plane_pixels",
    "phantoms.slices",
    "phantoms.noise_hu",
)
# Settings that belong together: an overlay that names one replaces it, key by key it would mix two.
WHOLE = (
    ("volumes", "in_plane"),
    ("training", "augmentation"),
    ("training", "optimiser"),
    ("training", "schedule"),
    ("training", "loss"),
)
SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
# For our own files, at every start: the safe loader in C, where PyYAML was built with it, takes a
# tenth of the time. A user's file goes through the other one, which shows the line that is wrong.
QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_config(path: Path) -> dict:
    """Read a YAML file that holds a mapping; LiversegError if it cannot be read as one."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise fault(file=path, found=str(error), remedy="correct the YAML") from error
    if not isinstance(content or {}, dict):
        raise fault(
            file=path,
            expected="`key: value` lines",
            found=repr(content),
            remedy="see config/README.md",
        )
    return content or {}


def overlay(config: dict, layers: list[Path]) -> dict:
    """Take each model, and each of WHOLE, that a layer names from the layer alone.

    Snakemake merges mappings key by key. For a section of settings that is what one wants; a
    model's settings belong together, and what is left of another network would be refused.
    """
    laid = {**config, "models": dict(config.get("models") or {})}
    for layer in map(read_config, layers):
        laid["models"].update(layer.get("models") or {})
        for section, key in WHOLE:
            own = layer.get(section)
            if isinstance(own, dict) and key in own:
                laid[section] = {**laid[section], key: own[key]}
    return laid


def check(config: dict) -> dict:
    """Return the config with defaults filled in; LiversegError lists everything that is wrong."""
    config = json.loads(json.dumps(config))  # a copy, and plain types whatever YAML made of them
    problems = [_explain(error) for error in _validator().iter_errors(config)]
    problems = problems or [
        *_label_problems(config),
        *_range_problems(config),
        *_catalogue_problems(config),
        *(_own_training_problems(config) or _training_problems(config)),
    ]
    if problems:
        raise LiversegError("The configuration is not valid:\n  " + "\n  ".join(sorted(problems)))
    return config


def section_problems(section: str, value: Any) -> list[str]:
    """What is wrong with a section (`labels`, `models` …) that came by another way than the config.

    The value stays as it is: no defaults are filled in.
    """
    errors = _validator(f"{section}.schema.yaml").iter_errors(copy.deepcopy(value))
    problems = sorted(_explain(error, section) for error in errors)
    if section == "labels" and not problems:
        problems = LabelMap.from_settings(value).problems()
    return problems or _range_problems({section: value})


def with_repeats(config: dict) -> dict:
    """The config with each model under `train` as often as `repeats` says, each with its own seed.

    `unet` becomes `unet-seed1`, `unet-seed2` …, counted from `training.seed`; an ensemble of
    `unet` takes in all of them. `repeated` says which names are repeats of which.
    """
    if config["repeats"] == 1:
        return {**config, "repeated": {}}
    names = repeats_of(config)
    models = dict(config["models"])
    for name, repeated in names.items():
        own = config["models"][name].get("training", {})
        for number, new in enumerate(repeated):
            seed = own.get("seed", config["training"]["seed"]) + number
            models[new] = {**config["models"][name], "training": {**own, "seed": seed}}
    train = [new for repeated in names.values() for new in repeated]
    ensembles = {
        name: [new for member in members for new in names[member]]
        for name, members in config["ensembles"].items()
    }
    laid = {"models": models, "train": train, "ensembles": ensembles, "repeated": names}
    return {**config, **laid}


def repeats_of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """From each name under `train` to the names of its repeats, in the order of their seeds."""
    names = {}
    for name in config["train"]:
        own = config["models"][name].get("training", {})
        first = own.get("seed", config["training"]["seed"])
        names[name] = [f"{name}-seed{first + number}" for number in range(config["repeats"])]
    return names


def merged(general: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`general` with what `own` says laid over it, mapping by mapping."""
    result = copy.deepcopy(general)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


# Where a job runs and how often it saves: other values compute nothing anew. They reach the job
# as its rule's resources, which Snakemake does not compare.
OPERATION = {"training": ("device", "checkpoint_minutes"), "prediction": ("device",)}


def canonical(config: Mapping[str, Any], *sections: str) -> str:
    """The named sections as one line of JSON: equal settings give equal text, in any order.

    Snakemake compares rule parameters as an unnamed set of texts; one text for all the settings
    of a rule keeps two swapped values from passing unseen. What is OPERATION is left out, also
    of the `training` that a `model` has of its own. Paths of the user are not named: the text gets
    into the model's card, the page and the provenance, and what lies there is known by digest.
    """
    chosen = {name: without_operation(name, config[name]) for name in sections}
    if "training" in chosen.get("model", {}):
        own = without_operation("training", chosen["model"]["training"])
        chosen["model"] = {**chosen["model"], "training": own}
    return json.dumps(_without_paths(chosen), sort_keys=True)


PATHS = ("patients", "released_model", "warm_start", "manifest", "spacing_table")


def _without_paths(content: Any, key: str = "") -> Any:
    """The same without the user's own paths, wherever they stand."""
    if isinstance(content, dict):
        return {name: _without_paths(value, name) for name, value in content.items()}
    named = key in PATHS and isinstance(content, str) and content != "demo"
    return NOT_NAMED if named and is_users_own(content) else content


def without_operation(section: str, content: Any) -> Any:
    """A section of the configuration without what changes no result."""
    left_out = OPERATION.get(section, ())
    if not left_out:
        return content
    return {key: value for key, value in content.items() if key not in left_out}


def _label_problems(config: dict) -> list[str]:
    labels = LabelMap.from_settings(config["labels"])
    ignored = config["inspection"]["ignored_values"]
    return [*labels.problems(), *labels.ignored_problems(ignored)]


def _range_problems(config: dict) -> list[str]:
    """Ranges whose lower end is not below their upper end."""
    problems = []
    for place in RANGES:
        section, key = place.split(".")
        if section not in config:
            continue
        low, high = config[section][key]
        if not (low < high or (low == high and section == "phantoms")):
            problems.append(f"{place}: [{low}, {high}] is no range; write [lower, upper]")
    return problems


def _catalogue_problems(config: dict) -> list[str]:
    """Names under `train` and `ensembles` that mean nothing, or two things."""
    models, train = config["models"], config["train"]
    problems = [
        f"train: no model `{name}` under `models`" + _nearest(name, models)
        for name in train
        if name not in models
    ]
    for name, members in config["ensembles"].items():
        if name in models:
            problems.append(f"ensembles: `{name}` is the name of a model; choose another")
        problems += [
            f"ensembles.{name}: `{member}` is not under `train`" + _nearest(member, train)
            for member in members
            if member not in train
        ]
    return problems


def _own_training_problems(config: dict) -> list[str]:
    """What a model's own `training` holds that `training` could not."""
    problems = []
    for name, model in config["models"].items():
        whole = merged(config["training"], model.get("training", {}))
        problems += [
            f"models.{name}.training: {_explain(error)}"
            for error in _validator("training.schema.yaml").iter_errors(whole)
        ]
    return problems


def _training_problems(config: dict) -> list[str]:
    """What no schema can say of `training`, and of each trained model's own, laid over it."""
    problems = _reversed_ranges("training", config["training"])
    for name in config["train"]:
        if name not in config["models"]:
            continue  # told of elsewhere
        model = config["models"][name]
        own = model.get("training", {})
        whole = merged(config["training"], own)
        slices = config["chunks"]["slices"]
        found = untrainable(
            model,
            whole,
            n_classes=len(config["labels"]) + 1,
            sample=sample_size(whole, config["volumes"], slices),
            chunk_slices=slices,
        )
        problems += [f"models.{name}: {problem}" for problem in found]
        if "augmentation" in own:
            problems += _reversed_ranges(f"models.{name}.training", whole)
    return problems


def _reversed_ranges(place: str, training: dict) -> list[str]:
    """Ranges of augmentation whose lower end is above their upper end; equal ends fix a value."""
    how = training["augmentation"]
    ranges = {"scale": how["scale"]} | {
        f"{name}.range": effect["range"] for name, effect in how.items() if isinstance(effect, dict)
    }
    return [
        f"{place}.augmentation.{name}: [{low}, {high}] is no range; write [lower, upper]"
        for name, (low, high) in ranges.items()
        if low > high
    ]


@functools.cache
def _schemas() -> dict[str, dict]:
    paths = SCHEMAS.glob("*.schema.yaml")
    return {path.name: yaml.load(path.read_bytes(), Loader=QUICK_LOADER) for path in paths}


@functools.cache
def _validator(schema: str = "config.schema.yaml") -> Validator:
    documents = _schemas()
    registry: Registry = Registry().with_resources(
        (name, DRAFT202012.create_resource(document)) for name, document in documents.items()
    )
    base = jsonschema.Draft202012Validator
    filling = extend(base, {"properties": _fill_defaults(base.VALIDATORS["properties"])})
    return filling(documents[schema], registry=registry)


def _fill_defaults(check_properties: Any) -> Any:
    def check_and_fill(
        validator: Validator, properties: dict, instance: Any, schema: dict
    ) -> Iterator[jsonschema.ValidationError]:
        if isinstance(instance, dict):
            for name, description in properties.items():
                if "default" in description:
                    instance.setdefault(name, description["default"])
        yield from check_properties(validator, properties, instance, schema)

    return check_and_fill


def _explain(error: jsonschema.ValidationError, section: str = "") -> str:
    place = ".".join(str(part) for part in (section, *error.absolute_path) if part != "")
    place = place or "config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = dict(error.schema).get("properties", {})  # type: ignore[arg-type]
        unknown = sorted(set(error.instance) - set(known))
        return "; ".join(f"{place}: unknown key `{key}`{_nearest(key, known)}" for key in unknown)
    if error.validator in {"oneOf", "anyOf"} and error.context:
        detail = sorted({_explain(inner, section) for inner in error.context})
        return f"{place}: {error.instance!r} fits none of the choices ({'; '.join(detail)})"
    if (error.validator, error.validator_value) == ("type", "array"):
        return f"{place}: {error.instance!r} is no list; write [{error.instance}]"
    description = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return f"{place}: {error.message}" + (f" ({description})" if description else "")


def _nearest(key: str, known: Any) -> str:
    near = difflib.get_close_matches(str(key), [str(name) for name in known], n=1, cutoff=0.4)
    return (
        f"; did you mean `{near[0]}`?" if near else f"; known: {', '.join(sorted(map(str, known)))}"
    )
