"""Who the demo patients are; cheap to import, since every job of the workflow asks."""

from typing import Any


def phantom_names(settings: dict[str, Any]) -> list[tuple[str, bool]]:
    """List the demo patients as (patient, has a label), the labelled ones first.

    `settings` is the `phantoms` section of the config. Nothing is made or read.
    """
    labelled, unlabelled = int(settings["labelled"]), int(settings["unlabelled"])
    return [
        (f"phantom-{number:02d}", number <= labelled)
        for number in range(1, labelled + unlabelled + 1)
    ]


def phantom_number(patient: str) -> int:
    """Return the number of a demo patient: 7 for `phantom-07`.

    Raises ValueError for a name that is not one of a demo patient.
    """
    prefix, _, digits = patient.partition("-")
    if prefix != "phantom" or not digits.isdigit():
        raise ValueError(f"{patient!r} is not the name of a phantom (phantom-01, phantom-02 …)")
    return int(digits)


def is_damaged(patient: str, settings: dict[str, Any]) -> bool:
    """Tell whether the CT of this demo patient is cut short on purpose."""
    return phantom_number(patient) in settings["damaged"]
