"""Which result the gallery gets next, on a real ledger; what goes to folders is caught."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest

from colorwatch import log
from colorwatch.folders import commands
from colorwatch.folders.messages import FolderSettings, Shown
from colorwatch.ledger import Ledger
from colorwatch.protocol import Failure, Portrayed
from colorwatch.scan import Facts, Fingerprint, Flag, Job, Originals, Redo, Rendering, Scan
from colorwatch.work.portraits import BUSY_SECONDS, MOST_TRIES, Portraits
from colorwatch.work.standing import Standing

SEEN = Fingerprint(1, 2, 3, 4)
BLANK = Flag("blank page", "Page 2 is blank.")
RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {}, (BLANK,))
MADE = Portrayed(640, 480, 400, 300)
HOUR = 3600.0


class Desk:
    """A ledger whose clock is set by hand, with two folders that have galleries."""

    def __init__(self, folder: str) -> None:
        self.now = 1_000_000.0
        self.ledger = Ledger(os.path.join(folder, "ledger.sqlite3"), wall=lambda: self.now)
        self.sent: list[commands.Show] = []
        self.standing = Standing(["a", "b"])
        self.standing.unclean.clear()
        self.standing.clean.extend(["a", "b"])
        self.tickets = itertools.count(1)
        paths = {
            name: FolderSettings(
                name, f"/{name}", f"/{name}-out", Originals.KEEP, None, "/q", 1, 1, 1, True, gallery=True
            )
            for name in ("a", "b")
        }
        self.portraits = Portraits(self.ledger, self.standing, paths, self.send, log.get("gallery"))

    def send(self, _folder: str, command: commands.Command) -> None:
        if isinstance(command, commands.Show):
            self.sent.append(command)

    def done(self, path: str, folder: str = "a") -> Job:
        facts = Facts(SEEN, path.encode().hex() + "0" * (64 - 2 * len(path)), "jpeg", ".jpg", 1, 640, 480, 1, 8)
        with self.ledger.batch():
            job = self.ledger.add(Scan(folder, path, SEEN), facts, "recipe", iter([path]), self.now)
            self.ledger.rendered(job.id, f"/{folder}-out/.colorwatch/1-1.part", RESULT)
            self.ledger.published(job.id)
            self.now += 1
            self.ledger.done(job.id, "kept", "", None)
        return self.ledger.job(job.id)

    def redone(self, job: Job) -> None:
        with self.ledger.batch():
            self.ledger.redos.begin(job, Redo({"strength": 0.5}), "other")
            self.ledger.rendered(job.id, "/a-out/.colorwatch/1-2.part", replace(RESULT, flags=()))
            self.now += 1
            self.ledger.redos.finish(self.ledger.job(job.id))

    def next(self, now: float = 0.0, busy: bool = False) -> tuple[int, str] | None:
        """Ticket and path of the next one."""
        ticket = next(self.tickets)
        with self.ledger.batch():
            request = self.portraits.next_portrait(ticket, now, busy)
        return None if request is None else (ticket, f"{request.root}/{request.path}")

    def answer(self, ticket: int, answer: Portrayed | Failure = MADE, now: float = 0.0) -> commands.Show | None:
        """What was sent to the folder."""
        before = len(self.sent)
        with self.ledger.batch():
            self.portraits.answered(ticket, answer, now)
        return self.sent[-1] if len(self.sent) > before else None

    def show(self, now: float = 0.0, missing: bool = False) -> commands.Show | None:
        """One after the other, from its portrait to the gallery; None where there is nothing to show."""
        found = self.next(now)
        if found is None:
            return None
        command = self.answer(found[0], MADE, now)
        assert command is not None
        with self.ledger.batch():
            folder = found[1].split("/")[1].removesuffix("-out")
            self.portraits.shown(Shown(folder, command.job_id, missing))
        return command


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(str(tmp_path))


def test_each_is_shown_once_in_the_order_in_which_they_ended(desk: Desk) -> None:
    for path in ("1.jpg", "2.jpg"):
        desk.done(path)
    shown = [desk.show(), desk.show()]
    assert [command.path for command in shown if command] == ["1.jpg", "2.jpg"]
    assert desk.show() is None
    assert not desk.portraits.pending()


def test_what_was_shown_last_is_shown_again_when_it_was_made_again(desk: Desk) -> None:
    job = desk.done("1.jpg")
    first = desk.show()
    desk.redone(job)
    desk.done("2.jpg")
    again, other = desk.show(), desk.show()
    assert first is not None
    assert again is not None
    assert other is not None
    assert (again.path, other.path) == ("1.jpg", "2.jpg")
    assert (again.when, again.job_id) == (first.when, first.job_id)
    assert again.made > first.made
    assert [flag.word for flag in first.flags] == ["blank page"]
    assert [flag.word for flag in again.flags] == ["own settings"]


def test_a_result_that_no_browser_shows_gets_a_view(desk: Desk) -> None:
    desk.done("1.tif")
    found = desk.next()
    assert found
    command = desk.answer(found[0], replace(MADE, view_width=1600, view_height=1200))
    assert command is not None
    assert command.view == "/a-out/.colorwatch/1-00.part"
    assert (command.view_width, command.view_height) == (1600, 1200)


def test_pictures_that_are_missing_are_all_shown_again(desk: Desk) -> None:
    for path in ("1.jpg", "2.jpg"):
        desk.done(path)
        desk.show()
    desk.done("3.jpg")
    desk.show(missing=True)
    shown = [desk.show() for _ in range(3)]
    assert [command.path for command in shown if command] == ["1.jpg", "2.jpg", "3.jpg"]
    assert desk.show() is None


def test_one_that_cannot_be_read_is_shown_by_its_name_after_some_tries(desk: Desk) -> None:
    desk.done("1.jpg")
    desk.done("2.jpg")
    unreadable = Failure("unreadable", "there is no permission to read it", retryable=True)
    now = 0.0
    for _ in range(MOST_TRIES):
        found = desk.next(now)
        assert found
        assert desk.answer(found[0], unreadable, now) is None
        assert desk.next(now) is None, "not at once"
        now += HOUR
    found = desk.next(now)
    assert found
    command = desk.answer(found[0], unreadable, now)
    assert command is not None
    assert (command.path, command.spool) == ("1.jpg", "")


def test_a_folder_whose_disk_fails_or_hangs_holds_no_other(desk: Desk) -> None:
    desk.done("1.jpg", "a")
    desk.done("2.jpg", "a")
    desk.done("3.jpg", "b")
    desk.done("4.jpg", "b")
    found = desk.next()
    assert found
    desk.answer(found[0])  # and the folder's thread says nothing
    others = [desk.show(), desk.show()]
    assert [command.path for command in others if command] == ["3.jpg", "4.jpg"]
    assert desk.show() is None
    desk.portraits.trouble("a", "the disk is full", 0.0)
    assert desk.show() is None
    again = desk.show(now=HOUR)
    assert again
    assert again.path == "1.jpg"


def test_folders_have_their_turns(desk: Desk) -> None:
    for number in range(3):
        desk.done(f"{number}.jpg", "a")
    desk.done("b.jpg", "b")
    shown = [desk.show() for _ in range(4)]
    assert [command.path for command in shown if command].index("b.jpg") < 2


def test_while_scans_wait_there_is_a_pause_between_two(desk: Desk) -> None:
    desk.done("1.jpg")
    desk.done("2.jpg")
    found = desk.next(10.0, busy=True)
    assert found
    command = desk.answer(found[0])
    assert command
    desk.portraits.shown(Shown("a", command.job_id))
    assert desk.next(10.0 + BUSY_SECONDS / 2, busy=True) is None
    assert desk.next(10.0 + BUSY_SECONDS, busy=True) is not None
