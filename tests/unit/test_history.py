"""What the ledger tells a person."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest

from colorwatch.asking import history
from colorwatch.asking.history import in_words, last_ended, report
from colorwatch.ledger import Ledger
from colorwatch.ledger.files import connect_to_read
from colorwatch.ledger.settings import PAUSED, QUIET, SHARE, WORKERS
from colorwatch.scan import Facts, Fingerprint, Job, Rendering, Scan, State

RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})


class Clock:
    """Unix time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: os.PathLike[str], clock: Clock) -> Iterator[Ledger]:
    ledger = Ledger(os.path.join(tmp_path, "ledger.sqlite3"), clock)
    yield ledger
    ledger.close()


def add(ledger: Ledger, path: str) -> Job:
    facts = Facts(Fingerprint(1, 2, 3, 4), path.ljust(64, "0"), "jpeg", ".jpg", 1, 640, 480, 1, 8)
    names = itertools.chain([path], (f"{path} ({number})" for number in itertools.count(2)))
    return ledger.add(Scan("in", path, Fingerprint(1, 2, 3, 4)), facts, "recipe", names)


def finish(ledger: Ledger, clock: Clock, path: str, seconds: float) -> None:
    with ledger.batch():
        add(ledger, path)
        job = ledger.claim(0.0, lambda _: True, ["in"])
        assert job
        clock.now += seconds
        ledger.rendered(job.id, "/out/.colorwatch/1-1.part", RESULT)
        ledger.published(job.id)
        ledger.done(job.id, "kept", "", None)


def told(tmp_path: os.PathLike[str]) -> Any:
    return report(os.fspath(tmp_path), os.path.join(tmp_path, "ledger.sqlite3"))


class TestEta:
    def test_it_is_what_the_last_ones_took_shared_by_the_workers(
        self, ledger: Ledger, clock: Clock, tmp_path: os.PathLike[str]
    ) -> None:
        for number in range(3):
            finish(ledger, clock, f"{number}.jpg", 10.0)
        with ledger.batch():
            ledger.health.set(WORKERS, "2")
            for number in range(7):
                add(ledger, f"new {number}.jpg")
        assert told(tmp_path).eta_seconds == pytest.approx(40.0)

    def test_quiet_hours_and_a_share_of_the_time_make_it_longer(
        self, ledger: Ledger, clock: Clock, tmp_path: os.PathLike[str]
    ) -> None:
        for number in range(3):
            finish(ledger, clock, f"{number}.jpg", 10.0)
        now = time.localtime()
        quiet = f"{now.tm_hour:02}:00-{(now.tm_hour + 2) % 24:02}:00"
        with ledger.batch():
            ledger.health.set(WORKERS, "1")
            ledger.health.set(SHARE, "0.5")
            add(ledger, "new.jpg")
        assert told(tmp_path).eta_seconds == pytest.approx(20.0)
        with ledger.batch():
            ledger.health.set(QUIET, json.dumps({"hours": quiet, "since": 1.0}))
        report = told(tmp_path)
        assert report.eta_seconds == pytest.approx(report.quiet_until - time.time() + 20.0, abs=5)

    def test_without_any_experience_it_is_not_known(self, ledger: Ledger, tmp_path: os.PathLike[str]) -> None:
        with ledger.batch():
            add(ledger, "a.jpg")
        assert told(tmp_path).eta_seconds is None

    def test_only_the_last_hundred_count(self, ledger: Ledger, clock: Clock, tmp_path: os.PathLike[str]) -> None:
        finish(ledger, clock, "slow.jpg", 1e6)
        for number in range(100):
            finish(ledger, clock, f"{number}.jpg", 1.0)
        with ledger.batch():
            ledger.health.set(WORKERS, "1")
            add(ledger, "a.jpg")
        assert told(tmp_path).eta_seconds == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            *[(0, "less than a minute"), (44, "less than a minute"), (45, "about 1 minute"), (150, "about 2 minutes")],
            *[(5_300, "about 88 minutes"), (5_400, "about 2 hours"), (10_000, "about 3 hours")],
            *[(129_600, "about 2 days"), (1e7, "about 116 days")],
        ],
    )
    def test_it_is_said_as_a_person_would(self, seconds: float, words: str) -> None:
        assert in_words(seconds) == words


def test_the_report_has_pauses_health_stuck_ones_and_the_oldest(
    ledger: Ledger, clock: Clock, tmp_path: os.PathLike[str]
) -> None:
    with ledger.batch():
        ledger.health.set(PAUSED, '{"in": 5.0}')
        ledger.health.note("in", "space", "low", "3 MB are free")
        stuck = add(ledger, "stuck.jpg")
        ledger.rendered(stuck.id, "/out/.colorwatch/1-1.part", RESULT)
        ledger.published(stuck.id)
        ledger.stuck(stuck.id, "the inbox is read-only")
    clock.now += 5
    with ledger.batch():
        add(ledger, "old.jpg")
        add(ledger, "new.jpg")
    found = told(tmp_path)
    assert found.paused == {"in": 5.0}
    assert [(one.folder, one.subject, one.state, one.reason) for one in found.health] == [
        ("in", "space", "low", "3 MB are free")
    ]
    assert [entry.file for entry in found.stuck] == ["stuck.jpg"]
    assert (found.oldest.file, found.oldest.when) == ("old.jpg", clock.now)
    assert found.daemon is None


def test_the_history_has_every_end_the_latest_first(ledger: Ledger, clock: Clock, tmp_path: os.PathLike[str]) -> None:
    finish(ledger, clock, "a.jpg", 1.0)
    clock.now += 1
    with ledger.batch():
        ledger.add_ended(Scan("in", "b.jpg", Fingerprint(1, 2, 3, 4)), State.QUARANTINED, "damaged", "it ends early")
    db = connect_to_read(os.path.join(tmp_path, "ledger.sqlite3"))
    try:
        entries = last_ended(db, 5)
    finally:
        db.close()
    assert [(entry.file, entry.kind) for entry in entries] == [("b.jpg", "damaged"), ("a.jpg", "done")]


def test_no_question_of_status_reads_all_jobs(
    ledger: Ledger, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million jobs an index finds what is asked for."""
    asked: list[str] = []

    def traced(path: str) -> sqlite3.Connection:
        db = connect_to_read(path)
        db.set_trace_callback(asked.append)
        return db

    monkeypatch.setattr(history, "connect_to_read", traced)
    with ledger.batch():
        add(ledger, "a.jpg")
    told(tmp_path)
    db = sqlite3.connect(os.path.join(tmp_path, "ledger.sqlite3"))
    try:
        plans = {text: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in asked if "job" in text}
    finally:
        db.close()
    assert len(plans) > 6
    assert {text: plan for text, plan in plans.items() if any(step.endswith("SCAN job") for step in plan)} == {}
