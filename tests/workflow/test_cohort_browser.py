"""The page of the inspection in a real browser: whole at any width, nothing refused or fetched."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tests.scripts.test_summarise_cohort import summarised
from tests.workflow.test_report_browser import CHROMIUM, DRIVER, FLAGS

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not here"),
    pytest.mark.xdist_group("browser"),
]


@pytest.mark.parametrize("width", [1280, 500])
def test_page_fits_the_window_and_shows_pictures_and_charts(tmp_path: Path, width: int):
    summarised(tmp_path)
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        browser.get((tmp_path / "index.html").as_uri())
        # What the content-security policy refuses, a style for one, is told here.
        assert browser.get_log("browser") == []
        root = "document.documentElement"
        assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
        drawn = "return [...document.images].map((one) => one.complete && one.naturalWidth > 0)"
        assert browser.execute_script(drawn) == [True, True]
        charts = browser.find_elements(By.CSS_SELECTOR, "svg.chart")
        assert len(charts) == 6
        assert all(chart.size["width"] < 700 for chart in charts)
        verdicts = [one.text for one in browser.find_elements(By.CLASS_NAME, "verdict")]
        assert verdicts == ["rejected", "warned"]
        (remedy,) = browser.find_elements(By.CSS_SELECTOR, "#rejected td:last-child")
        assert remedy.text == "mend it"
    finally:
        browser.quit()
