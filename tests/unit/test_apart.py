"""Which results have their prints saved apart, and what becomes of each print, on a real ledger."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colorwatch import log
from colorwatch.folders import commands
from colorwatch.folders.messages import FolderSettings, PrintSaved, Trouble
from colorwatch.ledger import Ledger
from colorwatch.pool import Died
from colorwatch.protocol import Answer, Cut, CutRequest, Failure, Piece
from colorwatch.recipe import Recipe
from colorwatch.scan import Facts, Fingerprint, Job, Originals, Place, Redo, Rendering, RenderSettings, Scan
from colorwatch.verdict import Verdict
from colorwatch.work.apart import BUSY_SECONDS, Apart
from colorwatch.work.patience import MAX_DEATHS
from colorwatch.work.standing import Standing

SEEN = Fingerprint(1, 2, 3, 4)
PLACES = (Place(0.1, 0.1, 0.4, 0.4), Place(0.6, 0.1, 0.9, 0.4), Place(0.1, 0.6, 0.4, 0.9))
RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {}, prints=PLACES)
HOUR = 3600.0


class Desk:
    """A ledger, and two folders: `a` saves prints apart, `b` does not."""

    def __init__(self, folder: str) -> None:
        self.ledger = Ledger(os.path.join(folder, "ledger.sqlite3"))
        self.sent: list[Any] = []
        self.tickets = itertools.count(1)
        self.words = {"a": "apart", "b": "together"}
        self.start()

    def start(self) -> set[str]:
        """As after a kill."""
        self.standing = Standing(list(self.words))
        self.standing.clean.extend(self.words)
        folders: dict[str, Any] = {
            name: FolderSettings(name, f"/{name}", "/out", Originals.KEEP, None, "/q", 1, 1, 1, True, prints=prints)
            for name, prints in self.words.items()
        }
        recipes = dict.fromkeys(folders, Recipe("dd" * 32, RenderSettings(jpeg_quality=80)))
        send = lambda _folder, command: self.sent.append(command)  # noqa: E731
        self.apart = Apart(self.ledger, self.standing, folders, recipes, send, log.get("prints"))
        return self.apart.resume()

    def done(self, path: str, folder: str = "a", result: Rendering = RESULT) -> Job:
        facts = Facts(SEEN, path.encode().hex() + "0" * (64 - 2 * len(path)), "jpeg", ".jpg", 1, 640, 480, 1, 8)
        with self.ledger.batch():
            job = self.ledger.add(Scan(folder, path, SEEN), facts, "recipe", iter([path]))
            self.ledger.rendered(job.id, "/out/.colorwatch/1-1.part", result)
            self.ledger.published(job.id)
            self.ledger.done(job.id, "kept", "", None)
        return self.ledger.job(job.id)

    def redone(self, job: Job, digest: str, *, fails: bool = False) -> None:
        with self.ledger.batch():
            self.ledger.redos.begin(job, Redo({"strength": 0.5}), "other")
            self.ledger.rendered(job.id, "/out/.colorwatch/1-2.part", replace(RESULT, digest=digest * 32))
            again = self.ledger.job(job.id)
            if fails:
                self.ledger.redos.fail(again, "no")
            else:
                self.ledger.redos.finish(again)

    def next(self, now: float = 0.0, busy: bool = False) -> CutRequest | None:
        with self.ledger.batch():
            return self.apart.next_cut(next(self.tickets), now, busy)

    def answer(self, request: CutRequest, answer: Answer | None = None, now: float = 0.0) -> None:
        """By default with pieces whose digest tells result and number."""
        pieces = tuple(Piece(w.number, f"{request.digest[:2]}-{w.number}", 1, w.number) for w in request.wanted)
        with self.ledger.batch():
            self.apart.answered(request.ticket, answer or Cut(pieces), now)

    def say(self, end: Any, now: float = 0.0) -> commands.SavePrint:
        """The folder's answer to what it was asked last."""
        asked = self.asked
        assert asked
        self.sent.clear()
        with self.ledger.batch():
            self.apart.saved(PrintSaved("a", asked.job_id, asked.number, end), now)
        return asked

    @property
    def asked(self) -> commands.SavePrint | None:
        return next((command for command in reversed(self.sent) if isinstance(command, commands.SavePrint)), None)

    def save_all(self) -> list[commands.SavePrint]:
        """The next result from its cut to its last print."""
        request = self.next()
        assert request
        self.answer(request)
        asked = []
        while self.asked:
            asked.append(self.say("saved"))
        return asked


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(str(tmp_path))


def names(asked: list[commands.SavePrint]) -> list[str]:
    return [save.final for save in asked]


def test_all_prints_of_a_glass_are_saved_once_in_their_order(desk: Desk) -> None:
    desk.done("x/g.jpg")
    desk.done("one.jpg", result=replace(RESULT, prints=()))
    desk.done("other.jpg", "b")
    assert desk.apart.pending(0.0)
    assert names(desk.save_all()) == [f"x/g prints/g {number}.jpg" for number in (1, 2, 3)]
    assert desk.next() is None
    assert not desk.apart.pending(0.0)
    assert desk.start() == set()
    assert desk.next() is None


def test_what_the_request_asks_for(desk: Desk) -> None:
    left = Verdict("colour", True, "it is in colour already", "1", {})
    job = desk.done("g.png", result=replace(RESULT, verdicts=(left,), losses="some bits"))
    request = desk.next()
    assert request is not None
    assert [wanted.place for wanted in request.wanted] == list(PLACES)
    assert (request.root, request.path, request.digest, request.job) == ("/out", "g.png", "ee" * 32, job.id)
    told = request.provenance
    assert (told.left, told.losses) == ("it is in colour already", "some bits")
    assert request.settings.jpeg_quality == 80


def test_a_pdf_is_left(desk: Desk) -> None:
    desk.done("g.pdf")
    assert desk.next() is None
    assert not desk.apart.pending(0.0)


def test_each_step_is_taken_up_after_a_kill(desk: Desk) -> None:
    desk.done("g.jpg")
    assert desk.next()
    assert desk.start() == set()  # killed while it was cut: it is cut again
    request = desk.next()
    assert request
    desk.answer(request)
    desk.say("saved")
    desk.sent.clear()
    assert desk.start() == {"1-2.print", "1-3.print"}
    assert desk.apart.pending(0.0)
    rest = [desk.say("saved"), desk.say("saved")]
    assert names(rest) == ["g prints/g 2.jpg", "g prints/g 3.jpg"]
    assert desk.next() is None


def test_a_name_that_is_taken_is_passed_by(desk: Desk) -> None:
    desk.done("g.jpg")
    request = desk.next()
    assert request
    desk.answer(request)
    asked = [desk.say("taken"), desk.say("taken"), desk.say("saved"), desk.say("saved"), desk.say("saved")]
    assert names(asked[:4]) == ["g prints/g 1.jpg", "g prints/g 1 (2).jpg", "g prints/g 1 (3).jpg", "g prints/g 2.jpg"]


def test_of_a_result_that_was_made_again_those_that_nobody_touched_are_replaced(desk: Desk) -> None:
    job = desk.done("g.jpg")
    desk.save_all()
    desk.redone(job, "ab")
    request = desk.next()
    assert request
    desk.answer(request)
    first = desk.say("saved")
    assert (first.final, first.over, first.replaces) == ("g prints/g 1.jpg", "g prints/g 1.jpg", "ee-1")
    desk.say("left")  # a person has deleted the second
    desk.say("saved")
    desk.redone(desk.ledger.job(job.id), "cd")
    again = desk.save_all()
    assert [(save.number, save.replaces) for save in again] == [(1, "ab-1"), (3, "ab-3")]


def test_one_that_could_not_be_made_again_is_as_before(desk: Desk) -> None:
    job = desk.done("g.jpg")
    desk.save_all()
    desk.redone(job, "ab", fails=True)
    assert desk.next() is None
    assert not desk.apart.pending(0.0)


def test_of_another_format_they_follow_it(desk: Desk) -> None:
    job = desk.done("g.png")
    desk.save_all()
    desk.redone(job, "ab")
    desk.ledger._db.execute("UPDATE job SET output = x'672e6a7067'")  # g.jpg
    save = desk.save_all()[0]
    assert (save.final, save.over, save.replaces) == ("g prints/g 1.jpg", "g prints/g 1.png", "ee-1")


def test_a_result_that_was_made_again_while_it_was_cut_is_cut_again(desk: Desk) -> None:
    job = desk.done("g.jpg")
    request = desk.next()
    assert request
    desk.redone(job, "ab")
    desk.answer(request)
    while desk.asked:
        desk.say("saved")
    assert [save.replaces for save in desk.save_all()] == ["ee-1", "ee-2", "ee-3"]
    assert desk.next() is None


@pytest.mark.parametrize("kind", ["gone", "changed", "damaged"])
def test_a_result_that_is_a_person_s_by_now_is_left(desk: Desk, kind: str) -> None:
    desk.done("g.jpg")
    request = desk.next()
    assert request
    desk.answer(request, Failure(kind, "no", retryable=kind == "changed"))
    assert desk.next(HOUR) is None
    assert not desk.apart.pending(HOUR)


def test_a_disk_that_fails_is_waited_for_and_holds_nobody(desk: Desk) -> None:
    desk.done("g.jpg")
    now = 0.0
    for _ in range(20):
        request = desk.next(now)
        assert request
        desk.answer(request, Failure("disk", "the share is gone", retryable=True), now)
        assert desk.next(now) is None
        assert not desk.apart.pending(now), "a run that ends when idle does not wait for it"
        now += HOUR
    assert desk.next(now) is not None


def test_a_print_that_the_disk_does_not_take_is_asked_for_again_and_others_go_on(desk: Desk) -> None:
    desk.done("g.jpg")
    desk.done("h.jpg")
    request = desk.next()
    assert request
    desk.answer(request)
    save = desk.asked
    assert save
    desk.sent.clear()
    with desk.ledger.batch():
        desk.apart.trouble(Trouble("a", save.job_id, "saveprint", 20, "a link stands there"), 0.0, whole_disk=False)
    assert names(desk.save_all()) == [f"h prints/h {number}.jpg" for number in (1, 2, 3)]
    desk.sent.clear()
    assert desk.next(HOUR) is None
    assert desk.asked == save


def test_workers_that_die_over_one_are_lost_three_times(desk: Desk) -> None:
    desk.done("g.jpg")
    now = 0.0
    for _ in range(MAX_DEATHS):
        request = desk.next(now)
        assert request
        with desk.ledger.batch():
            desk.apart.died(Died(request.ticket, "it died", 7, False, ""), now)
        now += HOUR
    assert desk.next(now) is None


def test_what_was_lost_from_the_spool_is_cut_again(desk: Desk) -> None:
    desk.done("g.jpg")
    request = desk.next()
    assert request
    desk.answer(request)
    desk.say("saved")
    desk.say("lost")
    desk.say("saved")
    request = desk.next(HOUR)
    assert request
    desk.answer(request)
    assert [(save.number, save.replaces) for save in (desk.say("saved"), desk.say("saved"))] == [(1, "ee-1"), (2, "")]


def test_while_scans_wait_there_is_a_pause_and_none_where_no_result_is_taken(desk: Desk) -> None:
    desk.done("g.jpg")
    desk.done("h.jpg")
    request = desk.next(10.0, busy=True)
    assert request
    assert desk.next(10.0 + BUSY_SECONDS, busy=True) is None, "one at a time"
    desk.answer(request)
    assert desk.next(10.0 + BUSY_SECONDS / 2, busy=True) is None
    for closed in (desk.standing.full, desk.standing.paused, desk.standing.recalling, desk.standing.unclean):
        closed.add("a")
        assert desk.next(20.0) is None
        closed.clear()
    assert desk.next(20.0, busy=True) is not None


def test_a_scan_that_is_forgotten_takes_its_prints_along(desk: Desk) -> None:
    job = desk.done("g.jpg")
    desk.save_all()
    assert desk.ledger.prints.standing(job.id) == tuple((f"g prints/g {n}.jpg", f"ee-{n}") for n in (1, 2, 3))
    with desk.ledger.batch():
        desk.ledger.redos.forget(job)
    assert desk.ledger.prints.standing(job.id) == ()
    other = desk.done("h.jpg")
    request = desk.next()
    assert request
    desk.answer(request)
    assert len(desk.ledger.prints.standing(other.id)) == 3, "those on their way, too"
    with desk.ledger.batch():
        desk.ledger.redos.forget(other)
    desk.say("saved")
    assert [type(command) for command in desk.sent] == [commands.Discard]


def test_an_answer_that_is_none_of_ours_and_one_that_comes_too_late_name_nothing(desk: Desk) -> None:
    job = desk.done("g.jpg")
    request = desk.next()
    assert request
    desk.answer(request, Cut((Piece(1, "ee", 1, 1), Piece(99, "ee", 1, 1))))
    assert desk.asked is None
    assert desk.ledger.prints.of(job.id) == {}
    other = desk.done("h.jpg")
    request = desk.next()
    assert request
    with desk.ledger.batch():
        desk.ledger.redos.forget(other)
    desk.answer(request)
    assert desk.asked is None


def test_a_folder_s_history_keeps_its_prints_under_another_name(desk: Desk) -> None:
    desk.done("g.jpg")
    with desk.ledger.batch():
        desk.ledger.settle_in({"a": "/a", "b": "/b"})
        desk.ledger.settle_in({"new": "/a", "b": "/b"})
    desk.words = {"new": "apart", "b": "together"}
    desk.start()
    assert desk.next() is not None
