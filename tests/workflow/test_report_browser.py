"""The page in a real browser, from disk: nothing asked of a network, viewers that show and move."""

import base64
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.report_tree import write_comparing_page, write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=1300,1000",
)
SLICES, SURFACE = (f"[data-viewer={name}] canvas" for name in ("slices", "surface"))

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not here"),
    # One browser for all: the tests share it, so one process has to run them.
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("run with spaces & é"), patients=16)


@pytest.fixture
def opened(browser: WebDriver, page: Path) -> WebDriver:
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page.as_uri())
    wait(browser, SLICES)
    wait(browser, SURFACE)
    return browser


@pytest.fixture(scope="module")
def compared(browser: WebDriver, tmp_path_factory: pytest.TempPathFactory) -> WebDriver:
    """The page of two models, opened."""
    browser.get(write_comparing_page(tmp_path_factory.mktemp("two models")).as_uri())
    wait(browser, SLICES)
    browser.get_log("browser")
    return browser


def wait(browser: WebDriver, selector: str) -> WebElement:
    """The first element that a selector finds, once it is there."""
    return WebDriverWait(browser, 30).until(
        lambda here: next(iter(here.find_elements(By.CSS_SELECTOR, selector)), None)
    )


def pixels(element: WebElement) -> np.ndarray:
    """What an element looks like on the screen, RGB (rows, columns, 3)."""
    element.parent.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return np.array(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))


def column(browser: WebDriver, index: int) -> list[str]:
    """Texts of one column of the patients that the table shows."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#table tbody tr:not([hidden])')]"
        f".map((row) => row.cells[{index}].textContent.trim())"
    )


def sort_by(browser: WebDriver, name: str) -> int:
    """Click a column's heading; returns the column's number."""
    headings = browser.find_elements(By.CSS_SELECTOR, "#table thead th")
    names = [heading.get_attribute("textContent").strip() for heading in headings]
    headings[names.index(name)].find_element(By.TAG_NAME, "button").click()
    return names.index(name)


def addresses(browser: WebDriver) -> list[str]:
    """Addresses of all requests since the log was last read."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def complaints(browser: WebDriver) -> list[dict[str, Any]]:
    """What the browser's console says."""
    return list(browser.get_log("browser"))


def test_it_opens_without_complaint(opened: WebDriver) -> None:
    assert complaints(opened) == []


def test_it_asks_the_disk_only(opened: WebDriver) -> None:
    found = addresses(opened)
    assert any(address.endswith(".js") for address in found)
    assert [address for address in found if not address.startswith(("file:", "data:"))] == []


def test_only_the_opened_patient_is_loaded(opened: WebDriver) -> None:
    scans = [address for address in addresses(opened) if "/scans/" in address]
    assert len(scans) == 1


def test_the_slice_shows_a_body_and_an_outline(opened: WebDriver) -> None:
    seen = pixels(wait(opened, SLICES)).astype(int)
    assert (seen.max(axis=2) > 60).mean() > 0.2
    orange = (seen[..., 0] > 180) & (seen[..., 2] < 90)
    assert orange.sum() > 100


def test_the_right_of_the_patient_is_on_the_left(
    browser: WebDriver, tmp_path: Path, page: Path
) -> None:
    """A bright block that lies to the patient's right, in front and above, is seen there."""
    from tests.report_tree import write_scan
    from workflow.liverseg.images import read_image, write_image
    from workflow.liverseg.report_payload import read_payload, write_payload
    from workflow.liverseg.report_scans import encode_scan

    ct = read_image(write_scan(tmp_path, "x")[0])
    data = np.full(ct.data.shape, -1000.0, np.float32)
    data[2:-2, 2:-2] = -190.0
    data[6:16, 6:14, 14:22] = 300.0  # the array runs to L, P and S
    write_image(tmp_path / "ct.nii.gz", data, ct.affine)
    scan = page.parent / "scans" / "p05.js"
    kept = scan.read_bytes()
    content, _ = encode_scan(data, ct.affine, _viewer())
    assert content["shape"] == read_payload(scan)["shape"]
    write_payload(scan, "scans/p05", content)
    try:
        browser.get("about:blank")
        browser.get(page.as_uri())
        canvas = wait(browser, SLICES)
        for _ in range(6):
            canvas.send_keys(Keys.ARROW_UP)
        seen = pixels(canvas).astype(int).min(axis=2)
        rows, columns = np.nonzero(seen > 230)
        assert columns.mean() < seen.shape[1] / 2
        assert rows.mean() < seen.shape[0] / 2
    finally:
        scan.write_bytes(kept)


def _viewer() -> dict[str, Any]:
    from tests.report_tree import VIEWER

    return VIEWER


@pytest.mark.parametrize("way", ["key", "wheel", "slider", "drag"])
def test_the_slice_scrolls(opened: WebDriver, way: str) -> None:
    canvas = wait(opened, SLICES)
    before, index = pixels(canvas), int(canvas.get_attribute("data-slice"))
    if way == "key":
        canvas.send_keys(Keys.PAGE_UP)
    elif way == "wheel":
        opened.execute_script(
            "for (let n = 0; n < 4; n++) arguments[0].dispatchEvent("
            "new WheelEvent('wheel', {deltaY: -100, cancelable: true}))",
            canvas,
        )
    elif way == "slider":
        opened.find_element(By.CSS_SELECTOR, ".scrub input").send_keys(Keys.HOME)
    else:
        ActionChains(opened).click_and_hold(canvas).move_by_offset(40, 0).release().perform()
    assert int(canvas.get_attribute("data-slice")) != index
    assert (pixels(canvas) != before).mean() > 0.01


def test_the_other_planes_show_the_body_too(opened: WebDriver) -> None:
    for button in opened.find_elements(By.CSS_SELECTOR, "[data-viewer=slices] [aria-pressed]"):
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert (pixels(wait(opened, SLICES)).max(axis=2) > 60).mean() > 0.2


def test_the_mask_can_be_hidden(opened: WebDriver) -> None:
    canvas = wait(opened, SLICES)
    before = pixels(canvas)
    opened.find_element(By.CSS_SELECTOR, "[data-viewer=slices] .marks input").click()
    assert (pixels(canvas) != before).any(axis=2).sum() > 100


@pytest.mark.parametrize("way", ["drag", "key"])
def test_the_surface_turns(opened: WebDriver, way: str) -> None:
    canvas = wait(opened, SURFACE)
    before, view = pixels(canvas), canvas.get_attribute("data-view")
    assert (before.max(axis=2) > 60).mean() > 0.1
    if way == "drag":
        ActionChains(opened).click_and_hold(canvas).move_by_offset(60, 30).release().perform()
    else:
        canvas.send_keys(Keys.ARROW_LEFT * 4)
    assert canvas.get_attribute("data-view") != view
    assert (pixels(canvas) != before).mean() > 0.05


def test_distances_colour_the_surface_of_a_patient_with_reference(opened: WebDriver) -> None:
    canvas = wait(opened, SURFACE)
    seen = pixels(canvas).astype(int)
    assert ((seen[..., 0] - seen[..., 2]) > 60).mean() > 0.02  # orange: outside of the reference
    opened.find_element(By.CSS_SELECTOR, "[data-viewer=surface] .marks input").click()
    assert (pixels(canvas) != seen).mean() > 0.02


def test_a_patient_without_reference_has_a_plain_surface(opened: WebDriver) -> None:
    Select(opened.find_element(By.ID, "by-split")).select_by_visible_text("predict")
    opened.find_element(By.CSS_SELECTOR, "#table tbody tr:not([hidden]) button").click()
    words = wait(opened, "#card[data-case='unet/p08'] [data-viewer=surface] .marks span").text
    assert "No reference" in words


@pytest.mark.parametrize("name", ["Dice", "Volume, ml", "Patient", "HD95, mm"])
def test_the_table_sorts(opened: WebDriver, name: str) -> None:
    index = sort_by(opened, name)
    up = [text for text in column(opened, index) if text != "–"]
    sort_by(opened, name)
    down = [text for text in column(opened, index) if text != "–"]
    key = str if name == "Patient" else float
    assert up == sorted(up, key=key)
    assert down == sorted(up, key=key, reverse=True)
    assert len(set(up)) > 1


def test_what_was_not_measured_stays_last(opened: WebDriver) -> None:
    index = sort_by(opened, "Dice")
    assert column(opened, index)[-1] == "–"
    sort_by(opened, "Dice")
    assert column(opened, index)[-1] == "–"


def test_the_table_filters(opened: WebDriver) -> None:
    opened.find_element(By.ID, "find").send_keys("p05")
    assert column(opened, 0) == ["p05"]
    opened.find_element(By.ID, "find").send_keys(Keys.BACKSPACE * 3)
    Select(opened.find_element(By.ID, "by-light")).select_by_value("red")
    assert set(column(opened, 3)) == {"do not trust"}


def test_a_dot_of_a_chart_opens_the_patient(opened: WebDriver) -> None:
    dot = opened.find_elements(By.CSS_SELECTOR, "#scores circle[data-case]")[-1]
    wanted = dot.get_attribute("data-case")
    ActionChains(opened).scroll_to_element(dot).move_to_element(dot).perform()
    tip = opened.find_element(By.ID, "tip")
    assert tip.is_displayed()
    assert wanted.split("/")[1] in tip.text
    dot.click()
    assert opened.find_element(By.ID, "card").get_attribute("data-case") == wanted


def test_a_row_opens_by_keyboard(opened: WebDriver) -> None:
    opened.find_elements(By.CSS_SELECTOR, "#table tbody button")[1].send_keys(Keys.ENTER)
    wait(opened, "#card[data-case='unet/p06'] canvas")


def test_an_injected_script_does_not_run(opened: WebDriver) -> None:
    opened.execute_script(
        "const s = document.createElement('div');"
        "s.innerHTML = '<img src=x onerror=\"window.hit = 1\">'; document.body.append(s);"
    )
    assert opened.execute_script("return window.hit") is None
    assert complaints(opened) != []


def test_a_phone_needs_no_sideways_scrolling(browser: WebDriver, page: Path) -> None:
    size = {"width": 380, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(page.as_uri())
        wait(browser, SLICES)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 380
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_shows_every_row_and_nothing_to_click(opened: WebDriver) -> None:
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for clickable in ("nav", "#filters", ".steps", ".controls", ".scrub input"):
            found = opened.find_elements(By.CSS_SELECTOR, clickable)
            assert found and not any(element.is_displayed() for element in found), clickable
        hidden = opened.execute_script(
            "const box = document.querySelector('.tall').getBoundingClientRect();"
            "return [...document.querySelectorAll('#table tbody tr')]"
            ".filter((row) => row.getBoundingClientRect().bottom > box.bottom + 1).length"
        )
        assert hidden == 0
        assert (pixels(wait(opened, SLICES)).max(axis=2) > 60).mean() > 0.1
        assert (pixels(wait(opened, SURFACE)).max(axis=2) > 60).mean() > 0.1
        paper = opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
        assert base64.b64decode(paper["data"]).startswith(b"%PDF")
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_missing_data_file_is_named(browser: WebDriver, page: Path) -> None:
    scan = page.parent / "scans" / "p05.js"
    hidden = scan.rename(scan.with_suffix(".away"))
    try:
        browser.get("about:blank")
        browser.get(page.as_uri())
        assert (
            "scans/p05.js is not beside this page" in wait(browser, "[data-viewer=slices] p").text
        )
    finally:
        hidden.rename(scan)


def test_the_leakage_check_stands_on_the_page(opened: WebDriver) -> None:
    rows = opened.find_elements(By.CSS_SELECTOR, "#leakage tr")
    found = dict(row.text.rsplit(" ", 1) for row in rows)
    assert found == {
        "Scans in train, validation and test": "14",
        "Persons whose they are": "13",
        "Persons with several scans, kept together": "1",
        "Scans refused as the double of another": "1",
        "Persons in two splits": "0",
    }
    light = opened.find_element(By.CSS_SELECTOR, "#cohort .light")
    assert "green" in light.get_attribute("class")


def test_the_page_of_the_inspection_is_a_click_away(opened: WebDriver) -> None:
    link = opened.find_element(By.CSS_SELECTOR, "#cohort a[href$='cohort/index.html']")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    WebDriverWait(opened, 30).until(lambda here: "report/" not in here.current_url)
    assert opened.title == "Inspection of the cohort"


def test_one_model_is_compared_with_none(opened: WebDriver) -> None:
    assert opened.find_elements(By.ID, "comparison") == []


def test_two_models_are_compared_in_a_table_and_in_charts(compared: WebDriver) -> None:
    found = [
        [cell.get_attribute("textContent") for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        for row in compared.find_elements(By.CSS_SELECTOR, "#comparison tbody tr")
    ]
    assert [row[2] for row in found] == [
        "Dice", "Surface Dice (NSD)", "HD95, mm", "Volume error, absolute, %"
    ]  # fmt: skip
    assert {row[0] for row in found} == {"plain − unet"}
    dice, distance = found[0], found[2]
    # The two patients with an empty mask have a Dice, but no distance.
    assert int(dice[3]) == int(distance[3]) + 2
    assert dice[4].startswith("−0.0") and distance[4][0] != "−"
    assert float(dice[6]) < 0.05
    assert dice[7] == distance[7] == "unet is better"
    assert [row[7] for row in found][3] == "no difference shown"
    chart = compared.find_element(By.CSS_SELECTOR, "#scores svg[aria-label='Dice, liver']")
    line = chart.find_element(By.CSS_SELECTOR, "polyline").get_attribute("points")
    ends = [float(point.split(",")[0]) for point in line.split()]
    dot = float(chart.find_element(By.TAG_NAME, "circle").get_attribute("cx"))
    zero = float(chart.find_element(By.CSS_SELECTOR, "line.limit").get_attribute("x1"))
    assert ends[0] < dot < ends[1] < zero


def test_what_no_empty_mask_has_is_told_in_words(compared: WebDriver) -> None:
    cells = {
        name: compared.find_elements(By.CSS_SELECTOR, f"[data-case='unet/{name}'] td.number")
        for name in ("p05", "p06", "p07", "p08")
    }
    dice, distance = 3, 5
    text = {name: [cell.text for cell in row] for name, row in cells.items()}
    assert (text["p05"][dice], text["p05"][distance]) == ("1.000", "undefined")
    assert (text["p06"][dice], text["p06"][distance]) == ("0.000", "undefined")
    assert "undefined" not in text["p07"]
    assert text["p08"][dice] == "–"  # no reference at all
    assert "nothing is in the reference" in cells["p05"][distance].get_attribute("title")
    compared.execute_script("document.querySelector(\"[data-case='unet/p05'] .open\").click()")
    card = wait(compared, "#card[data-case='unet/p05'] .empty")
    assert "nothing was predicted and nothing is in the reference" in card.text
    body = compared.find_element(By.TAG_NAME, "body").get_attribute("textContent").lower()
    assert not re.search(r"\b(nan|null)\b", body.split("settings")[0])
    assert "2 left out" in compared.find_element(By.ID, "scores").text
    assert complaints(compared) == []
