"""A run that is killed again and again ends, resumed, in the same bytes."""

import json
import os
import signal
import time

from benchmarks.kills import TARGETS, digests, jobs_of, measure, start
from tests.workflow.houses import House
from workflow.liverseg.snakemake_records import INCOMPLETE, METADATA, records


def test_ten_kills_change_no_output() -> None:
    counts = measure(kills=10, each_run=10, seed=1)
    assert sum(counts[target] for target in TARGETS) == 10
    assert counts["outputs"] > 50
    assert counts["different"] == 0


def test_plain_snakemake_goes_on_after_a_killed_job(house: House) -> None:
    wanted = digests(house)
    lost = house.run / "results/predictions/tiny/c1/mask.seg.nrrd"
    lost.unlink()
    driver = start(house, resume=False)
    while not (jobs := list(jobs_of(driver.pid))):
        assert driver.poll() is None
        time.sleep(0.05)
    os.kill(jobs[0], signal.SIGKILL)
    assert driver.wait() != 0
    assert not lost.exists()
    again = house.snakemake()
    assert again.returncode == 0, again.text
    assert digests(house) == wanted


def test_what_a_dead_driver_did_not_record_is_made_again(house: House) -> None:
    wanted = digests(house)
    predicted = "results/predictions/tiny/c1/"
    for output, record in list(records(house.run / METADATA)):
        if output.startswith((predicted, "results/models/tiny/")):  # both behind the checkpoint
            record.unlink()
            (house.run / INCOMPLETE / record.name).write_text(json.dumps({"external_jobid": None}))
    plain = house.snakemake()
    assert plain.returncode != 0
    assert "that jobs left when an earlier run died" in plain.text
    assert "make resume" in plain.text
    assert start(house, resume=True).wait() == 0
    assert digests(house) == wanted
