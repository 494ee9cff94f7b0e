"""Faults of disks, told apart: what is stuck, what is held, what is reported, and that all of it goes on by itself."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator

import pytest

from colorwatch.errors import StateError
from colorwatch.scan import Originals, State
from colorwatch.service import Service
from colorwatch.work import intake, patience
from colorwatch.work.keeping import Keeping
from homes import Home, ticks
from house import files


@pytest.fixture
def home(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(patience, "BACKOFF_SECONDS", (0.2, 0.4))
    return Home(os.fspath(tmp_path))


def mounted(folder: str, *arguments: str) -> Iterator[str]:
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["mount", *arguments, folder], check=False, capture_output=True)
    if os.geteuid() != 0 or done.returncode:
        pytest.skip("only root can mount")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: os.PathLike[str]) -> Iterator[str]:
    yield from mounted(os.path.join(tmp_path, "small"), "-t", "tmpfs", "-o", "size=2m", "tmpfs")


@pytest.fixture
def frozen_inbox(home: Home) -> Iterator[str]:
    """An inbox that is a mount of its own, to be made read-only."""
    yield from mounted(home.path("inbox"), "-t", "tmpfs", "tmpfs")


def make_read_only(folder: str, *, yes: bool) -> None:
    subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", folder], check=True)


class TestAnOriginalThatCannotBeCleared:
    def test_its_job_is_stuck_never_made_again_and_done_once_it_clears(self, home: Home, frozen_inbox: str) -> None:
        home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
        home.drop("a.jpg")
        make_read_only(frozen_inbox, yes=True)
        told = home.run()
        assert (told.counts["stuck"], told.counts["done"]) == (1, 0)
        assert "a.jpg" in told.stuck[0].reason
        assert home.run().counts["stuck"] == 1
        assert home.outbox() == ["a.jpg"]
        service = home.make()
        try:
            service.start()
            ticks(service, service.idle)
            make_read_only(frozen_inbox, yes=False)
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 1)
        finally:
            service.close()
        assert home.outbox() == ["a.jpg"]
        assert list(files(home.path("archive"))) == ["a.jpg"]
        assert files(frozen_inbox) == {}

    def test_one_that_a_person_takes_away_is_done_as_well(self, home: Home, frozen_inbox: str) -> None:
        home.folder |= {"originals": Originals.DELETE}
        path = home.drop("a.jpg")
        make_read_only(frozen_inbox, yes=True)
        assert home.run().counts["stuck"] == 1
        make_read_only(frozen_inbox, yes=False)
        os.unlink(path)
        assert home.run().counts["done"] == 1


class TestAFullOutbox:
    def test_not_every_scan_is_coloured_in_vain(self, home: Home, small_disk: str) -> None:
        home.folder |= {"outbox": small_disk}
        home.limits |= {"min_free_megabytes": 0}
        ballast = os.path.join(small_disk, "ballast")
        fill(ballast)
        for number in range(20):
            home.drop(f"{number}.jpg", value=60 + number)
        service = home.make()
        try:
            service.start()
            ticks(service, service.idle)
            attempts = sum(service.ledger.job(number).attempt for number in range(1, 21))
            assert attempts < 10
            assert service.left_waiting() == 20
            os.unlink(ballast)
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 20)
        finally:
            service.close()

    def test_a_disk_that_is_nearly_full_takes_no_more(self, home: Home, small_disk: str) -> None:
        home.folder |= {"outbox": small_disk}
        home.limits |= {"min_free_megabytes": 1}
        ballast = os.path.join(small_disk, "ballast")
        with open(ballast, "wb") as file:
            file.write(bytes(1_500_000))
        home.drop("a.jpg")
        service = home.make()
        try:
            service.start()
            ticks(service, service.idle)
            assert (service.ledger.job(1).state, service.ledger.job(1).attempt) == (State.QUEUED, 0)
            os.unlink(ballast)
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 1)
        finally:
            service.close()


class TestAFileThatStaysUnreadable:
    def test_it_is_reported_with_its_owner_and_mode(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        if os.geteuid() == 0:
            pytest.skip("root can read everything")
        monkeypatch.setattr(intake, "REPORTED_AFTER", 3)
        path = home.drop("a.jpg")
        os.chmod(path, 0)
        service = home.make()
        try:
            service.start()
            reported(service, home, capfd)
            os.chmod(path, 0o600)
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 1)
        finally:
            service.close()


def reported(service: Service, home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    told = ""

    def is_told() -> bool:
        nonlocal told
        told += capfd.readouterr().err
        return '"event": "scan.unreadable"' in told

    ticks(service, is_told)
    assert "mode" in told


class TestALedgerThatFails:
    def test_what_sqlite_says_outside_of_a_batch_ends_with_a_sentence(self, home: Home) -> None:
        service = home.make()
        try:
            service.start()

            def fails() -> bool:
                raise sqlite3.OperationalError("disk I/O error")

            with pytest.raises(StateError, match="disk I/O error"):
                service.run(fails)
        finally:
            service.close()


class TestKeeping:
    def keep(self, home: Home, days: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> Service:
        """A service for which a hundred days have gone by."""
        home.top |= {"retention": days}
        service = home.make()
        monkeypatch.setattr(service.keeping, "_wall", lambda: time.time() + 100 * 86_400)
        monkeypatch.setattr(service.keeping, "_due", 0.0)
        service.start()
        return service

    def test_archived_originals_go_after_their_days(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
        home.drop("a.jpg")
        home.run()
        service = self.keep(home, {"archive_days": 30}, monkeypatch)
        try:
            ticks(service, lambda: service.ledger.job(1).whereabouts == "")
        finally:
            service.close()
        assert [name for name in files(home.path("archive")) if ".colorwatch" not in name] == []
        home.drop("a.jpg")
        home.run()
        assert home.outbox() == ["a.jpg"], "that it was done is remembered"

    def test_quarantined_scans_go_with_their_notes(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.drop("a.jpg", b"no picture at all")
        assert home.run().counts["quarantined"] == 1
        assert len(home.outbox()) == 3
        service = self.keep(home, {"quarantine_days": 30}, monkeypatch)
        try:
            ticks(service, lambda: service.ledger.job(1).whereabouts == "")
        finally:
            service.close()
        assert [name for name in home.outbox() if ".colorwatch" not in name] == []

    def test_what_lies_in_the_inbox_is_never_forgotten(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        home.drop("kept.jpg", value=70)
        gone = home.drop("gone.jpg", value=80)
        home.run()
        os.unlink(gone)
        service = self.keep(home, {"history_days": 30}, monkeypatch)
        try:
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 1)
            ticks(service, service.idle)
            (left,) = service.ledger.ageing.ended(2e10, (0.0, 0), 9)
            assert left[1].scan.path == "kept.jpg"
        finally:
            service.close()
        assert isinstance(service.keeping, Keeping)


def fill(path: str) -> None:
    """Writes zeros until the disk is full."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
