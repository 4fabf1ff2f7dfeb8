"""Names for persons and files that say nothing, and cannot be found out by trying all numbers.

A digest of a hospital's number alone is undone in seconds; one that is keyed with a random secret
is not. The secret stays beside the results: keep it to get the same names again, and give it to
nobody.
"""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import time
from pathlib import Path

from workflow.liverseg.errors import fault

SECRET = ".liverseg-secret"
LENGTH = 32
PATIENCE = 40  # looks at a secret that is still empty
SEPARATORS = re.compile(r"[^A-Za-z0-9]+")
CAPITALS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
YEAR, MONTH, DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
GAP = r"[-_.]?"
DATE = re.compile(
    rf"(?<!\d)(?:{YEAR}{GAP}{MONTH}{GAP}{DAY}|{DAY}{GAP}{MONTH}{GAP}{YEAR}"
    rf"|{MONTH}{GAP}{DAY}{GAP}{YEAR})(?!\d)"
)
# ASSUME two words that are none of these, nor a code of two letters, may be a person's name.
WORDS = """
abdomen abdominal amos arterial art axial baseline btcv case chaos chest contrast coronal cptac ct
delayed dicom early file flare follow followup fu healthy hepatic hcc idri image images img imgs
ircadb kidney kits late lesion lidc lits liver low lung lymph mask medical msd native nii nlst node
nodes non organ organs pancreas part pat patient patients pelvis phantom phase portal post pre pv
rec recon roi sample sagittal scan scans seg series set site slab sliver spleen study sub subject
tcga tcia test testing thorax totalsegmentator tr train training ts tumor tumour up val validation
vein venous vessel visit vol volume volumes whole word
"""
COMMON = frozenset(WORDS.split())


def keyed(secret: bytes, text: str) -> str:
    """Return ten hex digits that only the secret leads from `text` to."""
    content = text.encode("utf-8", "surrogateescape")
    return hmac.new(secret, content, hashlib.sha256).hexdigest()[:10]


def secret_at(path: Path) -> bytes:
    """Read the secret, or draw one; several that start at once agree on it.

    LiversegError where what stands there is no secret.
    """
    if not path.exists():
        drawn = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
        _write_new(drawn, secrets.token_bytes(LENGTH))
        try:
            _take_place(drawn, path)
        finally:
            drawn.unlink()
    # Without hard links another job may stand between making the file and filling it.
    for _ in range(PATIENCE):
        secret = path.read_bytes()
        if len(secret) == LENGTH:
            return secret
        if secret:
            break
        time.sleep(0.05)
    raise fault(
        file=path,
        found=f"{len(secret)} bytes",
        expected=f"the secret that names are keyed with, {LENGTH} bytes",
        remedy="restore it from a copy; if there is none, remove it: ids will then be others",
    )


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet, for the user alone, down to the disk."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(number)


def _take_place(drawn: Path, path: Path) -> None:
    """Put the secret at its place, unless another job's stands there by now."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(drawn, path)
        except FileExistsError:
            raise
        except OSError:  # exFAT and many shares have no hard links
            _write_new(path, drawn.read_bytes())


def may_name(name: str) -> bool:
    """Say whether a file's name may hold a person's: a date of birth, or a pair of words.

    Codes such as `UKE-004_ct`, `s0864` or `TCGA-DD-A1EG`, and names that public datasets give, do
    not. A single surname cannot be told from a code, and passes.
    """
    if DATE.search(name):
        return True
    tokens = [token.strip("0123456789") for token in SEPARATORS.split(name)]
    tokens = [token for token in tokens if token.isalpha() and token.lower() not in COMMON]
    words = [word for token in tokens for word in CAPITALS.findall(token)]
    unknown = [word for word in words if len(word) > 1 and word.lower() not in COMMON]
    return len(unknown) > 1 and any(len(word) > 2 for word in unknown)
