"""Poison among good scans: pictures that crash, kill or hang their worker, also across ends of the daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from house import House, audit, digest
from poisoned import PoisonedHouse, fill
from waiting import eventually


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = PoisonedHouse(
        str(tmp_path),
        {"settle_seconds": 0.2, "rescan_seconds": 1},
        {"workers": 2, "limits": {"deadline_seconds": 2, "deadline_seconds_per_megapixel": 0}},
    )
    yield house
    if house.daemon is not None and house.daemon.poll() is None:
        house.kill()


@pytest.mark.parametrize("kills", [0, 3])
def test_fifty_good_scans_are_done_and_the_poison_among_them_ends_in_quarantine(house: House, kills: int) -> None:
    drops, poison = fill(house, 50)
    digests = {name: digest(house.path("inbox", name)) for name in poison}
    for number in range(kills):
        house.start()
        wanted = 12 * (number + 1)
        eventually(lambda wanted=wanted: house.counts().get("done", 0) >= wanted, 60)
        house.kill()
    house.start()
    eventually(lambda: house.counts().get("done", 0) >= 50, 120, "the good ones")
    eventually(lambda: house.counts().get("quarantined", 0) >= 3, 120, "the poison")
    eventually(lambda: all(os.path.exists(house.path("outbox", "quarantine", name)) for name in poison), 20)
    assert house.stop() == 0
    counts = house.counts()
    assert (counts.pop("done"), counts.pop("quarantined"), sum(counts.values())) == (50, 3, 0)
    found = audit(house, drops)
    assert (found.lost, found.torn, found.left_behind) == ([], [], [])
    for name in poison:
        assert digest(house.path("outbox", "quarantine", name)) == digests[name]
        with open(house.path("outbox", "quarantine", name + " - why.txt"), encoding="utf-8") as note:
            assert "worker" in note.read()
