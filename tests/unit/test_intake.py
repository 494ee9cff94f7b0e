"""The way of a file to its probe and on, on a real ledger."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from colorwatch import log
from colorwatch.folders import commands, messages
from colorwatch.folders.messages import FolderSettings
from colorwatch.ledger import Ledger
from colorwatch.pool import Died
from colorwatch.protocol import Answer, Failure
from colorwatch.scan import Facts, Fingerprint, Originals, State
from colorwatch.work.identity import Identity
from colorwatch.work.intake import BACKLOG, REPORTED_AFTER, Intake
from colorwatch.work.patience import MAX_DEATHS, MAX_EXCUSED
from colorwatch.work.standing import Standing
from colorwatch.work.steps import Steps

FOLDER = FolderSettings("in", "/inbox", "/outbox", Originals.KEEP, None, "/quarantine", 1.0, 60.0, 60.0, True)
SEEN = Fingerprint(1, 2, 3, 4)


@dataclass
class Desk:
    """An intake on a ledger of its own; what it sends is kept."""

    ledger: Ledger
    now: float = 1000.0
    sent: list[object] = field(default_factory=list)
    tickets: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        folders = {"in": FOLDER, "other": FOLDER}
        self.standing = Standing(list(folders))
        steps = Steps(self.ledger, folders, self.send, log.get("test"))
        self.identity = Identity(
            self.ledger, steps, folders, dict.fromkeys(folders, "recipe"), self.send, log.get("test")
        )
        self.intake = Intake(
            *(self.ledger, steps, self.identity, self.standing),
            *(folders, 0.0, self.send, log.get("test")),
        )

    def send(self, folder: str, command: object) -> None:
        self.sent.append(command)

    def settle(self, path: str, folder: str = "in") -> None:
        self.intake.settled(messages.Settled(folder, path, SEEN))

    def probe(self) -> str | None:
        request = self.intake.next_probe(next(self.tickets), self.now)
        return request.path if request else None

    def answer(self, answer: Answer) -> None:
        """What the worker says that was asked last."""
        self.intake.answered(max(self.intake._probing), answer)

    def die(self, **how: bool) -> None:
        self.intake.died(Died(max(self.intake._probing), "it died", 7, False, "", **how), self.now)

    def states(self) -> dict[str, int]:
        return {state.value: number for state, number in self.ledger.counts().items() if number}


def facts(digest: str = "aa") -> Facts:
    return Facts(SEEN, digest * 32, "jpeg", ".jpg", 1, 640, 480, 1, 8)


@pytest.fixture
def desk(tmp_path: os.PathLike[str]) -> Iterator[Desk]:
    ledger = Ledger(os.path.join(tmp_path, "ledger"))
    ledger._db.execute("PRAGMA synchronous = OFF")
    yield Desk(ledger)
    ledger.close()


class TestTwoLanes:
    def test_few_are_read_in_their_order(self, desk: Desk) -> None:
        for number in range(BACKLOG):
            desk.settle(f"{number:02}")
        assert [desk.probe() for _ in range(4)] == ["00", "01", "02", "03"]

    def test_in_a_backlog_the_oldest_and_the_newest_are_read_in_turn(self, desk: Desk) -> None:
        for number in range(BACKLOG + 8):
            desk.settle(f"{number:02}")
        assert [desk.probe() for _ in range(4)] == ["00", "39", "01", "38"]

    def test_one_that_settles_again_keeps_its_place(self, desk: Desk) -> None:
        for number in (0, 1, 0):
            desk.settle(str(number))
        assert [desk.probe() for _ in range(3)] == ["0", "1", None]

    def test_of_two_folders_the_one_that_waits_longest_comes_first(self, desk: Desk) -> None:
        desk.settle("a", "other")
        desk.settle("b")
        assert [desk.probe(), desk.probe()] == ["a", "b"]

    def test_a_probe_costs_the_same_among_forty_thousand(self, desk: Desk) -> None:
        for number in range(40_000):
            desk.settle(f"{number:05}")
        begin = time.perf_counter()
        assert all(desk.probe() for _ in range(2000))
        assert time.perf_counter() - begin < 5.0


class TestFoldersThatAreShut:
    def test_nothing_is_read_of_one_whose_results_are_not_recalled(self, desk: Desk) -> None:
        desk.standing.recalling.add("in")
        desk.settle("a")
        desk.settle("b", "other")
        assert (desk.probe(), desk.probe()) == ("b", None)
        assert desk.intake.held(desk.now) == 1
        desk.standing.recalling.clear()
        assert desk.probe() == "a"

    def test_of_one_that_hangs_one_file_at_a_time_is_read_after_a_while(self, desk: Desk) -> None:
        for name in ("a", "b", "c"):
            desk.settle(name)
        desk.probe()
        desk.die(blameless=True, stuck=True)
        assert desk.probe() is None
        desk.now += 5.0
        assert (desk.probe(), desk.probe()) == ("b", None), "another one first"
        desk.answer(facts())
        assert (desk.probe(), desk.probe()) == ("c", "a")

    def test_a_share_that_hangs_for_hours_makes_no_poison(self, desk: Desk) -> None:
        desk.settle("a")
        for _ in range(10 * MAX_EXCUSED):
            while desk.probe() is None:
                desk.now += 5.0
            desk.die(blameless=True, stuck=True)
        assert desk.states() == {}
        assert desk.now > 1000 + 3600

    def test_a_file_that_kills_its_workers_is_poison(self, desk: Desk) -> None:
        desk.settle("a")
        for _ in range(MAX_DEATHS):
            assert desk.probe() == "a"
            desk.die()
        assert desk.states() == {"quarantined": 1}


class TestAFileThatCannotBeRead:
    def test_it_is_looked_at_later_and_later_and_then_reported(self, desk: Desk) -> None:
        for number in range(REPORTED_AFTER + 2):
            desk.settle("a")
            desk.probe()
            desk.answer(Failure("unreadable", "permission is denied", True))
            asked = [command for command in desk.sent if isinstance(command, commands.DescribeAccess)]
            assert len(asked) == (number + 1 >= REPORTED_AFTER)
        waits = [command.seconds for command in desk.sent if isinstance(command, commands.LookAgain)]
        assert waits == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]
        assert sum(waits[: REPORTED_AFTER - 1]) > 120
        desk.intake.access(messages.Access("in", "a", "It belongs to scanner, mode 0600; chmod it."))
        desk.settle("a")
        desk.probe()
        desk.answer(Failure("unreadable", "permission is denied", True))
        (reason,) = desk.ledger._db.execute("SELECT reason FROM wait").fetchone()
        assert reason == "It belongs to scanner, mode 0600; chmod it."

    def test_once_it_can_be_it_is_a_scan_like_any_other(self, desk: Desk) -> None:
        desk.settle("a")
        desk.probe()
        desk.answer(Failure("unreadable", "permission is denied", True))
        desk.settle("a")
        desk.probe()
        desk.answer(facts())
        assert desk.states() == {State.QUEUED.value: 1}


class TestRenames:
    def ask(self, desk: Desk) -> commands.OldPath:
        """A scan is done, and its content is found under another name."""
        for name in ("a", "b"):
            desk.settle(name)
            desk.probe()
            desk.answer(facts())
        (asked,) = [command for command in desk.sent if isinstance(command, commands.OldPath)]
        assert asked.path == "a"
        return asked

    def test_what_is_still_there_makes_the_other_new_work(self, desk: Desk) -> None:
        desk.intake._identity.old_path(messages.OldPathFound("in", self.ask(desk).token, True))
        assert desk.states() == {"queued": 2}

    def test_what_is_gone_was_renamed(self, desk: Desk) -> None:
        desk.identity.old_path(messages.OldPathFound("in", self.ask(desk).token, False))
        assert desk.states() == {"queued": 1}
        assert (desk.ledger.job(1).scan.path, desk.ledger.job(1).output) == ("b", "b.jpg")

    def test_an_inbox_that_is_not_there_decides_nothing(self, desk: Desk) -> None:
        desk.identity.old_path(messages.OldPathFound("in", self.ask(desk).token, None))
        assert desk.states() == {"queued": 1}
        assert desk.ledger.job(1).scan.path == "a"
        assert isinstance(desk.sent[-1], commands.LookAgain)

    def test_what_was_archived_meanwhile_is_not_taken_for_renamed(self, desk: Desk) -> None:
        asked = self.ask(desk)
        desk.ledger.done(1, "archived", "", "/archive/a")
        desk.identity.old_path(messages.OldPathFound("in", asked.token, False))
        assert desk.states() == {"done": 1, "queued": 1}, "both lay in the inbox together"

    def test_a_file_that_changes_while_it_is_asked_for_is_asked_for_anew(self, desk: Desk) -> None:
        asked = self.ask(desk)
        desk.settle("b")
        desk.probe()
        desk.answer(facts("bb"))
        assert desk.states() == {"queued": 2}
        desk.identity.old_path(messages.OldPathFound("in", asked.token, False))
        assert desk.ledger.job(1).scan.path == "a"
