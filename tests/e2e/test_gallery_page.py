"""The gallery's page in a real browser, opened from a file as a double click on a share does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from colorwatch.gallery import Entry, Gallery
from waiting import eventually

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PICTURES = 2000
HOSTILE = '<img src=x onerror="document.title=1">.jpg'
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as api:
        running = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    outbox = tmp_path_factory.mktemp("house") / "outbox"
    outbox.mkdir()
    gallery = Gallery(str(outbox), "Scans")
    grey = np.full((60, 80, 3), 128, np.uint8)
    both = np.hstack((grey, np.full((60, 80, 3), (40, 90, 200), np.uint8)))
    _, encoded = cv2.imencode(".jpg", both)
    thumbs = Path(gallery.root, "thumbs", "000")
    thumbs.mkdir(parents=True)
    (thumbs / "0.jpg").write_bytes(encoded.tobytes())
    for first in range(0, PICTURES, 200):
        entries = [
            Entry(
                job=job,
                when=1_700_000_000 + 3600 * job,
                folder="slides" if job % 5 == 0 else "inbox",
                name=HOSTILE if job == PICTURES - 1 else f"scan {job}.jpg",
                result=f"../{job}.jpg",
                original="",
                model="compact",
                flags=("no-colour",) if job % 100 == 0 else (),
                width=800,
                height=600,
                thumb="thumbs/000/0.jpg",
                thumb_width=80,
                thumb_height=60,
            )
            for job in range(first, first + 200)
        ]
        gallery._write_chunk(first // 200, entries)
    return os.path.join(gallery.root, "index.html")


@pytest.fixture
def page(browser: Any, page_file: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, has_touch=True)
    opened = context.new_page()
    opened.faults = []
    opened.asked = []
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(f"file://{page_file}")
    opened.wait_for_selector(".card")
    yield opened
    assert opened.faults == []
    context.close()


def shown(page: Any) -> str:
    return str(page.locator("#count").inner_text())


def split(page: Any) -> int:
    return int(page.locator("#handle").get_attribute("aria-valuenow"))


def open_first(page: Any) -> Any:
    page.locator(".card").first.click()
    page.wait_for_selector("#viewer[open]")
    return page.locator("#stage").bounding_box()


def test_the_newest_picture_comes_first_and_all_are_counted(page: Any) -> None:
    assert shown(page) == "2,000 pictures"
    assert page.locator(".card .name").first.inner_text() == HOSTILE


def test_a_file_name_is_only_ever_text(page: Any) -> None:
    open_first(page)
    assert page.locator("#viewed").inner_text() == HOSTILE
    assert page.title() == "Scans"
    assert page.locator("img[src=x]").count() == 0


def test_no_request_leaves_the_folder(page: Any, page_file: str) -> None:
    open_first(page)
    page.wait_for_timeout(200)
    outbox = os.path.dirname(os.path.dirname(page_file))
    assert page.asked
    assert all(url.startswith(f"file://{outbox}/") for url in page.asked)


def test_the_slider_follows_the_mouse(page: Any) -> None:
    room = open_first(page)
    assert split(page) == 50
    middle = room["x"] + room["width"] / 2
    page.mouse.move(middle, room["y"] + room["height"] / 2)
    page.mouse.down()
    page.mouse.move(middle - 150, room["y"] + room["height"] / 2, steps=5)
    page.mouse.up()
    moved = split(page)
    assert 5 < moved < 45
    page.mouse.move(middle + 150, room["y"] + 20)
    assert split(page) == moved, "it follows a pressed button alone"


def test_the_slider_follows_a_finger(page: Any) -> None:
    room = open_first(page)
    page.touchscreen.tap(room["x"] + room["width"] * 0.7, room["y"] + room["height"] / 2)
    eventually(lambda: split(page) > 55, 10, "the slider moved")


def test_the_slider_and_the_pictures_follow_the_keys(page: Any) -> None:
    open_first(page)
    page.locator("#handle").focus()
    for key, at in (("Home", 0), ("ArrowRight", 2), ("Shift+ArrowRight", 12), ("End", 100), ("PageDown", 75)):
        page.keyboard.press(key)
        assert split(page) == at
    page.keyboard.press("n")
    assert page.locator("#viewed").inner_text() == "scan 1998.jpg"
    page.keyboard.press("p")
    assert page.locator("#viewed").inner_text() == HOSTILE
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer:not([open])", state="attached")
    assert page.evaluate("document.activeElement.className") == "card"


def test_filters_narrow_the_album(page: Any) -> None:
    page.locator("#flag").select_option("no-colour")
    eventually(lambda: shown(page).startswith("20 of"), 20, "20 with the flag")
    page.locator("#flag").select_option("")
    page.locator("#folder").select_option("slides")
    page.locator("#find").fill("scan 1990")
    eventually(lambda: shown(page).startswith("1 of"), 20, "one picture")
    page.locator("#find").fill("no such name")
    eventually(lambda: page.locator("#more").inner_text() == "No picture fits.", 20, "said that none fits")


def test_scrolling_brings_the_older_ones(page: Any) -> None:
    before = page.locator(".card").count()
    assert before < PICTURES

    def more() -> bool:
        page.mouse.wheel(0, 100_000)
        return bool(page.locator(".card").count() > before)

    eventually(more, 20, "more cards")


def test_every_control_has_a_name(page: Any) -> None:
    open_first(page)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, a, input, select, [role=slider]')].filter((element) =>
            !(element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.length)).length"""
    )
    assert nameless == 0


def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, page_file: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    opened = context.new_page()
    opened.goto(f"file://{page_file}")
    opened.wait_for_selector(".card")
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
