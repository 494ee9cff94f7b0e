"""Disks that go away while a folder works, so that an empty mount point is left; and what becomes of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch.disk.originals import Fate
from colorwatch.disk.publishing import spool_path
from colorwatch.folders import folder
from colorwatch.folders.commands import CleanSpool, Discard, Dispose
from colorwatch.folders.messages import Disposed, Settled, SpoolCleaned, Trouble
from colorwatch.scan import Originals, State
from colorwatch.work import patience
from desk import Desk
from homes import Home, ticks
from house import files
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


class TestAwayWhenItStarts:
    """Outbox and archive are mount points, as of disks that are plugged in and out."""

    @pytest.fixture(params=["outbox", "archive"])
    def disk(
        self, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[Home, str]]:
        """A home in which one scan was done, and which of its folders was unmounted since."""
        monkeypatch.setattr(patience, "BACKOFF_SECONDS", (0.2, 0.4))
        monkeypatch.setattr(folder, "CHECK_SECONDS", 0.2)
        home, name = Home(str(tmp_path)), str(request.param)
        home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
        os.makedirs(home.path("disk"))
        if os.geteuid() or subprocess.run(bind(home, name), check=False, capture_output=True).returncode:
            pytest.skip("only root can mount")
        home.drop("first.jpg", value=70)
        assert home.run().counts["done"] == 1
        unbind(home, name)
        yield home, name
        # Not asked of `ismount`, which does not know a bind mount of the same disk: what stayed would keep pytest from
        # clearing its folders away.
        while subprocess.run(["umount", "-l", home.path(name)], check=False, capture_output=True).returncode == 0:
            pass

    def test_nothing_is_put_under_its_mount_point_and_all_goes_on_once_it_is_back(
        self, disk: tuple[Home, str], capfd: pytest.CaptureFixture[str]
    ) -> None:
        home, name = disk
        home.drop("second.jpg", value=80)
        service = home.make()
        try:
            service.start()
            ticks(service, service.idle)
            assert os.listdir(home.path(name)) == []
            assert list(files(home.path("inbox"))) == ["second.jpg"]
            assert service.ledger.counts()[State.DONE] == 1
            assert "does not seem to be mounted" in capfd.readouterr().err
            subprocess.run(bind(home, name), check=True)
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 2)
        finally:
            service.close()
        stored = sorted(path for path in files(home.path(name)) if not path.startswith("."))
        assert stored == ["first.jpg", "second.jpg"]

    def test_nor_is_a_result_that_was_rendered_when_the_daemon_died(self, disk: tuple[Home, str]) -> None:
        home, name = disk
        subprocess.run(bind(home, name), check=True)
        home.drop("second.jpg", value=80)
        dying = home.make()
        dying.start()
        dying.steps.resume = lambda job: None  # type: ignore[method-assign]
        ticks(dying, lambda: dying.ledger.counts()[State.RENDERED] == 1)
        dying.close()
        unbind(home, name)
        home.run()
        assert os.listdir(home.path(name)) == []
        subprocess.run(bind(home, name), check=True)
        assert home.run().counts["done"] == 2
        assert sorted(files(home.path("outbox"))) == ["first.jpg", "second.jpg"]

    def test_an_outbox_that_was_cleaned_out_is_no_alarm(self, disk: tuple[Home, str]) -> None:
        home, name = disk
        subprocess.run(bind(home, name), check=True)
        for path in (home.path("outbox"), home.path("archive")):
            subprocess.run(["find", path, "-mindepth", "1", "-delete"], check=True)
        home.drop("second.jpg", value=80)
        assert home.run().counts["done"] == 2


def bind(home: Home, name: str) -> list[str]:
    return ["mount", "--bind", home.path("disk"), home.path(name)]


def unbind(home: Home, name: str) -> None:
    subprocess.run(["umount", "-l", home.path(name)], check=True)
