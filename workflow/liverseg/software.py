"""Versions of the software that decides about results: what is installed, and what was."""

import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from workflow.liverseg.files import read_json

DISTRIBUTIONS = (
    "snakemake",
    "torch",
    "monai",
    "numpy",
    "nibabel",
    "pandas",
    "safetensors",
    "vedo",
    "vtk",
)


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the distributions that matter, where they are installed."""
    found = {"python": sys.version.split()[0]}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # a conda environment of one rule holds only what that rule needs
    return found


def locked_versions(lock: Path) -> dict[str, str]:
    """Versions of these distributions in a pip lock; not those that depend on the machine."""
    pinned: dict[str, set[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition(";")[0].strip().partition("==")
        pinned.setdefault(name, set()).add(version)
    return {name: min(pinned[name]) for name in DISTRIBUTIONS if len(pinned.get(name, ())) == 1}


def versions_note(cards: Iterable[Path], last_run: Path, present: Mapping[str, str]) -> str | None:
    """One line on what was made with other versions than those at hand; None where nothing was.

    cards: model.json of models, there or not. last_run: the versions that a run has recorded.
    present: the versions that jobs run with. Builds for another device are the same version.
    """
    told = []
    for card in filter(Path.is_file, cards):
        model = "/".join(card.parent.parts[2:])
        told += _differences(f"model {model}", _recorded(card, "versions"), present)
    if last_run.is_file():
        told += _differences("the last run", _recorded(last_run), present)
    if not told:
        return None
    return (
        f"Versions of software have changed: {'; '.join(told)}. Nothing is made again for that: "
        "what is there stays, what is made from now on is made with the present ones."
    )


def _recorded(path: Path, key: str | None = None) -> Mapping[str, str]:
    """The versions in a file; none where it is damaged, which whoever needs the file will say."""
    try:
        content = read_json(path)
        versions = content if key is None else content[key]
        return {str(name): str(version) for name, version in versions.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _differences(what: str, recorded: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    changed = [
        f"{name} {version} → {present[name]}"
        for name, version in sorted(recorded.items())
        if name in present and _public(present[name]) != _public(version)
    ]
    return [f"{what} was made with others ({', '.join(changed)})"] if changed else []


def _public(version: str) -> str:
    return version.partition("+")[0]
