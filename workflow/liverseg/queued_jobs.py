"""Jobs that a run handed to Slurm and that are there still, though their driver is gone."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from workflow.liverseg.errors import fault
from workflow.liverseg.snakemake_records import INCOMPLETE

UNASKED = "LIVERSEG_QUEUE_UNASKED"


def queued_jobs(directory: Path) -> list[str]:
    """Slurm's numbers of the jobs that write outputs of `directory` and have not ended.

    A job that waits in the queue holds no lease yet; Snakemake's marker of an unfinished output
    names it. Empty where no job was handed to a scheduler, where there is no `squeue`, or where
    the user says by UNASKED that it is not to be asked.
    """
    if os.environ.get(UNASKED):
        return []
    handed_over = _handed_over(directory / INCOMPLETE)
    if not handed_over or shutil.which("squeue") is None:
        return []
    return sorted(handed_over & _in_the_queue())


def _handed_over(markers: Path) -> set[str]:
    numbers = set()
    for path in markers.rglob("*"):
        try:
            job = json.loads(path.read_text())["external_jobid"]
        except (OSError, ValueError, KeyError, TypeError):  # a folder, or cut short
            continue
        number = str(job).partition("_")[0]  # 12_3 is the third of array 12
        if number.isdigit():  # else another executor's, or none
            numbers.add(number)
    return numbers


def _in_the_queue() -> set[str]:
    own = ["--user", str(os.getuid())] if hasattr(os, "getuid") else []
    call = ["squeue", "--noheader", "--format", "%A %F", *own]  # a job, and its array
    try:
        asked = subprocess.run(call, capture_output=True, text=True, timeout=60)
        failed = asked.stderr.strip() if asked.returncode else ""
    except subprocess.TimeoutExpired:
        failed = "no answer within a minute"
    if failed:
        raise fault(
            expected="an answer of squeue: jobs of the interrupted run may still be in the queue",
            found=failed,
            remedy="start again when Slurm answers; if its jobs are certain to be gone, with "
            f"{UNASKED}=1 in the environment",
        )
    return set(asked.stdout.split())
