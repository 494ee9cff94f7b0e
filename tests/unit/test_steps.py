"""What follows a folder's word, on a real ledger."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
import structlog

from colorwatch import log
from colorwatch.disk.originals import Fate
from colorwatch.folders import commands, messages
from colorwatch.folders.messages import FolderSettings
from colorwatch.ledger import Ledger
from colorwatch.scan import Facts, Fingerprint, Flag, Job, Originals, Rendering, Scan, State
from colorwatch.verdict import Verdict
from colorwatch.work.redoing import tell_compromises
from colorwatch.work.steps import Steps, names_after, told_of

FOLDER = FolderSettings("in", "/inbox", "/outbox", Originals.ARCHIVE, "/archive", "/quarantine", 1.0, 60.0, 60.0, True)
SEEN = Fingerprint(1, 2, 3, 4)
RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})


@dataclass
class Desk:
    """Steps on a ledger of its own, with one job that is rendered; what is sent is kept."""

    ledger: Ledger
    sent: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = Steps(self.ledger, {"in": FOLDER}, self.send, log.get("test"))
        facts = Facts(SEEN, "aa" * 32, "jpeg", ".jpg", 1, 640, 480, 1, 8)
        self.ledger.add(Scan("in", "a.jpg", SEEN), facts, "recipe", iter(["a.jpg"]))
        self.render(0.0)

    def send(self, folder: str, command: object) -> None:
        self.sent.append(command)

    def render(self, now: float) -> bool:
        job = self.ledger.claim(now, lambda job: job.id > 0, ["in"])
        if job:
            self.steps.rendered(job, "/outbox/.colorwatch/1-1.part", RESULT)
        return job is not None

    def job(self) -> Job:
        return self.ledger.job(1)

    def publish(self) -> None:
        self.steps.on_published(messages.Published("in", 1, "a.jpg"))

    def cannot_clear(self, code: int, now: float = 0.0) -> None:
        self.steps.on_trouble(messages.Trouble("in", 1, "dispose", code, "it could not be cleared"), now)

    def disposed(self, fate: Fate, where: str | None = None) -> None:
        self.steps.on_disposed(messages.Disposed("in", 1, fate, where))


@pytest.fixture
def desk(tmp_path: os.PathLike[str]) -> Iterator[Desk]:
    ledger = Ledger(os.path.join(tmp_path, "ledger"))
    yield Desk(ledger)
    ledger.close()


def test_a_result_lost_once_is_made_again_at_once_and_then_later_and_later(desk: Desk) -> None:
    now, waits = 1000.0, []
    for _ in range(5):
        desk.steps.on_spool_lost(messages.SpoolLost("in", 1), now)
        begin = now
        while not desk.render(now):
            now += 1.0
        waits.append(now - begin)
    assert waits == [0.0, 5.0, 10.0, 20.0, 40.0]


class TestAnOriginalThatCannotBeCleared:
    @pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY])
    def test_the_job_is_stuck_and_its_spool_name_goes(self, desk: Desk, code: int) -> None:
        desk.publish()
        desk.cannot_clear(code)
        assert desk.job().state is State.STUCK
        assert desk.ledger.why(1) == ("stuck", "it could not be cleared")
        assert isinstance(desk.sent[-1], commands.Discard)

    def test_another_fault_is_waited_for_as_ever(self, desk: Desk) -> None:
        desk.publish()
        desk.cannot_clear(errno.EIO)
        assert desk.job().state is State.PUBLISHED

    def test_it_is_asked_for_again_later_and_later_and_at_each_start(self, desk: Desk) -> None:
        desk.publish()
        desk.cannot_clear(errno.EACCES, 0.0)
        desk.sent.clear()
        desk.steps.due_again(4.9)
        assert desk.sent == []
        desk.steps.due_again(5.0)
        assert desk.sent == [commands.Dispose(1, "a.jpg", SEEN)]
        assert [job.state for job in desk.ledger.recover()] == [State.STUCK]

    def test_once_it_clears_the_job_is_done(self, desk: Desk) -> None:
        desk.publish()
        desk.cannot_clear(errno.EACCES)
        desk.disposed(Fate.ARCHIVED, "/archive/a.jpg")
        assert (desk.job().state, desk.job().whereabouts) == (State.DONE, "/archive/a.jpg")


class TestAnOriginalRenamedWhileItIsToBeCleared:
    @pytest.mark.parametrize("fate", [Fate.GONE, Fate.CHANGED])
    def test_it_is_looked_for_under_its_new_name(self, desk: Desk, fate: Fate) -> None:
        desk.publish()
        desk.ledger.contents.lies_at(1, "b.jpg", SEEN)
        desk.steps.renamed(1)
        desk.sent.clear()
        desk.disposed(fate)
        assert desk.sent == [commands.Dispose(1, "b.jpg", SEEN)]
        desk.disposed(Fate.GONE)
        assert desk.job().state is State.DONE, "asked for twice, it is gone"


@pytest.mark.parametrize(
    ("output", "path", "following"),
    [
        ("a/x.jpg", "a/x.jpg", "a/x (2).jpg"),
        ("x (2).jpg", "x.jpg", "x (3).jpg"),
        ("x (7).png", "x (7).tif", "x (7) (2).png"),
        ("x (7) (2).png", "x (7).tif", "x (7) (3).png"),
        ("old name.jpg", "renamed.jpg", "old name (2).jpg"),
    ],
)
def test_the_next_name_follows_from_the_present_one(output: str, path: str, following: str) -> None:
    assert list(itertools.islice(names_after(output, path), 2)) == [output, following]


def test_a_scan_renamed_while_its_result_waits_gets_the_next_name_all_the_same(desk: Desk) -> None:
    desk.ledger.contents.lies_at(1, "renamed.jpg", SEEN)
    desk.steps.on_name_taken(messages.NameTaken("in", 1))
    assert desk.job().output == "a (2).jpg"


@pytest.mark.parametrize(
    ("wish", "pages", "losses", "told"),
    [
        ("same", 1, "", None),
        ("png", 1, "", None),
        ("png", 3, "", "It stays a TIFF: it has 3 pages, and a PNG holds one."),
        ("jpeg", 1, "16 bits a channel became 8", "16 bits a channel became 8."),
    ],
)
def test_what_a_result_has_no_place_for_is_told(
    wish: str, pages: int, losses: str, told: str | None, desk: Desk
) -> None:
    facts = Facts(SEEN, "bb" * 32, "tiff", ".tif", pages, 640, 480, 1, 16)
    job = replace(desk.job(), facts=facts, result=replace(RESULT, losses=losses))
    with structlog.testing.capture_logs() as events:
        tell_compromises(job, wish, structlog.get_logger())
    assert [event["reason"] for event in events] == ([told] if told else [])
    assert all(event["log_level"] == "warning" and event["event"] == "job.compromise" for event in events)


def test_what_was_seen_in_a_scan_is_told_to_the_log() -> None:
    plain = Rendering("ee", 1, 1, 2, 3, 4, 5, {})
    assert told_of(plain) == {}
    verdict = Verdict("text", True, "it is a page of text", "1", {"paper": 1.0})
    told = told_of(replace(plain, verdicts=(verdict,), flags=(Flag("text", "It is a page of text."),)))
    assert told == {"judged": "text", "left": True, "flags": ["text"], "figures": {"paper": 1.0}}
    both = told_of(replace(plain, verdicts=(replace(verdict, pages="2"), Verdict("grey", False, "", "1", {}))))
    assert (both["judged"], both["left"]) == ({"text": "2", "grey": "1"}, False)
