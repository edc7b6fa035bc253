"""The page of a rehearsal in a real browser: it is complete in itself, opens, and fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.checks.exercises.html import page
from labctl.checks.exercises.result import Rehearsal
from labctl.config.packaged import packaged
from tests.integration.browser import Browser
from tests.needs import require
from tests.unit.rehearsals import HOSTILE, green, hostile, red

PAGES: dict[str, Callable[[], Rehearsal]] = {
    "green": green,
    "red": red,
    "eight": lambda: red(8),
    "hostile": hostile,
}
PHONE, DESK = (375, 812), (1280, 900)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, made in PAGES.items():
        (folder / f"{name}.html").write_text(page(made(), (packaged("templates"),)), "utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    require("chromedriver", "chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def show(browser: Browser, page: Path, size: tuple[int, int], *, dark: bool = False) -> None:
    """Open a page at a size, and forget what the browser said before."""
    width, height = size
    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
    )  # fmt: skip
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.cdp("Emulation.setEmulatedMedia", media="", features=[scheme])
    for kind in ("browser", "performance"):
        browser.logs(kind)
    browser.open(page)


def requests(browser: Browser) -> list[str]:
    """The addresses that were asked for since the page was opened."""
    import json

    found = []
    for entry in browser.logs("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    return [url for url in found if not url.startswith("data:")]


@pytest.mark.parametrize("name", PAGES)
def test_it_is_complete_and_fits_a_phone(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    show(browser, pages[name], PHONE)
    assert requests(browser) == [pages[name].as_uri()]
    assert browser.logs("browser") == []
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    width, inner = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner == PHONE[0]
    sticking_out = browser.run(
        "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 99))"
    )
    assert sticking_out == []
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(244, 245, 247)"
    ), "the style was not let in"


def test_the_matrix_of_eight_nodes_is_seen_whole_on_a_phone(
    browser: Browser, pages: dict[str, Path]
) -> None:
    show(browser, pages["eight"], PHONE)
    assert browser.run("const s = document.querySelector('.scroll'); return s.scrollWidth") <= 375


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_details_open_on_a_click(
    browser: Browser, pages: dict[str, Path], size: tuple[int, int]
) -> None:
    show(browser, pages["red"], size)
    closed = ".listed > details:nth-of-type(2)"
    seen = f"const d = document.querySelector('{closed}'); return [d.open, d.offsetHeight]"
    before, low = browser.run(seen)
    browser.click(f"{closed} > summary")
    after, high = browser.run(seen)
    assert (before, after) == (False, True)
    assert high > low + 20
    shown = browser.run(f"return document.querySelector('{closed}').innerText")
    assert "a memory limit kills what exceeds it" in shown


def test_a_section_of_the_matrix_leads_to_its_exercises(
    browser: Browser, pages: dict[str, Path]
) -> None:
    show(browser, pages["red"], DESK)
    browser.click(".matrix tbody tr:nth-child(3) a")
    assert browser.run("return document.querySelector('.listed > details:nth-of-type(3)').open")


def test_causes_are_in_plain_words_and_the_rest_is_folded(
    browser: Browser, pages: dict[str, Path]
) -> None:
    show(browser, pages["eight"], DESK)
    text = browser.run("return document.querySelector('.causes').innerText")
    assert "memory limits have no effect: no such cgroup" in text
    assert "docker-node1, docker-node2, docker-node3" in text
    assert "Run labctl heal NODE for each of them." in text
    details = "document.querySelector('.failure')"
    for words in ("assert 0 == 137", "docker run --memory 8m busybox"):
        assert words not in browser.run("return document.body.innerText")
    browser.click(".failure > summary")
    text = browser.run(f"return {details}.innerText")
    for words in ("assert 0 == 137", "docker run --memory 8m busybox", "no such cgroup", "125"):
        assert words in text


def test_hostile_texts_stay_text(browser: Browser, pages: dict[str, Path]) -> None:
    show(browser, pages["hostile"], DESK)
    assert browser.logs("browser") == []
    assert browser.run("return document.querySelectorAll('script, img').length") == 0
    assert browser.run("return document.title") != "owned"
    assert HOSTILE in browser.run("return document.querySelector('.eyebrow').textContent")


def test_the_bars_of_the_timeline_are_to_scale(browser: Browser, pages: dict[str, Path]) -> None:
    show(browser, pages["green"], DESK)
    lane, *bars = browser.run(
        "const w = e => e.getBoundingClientRect().width;"
        "return [w(document.querySelector('.lane > svg')),"
        " ...[...document.querySelectorAll('.lane .bar')].map(w)]"
    )
    assert [round(10 * bar / lane) for bar in bars] == [1, 3, 5]  # seconds of ten


def test_it_follows_a_dark_scheme(browser: Browser, pages: dict[str, Path]) -> None:
    lightness = "return getComputedStyle(document.body).color.match(/\\d+/g).map(Number)"
    show(browser, pages["red"], DESK)
    assert max(browser.run(lightness)) < 80
    show(browser, pages["red"], DESK, dark=True)
    assert min(browser.run(lightness)) > 200


def test_closed_details_are_printed(browser: Browser, pages: dict[str, Path]) -> None:
    show(browser, pages["red"], DESK)
    closed = "document.querySelector('.listed > details').offsetHeight"
    on_screen = browser.run(f"return {closed}")
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    assert browser.run(f"return {closed}") > on_screen
