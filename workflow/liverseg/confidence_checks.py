"""One thing that is looked at in a prediction, and the light that its limits give it."""

from dataclasses import dataclass
from typing import Any

LIGHTS = ("green", "yellow", "red")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was measured, as a number and in words, and its light."""

    name: str
    value: float
    light: str
    reason: str


def between(name: str, value: float, limits: dict[str, Any], text: str) -> Check:
    """Green within the yellow range, yellow within the red one; `limits` are those of the name."""
    inside = {light: low <= value <= high for light, (low, high) in limits.items()}
    return _check(name, value, not inside["yellow"], not inside["red"], text)


def below(name: str, value: float, limits: dict[str, Any], text: str) -> Check:
    """Green up to the yellow limit, yellow up to the red one."""
    return _check(name, value, value > limits["yellow"], value > limits["red"], text)


def above(name: str, value: float, limits: dict[str, Any], text: str) -> Check:
    """Green down to the yellow limit, yellow down to the red one."""
    return _check(name, value, value < limits["yellow"], value < limits["red"], text)


def _check(name: str, value: float, yellow: bool, red: bool, text: str) -> Check:
    light = "red" if red else "yellow" if yellow else "green"
    return Check(name, round(value, 6), light, text.format(value))
