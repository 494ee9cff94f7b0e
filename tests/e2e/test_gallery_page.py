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
from colorwatch.gallery.entry import script
from colorwatch.gallery.pages import CHUNK
from colorwatch.scan import Flag
from waiting import eventually

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PICTURES = 2000
DAY = 86_400
HOSTILE = "<img onerror>.jpg"
HOSTILE_FOLDER = "<script>document.title=1</script>"
GREY = Flag("no colour", "No colour came out: <b>it stays grey</b>.")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("gpu", "quic", "background-networking", "component-update", "sync")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as api:
        arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in QUIET)]
        running = api.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


def picture(before: int, after: tuple[int, int, int]) -> bytes:
    """Grey on the left, coloured on the right, as JPEG."""
    both = np.hstack((np.full((60, 80, 3), before, np.uint8), np.full((60, 80, 3), after, np.uint8)))
    return bytes(cv2.imencode(".jpg", both)[1])


def entry(job: int) -> Entry:
    """The newest is the hostile one; before it come a TIFF, one whose result is gone, and a PDF."""
    newest = PICTURES - 1
    names = {newest: HOSTILE, newest - 1: "slide.tif", newest - 2: "gone.jpg", newest - 3: "album.pdf"}
    name = names.get(job, f"scan {job}.jpg")
    folder = HOSTILE_FOLDER if job == newest else ("Italy/Rome" if job % 10 == 0 else "Italy" if job % 5 == 0 else "")
    when = 1_700_000_000 + DAY // 24 * job
    return Entry(
        job=job,
        when=when,
        made=when,
        folder=folder,
        name=name,
        result=f"../{job}.jpg" if name.endswith(".jpg") else f"../{name}",
        original=f"../../inbox/{job}.jpg" if job == newest else "",
        model="zhang2016" if job % 7 == 0 else "compact",
        flags=(GREY,) if job == newest or job % 100 == 0 else (),
        pages=12 if name.endswith(".pdf") else 1,
        width=800,
        height=600,
        thumb="thumbs/000/0.jpg",
        thumb_width=80,
        thumb_height=60,
        view="" if name.endswith(".jpg") else "views/000/0.jpg",
        view_width=80,
        view_height=60,
    )


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    outbox = tmp_path_factory.mktemp("house") / "outbox"
    outbox.mkdir()
    gallery = Gallery(str(outbox), "Scans")
    gallery.ready("the ledger")
    for kind in ("thumbs", "views"):
        Path(gallery.root, kind, "000").mkdir(parents=True)
        Path(gallery.root, kind, "000", "0.jpg").write_bytes(picture(128, (40, 90, 200)))
    for job in range(PICTURES - 1, PICTURES - 10, -1):
        if entry(job).name != "gone.jpg":
            (outbox / f"{job}.jpg").write_bytes(picture(128, (40, 90, 200)))
    (outbox.parent / "inbox").mkdir()
    (outbox.parent / "inbox" / f"{PICTURES - 1}.jpg").write_bytes(picture(90, (90, 90, 90)))
    for first in range(0, PICTURES, CHUNK):
        gallery.write_chunk(first // CHUNK, [entry(job) for job in range(first, first + CHUNK)])
    gallery.show(entry(0))  # and with it the index
    return os.path.join(gallery.root, "index.html")


def opened(context: Any, page_file: str, wanted: str = ".card") -> Any:
    page = context.new_page()
    page.faults = []
    page.asked = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"file://{page_file}")
    page.wait_for_selector(wanted)
    return page


@pytest.fixture
def page(browser: Any, page_file: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, has_touch=True, color_scheme="light")
    page = opened(context, page_file)
    yield page
    assert page.faults == []
    context.close()


def shown(page: Any) -> str:
    return str(page.locator("#count").inner_text())


def split(page: Any) -> int:
    return int(page.locator("#handle").get_attribute("aria-valuenow"))


def is_there(page: Any, selector: str) -> bool:
    return bool(page.evaluate(f"!document.querySelector('{selector}').hidden"))


def open_picture(page: Any, name: str = HOSTILE) -> Any:
    """Opens one of the newest; the stage's box."""
    page.locator(".card", has=page.get_by_text(name, exact=True)).first.click()
    page.wait_for_selector("#viewer[open]")
    return page.locator("#stage").bounding_box()


class TestAlbum:
    def test_the_newest_picture_comes_first_and_all_are_counted(self, page: Any) -> None:
        assert shown(page) == "2,000 pictures"
        assert page.locator(".card .name").first.inner_text() == HOSTILE

    def test_pictures_stand_below_their_day_and_folder(self, page: Any) -> None:
        day = page.locator(".day").nth(1)
        assert "24 pictures" in day.locator("header").inner_text()
        assert sorted(day.locator("h3").all_inner_texts()) == ["Italy", "Italy/Rome"]
        italy = day.locator(".group", has=page.get_by_text("Italy", exact=True))
        names = italy.first.locator(".name").all_inner_texts()
        assert names == sorted(names, reverse=True)
        assert all(int(name.split()[1].split(".")[0]) % 10 == 5 for name in names)

    def test_a_file_name_is_only_ever_text(self, page: Any) -> None:
        assert page.locator("h3").first.inner_text().replace(" ", "") == HOSTILE_FOLDER
        open_picture(page)
        assert page.locator("#viewed").inner_text() == HOSTILE
        assert HOSTILE_FOLDER in page.locator("#facts").inner_text()
        assert page.locator("#remarks").inner_text() == f"{GREY.word} {GREY.sentence}"
        assert page.title() == "Scans"
        assert page.locator("img:not([src]), img[onerror], main script, #remarks b b").count() == 0

    def test_no_request_leaves_the_outbox_and_the_inbox_beside_it(self, page: Any, page_file: str) -> None:
        open_picture(page)
        eventually(lambda: is_there(page, "#before .full"), 10, "the original is shown")
        home = os.path.dirname(os.path.dirname(os.path.dirname(page_file)))
        assert len(page.asked) > 5
        assert all(url.startswith((f"file://{home}/", "data:,")) for url in page.asked)

    def test_scrolling_brings_the_older_ones(self, page: Any) -> None:
        before = page.locator(".card").count()
        assert before < PICTURES / 2

        def more() -> bool:
            page.mouse.wheel(0, 100_000)
            return bool(page.locator(".card").count() > before)

        eventually(more, 20, "more cards")

    def test_small_pictures_show_before_both_or_after(self, page: Any) -> None:
        def grey(place: int) -> str:
            return str(page.locator(".grey").nth(place).evaluate("image => getComputedStyle(image).clipPath"))

        both = grey(1)
        page.get_by_text("Before", exact=True).first.click()
        before = grey(1)
        page.get_by_text("After", exact=True).first.click()
        assert len({both, before, grey(1)}) == 3
        box = page.locator(".pic").nth(1).bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
        eventually(lambda: "25" in grey(1), 10, "half of a picture, which is half as wide as its file")
        page.mouse.move(5, 5)
        eventually(lambda: "25" not in grey(1), 10, "the line goes back")


class TestFilters:
    def test_by_flag_model_and_name(self, page: Any) -> None:
        page.locator("#flag").select_option("no colour")
        eventually(lambda: shown(page) == "21 of 2,000 pictures", 20, "21 with the flag")
        page.locator("#flag").select_option("")
        page.locator("#model").select_option("zhang2016")
        page.locator("#find").fill("scan 199")
        eventually(lambda: shown(page) == "1 of 2,000 pictures", 20, "one picture")
        assert page.locator(".name").all_inner_texts() == ["scan 1995.jpg"]

    def test_by_folder_with_the_folders_in_it(self, page: Any) -> None:
        assert page.locator("#folder option").all_inner_texts() == [
            "All folders",
            "<script>document.title=1<",
            HOSTILE_FOLDER,
            "Italy",
            "Italy/Rome",
        ]
        page.locator("#folder").select_option("Italy/Rome")
        page.locator("#find").fill("scan 10")
        eventually(lambda: shown(page) == "12 of 2,000 pictures", 20, "10, 100 and 1000 to 1090")
        page.locator("#folder").select_option("Italy")
        eventually(lambda: shown(page) == "23 of 2,000 pictures", 20, "105 and 1005 to 1095 too")

    def test_by_month(self, page: Any) -> None:
        page.locator("#month").select_option("2023-12")
        eventually(lambda: "December" in page.locator("h2").first.inner_text(), 20, "the newest of the month")

    def test_where_nothing_fits_it_is_said_and_undone(self, page: Any) -> None:
        page.locator("#find").fill("no such name")
        page.wait_for_selector("#notice:not([hidden])")
        assert "“no such name” in its name" in page.locator("#noticeText").inner_text()
        page.get_by_text("Show all pictures").click()
        page.wait_for_selector(".card")
        assert shown(page) == "2,000 pictures"


class TestViewer:
    def test_the_line_follows_the_mouse(self, page: Any) -> None:
        room = open_picture(page)
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

    def test_the_line_follows_a_finger(self, page: Any) -> None:
        room = open_picture(page)
        hand = page.context.new_cdp_session(page)
        x, y = room["x"] + room["width"] / 2, room["y"] + room["height"] / 2
        for kind, shift in (("touchStart", 0), *(("touchMove", shift) for shift in range(20, 181, 20))):
            hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x + shift, "y": y}]})
        hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        eventually(lambda: 60 < split(page) < 95, 10, "the line moved with the finger")

    def test_line_and_pictures_follow_the_keys(self, page: Any) -> None:
        page.locator(".card").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#viewer[open]")
        for key, at in (("Home", 0), ("ArrowRight", 2), ("Shift+ArrowRight", 12), ("End", 100), ("PageDown", 75)):
            page.keyboard.press(key)
            assert split(page) == at
        page.keyboard.press("n")
        assert page.locator("#viewed").inner_text() != HOSTILE
        page.keyboard.press("p")
        assert page.locator("#viewed").inner_text() == HOSTILE
        page.keyboard.press("Escape")
        page.wait_for_selector("#viewer:not([open])", state="attached")
        assert page.evaluate("document.activeElement.className") == "card"

    def test_the_way_back_leads_to_the_album(self, page: Any) -> None:
        open_picture(page)
        page.go_back()
        page.wait_for_selector("#viewer:not([open])", state="attached")
        assert page.locator(".card").count() > 0

    def test_original_and_result_are_linked(self, page: Any) -> None:
        open_picture(page)
        assert page.locator("#openOriginal").get_attribute("href") == f"../../inbox/{PICTURES - 1}.jpg"
        assert page.locator("#openResult").get_attribute("href") == f"../{PICTURES - 1}.jpg"
        page.keyboard.press("Escape")
        open_picture(page, "slide.tif")
        assert not page.locator("#openOriginal").is_visible()
        assert "original is not where" in page.locator("#remarks").inner_text()

    @pytest.mark.parametrize("name", ["slide.tif", "album.pdf"])
    def test_what_no_browser_shows_is_seen_large_all_the_same(self, page: Any, name: str) -> None:
        open_picture(page, name)
        for side in ("before", "after"):
            eventually(lambda side=side: is_there(page, f"#{side} .full"), 10, "it is shown")
            assert "views/000/0.jpg" in page.locator(f"#{side} .full").get_attribute("src")

    def test_a_result_that_is_gone_is_told_of(self, page: Any) -> None:
        open_picture(page, "gone.jpg")
        eventually(lambda: "only the small picture is left" in page.locator("#remarks").inner_text(), 10, "it is said")
        assert not page.locator("#openResult").is_visible()
        assert page.locator("#after .small").is_visible()


class TestForEveryone:
    def test_every_control_has_a_name(self, page: Any) -> None:
        open_picture(page)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a, input, select, [role=slider]')].filter((element) =>
                element.checkVisibility() && !(element.getAttribute('aria-label') || element.textContent.trim()
                    || element.labels?.[0]?.textContent.trim())).length"""
        )
        assert nameless == 0
        assert "no colour" in page.locator(".card").first.get_attribute("aria-label")

    def test_the_keyboard_sees_where_it_is(self, page: Any) -> None:
        page.locator(".card").first.focus()
        page.keyboard.press("ArrowRight")
        style = "getComputedStyle(document.activeElement)"
        assert page.evaluate("document.activeElement === document.querySelectorAll('.card')[1]")
        assert page.evaluate(f"{style}.outlineStyle") == "solid"
        assert page.evaluate(f"parseFloat({style}.outlineWidth)") >= 2

    def test_light_and_dark_can_be_chosen(self, page: Any) -> None:
        paper = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        page.locator("#theme").click()
        assert page.evaluate(paper) != light
        assert page.locator("#theme").get_attribute("aria-pressed") == "true"

    @pytest.mark.parametrize("width", [320, 390, 768])
    def test_nothing_is_wider_than_a_phone(self, browser: Any, page_file: str, width: int) -> None:
        context = browser.new_context(viewport={"width": width, "height": 740}, color_scheme="dark", is_mobile=True)
        page = opened(context, page_file)
        if width < 640:
            page.locator("#unfold").click()
        assert page.locator("#find").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        open_picture(page)
        for name in ("#openResult", "#next", "#close"):
            box = page.locator(name).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        assert page.faults == []
        context.close()

    @pytest.mark.parametrize(
        ("index", "title"),
        [
            (None, "The list of pictures cannot be read"),
            ("galleryIndex({", "The list of pictures cannot be read"),
            (script("galleryIndex", {"title": "Scans", "chunks": {}}), "No pictures yet"),
            ("lost chunks", "Some pictures cannot be listed"),
        ],
    )
    def test_what_is_missing_is_told_of(
        self, browser: Any, page_file: str, tmp_path: Path, index: str | None, title: str
    ) -> None:
        shutil.copytree(os.path.dirname(page_file), tmp_path / "gallery", ignore=shutil.ignore_patterns("*0*"))
        if index is None:
            os.unlink(tmp_path / "gallery" / "data" / "index.js")
        elif index != "lost chunks":
            (tmp_path / "gallery" / "data" / "index.js").write_text(index)
        context = browser.new_context()
        page = opened(context, str(tmp_path / "gallery" / "index.html"), "#notice:not([hidden])")
        assert page.locator("#noticeTitle").inner_text() == title
        context.close()
