"""What a user meets when something goes wrong in a run: a failing patient, a full disk."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.houses import ROOT, House, Run

PLUGINS = Path(__file__).with_name("plugins")


def resume(house: House) -> Run:
    """Go on as `make resume` does: with the options of the run before."""
    call = [sys.executable, "-m", "workflow.liverseg.upkeep", "resume"]
    call += ["--directory", str(house.run)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    return Run(done.returncode, done.stdout + done.stderr)


def break_export_of_c1(house: House) -> str:
    """Let a step fail for one of two patients who have yet to be done; return the sound script."""
    for patient in ("c1", "d1"):
        (house.run / f"results/predictions/tiny/{patient}/mask.seg.nrrd").unlink()
    script = house.sources / "workflow/scripts/export_seg.py"
    sound = script.read_text()
    first = "    label_map = "
    assert first in sound
    fails = '    if "c1" in str(mask):\n        raise ValueError("no such colour")\n'
    script.write_text(sound.replace(first, fails + first))
    return sound


def test_a_failing_patient_stops_nobody_else_and_is_listed(house: House) -> None:
    segments = house.run / "results/predictions/tiny"
    sound = break_export_of_c1(house)
    failed = house.snakemake()
    assert failed.returncode != 0
    assert (segments / "d1/mask.seg.nrrd").is_file()
    closing = failed.text[failed.text.index("1 job(s) failed") :]
    assert "export_seg of tiny/c1\n    log: results/logs/export_seg/tiny/c1.log" in closing
    assert "    | ValueError: no such colour" in closing
    (house.sources / "workflow/scripts/export_seg.py").write_text(sound)
    mended = resume(house)
    assert mended.returncode == 0, mended.text
    assert mended.jobs == {"export_seg tiny c1", "export_seg tiny d1", "record_provenance"}
    assert (segments / "c1/mask.seg.nrrd").is_file()


def test_a_patient_who_fails_in_a_bundle_is_told_from_the_lost_and_resumed_without_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    segments = house.run / "results/predictions/tiny"
    break_export_of_c1(house)
    bundled = ["--groups", "export_seg=shown", "--group-components", "shown=10"]
    executor = ["--executor", "here", "--jobs", "2", "--seconds-between-status-checks", "1"]
    failed = house.snakemake(*executor, *bundled)
    assert failed.returncode != 0
    closing = failed.text[failed.text.index("1 job(s) failed") :]
    assert "export_seg of tiny/c1\n    log: results/logs/export_seg/tiny/c1.log" in closing
    assert "1 job(s) were lost with the bundle" in closing
    assert "\n  export_seg of tiny/d1\n" in closing
    assert not (segments / "d1/mask.seg.nrrd").exists()  # what Snakemake does to a bundle
    again = resume(house)
    assert again.returncode != 0  # nothing is mended
    assert (segments / "d1/mask.seg.nrrd").is_file()
    assert not (segments / "c1/mask.seg.nrrd").exists()


@pytest.fixture
def small_disk(house: House) -> Iterator[Path]:
    """A disk of 64 kB where the volumes are written."""
    volumes = house.run / "results/volumes"
    for path in volumes.iterdir():
        path.unlink()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(volumes)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: it needs root and the right to mount")
    try:
        yield volumes
    finally:
        subprocess.run(["umount", str(volumes)], check=True)


def test_a_full_disk_is_named_and_leaves_nothing_half_written(
    house: House, small_disk: Path
) -> None:
    other = small_disk / "other"
    other.touch()  # Snakemake removes empty folders, which a mounted one does not bear
    run = house.snakemake("--until", "prepare_volume", "--forcerun", "prepare_volume")
    assert run.returncode != 0
    assert "4 job(s) failed" in run.text
    assert "expected: space on the disk to write it" in run.text
    assert list(small_disk.iterdir()) == [other]
