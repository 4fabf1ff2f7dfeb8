"""After a whole run everything is as recorded; what then changes is found."""

import os
import subprocess
import sys

from tests.workflow.houses import ROOT, House
from tests.workflow.test_reruns import replace_ct


def verify(house: House) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "workflow.liverseg.verification"],
        cwd=house.run,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


def test_edits_and_replaced_inputs_are_found_and_an_untouched_run_is_clean(house: House) -> None:
    assert verify(house) == (0, "all as recorded\n")
    mask = house.run / "results/predictions/tiny/c1/mask.nii.gz"
    mask.write_bytes(mask.read_bytes() + b"\0")
    ct = house.run / "data/a2.nii.gz"
    before = ct.stat()
    replace_ct(house, "a2")
    os.utime(ct, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))
    status, said = verify(house)
    assert status == 1
    assert "results/predictions/tiny/c1/mask.nii.gz was changed by hand\n" in said
    assert "patient a2: CT was replaced since the run read it; touch the file" in said
    assert "data/a2" not in said
