"""A kill at each step by which a print is saved apart: in the end each is there once, whole, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from colorwatch.faultpoint import WANTED
from house import House, files
from pictures import encoded, glass
from waiting import eventually

# Two prints: so the first link is the result's, and the second one the first print's.
POINTS = ["cut-opened:2:killgroup", "cut-synced:1:killgroup", "cut-out:1", "linked:2", "print-saved:1"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(os.fspath(tmp_path), {"prints": "apart", "settle_seconds": 0.1}, {"model": "compact", "workers": 1})
    yield house
    if house.daemon is not None and house.daemon.poll() is None:
        house.kill()


def dead(house: House) -> bool:
    return house.daemon is not None and house.daemon.poll() is not None


def all_of(number: int) -> set[str]:
    name = f"g{number}"
    return {f"{name}.png", f"{name} prints/{name} 1.png", f"{name} prints/{name} 2.png"}


def settled(house: House, wanted: set[str]) -> None:
    eventually(lambda: set(house.results()) >= wanted, 60, "all is taken up")
    eventually(lambda: files(house.path("outbox", ".colorwatch")) == {}, 60, "a clean spool")
    assert set(house.results()) == wanted


@pytest.mark.timeout(240)
def test_each_print_is_there_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: set[str] = set()
    for number, point in enumerate(POINTS):
        bench = house.path("bench", str(number))
        os.makedirs(bench)
        monkeypatch.setenv("COLORWATCH_FAULT", point)
        monkeypatch.setenv("COLORWATCH_FAULT_BENCH", bench)
        house.start()
        settled(house, wanted)  # what the one before has left, before this one's fault is wanted
        Path(bench, WANTED).touch()
        Path(house.path("inbox", f"g{number}.png")).write_bytes(encoded(glass(seed=number, count=2), "PNG"))
        eventually(lambda: dead(house), 60, f"killed at {point}")
        wanted |= all_of(number)
    monkeypatch.delenv("COLORWATCH_FAULT")
    house.start()
    settled(house, wanted)
    assert house.counts() == {"done": len(POINTS)}
    for name, path in house.results().items():
        assert cv2.imread(path) is not None, f"{name} is torn"
