"""The gallery of a real daemon: what was coloured is shown, once, whatever happened on the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from colorwatch.gallery.entry import content_of
from house import House
from pictures import encoded, gradient, written
from waiting import eventually


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(str(tmp_path), settings={"gallery": True})


def drop(house: House, name: str, seed: int = 0, kind: str = "JPEG") -> None:
    written(house.path("inbox"), name, encoded(gradient(600, 400, seed=seed), kind))


def shown(house: House) -> dict[str, list[object]]:
    """Rows of the gallery by the scan's name."""
    data = house.path("outbox", "gallery", "data")
    if not os.path.isdir(data):
        return {}
    rows: list[list[object]] = []
    for name in os.listdir(data):
        if name[:6].isdigit() and name.endswith(".js"):
            rows += content_of(Path(data, name).read_text(encoding="utf-8"), "galleryChunk")["rows"]
    assert len({row[0] for row in rows}) == len(rows)
    return {str(row[3]): row for row in rows}


def test_each_result_is_shown_with_before_and_after(house: House) -> None:
    drop(house, "a b.jpg", 1)
    drop(house, "c.png", 2, "PNG")
    drop(house, "d.tif", 3, "TIFF")
    assert house.call("once").returncode == 0
    rows = shown(house)
    assert sorted(rows) == ["a b.jpg", "c.png", "d.tif"]
    for name, row in rows.items():
        assert row[4] == f"../{name}".replace(" ", "%20")
        assert row[5] == f"../../inbox/{name}".replace(" ", "%20")
        assert row[8:10] == [600, 400]
        both = cv2.imread(house.path("outbox", "gallery", str(row[10])))
        assert both is not None
        assert both.shape == (row[12], 2 * int(str(row[11])), 3)
        before, after = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
        assert np.ptp(before.astype(int), axis=2).max() <= 12
        assert np.ptp(after.astype(int), axis=2).mean() > np.ptp(before.astype(int), axis=2).mean()
    assert os.listdir(house.path("outbox", ".colorwatch")) == []
    assert os.path.isfile(house.path("outbox", "gallery", "index.html"))


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


def test_a_gallery_that_was_deleted_begins_again_with_the_next_scan(house: House) -> None:
    drop(house, "a.jpg", 1)
    assert house.call("once").returncode == 0
    shutil.rmtree(house.path("outbox", "gallery"))
    drop(house, "b.jpg", 2)
    assert house.call("once").returncode == 0
    assert "b.jpg" in shown(house)
    assert os.path.isfile(house.path("outbox", "gallery", "index.html"))


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
