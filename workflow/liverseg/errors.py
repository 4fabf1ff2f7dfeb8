"""Errors that a user reads: who, where, what was expected, what was found, and the remedy."""

from pathlib import Path

NOT_NAMED = "(a file of yours)"


def is_users_own(path: str) -> bool:
    """Say whether a rule's input is a file of the user, whose path may hold a person's name."""
    return not path.startswith("results/")


class LiversegError(Exception):
    """A fault in data, settings or machine that the user can mend; its text says how."""


def fault(
    *,
    found: str,
    remedy: str,
    patient: str | None = None,
    file: Path | str | None = None,
    expected: str | None = None,
) -> LiversegError:
    """Build an error whose text names patient, file, expected, found and remedy, one a line.

    Only the name of a file is shown, with its folder: whole paths of a hospital's archive
    often carry more than a log should.
    """
    parts = {
        "patient": patient,
        "file": "/".join(Path(file).parts[-2:]) if file is not None else None,
        "expected": expected,
        "found": found,
        "remedy": remedy,
    }
    return LiversegError("\n".join(f"{name}: {text}" for name, text in parts.items() if text))
