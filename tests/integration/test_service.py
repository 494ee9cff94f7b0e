"""The daemon with real workers, real folders and a real ledger; its ticks run in the test."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from colorwatch import service as service_module
from colorwatch.asking.history import Report, report
from colorwatch.config import Config, Folder, Limits
from colorwatch.errors import LockedError, ModelError, StateError
from colorwatch.folders.errands import Errands
from colorwatch.modelstore import Model
from colorwatch.pool import SerialPool, SpawnPool
from colorwatch.scan import Originals, State
from colorwatch.service import LEDGER, Service
from house import digest, encode, files
from waiting import eventually

MODEL = Model("none", "none", "00" * 32)


@dataclass
class Home:
    """One inbox and outbox; makes services on them."""

    root: str
    folder: dict[str, Any]
    limits: dict[str, Any]

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def make(self, net: str = "fault_nets:grey_net", pool: Any = SpawnPool, workers: int = 2) -> Service:
        settings = {"inbox": self.path("inbox"), "outbox": self.path("outbox"), "settle_seconds": 0.1, **self.folder}
        config = Config(
            folders=(Folder(**settings),), state=self.path("state"), workers=workers, limits=Limits(**self.limits)
        )
        return Service(config, Model("none", self.path("model"), "00" * 32), pool=pool, net=net)

    def run(self, until: Callable[[Service], bool] | None = None, timeout: float = 30, **how: Any) -> Report:
        """Runs a fresh service until it is idle, or `until` holds, and closes it; what the ledger says then."""
        service = self.make(**how)
        deadline = time.monotonic() + timeout
        try:
            service.start()
            service.run(lambda: time.monotonic() > deadline or (until(service) if until else service.idle()))
            assert time.monotonic() < deadline, f"not within {timeout} s: {service.ledger.counts()}"
        finally:
            service.close()
        return report(self.path("state"), self.path("state", LEDGER))

    def drop(self, name: str, content: bytes | None = None, value: int = 128) -> str:
        path = self.path("inbox", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(picture(value) if content is None else content)
        return path

    def outbox(self) -> list[str]:
        return sorted(files(self.path("outbox")))


def picture(value: int, extension: str = ".jpg") -> bytes:
    """A grey picture with a little texture; 0 is the black that some fault nets fail over."""
    pixels = np.full((60, 80), value, np.uint8)
    if value:
        pixels[::2] += np.uint8(1)
    return encode(pixels, extension)


def broken_png() -> bytes:
    """A PNG whose chunks are all in order, and whose pixels do not unpack."""
    head = picture(128, ".png")[:33]
    chunks = b""
    for kind, content in ((b"IDAT", b"\x78\x9c" + b"\xff" * 90), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return head + chunks


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> Home:
    home = Home(os.fspath(tmp_path), {}, {})
    for name in ("inbox", "outbox", "archive"):
        os.makedirs(home.path(name))
    return home


class TestTheStraightLine:
    @pytest.mark.parametrize("pool", [SpawnPool, lambda size, setup: SerialPool(setup)], ids=["spawn", "serial"])
    def test_a_scan_becomes_a_result_and_stays_where_it_is(self, home: Home, pool: Any) -> None:
        path = home.drop("album/a.jpg")
        before = digest(path)
        told = home.run(pool=pool)
        assert home.outbox() == ["album/a.jpg"]
        assert digest(path) == before
        assert (told.counts["done"], told.last[0].file) == (1, "album/a.jpg")

    def test_a_second_run_does_nothing_twice(self, home: Home) -> None:
        home.drop("a.jpg")
        home.run()
        os.utime(home.path("inbox", "a.jpg"))
        assert home.run().counts["done"] == 1
        assert home.outbox() == ["a.jpg"]

    def test_new_content_under_an_old_name_gets_a_name_of_its_own(self, home: Home) -> None:
        home.drop("a.jpg", value=100)
        home.run()
        first = digest(home.path("outbox", "a.jpg"))
        home.drop("a.jpg", value=200)
        home.run()
        assert home.outbox() == ["a (2).jpg", "a.jpg"]
        assert digest(home.path("outbox", "a.jpg")) == first

    def test_a_strangers_file_is_never_overwritten(self, home: Home) -> None:
        with open(home.path("outbox", "a.jpg"), "wb") as file:
            file.write(b"a stranger's")
        home.drop("a.jpg")
        home.run()
        assert home.outbox() == ["a (2).jpg", "a.jpg"]
        with open(home.path("outbox", "a.jpg"), "rb") as file:
            assert file.read() == b"a stranger's"

    def test_originals_are_archived_in_their_folders(self, home: Home) -> None:
        home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
        before = digest(home.drop("album/a.jpg"))
        home.run()
        assert files(home.path("inbox")) == {}
        assert {name: digest(path) for name, path in files(home.path("archive")).items()} == {"album/a.jpg": before}

    def test_an_archived_scan_that_is_dropped_again_is_cleared_and_not_coloured_again(self, home: Home) -> None:
        home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
        for _ in range(2):
            home.drop("a.jpg")
            home.run()
        assert files(home.path("inbox")) == {}
        assert home.outbox() == ["a.jpg"]

    def test_two_strangers_in_the_outbox_are_both_left_alone(self, home: Home) -> None:
        for name in ("a.jpg", "a (2).jpg"):
            with open(home.path("outbox", name), "wb") as file:
                file.write(b"a stranger's")
        home.drop("a.jpg")
        home.run()
        assert home.outbox() == ["a (2).jpg", "a (3).jpg", "a.jpg"]

    def test_a_deleted_original_that_is_dropped_again_stays(self, home: Home) -> None:
        home.folder |= {"originals": Originals.DELETE}
        home.drop("a.jpg")
        home.run()
        os.unlink(home.path("outbox", "a.jpg"))
        path = home.drop("a.jpg")
        home.run()
        assert os.path.exists(path), "it may be the last copy"

    def test_originals_are_deleted_when_asked_for(self, home: Home) -> None:
        home.folder |= {"originals": Originals.DELETE}
        home.drop("a.jpg")
        home.run()
        assert files(home.path("inbox")) == {}
        assert home.outbox() == ["a.jpg"]

    def test_an_extension_that_lies_is_put_right(self, home: Home) -> None:
        home.drop("a.jpg", picture(90, ".png"))
        home.run()
        assert home.outbox() == ["a.png"]


class TestBadInput:
    CASES = (
        ("text.jpg", b"dear aunt, these are not pictures\n" * 20, "not-a-picture"),
        ("cut.png", picture(128, ".png")[:-20], None),
        ("bad.png", broken_png(), "damaged"),
    )

    @pytest.mark.parametrize(("name", "content", "kind"), CASES, ids=[case[0] for case in CASES])
    def test_it_gets_a_reason_and_the_next_scan_goes_on(
        self, home: Home, name: str, content: bytes, kind: str | None
    ) -> None:
        path = home.drop(name, content)
        before = digest(path)
        home.drop("good.jpg")
        told = home.run()
        assert told.counts["done"] == 1
        if kind is None:  # it may still be growing
            assert [entry.file for entry in told.waiting] == [name]
            assert digest(path) == before
            return
        assert [entry.kind for entry in told.quarantine] == [kind]
        moved = home.path("outbox", "quarantine", name)
        assert (digest(moved), os.path.exists(path)) == (before, False)
        with open(f"{moved} - why.txt", encoding="utf-8") as note:
            assert name in note.read()

    def test_an_unfinished_file_is_done_when_it_is_finished(self, home: Home) -> None:
        content = picture(128)
        home.drop("a.jpg", content[:-100])
        assert home.run().waiting[0].kind == "incomplete"
        home.drop("a.jpg", content)
        told = home.run()
        assert (told.counts["done"], told.waiting) == (1, [])

    def test_an_unfinished_file_goes_to_quarantine_after_a_long_silence(self, home: Home) -> None:
        home.folder |= {"incomplete_seconds": 0.5}
        home.drop("a.jpg", picture(128)[:-100])
        told = home.run(until=lambda service: service.idle() and bool(service.steps.ended))
        eventually_quarantined = home.run(until=lambda service: service.ledger.counts()["quarantined"] == 1)
        assert told.counts["done"] == 0
        assert eventually_quarantined.quarantine[0].kind == "incomplete"

    def test_what_is_no_file_is_left_alone_and_said_once(self, home: Home) -> None:
        secret = home.path("secret.jpg")
        with open(secret, "wb") as file:
            file.write(picture(10))
        os.symlink(secret, home.path("inbox", "link.jpg"))
        os.mkfifo(home.path("inbox", "fifo.jpg"))
        os.makedirs(home.path("inbox", "folder.jpg"))
        home.drop("good.jpg")
        for _ in range(2):
            told = home.run()
            assert (told.counts["done"], told.counts["skipped"]) == (1, 3)
        assert home.outbox() == ["good.jpg"]
        assert os.path.islink(home.path("inbox", "link.jpg"))

    @pytest.mark.parametrize("name", ["new\nline.jpg", "gr\udcfc\udcdfe.jpg", "n" * 251 + ".jpg", "\u202egpj.jpg"])
    def test_an_odd_name_is_no_obstacle(self, home: Home, name: str) -> None:
        home.drop(name)
        told = home.run()
        assert (told.counts["done"], told.last[0].file) == (1, name)
        assert len(home.outbox()) == 1

    def test_something_that_never_claimed_to_be_a_picture_is_left_in_its_place(self, home: Home) -> None:
        path = home.drop("notes.txt", b"buy milk\n")
        told = home.run()
        assert (told.counts["skipped"], os.path.exists(path), home.outbox()) == (1, True, [])

    def test_a_time_beyond_all_clocks_is_no_obstacle(self, home: Home) -> None:
        home.drop("good.jpg")
        for name, when in (("late.jpg", 10_000_000_000), ("early.jpg", -2_000_000_000)):
            path = home.drop(name)
            os.utime(path, (when, when))
        for _ in range(2):
            assert home.run().counts["done"] == 3
        assert len(home.outbox()) == 3

    def test_an_unfinished_file_that_goes_away_is_not_waited_for(self, home: Home) -> None:
        path = home.drop("a.jpg", picture(128)[:-100])
        service = home.make()
        try:
            service.start()
            ticks(service, lambda: service.left_waiting() == 1)
            os.unlink(path)
            ticks(service, lambda: service.left_waiting() == 0)
        finally:
            service.close()


class TestLostWorkers:
    @pytest.mark.parametrize(
        ("net", "limits"),
        [("fault_nets:black_crash_net", {}), ("fault_nets:black_hang_net", {"deadline_seconds": 1.5})],
        ids=["crash", "hang"],
    )
    def test_a_poison_scan_is_quarantined_after_three_attempts(
        self, home: Home, net: str, limits: dict[str, Any]
    ) -> None:
        home.limits |= limits
        home.drop("black.jpg", value=0)
        for number in range(5):
            home.drop(f"{number}.jpg", value=50 + number)
        told = home.run(net=net, timeout=60)
        assert (told.counts["done"], told.counts["quarantined"]) == (5, 1)
        assert told.quarantine[0].file == "black.jpg"
        assert "3 workers were lost" in told.quarantine[0].reason
        assert sum("black" not in name for name in home.outbox()) == 5

    def test_a_scan_whose_worker_is_killed_once_is_done_by_another(self, home: Home) -> None:
        home.limits |= {"deadline_seconds": 600}
        home.drop("black.jpg", value=0)
        service = home.make(net="fault_nets:hang_once_net")
        try:
            service.start()
            ticks(service, lambda: os.path.exists(home.path("model")))
            for pid in workers(service):
                os.kill(pid, signal.SIGKILL)
            ticks(service, service.idle)
            assert service.ledger.counts()["done"] == 1
            assert service.ledger.job(1).worker_deaths == 1
        finally:
            service.close()

    def test_a_net_that_cannot_be_loaded_ends_the_daemon_with_a_reason(self, home: Home) -> None:
        home.drop("a.jpg")
        with pytest.raises(ModelError, match="there is no such net"):
            home.run(net="fault_nets:missing_net", timeout=60)


class TestLostDaemons:
    def test_a_scan_that_kills_the_daemon_ends_in_quarantine_and_the_others_are_done(self, home: Home) -> None:
        home.drop("black.jpg", value=0)
        for number in range(12):
            home.drop(f"{number}.jpg", value=50 + number)
        command = [sys.executable, "-c", DAEMON, home.root, "fault_nets:parent_killing_net"]
        deaths = 0
        while subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL:
            deaths += 1
            for extra in range(2):  # a home server gets new scans all the time
                home.drop(f"later-{deaths}-{extra}.jpg", value=80 + deaths * 3 + extra)
            assert deaths < 10
        told = report(home.path("state"), home.path("state", LEDGER))
        assert [entry.file for entry in told.quarantine] == ["black.jpg"]
        assert told.counts["done"] == 12 + 2 * deaths
        assert told.counts["queued"] == 0

    def test_a_second_daemon_is_kept_off(self, home: Home) -> None:
        service = home.make()
        try:
            with pytest.raises(LockedError, match=str(os.getpid())):
                Service(service._config, MODEL)
        finally:
            service.start()
            service.close()


class TestEnds:
    """`once` ends, whatever stands in its way."""

    def test_jobs_of_a_folder_that_left_the_config_are_not_waited_for(self, home: Home) -> None:
        home.drop("a.jpg")
        home.run(until=lambda service: len(service.claims) == 1, net="fault_nets:hang_net")
        os.rename(home.path("inbox"), home.path("old"))
        os.makedirs(home.path("inbox2"))
        home.folder |= {"inbox": home.path("inbox2"), "name": "another"}
        assert home.run().counts["queued"] == 1

    def test_an_outbox_whose_spool_cannot_be_used_is_left_waiting(self, home: Home) -> None:
        with open(home.path("outbox", ".colorwatch"), "wb") as file:
            file.write(b"in the way")
        home.drop("a.jpg")
        assert home.run().counts["queued"] == 1
        os.unlink(home.path("outbox", ".colorwatch"))
        assert home.run().counts["done"] == 1

    def test_shares_that_hang_are_waited_for_together(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        back = threading.Event()
        monkeypatch.setattr(Errands, "clean_spool", lambda *_: back.wait(60))
        monkeypatch.setattr(service_module, "CLOSE_SECONDS", 0.5)
        folders = []
        for number in range(6):
            names = {name: home.path(f"{name}-{number}") for name in ("inbox", "outbox")}
            for path in names.values():
                os.makedirs(path)
            folders.append(Folder(**names))
        config = Config(folders=tuple(folders), state=home.path("state"), workers=1)
        service = Service(config, MODEL, lambda _, setup: SerialPool(setup))
        try:
            service.start()
            began = time.monotonic()
            service.close()
            assert time.monotonic() - began < 6 * 0.5
        finally:
            back.set()


class TestTransientFaults:
    def test_a_full_disk_is_waited_for(self, home: Home, small_disk: str) -> None:
        home.folder |= {"outbox": small_disk}
        home.limits |= {"min_free_megabytes": 0}
        ballast = os.path.join(small_disk, "ballast")
        fill(ballast)
        home.drop("a.jpg")
        told = home.run()
        assert (told.counts["done"], told.counts["quarantined"], told.counts["queued"]) == (0, 0, 1)
        assert "full" in told.waiting[0].reason
        os.unlink(ballast)
        assert home.run().counts["done"] == 1
        assert sorted(files(small_disk)) == ["a.jpg"]

    def test_a_full_disk_under_the_ledger_ends_the_daemon_and_nothing_is_lost(
        self, home: Home, small_disk: str
    ) -> None:
        os.symlink(small_disk, home.path("state"))
        for number in range(30):
            home.drop(f"{number}.jpg", value=60 + number)
        ballast = os.path.join(small_disk, "ballast")

        def disk_fills(service: Service) -> bool:
            if service.ledger.counts()[State.DONE] >= 3 and not os.path.exists(ballast):
                fill(ballast)
            return False

        with pytest.raises(StateError, match="cannot be written"):
            home.run(until=disk_fills)
        os.unlink(ballast)
        assert home.run().counts["done"] == 30
        assert home.outbox() == sorted(f"{number}.jpg" for number in range(30))

    def test_an_outbox_that_vanishes_is_waited_for(self, home: Home) -> None:
        service = home.make()
        try:
            service.start()
            ticks(service, service.idle)
            os.rename(home.path("outbox"), home.path("elsewhere"))
            home.drop("a.jpg")
            ticks(service, lambda: service.ledger.counts()["queued"] == 1 and service.ledger.job(1).failures > 0)
            os.rename(home.path("elsewhere"), home.path("outbox"))
            ticks(service, lambda: service.ledger.counts()["done"] == 1)
        finally:
            service.close()
        assert home.outbox() == ["a.jpg"]


def fill(path: str) -> None:
    """Writes zeros until the disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)


@pytest.fixture
def small_disk(tmp_path: os.PathLike[str]) -> Iterator[str]:
    """A filesystem of eight megabytes."""
    folder = os.path.join(tmp_path, "small")
    os.makedirs(folder)
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("a small filesystem can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def ticks(service: Service, until: Callable[[], object], timeout: float = 30) -> None:
    """Ticks until `until()` holds."""

    def step() -> object:
        service.tick(time.monotonic())
        return until()

    eventually(step, timeout)


def workers(service: Service) -> list[int]:
    """The pids of the children of this process that are workers."""
    children = []
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                if b"colorwatch" in command.read():
                    children.append(int(pid))
    return children


DAEMON = """
import sys
from colorwatch.config import Config, Folder
from colorwatch.modelstore import Model
from colorwatch.pool import SpawnPool
from colorwatch.service import Service
root, net = sys.argv[1:]
folder = Folder(inbox=root + "/inbox", outbox=root + "/outbox", settle_seconds=0.1)
config = Config(folders=(folder,), state=root + "/state", workers=2)
service = Service(config, Model("none", "none", "00"), SpawnPool, net)
service.start()
service.run(service.idle)
service.close()
"""
