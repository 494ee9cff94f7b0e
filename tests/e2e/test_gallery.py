"""The gallery of a real daemon: what was coloured is shown, once, whatever happened on the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from colorwatch.gallery import Entry
from colorwatch.gallery.entry import content_of
from house import House
from pdfs import document, jpeg, saved
from pictures import encoded, gradient, written
from waiting import eventually


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(str(tmp_path), settings={"gallery": True})


def drop(house: House, name: str, seed: int = 0, kind: str = "JPEG") -> None:
    written(house.path("inbox"), name, encoded(gradient(600, 400, seed=seed), kind))


def shown(house: House) -> dict[str, Entry]:
    """The gallery's entries by the scan's path."""
    data = house.path("outbox", "gallery", "data")
    if not os.path.isdir(data):
        return {}
    found = []
    for name in os.listdir(data):
        if name[:6].isdigit() and name.endswith(".js"):
            rows = content_of(Path(data, name).read_text(encoding="utf-8"), "galleryChunk")["rows"]
            found += [entry for row in rows if (entry := Entry.from_row(row))]
    assert len({os.path.join(entry.folder, entry.name) for entry in found}) == len(found)
    return {os.path.join(entry.folder, entry.name): entry for entry in found}


def halves(house: House, link: str) -> tuple[Any, Any]:
    """What a picture of the gallery shows as before and after, BGR."""
    both = cv2.imread(house.path("outbox", "gallery", link))
    assert both is not None
    return both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]


def colour_of(picture: Any) -> float:
    """How far its channels lie apart, in the mean."""
    return float(np.ptp(picture.astype(int), axis=2).mean())


def test_each_result_is_shown_with_before_and_after(house: House) -> None:
    drop(house, "a b.jpg", 1)
    os.mkdir(house.path("inbox", "Italy"))
    drop(house, "Italy/c.png", 2, "PNG")
    drop(house, "d.tif", 3, "TIFF")
    pages = [[jpeg(gradient(600, 400, seed=seed), (300, 0, 0, 200, 0, 100))] for seed in (4, 5)]
    written(house.path("inbox"), "e.pdf", saved(document(*pages)))
    assert house.call("once").returncode == 0
    entries = shown(house)
    assert sorted(entries) == ["Italy/c.png", "a b.jpg", "d.tif", "e.pdf"]
    for path, entry in entries.items():
        assert entry.result == f"../{path}".replace(" ", "%20")
        assert entry.original == f"../../inbox/{path}".replace(" ", "%20")
        assert (entry.width, entry.height, entry.thumb_width, entry.thumb_height) == (600, 400, 400, 267)
        assert entry.model
        assert bool(entry.view) == path.endswith((".tif", ".pdf")), (
            "what no browser shows has a picture to fill a window"
        )
        for link in filter(None, (entry.thumb, entry.view)):
            before, after = halves(house, link)
            assert before.shape == after.shape == ((267, 400, 3) if link == entry.thumb else (400, 600, 3))
            assert colour_of(before) < 4 < colour_of(after)
    assert (entries["e.pdf"].pages, entries["a b.jpg"].pages) == (2, 1)
    assert os.listdir(house.path("outbox", ".colorwatch")) == []
    assert os.path.isfile(house.path("outbox", "gallery", "index.html"))


def test_before_is_the_scan_with_its_own_toning(house: House) -> None:
    brown = np.dstack([gradient(600, 400).astype(float) * tone for tone in (1, 0.85, 0.6)]).astype(np.uint8)
    written(house.path("inbox"), "brown.png", encoded(brown, "PNG"))
    assert house.call("once").returncode == 0
    before, _ = halves(house, shown(house)["brown.png"].thumb)
    assert before[..., 2].mean() > before[..., 0].mean() + 20


def test_a_result_that_is_made_again_is_shown_anew_in_its_place(house: House) -> None:
    drop(house, "a.jpg", 1)
    house.start()
    eventually(lambda: shown(house), 60, "it is shown")
    first = shown(house)["a.jpg"]
    colour = colour_of(halves(house, first.thumb)[1])
    assert house.call("redo", house.path("outbox", "a.jpg"), "--strength", "0.1").returncode == 0
    eventually(lambda: shown(house)["a.jpg"].flags, 60, "its flag")
    again = shown(house)["a.jpg"]
    assert (again.job, again.when) == (first.job, first.when)
    assert again.made >= first.made
    assert [(flag.word, flag.sentence) for flag in again.flags] == [
        ("own settings", "It was coloured again with settings of its own: strength 0.1.")
    ]
    assert colour_of(halves(house, again.thumb)[1]) < colour / 2
    assert house.stop() == 0


def test_a_daemon_that_is_killed_again_and_again_shows_each_once(house: House) -> None:
    for number in range(12):
        drop(house, f"{number}.jpg", number)
    for _ in range(4):
        house.start()
        before = len(shown(house))
        eventually(lambda before=before: len(shown(house)) > before or len(shown(house)) == 12, 60, "one more")
        house.kill()
    house.daemon = None
    assert house.call("once").returncode == 0
    assert len(shown(house)) == 12


def test_a_gallery_that_was_deleted_is_whole_again_with_the_next_scan(house: House) -> None:
    drop(house, "a.jpg", 1)
    assert house.call("once").returncode == 0
    shutil.rmtree(house.path("outbox", "gallery"))
    drop(house, "b.jpg", 2)
    assert house.call("once").returncode == 0
    assert sorted(shown(house)) == ["a.jpg", "b.jpg"]
    assert os.path.isfile(house.path("outbox", "gallery", "index.html"))


def test_a_lost_ledger_doubles_no_picture(house: House) -> None:
    drop(house, "a.jpg", 1)
    drop(house, "b.jpg", 2)
    assert house.call("once").returncode == 0
    shutil.rmtree(house.path("state"))
    assert house.call("once").returncode == 0
    assert sorted(shown(house)) == ["a.jpg", "b.jpg"]


def test_a_file_where_the_gallery_should_be_keeps_no_scan_from_its_result(house: House) -> None:
    Path(house.path("outbox", "gallery")).write_text("mine")
    drop(house, "a.jpg", 1)
    house.start()
    house.wait_done(1, 60)
    eventually(lambda: any(line["event"] == "gallery.waiting" for line in house.log()), 30, "it is said")
    assert house.stop() == 0
    assert Path(house.path("outbox", "gallery")).read_text() == "mine"
    assert os.path.exists(house.path("outbox", "a.jpg"))


def test_what_is_forgotten_leaves_the_gallery(house: House) -> None:
    drop(house, "a.jpg", 1)
    house.start()
    eventually(lambda: shown(house), 60, "it is shown")
    os.unlink(house.path("inbox", "a.jpg"))
    assert house.call("forget", house.path("outbox", "a.jpg")).returncode == 0
    eventually(lambda: not shown(house), 30, "it is gone")
    assert house.stop() == 0


def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    house = House(str(tmp_path))
    drop(house, "a.jpg", 1)
    assert house.call("once").returncode == 0
    assert not os.path.exists(house.path("outbox", "gallery"))
