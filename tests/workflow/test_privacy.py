"""What hospitals write into headers, names and groups reaches no output, log or page."""

import gzip
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from tests.intake_cases import body, liver, nifti, write

ROOT = Path(__file__).resolve().parents[2]
PATIENTS = 10
FIELDS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
TARGETS = ("inspect", "results/split/split.tsv", "results/cohort/manifest.tsv")


def extension(code: int, text: str) -> bytes:
    content = text.encode().ljust(24, b"\0")
    return np.array([len(content) + 8, code], "<i4").tobytes() + content


def planted(folder: Path) -> tuple[Path, list[str]]:
    """Write a cohort with twenty tokens a patient; returns its table and all tokens."""
    tokens: list[str] = []

    def token() -> str:
        tokens.append(f"TKN{len(tokens):04d}")
        return tokens[-1]

    lines = ["patient,image,label,group"]
    for number in range(PATIENTS):
        place = folder / f"{token()} {token()}"
        paths = []
        for data in (body(seed=number), liver()):
            fields = {name: token().encode() for name in FIELDS}
            front = b"\1\0\0\0" + extension(2, token()) + extension(6, token())
            content = nifti(data, fields=fields, front=front)
            if number == 3:
                content = content[:-500]
            paths.append(write(place / f"{token()}.nii.gz", content))
        lines.append(f"p{number},{paths[0]},{paths[1]},{token()} {token()}")
    table = folder / "patients.csv"
    table.write_text("\n".join(lines) + "\n")
    return table, tokens


def contents(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        return gzip.decompress(raw)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())
    return raw


def test_none_of_200_tokens_is_in_any_result(tmp_path):
    table, tokens = planted(tmp_path / "data")
    run = tmp_path / "run"
    run.mkdir()
    targets = [*TARGETS, "results/volumes/p0.npz"]
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "2"]
    command += ["--directory", run, "--config", f"patients={table}", "--", *targets]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(tokens) == 200
    files = [path for path in (run / "results").rglob("*") if path.is_file()]
    everything = b"".join(str(path).encode() + contents(path) for path in files)
    assert len(files) > 3 * PATIENTS
    assert [token for token in tokens if token.encode() in everything] == []
    assert b"private_text" in everything
