"""Quiet hours begin and end by an injected clock; workers rest in proportion to what they did."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from colorwatch import log
from colorwatch.asking.history import report
from colorwatch.ledger import Ledger
from colorwatch.ledger.settings import WORKERS
from colorwatch.work.pacing import Pacing
from colorwatch.work.standing import Standing


class Day:
    """The clock on the wall, at a time of the tenth of June 2026."""

    def __init__(self, hour: int) -> None:
        self.set(hour)

    def set(self, hour: int, minute: int = 0) -> None:
        self.now = time.mktime((2026, 6, 10, hour, minute, 0, 0, 0, -1))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ledger(tmp_path: os.PathLike[str]) -> Iterator[Ledger]:
    ledger = Ledger(os.path.join(tmp_path, "ledger.sqlite3"))
    yield ledger
    ledger.close()


def made(ledger: Ledger, day: Day, hours: str = "08:00-18:00", share: int = 100) -> tuple[Pacing, Standing]:
    standing = Standing(["in"], clean=["in"])
    pacing = Pacing(hours, share, ledger, standing, log.get("pacing"), day)
    with ledger.batch():
        pacing.introduce()
    return pacing, standing


def test_nothing_is_open_while_it_is_quiet_and_both_ends_are_said_once(ledger: Ledger) -> None:
    day = Day(7)
    pacing, standing = made(ledger, day)
    seen = []
    with capture_logs() as lines, ledger.batch():
        for now, (hour, minute) in enumerate([(7, 59), (8, 0), (12, 0), (17, 59), (18, 0), (19, 0)]):
            day.set(hour, minute)
            pacing.look(float(now))
            seen.append((standing.open(now), pacing.quiet_until))
    assert seen == [(["in"], ""), *[([], "18:00")] * 3, (["in"], ""), (["in"], "")]
    assert [(line["event"], line.get("until")) for line in lines] == [("work.quiet", "18:00"), ("work.goes_on", None)]


def test_a_daemon_that_starts_in_quiet_hours_is_quiet_from_its_first_look(ledger: Ledger) -> None:
    pacing, standing = made(ledger, Day(12))
    with ledger.batch():
        pacing.look(0.0)
    assert standing.open(0.0) == []


def test_who_asks_beside_the_daemon_is_told_until_when(ledger: Ledger, tmp_path: os.PathLike[str]) -> None:
    now = time.localtime()
    hours = f"{now.tm_hour:02}:00-{(now.tm_hour + 3) % 24:02}:00"
    pacing, _ = made(ledger, Day(0), hours)
    pacing._wall = time.time
    asked = lambda: report(os.fspath(tmp_path), os.path.join(tmp_path, "ledger.sqlite3"))  # noqa: E731
    assert asked().quiet_until is None
    with ledger.batch():
        pacing.look(0.0)
    told = asked().quiet_until
    assert told is not None
    assert time.localtime(told)[3:5] == ((now.tm_hour + 3) % 24, 0)
    made(ledger, Day(12), hours="")  # a start with another config
    assert asked().quiet_until is None


@pytest.mark.parametrize(("share", "rest"), [(50, 10.0), (25, 30.0), (100, 0.0)])
def test_a_worker_rests_as_its_share_says(ledger: Ledger, share: int, rest: float) -> None:
    pacing, _ = made(ledger, Day(7), "", share)
    pacing.begun(1, 100.0)
    assert pacing.free(1, 100.0) == 1, "the other worker is not concerned"
    pacing.ended(1, 110.0)
    if rest:
        assert (pacing.free(2, 110.0 + rest - 0.1), pacing.next_due()) == (1, 110.0 + rest)
    assert (pacing.free(2, 110.0 + rest), pacing.next_due()) == (2, None)


def test_a_share_of_the_time_makes_the_rest_take_longer(ledger: Ledger, tmp_path: os.PathLike[str]) -> None:
    with ledger.batch():
        ledger.health.set(WORKERS, "1")
    made(ledger, Day(7), "", 25)
    assert ledger.health.setting("cpu share") == "0.25"
    made(ledger, Day(7), "", 100)
    assert ledger.health.setting("cpu share") is None
