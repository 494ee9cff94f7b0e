"""Disks that go away while a folder works, so that an empty mount point is left; and what becomes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch.disk.originals import Fate
from colorwatch.disk.publishing import spool_path
from colorwatch.folders.commands import CleanSpool, Discard, Dispose
from colorwatch.folders.messages import Disposed, Settled, SpoolCleaned, Trouble
from desk import Desk
from waiting import eventually


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, rescan_seconds=1.0).start()
    yield desk
    desk.stop()


def unmount(folder: Path) -> Path:
    """As it looks when a disk goes: the mount point is there, and empty. Returns where the disk is meanwhile."""
    away = folder.with_suffix(".away")
    os.rename(folder, away)
    folder.mkdir()
    return away


def mount(folder: Path, away: Path) -> None:
    folder.rmdir()
    os.rename(away, folder)


def dispose(desk: Desk, job: int, path: str) -> Dispose:
    return Dispose(job, path, next(told.fingerprint for told in desk.all(Settled) if told.path == path))


def test_no_original_goes_into_an_archive_whose_disk_is_away(desk: Desk) -> None:
    desk.put("a/x.jpg")
    desk.put("a/y.jpg")
    desk.settles("a/x.jpg", "a/y.jpg")
    assert desk.ask(dispose(desk, 1, "a/x.jpg"), Disposed).outcome is Fate.ARCHIVED
    away = unmount(desk.archive)
    assert desk.ask(dispose(desk, 2, "a/y.jpg"), Trouble).message.endswith("the folder is gone")
    assert os.listdir(desk.archive) == []
    mount(desk.archive, away)
    assert desk.ask(dispose(desk, 2, "a/y.jpg"), Disposed).outcome is Fate.ARCHIVED
    assert sorted(os.listdir(desk.archive / "a")) == ["x.jpg", "y.jpg"]


def test_an_original_whose_disk_was_away_is_told_again_when_it_is_back(desk: Desk) -> None:
    desk.put("x.jpg")
    desk.settles("x.jpg")
    away = unmount(desk.inbox)
    assert desk.ask(dispose(desk, 1, "x.jpg"), Disposed).outcome is Fate.GONE
    mount(desk.inbox, away)
    eventually(lambda: desk.settled() == ["x.jpg", "x.jpg"], 20, "told again")


@pytest.mark.parametrize("empty", [False, True], ids=["gone", "an empty mount point"])
def test_a_spool_file_that_could_not_be_removed_goes_once_its_disk_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    monkeypatch.setattr("colorwatch.folders.folder.CHECK_SECONDS", 0.1)
    desk.ask(CleanSpool(frozenset()), SpoolCleaned)
    spool = spool_path(str(desk.outbox), 1, 1)
    Path(spool).touch()
    away = unmount(desk.outbox)
    if not empty:
        desk.outbox.rmdir()
    assert desk.ask(Discard(spool), Trouble).step == "discard"
    if not empty:
        desk.outbox.mkdir()
    mount(desk.outbox, away)
    eventually(lambda: not os.path.exists(spool), 10, "the spool file is gone")
