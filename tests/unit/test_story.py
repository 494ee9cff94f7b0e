"""One scan's whole story."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from colorwatch.asking.history import Entry, report
from colorwatch.asking.pointing import Target
from colorwatch.asking.story import Roots, Story, plain, tell
from colorwatch.ledger import Ledger
from colorwatch.ledger.files import connect_to_read
from colorwatch.ledger.settings import PAUSED, RECIPE
from colorwatch.protocol import Piece
from colorwatch.scan import Facts, Fingerprint, Flag, Job, Place, Redo, Rendering, Scan, State
from colorwatch.verdict import Verdict

RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1, "decode": 0.3})
SEEN = Fingerprint(1, 2, 3, 4)
ROOTS = {"in": Roots("/in", "/out")}


class Told:
    """A ledger, and what is told from it by somebody beside the daemon."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "ledger.sqlite3")
        self.ledger = Ledger(self.path)

    def add(self, path: str = "a.jpg", digest: str = "aa") -> Job:
        facts = Facts(SEEN, digest * 32, "jpeg", ".jpg", 1, 640, 480, 1, 8)
        names = itertools.chain([path], (f"{path} ({number})" for number in itertools.count(2)))
        with self.ledger.batch():
            return self.ledger.add(Scan("in", path, SEEN), facts, "key", names)

    def done(self, reason: str = "", where: str | None = None, result: Rendering = RESULT) -> Job:
        job = self.add()
        with self.ledger.batch():
            self.ledger.rendered(job.id, "/out/.colorwatch/1-1.part", result)
            self.ledger.published(job.id)
            self.ledger.done(job.id, "kept", reason, where)
        return self.ledger.job(job.id)

    def story(self, job: int | None, path: str = "a.jpg", *, waits: bool = False) -> Story:
        db = connect_to_read(self.path)
        try:
            return tell(db, Target("in", path, job, waits), ROOTS)
        finally:
            db.close()


def colourless(path: str) -> list[Entry]:
    return report(os.path.dirname(path), path).colourless


@pytest.fixture
def told(tmp_path: os.PathLike[str]) -> Iterator[Told]:
    told = Told(os.fspath(tmp_path))
    yield told
    told.ledger.close()


def test_it_names_the_prints_that_were_saved_apart(told: Told) -> None:
    job = told.done(result=replace(RESULT, prints=(Place(0, 0, 0.4, 1), Place(0.6, 0, 1, 1))))
    with told.ledger.batch():
        for number in (1, 2):
            told.ledger.prints.spooled(job.id, Piece(number, "ee", 1, 2), f"a prints/a {number}.jpg")
        first, second = told.ledger.prints.of(job.id).values()
        told.ledger.prints.saved(first)
        told.ledger.prints.left(second)
    assert told.story(job.id).prints == [
        {"file": "/out/a prints/a 1.jpg", "state": "saved"},
        {"file": "/out/a prints/a 2.jpg", "state": "left"},
    ]


def test_a_finished_scan_has_its_places_its_recipe_and_its_steps(told: Told) -> None:
    job = told.done(where="/store/a.jpg")
    with told.ledger.batch():
        told.ledger.health.set(RECIPE + "key", '{"model": "compact", "strength": 0.5}')
    story = told.story(job.id)
    assert (story.state, story.now) == ("done", "It is coloured.")
    assert (story.result, story.original) == ("/out/a.jpg", "/store/a.jpg")
    assert story.recipe == {"model": "compact", "strength": 0.5}
    assert story.picture == {"format": "jpeg", "width": 640, "height": 480, "pages": 1, "bits": 8}
    told_in_order = [event.what for event in story.events]
    assert told_in_order[:2] == ["it was found to be whole, and queued", "it was coloured, in 0.4 seconds of work"]
    assert told_in_order[-1] == "it was done (kept)"
    assert plain(story)["events"][0]["what"] == told_in_order[0]


def test_an_original_that_is_gone_is_nowhere(told: Told) -> None:
    assert told.story(told.done(where="").id).original == "nowhere any more"


def test_a_queued_one_waits_for_its_turn(told: Told) -> None:
    told.add("b.jpg", "bb")
    assert told.story(told.add().id).now == "It waits for its turn, one of 2 that do."


def test_a_paused_one_says_how_to_go_on(told: Told) -> None:
    job = told.add()
    with told.ledger.batch():
        told.ledger.health.set(PAUSED, '{"": 7.0}')
    story = told.story(job.id)
    assert ("paused" in story.now, story.todo, story.since) == (True, "To go on: colorwatch resume.", 7.0)


def test_one_that_met_a_fault_says_which_and_what_to_do(told: Told) -> None:
    job = told.add()
    with told.ledger.batch():
        told.ledger.claim(0.0, lambda _: True, ["in"])
        told.ledger.retry(job.id, "disk", "The disk is full.", 9.0)
    story = told.story(job.id)
    assert story.now == "It waits: The disk is full."
    assert "colorwatch retry" in story.todo
    assert (story.attempts, story.failures) == (1, 1)


def test_one_in_quarantine_says_why_where_and_what_to_do(told: Told) -> None:
    with told.ledger.batch():
        job = told.ledger.add_ended(Scan("in", "a.jpg", SEEN), State.QUARANTINED, "damaged", "it ends early")
        told.ledger.quarantine_moved(job.id, "/out/quarantine/a.jpg")
    story = told.story(job.id)
    assert story.now == "It cannot be coloured: it ends early."
    assert story.original == "/out/quarantine/a.jpg"
    assert "colorwatch release" in story.todo


def test_a_file_that_only_waits_has_a_story_too(told: Told) -> None:
    with told.ledger.batch():
        told.ledger.waits.wait("in", "a.jpg", "incomplete", "it ends early")
    story = told.story(None, waits=True)
    assert (story.job, story.state, story.now) == (None, "waiting", "It waits: it ends early.")
    assert story.original == "/in/a.jpg"


def test_new_content_that_waits_at_the_place_of_a_finished_one_is_told_as_well(told: Told) -> None:
    job = told.done()
    with told.ledger.batch():
        told.ledger.waits.wait("in", "a.jpg", "incomplete", "it ends early")
    assert told.story(job.id, waits=True).now.endswith("What lies at its place now waits: it ends early.")


def test_one_that_is_made_again_still_has_its_old_result(told: Told) -> None:
    job = told.done()
    with told.ledger.batch():
        told.ledger.redos.begin(job, Redo({"strength": 0.5}), "other")
    story = told.story(job.id)
    assert "to be coloured again" in story.now
    assert story.result == "/out/a.jpg"


def test_earlier_jobs_of_the_name_belong_to_the_story(told: Told) -> None:
    with told.ledger.batch():
        first = told.ledger.add_ended(Scan("in", "a.jpg", SEEN), State.QUARANTINED, "damaged", "it ends early")
    job = told.done()
    assert any(
        event.what == f"another job of this name, {first.id}: quarantined: it ends early"
        for event in told.story(job.id).events
    )


@pytest.mark.parametrize("state", [state for state in State if state is not State.QUEUED])
def test_every_state_has_its_sentence(told: Told, state: State) -> None:
    job = told.done()
    with told.ledger.batch():
        told.ledger._set(job.id, state=state.value, kind="x", reason="so it is", claimed_at=1.0)
    story = told.story(job.id)
    assert story.now.startswith("It")
    assert story.now.endswith(".")


def test_one_that_was_left_says_why_and_how_to_have_it_coloured(told: Told) -> None:
    verdict = Verdict("colour", True, "it is in colour already", "1", {"own_colours": 3.0})
    flag = Flag("already in colour", "It is in colour already, and was left as it was.")
    job = told.done(
        "left as it was: it is in colour already", result=replace(RESULT, flags=(flag,), verdicts=(verdict,))
    )
    story = told.story(job.id)
    assert story.now == "It was left as it was: it is in colour already."
    assert story.todo == "To have it coloured all the same: colorwatch redo --anyway."
    assert story.judged[0]["figures"] == {"own_colours": 3.0}
    assert story.flags == [flag.sentence]


def test_one_without_colour_says_what_else_to_try(told: Told) -> None:
    job = told.done(result=replace(RESULT, flags=(Flag("no colour", "No colour came out."),)))
    assert told.story(job.id).todo == "No colour came out. Another model may do better: colorwatch redo --model NAME."
    assert [entry.job for entry in colourless(told.path)] == [job.id]
    assert colourless(told.path)[0].file == "a.jpg"
