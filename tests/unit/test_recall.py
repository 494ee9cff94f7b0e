"""Recalling what an outbox holds, on a real ledger."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from colorwatch import log
from colorwatch.folders import commands, messages
from colorwatch.folders.messages import FolderSettings, ResultsFound
from colorwatch.ledger import Ledger
from colorwatch.pool import Died
from colorwatch.protocol import Answer, Failure, Recalled
from colorwatch.scan import Fingerprint, Originals, Provenance, State
from colorwatch.work.recall import MOST_TRIES, Recall
from colorwatch.work.standing import Standing

FOLDER = FolderSettings("in", "/inbox", "/outbox", Originals.KEEP, None, "/quarantine", 1.0, 60.0, 60.0, True)
OURS = Provenance("aa" * 32, "a.jpg", "0123456789abcdef", "compact", "dd" * 32)
DISK = Failure("disk", "the share is gone", True)


@dataclass
class Desk:
    """A recall on a ledger of its own; what it sends is kept."""

    ledger: Ledger
    now: float = 1000.0
    sent: list[object] = field(default_factory=list)
    tickets: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.standing = Standing(["in"])
        self.recall = Recall(self.ledger, self.standing, {"in": FOLDER}, self.send, log.get("test"))
        self.recall.begin()

    def send(self, folder: str, command: object) -> None:
        self.sent.append(command)

    def find(self, *files: str, last: bool = True, ours: bool = True, root: int = 7) -> None:
        found = tuple((name, 1000) for name in files)
        self.recall.found(ResultsFound("in", found, last, ours, (1, root)), self.now)

    def read(self) -> str | None:
        request = self.recall.next_recall(next(self.tickets), self.now)
        return request.path if request else None

    def answer(self, answer: Answer) -> None:
        self.recall.answered(max(self.recall._reading), answer, self.now)

    def recalled(self, digest: str, provenance: Provenance | None = OURS) -> None:
        self.answer(Recalled(Fingerprint(1, 2, 3, 4), digest * 32, provenance))

    def die(self, **how: bool) -> None:
        self.recall.died(Died(max(self.recall._reading), "it died", 7, False, "", **how), self.now)

    @property
    def asked(self) -> object:
        return self.sent[-1]

    def end(self) -> None:
        assert self.asked == commands.RestoreAsides(frozenset())
        self.recall.restored(messages.AsidesRestored("in", 0))


@pytest.fixture
def desk(tmp_path: os.PathLike[str]) -> Iterator[Desk]:
    ledger = Ledger(os.path.join(tmp_path, "ledger"))
    ledger._db.execute("PRAGMA synchronous = OFF")
    yield Desk(ledger)
    ledger.close()


def test_the_folder_is_shut_until_its_originals_are_back_too(desk: Desk) -> None:
    desk.find("x.jpg", last=False)
    assert desk.read() is None, "before all is listed nothing is read"
    desk.find("y.jpg")
    for digest, name in (("ee", "x.jpg"), ("ff", "y.jpg")):
        assert desk.standing.recalling == {"in"}
        assert desk.read() == name
        desk.recalled(digest)
    assert desk.standing.recalling == {"in"}
    desk.end()
    assert desk.standing.recalling == set()
    assert desk.ledger.health.recalled("in")
    assert desk.ledger.counts()[State.DONE] == 2


def test_a_result_is_recalled_once(desk: Desk) -> None:
    desk.find("x.jpg")
    desk.read()
    desk.recalled("ee")
    again = Recall(desk.ledger, desk.standing, {"in": FOLDER}, desk.send, log.get("test"))
    desk.recall = again
    again.begin()
    desk.find("x.jpg")
    desk.read()
    desk.recalled("ee")
    assert desk.ledger.counts()[State.DONE] == 1


def test_an_outbox_that_was_never_ours_is_not_read(desk: Desk) -> None:
    desk.find(ours=False)
    desk.end()
    assert desk.ledger.health.recalled("in")


ODD = [
    Provenance("", "a.jpg", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 31 + "zz", "a.jpg", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "../../etc/passwd", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "/etc/passwd", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "a\ud800.jpg", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "a\0.jpg", "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "a" * 5000, "0123456789abcdef", "m", "d"),
    Provenance("aa" * 32, "a.jpg", "'; DROP TABLE job", "m", "d"),
    None,
]


@pytest.mark.parametrize("provenance", ODD)
def test_what_is_not_as_we_write_it_is_a_strangers(desk: Desk, provenance: Provenance | None) -> None:
    desk.find("x.jpg")
    desk.read()
    desk.recalled("ee", provenance)
    desk.end()
    assert desk.ledger.counts()[State.DONE] == 0


def test_a_name_that_is_not_utf_8_is_recalled(desk: Desk) -> None:
    desk.find("x.jpg")
    desk.read()
    desk.recalled("ee", Provenance("aa" * 32, "gr\udcfc\n.jpg", "0123456789abcdef", "m", "d"))
    assert desk.ledger.contents.find("in", "gr\udcfc\n.jpg", "aa" * 32) is not None


class TestTrouble:
    def test_an_outbox_that_cannot_be_listed_is_asked_for_again(self, desk: Desk) -> None:
        desk.recall.trouble("in", "listresults", "the share is gone", desk.now)
        assert desk.recall.waiting == {"in"}
        desk.sent.clear()
        desk.recall.due_again(desk.now + 4.0)
        assert desk.sent == []
        desk.recall.due_again(desk.now + 5.0)
        assert desk.sent == [commands.ListResults()]

    def test_files_that_vanish_are_listed_again(self, desk: Desk) -> None:
        desk.find("x.jpg", "y.jpg")
        desk.read()
        desk.recalled("ee")
        desk.read()
        desk.answer(Failure("gone", "it is gone", False))
        assert desk.recall.waiting == {"in"}
        desk.now += 5.0
        desk.recall.due_again(desk.now)
        assert desk.asked == commands.ListResults()
        desk.find("x.jpg")
        desk.read()
        desk.recalled("ee")
        desk.end()

    def test_another_outbox_in_its_place_is_not_believed(self, desk: Desk) -> None:
        desk.find("x.jpg")
        desk.read()
        desk.answer(Failure("gone", "it is gone", False))
        desk.now += 5.0
        desk.recall.due_again(desk.now)
        desk.find(ours=False, root=8)
        assert desk.standing.recalling == {"in"}
        assert desk.recall.waiting == {"in"}

    def test_a_share_that_is_away_is_waited_for(self, desk: Desk) -> None:
        desk.find("x.jpg", "y.jpg")
        for _ in range(3 * MOST_TRIES):
            while desk.read() is None:
                desk.now += 1.0
            desk.answer(DISK)
        assert desk.standing.recalling == {"in"}
        for _ in range(2):
            while desk.read() is None:
                desk.now += 1.0
            desk.recalled("ee")
        desk.end()

    def test_a_file_that_cannot_be_read_while_others_can_is_given_up(self, desk: Desk) -> None:
        desk.find("bad.jpg", *(f"{number}.jpg" for number in range(30)))
        bad = 0
        while not isinstance(desk.asked, commands.RestoreAsides):
            path = desk.read()
            if path is None:
                desk.now += 1.0
            elif path == "bad.jpg":
                bad += 1
                desk.answer(DISK)
            else:
                desk.recalled(f"{int(path.removesuffix('.jpg')):02}")
        assert bad > MOST_TRIES
        assert desk.ledger.counts()[State.DONE] == 30

    def test_a_file_that_kills_its_workers_is_given_up(self, desk: Desk) -> None:
        desk.find("x.jpg")
        for _ in range(3):
            assert desk.read() == "x.jpg"
            desk.die()
        desk.end()

    def test_a_strangers_file_that_may_not_be_read_is_passed_over(self, desk: Desk) -> None:
        desk.find("x.jpg")
        desk.read()
        desk.answer(Failure("unreadable", "permission is denied", True))
        desk.end()
