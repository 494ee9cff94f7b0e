"""The ledger on a real disk."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator

import pytest

from colorwatch.errors import StateError
from colorwatch.ledger import Ledger
from colorwatch.scan import Facts, Fingerprint, Job, Rendering, Scan, State

RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})


def scan(path: str, mtime_ns: int = 4, folder: str = "in") -> Scan:
    return Scan(folder, path, Fingerprint(1, 2, 3, mtime_ns))


def facts(digest: str = "aa", width: int = 640) -> Facts:
    return Facts(Fingerprint(1, 2, 3, 4), digest * 32, "jpeg", ".jpg", 1, width, 480, 1, 8)


def names(first: str) -> Iterator[str]:
    return itertools.chain([first], (f"{first} ({number})" for number in itertools.count(2)))


@pytest.fixture
def path(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "ledger.sqlite3")


@pytest.fixture
def ledger(path: str) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def add(ledger: Ledger, path: str = "a.jpg", digest: str = "aa") -> Job:
    with ledger.batch():
        return ledger.add(scan(path), facts(digest), "recipe", names(path))


def claim(ledger: Ledger, now: float = 0.0) -> Job | None:
    with ledger.batch():
        return ledger.claim(now, lambda job: True, ["in"])


class TestAdding:
    def test_two_jobs_never_reserve_one_name(self, ledger: Ledger) -> None:
        assert [add(ledger, "a.jpg", digest).output for digest in ("aa", "bb", "cc")] == [
            "a.jpg",
            "a.jpg (2)",
            "a.jpg (3)",
        ]

    def test_two_folders_may_reserve_one_name(self, ledger: Ledger) -> None:
        with ledger.batch():
            jobs = [ledger.add(scan("a.jpg", folder=f), facts(), "r", names("a.jpg")) for f in ("one", "two")]
        assert [job.output for job in jobs] == ["a.jpg", "a.jpg"]

    def test_a_name_that_is_not_utf_8_survives(self, ledger: Ledger) -> None:
        assert add(ledger, "gr\udcfc\n.jpg").scan.path == "gr\udcfc\n.jpg"

    def test_an_inode_of_64_bits_survives(self, ledger: Ledger) -> None:
        big = Scan("in", "a", Fingerprint(2**64 - 1, 2**63, 5, 6))
        with ledger.batch():
            assert ledger.add(big, facts(), "r", names("a")).scan == big

    def test_known_content_is_found_under_its_path_alone(self, ledger: Ledger) -> None:
        job = add(ledger)
        assert ledger.contents.find("in", "a.jpg", "aa" * 32) == job
        assert ledger.contents.find("in", "b.jpg", "aa" * 32) is None
        assert ledger.contents.find("in", "a.jpg", "bb" * 32) is None

    def test_quarantined_content_may_be_tried_again(self, ledger: Ledger) -> None:
        job = add(ledger)
        ledger.quarantine(job.id, "damaged", "it is cut")
        assert ledger.contents.find("in", "a.jpg", "aa" * 32) is None
        assert add(ledger).output == "a.jpg"


class TestKnownPaths:
    def test_files_in_work_and_done_need_no_second_look(self, ledger: Ledger) -> None:
        add(ledger, "a.jpg")
        ledger.done(add(ledger, "b.jpg", "bb").id, None, None, None)
        assert list(ledger.contents.known("in")) == [("a.jpg", 3, 4), ("b.jpg", 3, 4)]

    def test_files_that_were_moved_away_do(self, ledger: Ledger) -> None:
        ledger.done(add(ledger, "a.jpg").id, "archived", None, "/archive/a.jpg")
        ledger.done(add(ledger, "b.jpg", "bb").id, "deleted", None, "")
        quarantined = add(ledger, "c.jpg", "cc")
        ledger.quarantine(quarantined.id, "damaged", "it is cut")
        ledger.quarantine_moved(quarantined.id, "/quarantine/c.jpg")
        ledger.skip(add(ledger, "d.jpg", "dd").id, "gone", "taken away")
        assert list(ledger.contents.known("in")) == []


class TestClaiming:
    def test_the_oldest_due_job_is_claimed_once(self, ledger: Ledger) -> None:
        first, second = add(ledger, "a.jpg"), add(ledger, "b.jpg", "bb")
        claimed = [claim(ledger), claim(ledger), claim(ledger)]
        assert [job.id if job else None for job in claimed] == [first.id, second.id, None]
        assert [job.attempt for job in claimed if job] == [1, 1]

    def test_a_job_that_does_not_fit_lets_another_pass(self, ledger: Ledger) -> None:
        add(ledger, "a.jpg")
        small = add(ledger, "b.jpg", "bb")
        with ledger.batch():
            job = ledger.claim(0.0, lambda job: job.scan.path == "b.jpg", ["in"])
        assert job is not None
        assert job.id == small.id

    def test_a_job_that_waits_is_claimed_when_it_is_due(self, ledger: Ledger) -> None:
        job = add(ledger)
        claim(ledger)
        ledger.retry(job.id, "disk", "the disk is full", not_before=100.0)
        assert claim(ledger, now=99.0) is None
        assert ledger.waiting(99.0, ["in"]) == 1
        again = claim(ledger, now=100.0)
        assert again is not None
        assert (again.failures, again.worker_deaths, again.attempt) == (1, 0, 2)

    def test_jobs_of_closed_folders_are_left(self, ledger: Ledger) -> None:
        add(ledger)
        with ledger.batch():
            assert ledger.claim(0.0, lambda job: True, ["other"]) is None


class TestRecovery:
    def test_running_jobs_are_queued_again_as_suspects(self, ledger: Ledger, path: str) -> None:
        add(ledger)
        claim(ledger)
        ledger.close()
        reopened = Ledger(path)
        assert reopened.recover() == []
        assert claim(reopened) is None
        suspect = reopened.suspect_due(0.0, ["in"])
        assert suspect is not None
        assert (suspect.daemon_deaths, suspect.blamed) == (1, 0)
        reopened.claim_suspect(suspect, others_succeed=True)
        reopened.recover()
        blamed = reopened.suspect_due(0.0, ["in"])
        assert blamed is not None
        assert (blamed.daemon_deaths, blamed.blamed) == (2, 1)
        reopened.close()

    def test_a_power_cut_with_no_proof_blames_nobody(self, ledger: Ledger) -> None:
        add(ledger)
        claim(ledger)
        for _ in range(5):
            ledger.recover()
            suspect = ledger.suspect_due(0.0, ["in"])
            assert suspect is not None
            ledger.claim_suspect(suspect, others_succeed=False)
        assert ledger.job(suspect.id).blamed == 0

    def test_a_released_claim_is_no_suspect(self, ledger: Ledger) -> None:
        job = add(ledger)
        claim(ledger)
        ledger.release(job.id)
        ledger.recover()
        assert ledger.suspect_due(0.0, ["in"]) is None
        assert claim(ledger) is not None

    def test_rendered_published_and_unmoved_jobs_are_handed_on(self, ledger: Ledger) -> None:
        rendered, published, moved, unmoved, done = (add(ledger, f"{n}.jpg", f"{n:02}") for n in range(5))
        for job in (rendered, published):
            ledger.rendered(job.id, "/out/.colorwatch/job", RESULT)
        ledger.published(published.id)
        for job in (moved, unmoved):
            ledger.quarantine(job.id, "damaged", "it is cut")
        ledger.quarantine_moved(moved.id, None)
        ledger.done(done.id, None, None, None)
        handed = ledger.recover()
        assert sorted(job.id for job in handed) == [rendered.id, published.id, unmoved.id]
        assert next(job for job in handed if job.id == rendered.id).result == RESULT

    def test_due_times_of_an_earlier_boot_are_forgotten(self, ledger: Ledger) -> None:
        job = add(ledger)
        ledger.retry(job.id, "disk", "the disk is full", not_before=1e9)
        ledger.recover()
        assert claim(ledger, now=0.0) is not None


class TestNames:
    def test_a_name_that_a_stranger_holds_is_not_reserved_again(self, ledger: Ledger) -> None:
        job = add(ledger)
        tried = [ledger.reserve_next(job.id, names("a.jpg")).output for _ in range(3)]
        assert tried == ["a.jpg (2)", "a.jpg (3)", "a.jpg (4)"]


class TestFolders:
    def test_counts_are_those_of_the_folders_asked_for(self, ledger: Ledger) -> None:
        add(ledger)
        assert ledger.counts(["in"])[State.QUEUED] == 1
        assert ledger.counts(["other"])[State.QUEUED] == 0
        assert ledger.left_waiting(["other"]) == 0

    def test_a_history_goes_with_its_inbox_when_folders_swap_their_names(self, ledger: Ledger) -> None:
        ledger.settle_in({"in": "/a", "in-2": "/b"})
        add(ledger, "a.jpg")
        with ledger.batch():
            ledger.add(scan("a.jpg", folder="in-2"), facts("bb"), "r", names("a.jpg"))
            ledger.settle_in({"in": "/b", "in-2": "/a"})
        assert ledger.contents.find("in-2", "a.jpg", "aa" * 32) is not None
        assert ledger.contents.find("in", "a.jpg", "bb" * 32) is not None
        assert ledger.contents.find("in", "a.jpg", "aa" * 32) is None
        assert ledger.counts(["in"])[State.QUEUED] == ledger.counts(["in-2"])[State.QUEUED] == 1

    def test_the_history_of_an_inbox_that_is_gone_is_kept_aside(self, ledger: Ledger) -> None:
        ledger.settle_in({"in": "/a", "in-2": "/b"})
        add(ledger, "a.jpg")
        with ledger.batch():
            ledger.settle_in({"in": "/b"})
        assert ledger.contents.find("in", "a.jpg", "aa" * 32) is None
        assert ledger.counts(["in (was /a)"])[State.QUEUED] == 1
        with ledger.batch():
            ledger.settle_in({"in": "/b", "again": "/a"})
        assert ledger.contents.find("again", "a.jpg", "aa" * 32) is not None

    def test_an_inbox_that_moved_under_the_same_name_keeps_its_history(self, ledger: Ledger) -> None:
        ledger.settle_in({"in": "/a"})
        add(ledger, "a.jpg")
        ledger.settle_in({"in": "/b"})
        assert ledger.contents.find("in", "a.jpg", "aa" * 32) is not None


class TestTheBatch:
    def test_a_failure_takes_all_of_it_back(self, ledger: Ledger) -> None:
        def add_and_fail() -> None:
            with ledger.batch():
                ledger.add(scan("a.jpg"), facts(), "r", names("a.jpg"))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            add_and_fail()
        assert ledger.counts()[State.QUEUED] == 0

    def test_the_tally_counts_what_the_table_holds(self, ledger: Ledger, path: str) -> None:
        for number in range(6):
            add(ledger, f"{number}.jpg", f"{number:02}")
        claim(ledger)
        ledger.quarantine(2, "damaged", "it is cut")
        ledger.skip(3, "gone", "taken away")
        ledger.rendered(4, "spool", RESULT)
        with sqlite3.connect(path) as db:
            truth = dict(db.execute("SELECT state, COUNT(*) FROM job GROUP BY state"))
        db.close()
        assert {state.value: n for state, n in ledger.counts().items() if n} == truth


class TestTheFile:
    def test_a_newer_schema_is_refused(self, ledger: Ledger, path: str) -> None:
        ledger.close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()
        with pytest.raises(StateError, match="newer colorwatch"):
            Ledger(path)

    def test_something_else_is_set_aside_and_kept(self, path: str) -> None:
        with open(path, "wb") as file:
            file.write(b"not a database" * 100)
        ledger = Ledger(path)
        assert ledger.fresh
        with open(ledger.damaged, "rb") as file:
            assert file.read() == b"not a database" * 100

    def test_a_commit_is_on_the_disk(self, ledger: Ledger) -> None:
        with ledger.batch():
            pass
        assert ledger._db.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert ledger._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_probe_deaths_are_counted_for_one_content_of_one_path(ledger: Ledger) -> None:
    assert [ledger.waits.probe_died(scan("a.jpg")) for _ in range(3)] == [1, 2, 3]
    assert ledger.waits.probe_died(scan("a.jpg", mtime_ns=5)) == 1
    assert ledger.waits.probe_died(scan("b.jpg")) == 1


def test_a_wait_ends_when_the_file_becomes_a_job(ledger: Ledger) -> None:
    ledger.waits.wait("in", "a.jpg", "incomplete", "it ends early")
    assert ledger.left_waiting(["in"]) == 1
    ledger.done(add(ledger).id, None, None, None)
    assert ledger.left_waiting(["in"]) == 0
