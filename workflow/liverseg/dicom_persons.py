"""Whose DICOM files are, as far as their headers say: what one person's scans have in common.

Of number, name and date of birth only digests are kept, and those that leave are keyed.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pydicom

from workflow.liverseg.pseudonyms import keyed

# What stands in place of a number or a name, without its punctuation.
PLACEHOLDERS = {
    "anonym", "anonymous", "anonymized", "anonymised", "deid", "deidentified", "dummy", "hidden",
    "id", "masked", "na", "nil", "nn", "noid", "noname", "none", "null", "patient", "patientid",
    "patientname", "person", "pseudonymized", "pseudonymised", "redacted", "removed", "test",
    "unbekannt", "undefined", "unidentified", "unknown", "unnamed", "x",
}  # fmt: skip
REPEATED = re.compile(r"0*|([^\W\d])\1+")


@dataclass(frozen=True)
class Identity:
    """Digests of a person's number, and of name with date of birth; empty where none is said."""

    number: str = ""
    birth: str = ""

    def under(self, secret: bytes) -> dict[str, str]:
        """Return what is said, keyed with a secret: nobody can try all numbers."""
        said = {"number": self.number, "birth": self.birth}
        return {kind: keyed(secret, f"{kind} {text}") for kind, text in said.items() if text}


def number_of(header: pydicom.Dataset) -> str:
    """Return the patient's id; empty where it is none, or a word that stands for any person."""
    number = str(header.get("PatientID") or "").strip()
    return "" if is_placeholder(number) else number


def birth_of(header: pydicom.Dataset) -> str:
    """Return name and date of birth together; empty where either is not said."""
    name = str(header.get("PatientName") or "").strip("^ ").casefold()
    born = str(header.get("PatientBirthDate") or "").strip()
    said = born and not is_placeholder(name) and not name.startswith("anon")
    return f"{name} {born}" if said else ""


def is_placeholder(text: str) -> bool:
    """Say whether a text stands for any person, such as ANONYMOUS, 0000 or xxx, or for none."""
    plain = re.sub(r"[\W_]+", "", text.casefold())
    return plain in PLACEHOLDERS or REPEATED.fullmatch(plain) is not None


def identity_of(header: pydicom.Dataset) -> Identity:
    """Return what the header of one file says."""
    return Identity(_digest(number_of(header).casefold()), _digest(birth_of(header)))


def identity_in(identities: Iterable[Identity]) -> Identity:
    """Return what files of one folder say together; nothing where they contradict each other."""
    numbers, births = set(), set()
    for one in identities:
        numbers.add(one.number)
        births.add(one.birth)
    return Identity(_only(numbers), _only(births))


def _only(texts: set[str]) -> str:
    said = texts - {""}
    return said.pop() if len(said) == 1 else ""


def _digest(text: str) -> str:
    content = text.encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()[:16] if text else ""
