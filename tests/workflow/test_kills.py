"""A run that is killed again and again ends, resumed, in the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

from benchmarks.kills import TARGETS, digests, jobs_of, measure, start
from tests.workflow.houses import House
from workflow.liverseg.ended_trainings import ENDED, RESUME
from workflow.liverseg.snakemake_records import INCOMPLETE, METADATA, records
from workflow.liverseg.upkeep import unrecorded_outputs


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
    for output, record in list(records(house.run / METADATA)):
        if output.startswith("results/predictions/tiny/c1/"):  # behind the checkpoint
            record.unlink()
            (house.run / INCOMPLETE / record.name).write_text(json.dumps({"external_jobid": None}))
    told = "5 output(s) that jobs left when an earlier run died"
    nothing = house.snakemake()
    assert told in nothing.text
    assert "make resume" in nothing.text
    (house.run / "results/report/index.html").unlink()
    refused = house.snakemake()
    assert refused.returncode != 0
    assert told in refused.text
    assert not (house.run / "results/report/index.html").exists()
    assert start(house, resume=True).wait() == 0
    assert digests(house) == wanted


def test_ctrl_c_and_a_driver_that_dies_as_a_training_ends(house: House) -> None:
    wanted = digests(house)
    model, states = house.run / "results/models/tiny", house.run / RESUME
    shutil.rmtree(model)
    driver = start(house, resume=False)
    wait_for(lambda: any(model.glob("events*")), driver)  # an epoch is over
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait() != 0
    assert unrecorded_outputs(house.run) == []
    driver = start(house, resume=False)  # the same command goes on
    wait_for(lambda: any(states.glob(f"*/{ENDED}")), driver)
    driver.kill()
    driver.wait()
    assert (model / "model.safetensors") in unrecorded_outputs(house.run)
    assert start(house, resume=True).wait() == 0
    log = (house.run / "results/logs/train_model/tiny.log").read_text()
    assert "goes on from step" in log
    assert "epoch" not in log
    assert digests(house) == wanted
    assert not any(states.iterdir())


def wait_for(condition: Callable[[], bool], driver: subprocess.Popen) -> None:
    while not condition():
        assert driver.poll() is None
        time.sleep(0.002)
