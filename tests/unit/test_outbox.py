"""A disk that is nearly full is told of before it is, and once; what lies in `again` is told between the looks."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from colorwatch.folders.messages import AskedAgain, FolderSettings, Message, Space
from colorwatch.folders.outbox import LOOK_SECONDS, Outbox
from colorwatch.scan import Originals

MB = 1_000_000


class Look:
    """An outbox with a clock and a disk that the test sets."""

    def __init__(self, top: Path, patch: pytest.MonkeyPatch, min_free: int = 200 * MB) -> None:
        self.now = 0.0
        self.free, self.inodes, self.all_inodes = 1000 * MB, 100_000, 200_000
        self.told: list[Message] = []
        patch.setattr(os, "statvfs", self._statvfs)
        (top / "out").mkdir()
        settings = FolderSettings(
            *("family", "/in", str(top / "out"), Originals.KEEP, None, "/q", 1.0, 60.0, 60.0, True), min_free=min_free
        )
        self.outbox = Outbox(settings, self.told.append, lambda: self.now)

    def _statvfs(self, _: str) -> object:
        return SimpleNamespace(f_bavail=self.free // 4096, f_frsize=4096, f_files=self.all_inodes, f_favail=self.inodes)

    def later(self, free: int | None = None, inodes: int | None = None) -> list[bool]:
        """What was told of room in the next look: `low`, each time."""
        self.free = self.free if free is None else free
        self.inodes = self.inodes if inodes is None else inodes
        self.told.clear()
        self.now += LOOK_SECONDS
        self.outbox.turn()
        return [message.low for message in self.told if isinstance(message, Space)]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    return Look(tmp_path, monkeypatch)


class TestSpace:
    def test_is_told_when_it_gets_low_and_when_it_is_back(self, look: Look) -> None:
        assert look.later() == []
        assert look.later(free=199 * MB) == [True]
        assert look.later(free=150 * MB) == []
        assert look.later(free=201 * MB) == [], "a little more is not enough"
        assert look.later(free=221 * MB) == [False]

    def test_is_told_with_a_sentence(self, look: Look) -> None:
        look.later(free=199 * MB)
        (message,) = look.told
        assert isinstance(message, Space)
        assert message.free == 199 * MB // 4096 * 4096
        assert message.why.startswith("198 MB are left on the disk of ")

    def test_is_low_without_inodes_too(self, look: Look) -> None:
        assert look.later(inodes=199) == [True]
        assert isinstance(look.told[0], Space)
        assert "room for 199 files" in look.told[0].why
        assert look.later(inodes=210) == []
        assert look.later(inodes=221) == [False]

    def test_of_a_disk_that_counts_no_inodes_is_not(self, look: Look) -> None:
        look.all_inodes = 0
        assert look.later(inodes=0) == []

    def test_is_nobodys_care_where_it_is_switched_off(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        look = Look(tmp_path, monkeypatch, min_free=0)
        assert look.later(free=0, inodes=0) == []

    def test_is_not_known_while_the_outbox_is_gone(
        self, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look.later(free=0)
        monkeypatch.undo()
        os.rmdir(tmp_path / "out")
        assert look.later() == []


class TestTurns:
    def test_nothing_is_looked_at_between_the_looks(self, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
        look.later()
        monkeypatch.setattr(os, "statvfs", lambda _: pytest.fail("looked"))
        look.now += LOOK_SECONDS / 2
        look.outbox.turn()
        assert look.outbox.seconds_to_wait() == LOOK_SECONDS / 2

    def test_files_in_again_are_read_one_a_turn(self, look: Look, tmp_path: Path) -> None:
        (tmp_path / "out/again").mkdir()
        for number in range(3):
            (tmp_path / f"out/again/{number}.jpg").touch()
        look.later()
        assert look.outbox.unsettled() == 3
        look.later()
        for number in range(3):
            assert look.outbox.seconds_to_wait() == 0.0
            look.outbox.turn()
            assert len([message for message in look.told if isinstance(message, AskedAgain)]) == number + 1
        assert look.outbox.unsettled() == 0
        assert look.outbox.seconds_to_wait() == LOOK_SECONDS
