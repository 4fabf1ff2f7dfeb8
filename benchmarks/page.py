"""The report's page at many patients: its size on disk, and when a browser can be worked with.

    python benchmarks/page.py                # 200 patients, CTs of 512×512×300
    python benchmarks/page.py --patients 50 --slices 100

Records are those of the tests' tree; every patient has the data files of one CT as hard to shrink
as can be: noise all over the body, a surface at the limit of triangles, pictures of noise. Needs
Chromium and chromedriver. What the page has to keep to: 5 MB + 1 MB a patient, usable within 2 s.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image as Picture
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from tests.report_tree import SETTINGS, VIEWER, ellipsoid, write_ball, write_records
from tests.workflow.test_report_browser import CHROMIUM, DRIVER, FLAGS
from workflow.liverseg.files import write_json
from workflow.liverseg.images import Image
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.report_cases import encode_case
from workflow.liverseg.report_inputs import Sources
from workflow.liverseg.report_payload import write_payload
from workflow.liverseg.report_scans import encode_scan
from workflow.scripts import build_report

MEGABYTE = 1e6
PRESENT = "return document.getElementById('count').textContent"
TIMES = """
const [entry] = performance.getEntriesByType("navigation");
return [entry.domInteractive, entry.loadEventEnd];
"""
SORT = """
const start = performance.now();
document.querySelectorAll("#table thead button")[7].click();
document.body.offsetHeight;
return performance.now() - start;
"""


def main() -> None:
    """Make the page, and print what it weighs and how soon it answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        page = make_page(Path(work), options.patients, options.slices)
        report = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
        bound = 5 + options.patients
        print(f"{options.patients} patients, CTs of 512×512×{options.slices}")
        print(f"page {page.stat().st_size / MEGABYTE:.1f} MB, with all data files "
              f"{report / MEGABYTE:.1f} MB (bound {bound} MB)")  # fmt: skip
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for _ in range(options.repeat):
            usable, loaded, sorted_in = opened(page, options.patients, Path(work) / "profile")
            print(f"table usable after {usable:.2f} s, first patient loaded after {loaded:.2f} s, "
                  f"sorted in {sorted_in:.3f} s")  # fmt: skip


def make_page(root: Path, patients: int, slices: int) -> Path:
    """The page of so many predicted patients, each with full data files."""
    # Of eight patients of the tree four are predicted.
    sources = write_records(root, patients=2 * patients)
    for path in sources.meshes:
        write_json(path, with_features(json.loads(path.read_text())))
    page = root / "results/report/index.html"
    build_report.main(
        page=page, settings=SETTINGS, **vars(sources) | {"benchmarks": str(sources.benchmarks)}
    )
    write_data(page.parent, sources, slices)
    return page


def with_features(record: dict[str, Any]) -> dict[str, Any]:
    """The tree's mesh record with the measurements that a card shows, a histogram among them."""
    counts = np.random.default_rng(0).integers(1, 9000, 60).tolist()
    histogram = {"first_hu": -200.0, "bin_hu": 10.0, "counts": counts}
    intensity = {"mean": 110.0, "standard_deviation": 22.0, "histogram": histogram}
    record["regions"]["liver"]["features"] = {"intensity_hu": intensity}
    return record


def write_data(report: Path, sources: Sources, slices: int) -> None:
    """The data files of one hard CT under the name of every predicted patient."""
    random = np.random.default_rng(0)
    shape = (512, 512, slices)
    body = ellipsoid(shape, (240, 190, 2 * slices))
    hu = np.where(body, random.normal(60, 120, shape), -1000).astype(np.float32)
    mask = ellipsoid(shape, (120, 90, slices / 3)).astype(np.uint8)
    affine = np.diag([-0.75, -0.75, 1.5, 1.0])
    scan, grid = encode_scan(hu, affine, VIEWER)
    write_ball(report / "liver.stl", (90.0, 68.0, 150.0), meridians=100)
    pictures = [report / f"{name}.png" for name in ("overlay", "projection", "surface")]
    for path in pictures:
        Picture.fromarray(random.integers(0, 255, (900, 1200, 3), dtype=np.uint8)).save(path)
    case = encode_case(
        Image(mask, affine),
        mask,
        grid=grid,
        labels=LabelMap.from_settings(SETTINGS["labels"]),
        surfaces=[report / "liver.stl"],
        pictures=pictures,
        settings=VIEWER,
    )
    for path in (report / "liver.stl", *pictures):
        path.unlink()
    for path in sources.predictions:
        model, patient = path.parts[-3:-1]
        write_payload(report / f"scans/{patient}.js", f"scans/{patient}", scan)
        name = f"cases/{model}/{patient}"
        write_payload(report / f"{name}.js", name, case)


def opened(page: Path, patients: int, profile: Path) -> tuple[float, float, float]:
    """Seconds from the start to a table that answers and to the first patient, and of a sort."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        browser.get(page.as_uri())
        wanted = f"{patients} of {patients} shown"
        WebDriverWait(browser, 60).until(lambda here: here.execute_script(PRESENT) == wanted)
        # The script stands at the page's end: what is parsed is wired up.
        usable, loaded = browser.execute_script(TIMES)
        return usable / 1000, loaded / 1000, browser.execute_script(SORT) / 1000
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
