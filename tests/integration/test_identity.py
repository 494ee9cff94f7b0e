"""Identity is the content: renamed, dropped again, restored or swapped, nothing is coloured twice or left out."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading

import pytest

from colorwatch.scan import Originals, State
from colorwatch.work import identity
from colorwatch.work.intake import BACKLOG
from homes import Home, picture, ticks
from house import digest, files


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> Home:
    return Home(os.fspath(tmp_path))


@pytest.fixture
def archiving(home: Home) -> Home:
    home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
    return home


class TestRenamed:
    @pytest.mark.parametrize("running", [True, False], ids=["while it runs", "while it does not"])
    def test_a_kept_scan_that_is_renamed_is_not_coloured_again(
        self, home: Home, running: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(identity, "ASK_AGAIN_SECONDS", 0.2)
        path = home.drop("a.jpg")
        service = home.make()
        try:
            service.start()
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 1)
            if not running:
                service.close()
            os.makedirs(home.path("inbox", "album"))
            os.rename(path, home.path("inbox", "album", "aunt.jpg"))
            if not running:
                service = home.make()
                service.start()
            ticks(service, lambda: service.ledger.job(1).scan.path == "album/aunt.jpg")
            ticks(service, service.idle)
            assert service.ledger.counts()[State.DONE] == 1
        finally:
            service.close()
        assert home.outbox() == ["a.jpg"]
        assert home.run().counts["done"] == 1

    def test_a_scan_renamed_while_it_waits_gets_its_result_under_the_new_name(self, home: Home) -> None:
        path = home.drop("a.jpg")
        service = home.make()
        try:
            service.start()
            service.standing.full.add("inbox")  # nothing is coloured for now
            ticks(service, lambda: service.ledger.counts()[State.QUEUED] == 1)
            os.rename(path, home.path("inbox", "b.jpg"))
            ticks(service, lambda: service.ledger.job(1).scan.path == "b.jpg")
            service.standing.full.clear()
            ticks(service, service.idle)
            assert service.ledger.counts()[State.DONE] == 1
        finally:
            service.close()
        assert home.outbox() == ["b.jpg"]

    def test_a_scan_renamed_while_it_is_coloured_is_done_once(self, home: Home) -> None:
        home.limits |= {"deadline_seconds": 600}
        home.drop("black.jpg", value=0)
        service = home.make(net="fault_nets:hang_once_net", workers=2)
        try:
            service.start()
            ticks(service, lambda: os.path.exists(home.path("model")))
            os.rename(home.path("inbox", "black.jpg"), home.path("inbox", "new.jpg"))
            ticks(service, lambda: service.ledger.job(1).scan.path == "new.jpg")
        finally:
            service.close()
        assert home.run().counts["done"] == 1
        assert len(home.outbox()) == 1

    def test_a_copy_is_a_scan_of_its_own(self, home: Home) -> None:
        path = home.drop("a.jpg")
        home.run()
        shutil.copy(path, home.path("inbox", "b.jpg"))
        assert home.run().counts["done"] == 2
        assert home.outbox() == ["a.jpg", "b.jpg"]

    def test_two_scans_that_swap_their_names_are_not_coloured_again(self, home: Home) -> None:
        one, other = home.drop("a.jpg", value=70), home.drop("b.jpg", value=80)
        home.run()
        os.rename(one, home.path("tmp"))
        os.rename(other, one)
        os.rename(home.path("tmp"), other)
        assert home.run().counts["done"] == 2
        assert home.run().counts["done"] == 2
        assert home.outbox() == ["a.jpg", "b.jpg"]

    def test_a_new_scan_under_the_name_that_another_one_gave_up_is_coloured(self, home: Home) -> None:
        path = home.drop("a.jpg", value=70)
        home.run()
        os.rename(path, home.path("inbox", "b.jpg"))
        home.drop("a.jpg", value=80)
        assert home.run().counts["done"] == 2
        assert home.outbox() == ["a (2).jpg", "a.jpg"]


class TestDroppedAgain:
    @pytest.mark.parametrize("name", ["a.jpg", "b.jpg"])
    def test_an_archived_scan_is_archived_as_a_duplicate(
        self, archiving: Home, name: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        archiving.drop("a.jpg")
        archiving.run()
        archiving.drop(name)
        archiving.run()
        assert files(archiving.path("inbox")) == {}
        assert archiving.outbox() == ["a.jpg"]
        assert '"event": "job.duplicate"' in capfd.readouterr().err

    @pytest.mark.parametrize("name", ["a.jpg", "b.jpg"])
    def test_a_deleted_scan_stays_and_is_remembered(self, home: Home, name: str) -> None:
        home.folder |= {"originals": Originals.DELETE}
        home.drop("a.jpg")
        home.run()
        path = home.drop(name)
        home.run()
        assert os.path.exists(path)
        assert home.outbox() == ["a.jpg"]
        service = home.make()
        try:
            assert [known[0] for known in service.ledger.contents.known("inbox")] == [name]
        finally:
            service.close()

    def test_an_archived_scan_is_known_once_the_policy_is_to_keep(self, archiving: Home) -> None:
        archiving.drop("a.jpg")
        archiving.run()
        archiving.folder = {}
        archiving.drop("b.jpg")
        assert archiving.run().counts["done"] == 1
        assert archiving.outbox() == ["a.jpg"]

    def test_a_result_that_the_user_deleted_is_never_made_again(self, home: Home) -> None:
        path = home.drop("a.jpg")
        home.run()
        os.unlink(home.path("outbox", "a.jpg"))
        os.utime(path)
        home.run()
        os.rename(path, home.path("inbox", "b.jpg"))
        home.run()
        assert home.outbox() == []

    def test_a_restored_backup_with_other_times_and_inodes_gives_nothing_twice(self, home: Home) -> None:
        for number in range(5):
            home.drop(f"{number}.jpg", value=60 + number)
        home.run()
        shutil.copytree(home.path("inbox"), home.path("backup"), copy_function=shutil.copyfile)
        shutil.rmtree(home.path("inbox"))
        os.rename(home.path("backup"), home.path("inbox"))
        assert home.run().counts["done"] == 5
        assert len(home.outbox()) == 5

    def test_a_scan_deleted_while_it_waits_ends_quietly(self, home: Home) -> None:
        path = home.drop("a.jpg")
        service = home.make()
        try:
            service.start()
            service.standing.full.add("inbox")
            ticks(service, lambda: service.ledger.counts()[State.QUEUED] == 1)
            os.unlink(path)
            service.standing.full.clear()
            ticks(service, service.idle)
            assert service.ledger.counts()[State.SKIPPED] == 1
        finally:
            service.close()


class TestDuplicates:
    @pytest.mark.parametrize("policy", ["keep", "archive", "delete"])
    def test_the_same_bytes_under_fifty_names_are_fifty_scans(self, home: Home, policy: str) -> None:
        home.folder |= {"originals": Originals(policy)}
        if policy == "archive":
            home.folder |= {"archive": home.path("archive")}
        names = sorted(f"{number:02}.jpg" for number in range(50))
        for name in names:
            home.drop(name, value=77)
        told = home.run(timeout=60)
        assert told.counts["done"] == 50
        assert home.outbox() == names
        assert sorted(files(home.path("inbox"))) == (names if policy == "keep" else [])

    def test_new_bytes_under_the_old_name_while_both_are_under_way(self, home: Home) -> None:
        home.drop("a.jpg", value=70)
        service = home.make()
        try:
            service.start()
            service.standing.full.add("inbox")
            ticks(service, lambda: service.ledger.counts()[State.QUEUED] == 1)
            home.drop("a.jpg", value=80)
            ticks(service, lambda: service.ledger.counts()[State.QUEUED] == 2)
            service.standing.full.clear()
            ticks(service, service.idle)
            counts = service.ledger.counts()
            assert (counts[State.DONE], counts[State.SKIPPED]) == (1, 1), "what was overwritten has no result"
        finally:
            service.close()
        assert len(home.outbox()) == 1


class TestABacklog:
    def test_a_scan_dropped_on_a_backlog_is_done_after_a_few(self, home: Home) -> None:
        many = 10 * BACKLOG
        for number in range(many):
            home.drop(f"{number:03}.jpg", picture(50 + number % 100) + bytes([number % 251, number // 251]))
        service = home.make()
        try:
            service.start()
            ticks(service, lambda: service.ledger.counts()[State.DONE] >= 5, 60)
            home.drop("urgent.jpg", value=30)
            content = hashlib.sha256(picture(30)).hexdigest()
            ticks(service, lambda: service.ledger.contents.find("inbox", "urgent.jpg", content) is not None)
            before = service.ledger.counts()[State.DONE]
            ticks(service, lambda: os.path.exists(home.path("outbox", "urgent.jpg")))
            assert service.ledger.counts()[State.DONE] - before < 12
            assert service.ledger.job(1).state is State.DONE, "the oldest is not kept waiting for it"
        finally:
            service.close()


def begin_and_stop(home: Home) -> None:
    """A daemon that is stopped as soon as it has begun with something."""
    service = home.make()
    try:
        service.start()
        ticks(service, lambda: service.claims or service.idle())
    finally:
        service.close()


def test_twenty_restarts_with_a_full_queue_lose_and_double_nothing(home: Home) -> None:
    many = 120
    for number in range(many):
        home.drop(f"{number:03}.jpg", picture(50 + number % 100) + bytes([number]))
    for _ in range(20):
        begin_and_stop(home)
        assert threading.active_count() < 20
    told = home.run(timeout=60)
    assert (told.counts["done"], told.counts["quarantined"]) == (many, 0)
    assert home.outbox() == [f"{number:03}.jpg" for number in range(many)]
    assert len({digest(path) for path in files(home.path("inbox")).values()}) == many
