"""A result that is made again, and a kill at each step of it: in the end there is exactly one, and it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from colorwatch.faultpoint import WANTED
from house import House, digest, files, make_drop, photographs
from waiting import eventually

# What a redo passes on its way; the whole group goes where a worker meets the point, so that the daemon dies there.
COMMITS = [f"committed:{number}" for number in range(1, 6)]
POINTS = [
    *("claim:1", "rendered:1", "swap:1", "swapped:1", "discard:1"),
    *(f"{point}:1:killgroup" for point in ("decode", "spool-opened", "spool-write", "spool-synced", "answer")),
]


@pytest.fixture
def house(tmp_path: os.PathLike[str]) -> Iterator[House]:
    house = House(os.fspath(tmp_path))
    os.mkdir(house.path("bench"))
    yield house
    if house.daemon is not None and house.daemon.poll() is None:
        house.kill()


def dead(house: House) -> bool:
    return house.daemon is not None and house.daemon.poll() is not None


@pytest.mark.parametrize(
    ("point", "asked"), [*((point, "redo") for point in POINTS + COMMITS), *((point, "again") for point in COMMITS)]
)
def test_exactly_one_result_is_left(point: str, asked: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    make_drop(house.path("inbox", "a.png"), photographs(1, side=96)[0])
    monkeypatch.setenv("COLORWATCH_FAULT", point)
    monkeypatch.setenv("COLORWATCH_FAULT_BENCH", house.path("bench"))
    house.start()
    house.wait_done(1, 60)
    before = digest(house.path("inbox", "a.png"))
    with open(house.path("bench", WANTED), "wb"):
        pass
    if asked == "redo":
        house.call("redo", "a.png", "--strength", "0")
    else:
        os.makedirs(house.path("outbox", "again"), exist_ok=True)
        os.rename(house.path("outbox", "a.png"), house.path("outbox", "again", "a.png"))
    # Where nothing stands under the name there is no swap, and a point may lie on another's way alone.
    eventually(lambda: dead(house) or settled(house, asked), 60, "killed, or done without the point")
    os.unlink(house.path("bench", WANTED))
    if dead(house):
        house.start()
    eventually(lambda: settled(house, asked), 60, "made again")
    assert list(house.results()) == ["a.png"]
    assert house.counts() == {"done": 1}
    assert digest(house.path("inbox", "a.png")) == before
    eventually(lambda: dead(house) or clean(house), 10, "a clean spool")
    if dead(house):  # the very last step was the one
        house.start()
        eventually(lambda: clean(house), 30, "a clean spool")
    assert list(house.results()) == ["a.png"]


# The new result stands and is noted; the old one, of another name, is gone, and that is not noted yet.
@pytest.mark.parametrize("point", ["committed:3", "committed:4"])
def test_of_two_formats_the_new_one_is_left(point: str, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    make_drop(house.path("inbox", "a.png"), photographs(1, side=96)[0])
    assert house.call("once").returncode == 0
    assert list(house.results()) == ["a.png"]
    house.settings |= {"format": "jpeg", "file_times": "scan"}
    house.write_config()
    with open(house.path("bench", WANTED), "wb"):
        pass
    monkeypatch.setenv("COLORWATCH_FAULT", point)
    monkeypatch.setenv("COLORWATCH_FAULT_BENCH", house.path("bench"))
    house.start()
    eventually(lambda: any(line["event"] == "service.started" for line in house.log()), 30, "started")
    house.call("reprocess", "--outdated")
    eventually(lambda: dead(house), 60, "killed")
    os.unlink(house.path("bench", WANTED))
    house.start()
    eventually(lambda: settled(house, "redo"), 60, "made again")
    eventually(lambda: clean(house), 30, "a clean spool")
    assert list(house.results()) == ["a.jpg"]
    assert os.stat(house.path("outbox", "a.jpg")).st_mtime_ns == os.stat(house.path("inbox", "a.png")).st_mtime_ns


def clean(house: House) -> bool:
    return files(house.path("outbox", ".colorwatch")) == {}


def settled(house: House, asked: str) -> bool:
    """Whether it was made again, and all that comes after that is over."""
    again = files(house.path("outbox", "again")) if asked == "again" else {}
    told = any(line["event"] in ("redo.done", "redo.failed") for line in house.log())
    return told and house.counts() == {"done": 1} and not again
