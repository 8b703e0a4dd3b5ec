"""The page in a real browser: Debian's Chromium, headless, driven by Selenium, which downloads nothing.

Left out where Chromium or its driver is not installed (`apt-get install chromium chromium-driver`), unless
REPRO_BROWSER is `required`, as in .ci/run.
"""

import json
import os
import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.page.conftest import Made

# One browser for all of them.
pytestmark = pytest.mark.xdist_group("browser")

WIDE, NARROW = (1400, 900), (400, 800)
OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
SHOWN = "return [...document.querySelectorAll('table.claims tbody tr')].filter(row => row.getClientRects().length)"
# Texts whose contrast with what lies behind them is below WCAG AA's 4.5, as they are drawn.
PALE = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const luminance = (colour) => {
  const [red, green, blue] = parts(colour).slice(0, 3).map((part) => part / 255)
    .map((share) => share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (parts(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
const pale = [];
let checked = 0;
for (const element of document.querySelectorAll("body *")) {
  if (element.closest("svg") || !element.getClientRects().length) continue;
  if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
  const [one, other] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((a, b) => b - a);
  checked += 1;
  if ((one + 0.05) / (other + 0.05) < 4.5) pale.push(element.outerHTML.slice(0, 200));
}
return [checked, pale];
"""


class Browser:
    """A browser with one page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def emulate(self, what: str, **parameters: object) -> None:
        self.driver.execute_cdp_cmd(f"Emulation.{what}", parameters)

    def show(self, made: Made, size: tuple[int, int] = WIDE, scripts: bool = True, scheme: str = "light") -> None:
        """Open the page anew, in a window of this size; what was logged before is forgotten."""
        self.emulate("setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.emulate("setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
        self.emulate("setScriptExecutionDisabled", value=not scripts)
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(made.file.as_uri())

    def ask(self, script: str, *arguments: object) -> object:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, name: str, value: str) -> None:
        self.all(f'button[data-filter="{name}"][data-value="{value}"]')[0].click()

    def shown(self) -> list[tuple[str, str]]:
        """Kind and verdict of each claim that is shown in the table."""
        rows = self.ask(f"{SHOWN}.map(row => [row.dataset.kind, row.dataset.verdict])")
        return [tuple(row) for row in rows]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver_program):
        words = "Chromium or its driver is not installed"
        if os.getenv("REPRO_BROWSER") == "required":
            pytest.fail(words)
        pytest.skip(words)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses to run as root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    driver.set_page_load_timeout(60)
    yield Browser(driver)
    driver.quit()


@pytest.mark.parametrize("which", ["shipped", "own"])
def test_nothing_is_requested_and_nothing_complained_of(which: str, browser: Browser, request: pytest.FixtureRequest):
    made: Made = request.getfixturevalue(which)
    browser.show(made)
    browser.ask(OPEN_ALL)
    browser.press("kind", "paper")
    assert browser.driver.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {address for address in asked if not address.startswith("data:")} == {made.file.as_uri()}


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_figure_is_drawn_within_the_window(size: tuple[int, int], shipped: Made, browser: Browser):
    browser.show(shipped, size)
    script = (
        "return [...document.querySelectorAll('article')].map(article => { const box = "
        "article.querySelector('svg').getBoundingClientRect(), drawn = article.querySelector('svg > g')"
        ".getBoundingClientRect(); return [box.left, box.right, box.width, box.height, drawn.width / box.width]; })"
    )
    boxes = browser.ask(script)
    assert len(boxes) == len(set(shipped.frames["scorecard"]["item"]))
    for left, right, width, height, share in boxes:
        assert 0 <= left < right <= size[0]
        assert width >= min(0.85 * size[0], 800)
        assert height >= 0.2 * width
        assert share > 0.9


@pytest.mark.parametrize("size", [WIDE, (700, 900), NARROW, (320, 700)])
def test_nothing_overflows(size: tuple[int, int], shipped: Made, browser: Browser):
    browser.show(shipped, size)
    browser.ask(OPEN_ALL)
    assert browser.ask("return document.documentElement.scrollWidth") <= size[0]
    # What is wider than the window can be scrolled, by keyboard too.
    wider = browser.ask(
        "return [...document.querySelectorAll('body *')].filter(each => !each.closest('svg, nav, .unseen') && "
        f"each.getClientRects().length && each.getBoundingClientRect().right > {size[0]} + 1 && "
        "!each.closest('.scroll[tabindex=\"0\"]')).map(each => each.outerHTML.slice(0, 200))"
    )
    assert wider == []


def test_filters_show_what_was_asked_for(shipped: Made, browser: Browser):
    browser.show(shipped)
    cards = shipped.frames["scorecard"]
    everything = list(zip(cards["kind"], cards["verdict"], strict=True))
    told = browser.all("[data-shown]")[0]
    assert sorted(browser.shown()) == sorted(everything)
    browser.press("kind", "theory")
    assert browser.shown() == [each for each in browser.shown() if each[0] == "theory"]
    assert len(browser.shown()) == (cards["kind"] == "theory").sum() > 0
    browser.press("verdict", "not reproduced")
    browser.press("kind", "own")
    wanted = [each for each in everything if each[0] in ("theory", "own") and each[1] == "not reproduced"]
    assert sorted(browser.shown()) == sorted(wanted)
    assert told.text == f"{len(wanted)} of {len(everything)} claims shown."
    browser.press("kind", "own")
    assert {kind for kind, _ in browser.shown()} == {"theory"}
    browser.all("button[data-reset]")[0].click()
    assert len(browser.shown()) == len(everything)
    assert browser.all('button[aria-pressed="true"]') == []


def test_it_works_by_keyboard(shipped: Made, browser: Browser):
    browser.show(shipped)
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    skip = browser.driver.switch_to.active_element
    assert skip.text == "Skip to the content"
    assert browser.ask("return arguments[0].getBoundingClientRect().top", skip) >= 0
    skip.send_keys(Keys.ENTER)
    for _ in range(12):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        if browser.driver.switch_to.active_element.tag_name == "button":
            break
    button = browser.driver.switch_to.active_element
    assert button.get_attribute("data-value") == "paper"
    assert browser.ask("return getComputedStyle(arguments[0]).outlineStyle", button) == "solid"
    button.send_keys(Keys.SPACE)
    assert button.get_attribute("aria-pressed") == "true"
    assert {kind for kind, _ in browser.shown()} == {"paper"}


def test_without_scripts_everything_is_there_but_the_filters(shipped: Made, browser: Browser):
    browser.show(shipped, scripts=False)
    assert not browser.all(".filters")[0].is_displayed()
    rows = browser.all("table.claims tbody tr")
    assert len(rows) == len(shipped.frames["scorecard"])
    assert rows[-1].is_displayed()
    assert all(drawing.size["height"] > 100 for drawing in browser.all("article svg"))
    browser.show(shipped)
    assert browser.all(".filters")[0].is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_both_schemes(scheme: str, shipped: Made, browser: Browser):
    browser.show(shipped, scheme=scheme)
    browser.ask(OPEN_ALL)
    browser.press("kind", "paper")
    checked, pale = browser.ask(PALE)
    assert checked > 1000
    assert pale == []
    assert (
        browser.ask("return getComputedStyle(document.querySelector('.card')).backgroundColor") == "rgb(255, 255, 255)"
    )
    dark = browser.ask("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


def test_on_paper_what_is_folded_is_open_and_what_is_pressed_is_not_there(shipped: Made, browser: Browser):
    browser.show(shipped, scheme="dark")
    browser.emulate("setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert not browser.all(".filters")[0].is_displayed()
    assert not browser.all("nav")[0].is_displayed()
    heights = browser.ask(
        "return [...document.querySelectorAll('details:not([open])')].map(each => each.getBoundingClientRect().height "
        "- each.querySelector('summary').getBoundingClientRect().height)"
    )
    assert len(heights) >= len(shipped.frames["scorecard"])
    assert min(heights) > 10
    # White paper takes dark ink, whatever the screen's scheme.
    assert browser.ask("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask(PALE)[1] == []


def test_a_claim_leads_to_its_numbers(shipped: Made, browser: Browser):
    browser.show(shipped, NARROW)
    link = browser.all("table.claims a")[-1]
    link.send_keys(Keys.ENTER)
    target = link.get_attribute("href").partition("#")[2]
    top = browser.ask(f"return document.getElementById('{target}').getBoundingClientRect().top")
    assert 0 <= top < NARROW[1]
