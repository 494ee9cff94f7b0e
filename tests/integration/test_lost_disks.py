"""Disks that go away while a folder works, so that an empty mount point is left; and what becomes of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colorwatch.disk import originals, publishing
from colorwatch.disk.asides import aside_name
from colorwatch.disk.originals import Disposal, Fate
from colorwatch.disk.publishing import Publication, spool_path
from colorwatch.folders import folder
from colorwatch.folders.commands import CleanSpool, Discard, Dispose, Publish
from colorwatch.folders.messages import Disposed, Settled, SpoolCleaned, SpoolLost, Trouble
from colorwatch.scan import Originals, State
from colorwatch.service import Service
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


def test_an_archive_whose_disk_goes_as_an_original_is_put_there_gets_it_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the archive and the move; a lazy unmount lets what holds it go on."""
    for name in ("x", "y", "z"):
        desk.put(f"a/{name}.jpg")
    desk.settles("a/x.jpg", "a/y.jpg", "a/z.jpg")
    gone = []

    def goes_first(*args: Any) -> Disposal:
        gone.append(unmount(desk.archive))
        return real(*args)

    real = originals.dispose
    monkeypatch.setattr(originals, "dispose", goes_first)
    done = desk.ask(dispose(desk, 1, "a/x.jpg"), Disposed)
    assert (done.outcome, done.where) == (Fate.ARCHIVED, str(desk.archive / "a" / "x.jpg"))
    monkeypatch.setattr(originals, "dispose", real)
    assert desk.ask(dispose(desk, 2, "a/y.jpg"), Trouble).message.endswith("the folder is gone")
    assert os.listdir(desk.archive) == []
    mount(desk.archive, gone[0])
    assert desk.ask(dispose(desk, 3, "a/z.jpg"), Disposed).outcome is Fate.ARCHIVED
    assert sorted(os.listdir(desk.archive / "a")) == ["x.jpg", "z.jpg"]


def test_our_own_folder_is_not_made_in_the_mount_point_of_an_outbox_that_goes_before_a_result_is_put_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ask(CleanSpool(frozenset()), SpoolCleaned)
    gone = []

    def goes_first(*args: Any) -> Publication:
        gone.append(unmount(desk.outbox))
        return real(*args)

    real = publishing.publish
    monkeypatch.setattr(publishing, "publish", goes_first)
    assert desk.ask(Publish(1, spool_path(str(desk.outbox), 1, 1), "a.jpg", 1, 2, "ab" * 32), SpoolLost)
    assert os.listdir(desk.outbox) == []
    mount(desk.outbox, gone[0])


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


@contextlib.contextmanager
def on_a_disk(home: Home, name: str) -> Iterator[None]:
    """A folder of a home is a mount point, and its disk is mounted there; skips where nothing may be mounted."""
    os.makedirs(home.path("disk"))
    if os.geteuid() or subprocess.run(bind(home, name), check=False, capture_output=True).returncode:
        pytest.skip("only root can mount")
    yield
    # Not asked of `ismount`, which does not know a bind mount of the same disk: what stayed would keep pytest from
    # clearing its folders away.
    while subprocess.run(["umount", "-l", home.path(name)], check=False, capture_output=True).returncode == 0:
        pass


@pytest.fixture
def archiving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that archives, and whose daemon does not wait long for anything."""
    monkeypatch.setattr(patience, "BACKOFF_SECONDS", (0.2, 0.4))
    monkeypatch.setattr(folder, "CHECK_SECONDS", 0.2)
    home = Home(str(tmp_path))
    home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
    return home


class TestAwayWhenItStarts:
    """Outbox and archive are mount points, as of disks that are plugged in and out."""

    @pytest.fixture(params=["outbox", "archive"])
    def disk(self, archiving: Home, request: pytest.FixtureRequest) -> Iterator[tuple[Home, str]]:
        """A home in which one scan was done, and which of its folders was unmounted since."""
        home, name = archiving, str(request.param)
        with on_a_disk(home, name):
            home.drop("first.jpg", value=70)
            assert home.run().counts["done"] == 1
            unbind(home, name)
            yield home, name

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


class TestAwayBeforeItWasUsed:
    """An archive and a quarantine on disks of their own, into which nothing had been put when the daemon ended."""

    @pytest.fixture(params=["archive", "quarantine"])
    def disk(self, archiving: Home, request: pytest.FixtureRequest) -> Iterator[tuple[Home, str]]:
        home, name = archiving, str(request.param)
        home.folder["quarantine"] = home.path("quarantine")
        os.makedirs(home.path("quarantine"), exist_ok=True)
        with on_a_disk(home, name):
            yield home, name

    def test_it_is_known_from_the_first_start_on(self, disk: tuple[Home, str]) -> None:
        home, name = disk
        home.run()
        unbind(home, name)
        content = None if name == "archive" else b"no picture" * 40
        home.drop("scan.jpg", content, value=80)
        service = home.make()
        try:
            service.start()
            ended = State.DONE if name == "archive" else State.QUARANTINED
            ticks(service, service.idle)
            assert os.listdir(home.path(name)) == []
            assert list(files(home.path("inbox"))) == ["scan.jpg"]
            subprocess.run(bind(home, name), check=True)
            ticks(service, lambda: service.ledger.counts()[ended] == 1 and not list(files(home.path("inbox"))))
        finally:
            service.close()
        assert "scan.jpg" in [path for path in files(home.path(name)) if not path.startswith(".")]


class TestAwayWithAnOriginalOnItsWay:
    """Killed while an original lies aside in the inbox, and started while an empty mount point stands there."""

    @pytest.fixture(params=["archive", "delete"])
    def home(self, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Home:
        monkeypatch.setattr(patience, "BACKOFF_SECONDS", (0.2, 0.4))
        home = Home(str(tmp_path))
        home.folder["originals"] = Originals(request.param)
        if request.param == "archive":
            home.folder["archive"] = home.path("archive")
        return home

    def left_aside(self, home: Home, content: bytes | None = None) -> None:
        """scan.jpg is published, or refused for its content, and its original was renamed aside as the daemon died."""
        home.drop("scan.jpg", content, value=70)
        dying = home.make()
        dying.start()
        go_on = dying.steps.resume
        dying.steps.resume = lambda job: go_on(job) if job.state is State.RENDERED else None  # type: ignore[method-assign]
        ended = {State.PUBLISHED, State.QUARANTINED}
        ticks(dying, lambda: ended & {state for state, jobs in dying.ledger.counts().items() if jobs})
        assert dying.ledger.job(1).scan.path == "scan.jpg"
        dying.close()
        os.rename(home.path("inbox", "scan.jpg"), home.path("inbox", aside_name(1, "scan.jpg")))

    def back_after_a_start_without_it(self, home: Home, state: State) -> Service:
        """A daemon that has started beside the empty mount point, and has its inbox back."""
        away = unmount(Path(home.path("inbox")))
        service = home.make()
        service.start()
        ticks(service, lambda: service.ledger.job(1).whereabouts == "" and service.idle())
        assert service.ledger.job(1).state is state
        mount(Path(home.path("inbox")), away)
        return service

    def test_it_is_cleared_once_the_disk_is_back(self, home: Home, capfd: pytest.CaptureFixture[str]) -> None:
        self.left_aside(home)
        service = self.back_after_a_start_without_it(home, State.DONE)
        try:
            ticks(service, lambda: list(files(home.path("inbox"))) == [] and service.idle())
            assert service.ledger.counts()[State.DONE] == 1
        finally:
            service.close()
        assert list(files(home.path("outbox"))) == ["scan.jpg"]
        kept = ["scan.jpg"] if home.folder["originals"] is Originals.ARCHIVE else []
        assert [path for path in files(home.path("archive")) if not path.startswith(".")] == kept
        assert capfd.readouterr().err.count("job.original_back") == 1

    def test_so_it_is_where_it_stood_in_the_archive_already(self, home: Home) -> None:
        if home.folder["originals"] is Originals.DELETE:
            pytest.skip("there is no archive")
        self.left_aside(home)
        shutil.copy2(home.path("inbox", aside_name(1, "scan.jpg")), home.path("archive", "scan.jpg"))
        away = unmount(Path(home.path("inbox")))
        service = home.make()
        try:
            service.start()
            ticks(service, lambda: service.ledger.job(1).state is State.DONE and service.idle())
            mount(Path(home.path("inbox")), away)
            ticks(service, lambda: list(files(home.path("inbox"))) == [] and service.idle())
        finally:
            service.close()
        assert [path for path in files(home.path("archive")) if not path.startswith(".")] == ["scan.jpg"]

    def test_so_it_is_where_it_was_on_its_way_into_quarantine(self, home: Home) -> None:
        self.left_aside(home, b"no picture at all")
        service = self.back_after_a_start_without_it(home, State.QUARANTINED)
        try:
            ticks(service, lambda: list(files(home.path("inbox"))) == [] and service.idle())
        finally:
            service.close()
        assert "scan.jpg" in os.listdir(home.path("outbox", "quarantine"))
        assert not [name for name in os.listdir(home.path("outbox", "quarantine")) if "aside" in name]

    def test_killed_again_as_it_is_cleared_it_is_cleared_after_the_next_start(self, home: Home) -> None:
        self.left_aside(home)
        service = self.back_after_a_start_without_it(home, State.DONE)
        service.steps.resume = lambda job: None  # type: ignore[method-assign]
        ticks(service, lambda: service.ledger.job(1).state is State.PUBLISHED)
        service.close()
        assert home.run().counts["done"] == 1
        assert list(files(home.path("inbox"))) == []
        assert list(files(home.path("outbox"))) == ["scan.jpg"]

    def test_one_of_a_job_that_nobody_knows_gets_its_name_back_and_is_a_scan_again(self, home: Home) -> None:
        home.drop("first.jpg", value=70)
        assert home.run().counts["done"] == 1
        for name in ("99999999999999999999999.aside.far.jpg", "4711.aside.lost.jpg"):
            home.drop(f".colorwatch-{name}", value=90)
        assert home.run().counts["done"] == 2
        assert list(files(home.path("inbox"))) == [".colorwatch-99999999999999999999999.aside.far.jpg"]
        assert sorted(files(home.path("outbox"))) == ["first.jpg", "lost.jpg"]


def bind(home: Home, name: str) -> list[str]:
    return ["mount", "--bind", home.path("disk"), home.path(name)]


def unbind(home: Home, name: str) -> None:
    subprocess.run(["umount", "-l", home.path(name)], check=True)
