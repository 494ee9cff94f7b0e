"""What people ask, carried out on a real ledger; what goes to folders is caught."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from colorwatch import log
from colorwatch.folders import commands
from colorwatch.folders.messages import (
    AgainEnded,
    AskedAgain,
    FolderSettings,
    GivenBack,
    ResultGone,
    Trouble,
    Unpublished,
)
from colorwatch.ledger import Ledger
from colorwatch.ledger.requests import answer_to, ask
from colorwatch.recipe import Recipe
from colorwatch.scan import Facts, Fingerprint, Job, Originals, Redo, Rendering, RenderSettings, Scan, State
from colorwatch.work.petitions import Petitions
from colorwatch.work.redoing import Redoing, replaced_by
from colorwatch.work.standing import Standing
from colorwatch.work.steps import Steps

TODAY = Recipe("cc" * 32, RenderSettings())
RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})
NEW = replace(RESULT, digest="ff" * 32)
SEEN = Fingerprint(1, 2, 3, 4)


FOLDER = FolderSettings("in", "/in", "/out", Originals.KEEP, None, "/out/quarantine", 1, 1, 1, True)


class Desk:
    """A ledger with the rooms that carry out requests, and what they sent to folders."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "ledger.sqlite3")
        self.sent: list[tuple[str, commands.Command]] = []
        self.resumed: list[int] = []
        self.open()

    def open_again(self) -> None:
        """As after a restart."""
        self.ledger.close()
        self.open()

    def open(self) -> None:
        self.ledger = Ledger(self.path)
        self.standing = Standing(["in"])
        self.redoing = Redoing(
            self.ledger, {"in": TODAY}, "compact", lambda *sent: self.sent.append(sent), log.get("redoing")
        )
        self.petitions = Petitions(
            self.ledger,
            self.redoing,
            {"in": FOLDER},
            "compact",
            None,
            self.standing,
            lambda job: self.resumed.append(job.id),
            lambda *sent: self.sent.append(sent),
            log.get("petitions"),
        )

    def ask(self, kind: str, **arguments: Any) -> dict[str, Any] | None:
        """The answer that is there after one look of the daemon."""
        number = ask(self.path, kind, arguments)
        with self.ledger.batch():
            self.petitions.look(0.0)
        return self.answer(number)

    def ask_about(self, kind: str, job: Job, **more: Any) -> dict[str, Any] | None:
        return self.ask(kind, folder=job.scan.folder, path=job.scan.path, job=job.id, waits=False, **more)

    def answer(self, number: int) -> dict[str, Any] | None:
        db = sqlite3.connect(self.path)
        db.row_factory = sqlite3.Row
        try:
            return answer_to(db, number)
        finally:
            db.close()

    def add(self, path: str = "a.jpg", digest: str = "aa") -> Job:
        facts = Facts(SEEN, digest * 32, "jpeg", ".jpg", 1, 640, 480, 1, 8)
        names = itertools.chain([path], (f"{path} ({number})" for number in itertools.count(2)))
        with self.ledger.batch():
            return self.ledger.add(Scan("in", path, SEEN), facts, TODAY.key, names)

    def finished(self, path: str = "a.jpg", where: str | None = None, result: Rendering = RESULT) -> Job:
        job = self.add(path)
        with self.ledger.batch():
            self.ledger.rendered(job.id, "/out/.colorwatch/1-1.part", result)
            self.ledger.published(job.id)
            self.ledger.done(job.id, "kept", "", where)
        return self.ledger.job(job.id)

    def quarantined(self, path: str = "a.jpg", where: str | None = "/out/quarantine/a.jpg") -> Job:
        with self.ledger.batch():
            job = self.ledger.add_ended(Scan("in", path, SEEN), State.QUARANTINED, "damaged", "it ends early")
            self.ledger.quarantine_moved(job.id, where)
        return self.ledger.job(job.id)

    def rendered(self, job: Job, result: Rendering = NEW) -> Job:
        with self.ledger.batch():
            self.ledger.rendered(job.id, "/out/.colorwatch/1-2.part", result)
        return self.ledger.job(job.id)

    def publish(self, job: Job) -> None:
        """The new result of a job stands in the outbox."""
        rendered = self.rendered(job)
        with self.ledger.batch():
            self.redoing.published(rendered)


@pytest.fixture
def desk(tmp_path: os.PathLike[str]) -> Iterator[Desk]:
    desk = Desk(os.fspath(tmp_path))
    yield desk
    desk.ledger.close()


def text(answer: dict[str, Any] | None, *, ok: bool = True) -> str:
    assert answer is not None
    assert answer["ok"] is ok
    return str(answer["text"])


class TestRequests:
    def test_one_of_an_unknown_kind_is_refused(self, desk: Desk) -> None:
        assert "does not know how to dance" in text(desk.ask("dance"), ok=False)

    @pytest.mark.parametrize("arguments", [{}, {"folder": "in"}, {"folder": "in", "path": "a", "job": "x"}])
    def test_one_that_makes_no_sense_is_refused_and_hurts_nothing(self, arguments: Any, desk: Desk) -> None:
        for kind in ("retry", "release", "redo", "reprocess"):
            answer = desk.ask(kind, **arguments)
            assert answer is None or not answer["ok"]

    def test_a_job_that_is_gone_is_told(self, desk: Desk) -> None:
        for kind in ("retry", "release", "redo"):
            answer = desk.ask(kind, folder="in", path="a.jpg", job=9)
            assert text(answer, ok=False) == "A.jpg is not known any more."

    def test_what_was_not_answered_before_a_crash_is_carried_out_at_the_next_start(self, desk: Desk) -> None:
        job = desk.quarantined()
        number = ask(desk.path, "retry", {"folder": "in", "path": "a.jpg", "job": job.id})
        with desk.ledger.batch():
            desk.petitions.look(0.0)
        assert desk.answer(number) is None
        desk.open_again()
        with desk.ledger.batch():
            desk.petitions.look(0.0)
            desk.petitions.on_given_back(GivenBack("in", job.id, "a.jpg", SEEN))
        assert "tried like a new scan" in text(desk.answer(number))
        assert len(desk.sent) == 2

    def test_a_look_carries_out_nothing_twice(self, desk: Desk) -> None:
        desk.ask_about("retry", desk.quarantined())
        ask(desk.path, "pause", {"folder": ""})
        with desk.ledger.batch():
            desk.petitions.look(0.0)
        assert len(desk.sent) == 1


class TestRetry:
    def test_a_scan_in_quarantine_goes_back_and_counts_as_a_new_one(self, desk: Desk) -> None:
        job = desk.quarantined()
        assert desk.ask_about("retry", job) is None
        assert desk.sent == [("in", commands.GiveBack(job.id, "/out/quarantine/a.jpg", "a.jpg", SEEN))]
        with desk.ledger.batch():
            desk.petitions.on_given_back(GivenBack("in", job.id, "a (2).jpg", SEEN))
        assert desk.ledger.job(job.id).state is State.SKIPPED
        assert list(desk.ledger.contents.known("in")) == []  # so that it is looked at after a restart as well

    def test_deaths_of_workers_over_it_are_forgotten(self, desk: Desk) -> None:
        job = desk.quarantined()
        with desk.ledger.batch():
            desk.ledger.waits.probe_died(job.scan)
        desk.ask_about("retry", job)
        with desk.ledger.batch():
            desk.petitions.on_given_back(GivenBack("in", job.id, "a.jpg", SEEN))
            assert desk.ledger.waits.probe_died(job.scan) == 1

    def test_one_that_is_nowhere_any_more_is_told_and_keeps_its_row(self, desk: Desk) -> None:
        job = desk.quarantined()
        number = ask(desk.path, "retry", {"folder": "in", "path": "a.jpg", "job": job.id})
        with desk.ledger.batch():
            desk.petitions.look(0.0)
            desk.petitions.on_given_back(GivenBack("in", job.id, None, None))
        assert "no longer in the quarantine" in text(desk.answer(number), ok=False)
        assert desk.ledger.job(job.id).state is State.QUARANTINED

    def test_a_disk_that_refuses_is_told_to_who_asked(self, desk: Desk) -> None:
        job = desk.quarantined()
        number = ask(desk.path, "retry", {"folder": "in", "path": "a.jpg", "job": job.id})
        with desk.ledger.batch():
            desk.petitions.look(0.0)
            desk.petitions.on_trouble(Trouble("in", job.id, "giveback", 30, "the disk is read-only"), 0.0)
        assert text(desk.answer(number), ok=False) == "The disk is read-only."

    def test_one_on_its_way_into_quarantine_is_not_torn_out_of_it(self, desk: Desk) -> None:
        with desk.ledger.batch():
            job = desk.ledger.add_ended(Scan("in", "a.jpg", SEEN), State.QUARANTINED, "damaged", "it ends")
        assert "on its way" in text(desk.ask_about("retry", job), ok=False)

    def test_a_queued_one_waits_no_longer(self, desk: Desk) -> None:
        job = desk.add()
        with desk.ledger.batch():
            desk.ledger.retry(job.id, "disk", "the disk is full", 1e9)
        desk.ask_about("retry", job)
        with desk.ledger.batch():
            claimed = desk.ledger.claim(0.0, lambda _: True, ["in"])
        assert claimed
        assert claimed.id == job.id

    def test_a_file_that_is_no_job_yet_is_looked_at_again(self, desk: Desk) -> None:
        answer = desk.ask("retry", folder="in", path="a.jpg", job=None, waits=True)
        assert "looked at again" in text(answer)
        assert desk.sent == [("in", commands.LookAgain("a.jpg", 0.0))]

    def test_a_stuck_original_is_dealt_with_now(self, desk: Desk) -> None:
        job = desk.rendered(desk.add())
        with desk.ledger.batch():
            desk.ledger.published(job.id)
            desk.ledger.stuck(job.id, "it is read-only")
        desk.ask_about("retry", job)
        assert desk.resumed == [job.id]

    def test_a_finished_one_is_pointed_to_redo(self, desk: Desk) -> None:
        assert "colorwatch redo" in text(desk.ask_about("retry", desk.finished()), ok=False)


class TestRelease:
    def test_it_lies_in_the_inbox_again_and_is_known_as_left_alone(self, desk: Desk) -> None:
        job = desk.quarantined()
        desk.ask_about("release", job)
        after = replace(SEEN, inode=77)
        with desk.ledger.batch():
            desk.petitions.on_given_back(GivenBack("in", job.id, "a (2).jpg", after))
        assert desk.ledger.redos.was_released("in", "a (2).jpg", SEEN)
        assert not desk.ledger.redos.was_released("in", "a (2).jpg", replace(SEEN, size=9))
        assert [path for path, _, _ in desk.ledger.contents.known("in")] == ["a (2).jpg"]

    def test_what_is_not_in_quarantine_is_refused(self, desk: Desk) -> None:
        assert "not in quarantine" in text(desk.ask_about("release", desk.finished()), ok=False)

    def test_it_can_be_tried_after_all(self, desk: Desk) -> None:
        job = desk.quarantined()
        desk.ask_about("release", job)
        with desk.ledger.batch():
            desk.petitions.on_given_back(GivenBack("in", job.id, "a.jpg", SEEN))
        assert "as if it were new" in text(desk.ask_about("retry", desk.ledger.job(job.id)))
        assert desk.sent[-1] == ("in", commands.Forget("a.jpg"))
        assert not desk.ledger.redos.was_released("in", "a.jpg", SEEN)


class TestRedo:
    def test_the_row_is_queued_again_with_what_was_chosen(self, desk: Desk) -> None:
        job = desk.finished()
        text(desk.ask_about("redo", job, settings={"strength": 0.5}, model=""))
        now = desk.ledger.job(job.id)
        assert (now.state, now.output, now.result) == (State.QUEUED, "a.jpg", None)
        assert now.recipe == TODAY.wished({"strength": 0.5}).key != TODAY.key
        assert now.redo
        assert now.redo.settings == {"strength": 0.5}
        assert replaced_by(now) == RESULT.digest

    def test_once_published_it_is_done_without_a_word_to_the_original(self, desk: Desk) -> None:
        job = desk.finished(where="/store/a.jpg")
        desk.ask_about("redo", job, settings={"strength": 0.5})
        desk.publish(job)
        now = desk.ledger.job(job.id)
        assert (now.state, now.result, now.whereabouts) == (State.DONE, NEW, "/store/a.jpg")
        assert now.redo is not None
        assert (now.redo.settings, now.redo.under_way) == ({"strength": 0.5}, False)
        assert desk.sent == [("in", commands.Discard("/out/.colorwatch/1-2.part"))]

    def test_a_new_name_replaces_nothing(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job)
        desk.rendered(job)
        with desk.ledger.batch():
            now = desk.ledger.reserve_next(job.id, iter(["a.jpg", "a (2).jpg"]))
        assert (now.output, replaced_by(now)) == ("a (2).jpg", "")

    def test_any_failure_gives_back_what_was(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job, settings={"saturation": 2})
        rendered = desk.rendered(job)
        with desk.ledger.batch():
            desk.redoing.failed(rendered, "damaged", "it does not decode")
        now = desk.ledger.job(job.id)
        assert now == replace(job, spool=None)
        assert "could not be: it does not decode" in desk.ledger.why(job.id)[1]
        assert desk.ledger.counts()[State.DONE] == 1

    def test_after_a_failure_under_another_name_the_old_name_is_held_again(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job)
        desk.rendered(job)
        with desk.ledger.batch():
            now = desk.ledger.reserve_next(job.id, iter(["a.jpg", "a (2).jpg"]))
            desk.redoing.failed(now, "damaged", "")
        assert desk.ledger.job(job.id).output == "a.jpg"

    def test_a_name_that_another_job_has_by_now_is_left_to_it(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job)
        desk.rendered(job)
        with desk.ledger.batch():
            now = desk.ledger.reserve_next(job.id, iter(["a.jpg", "a (2).jpg"]))
        assert desk.add("a.jpg", "bb").output == "a.jpg"
        with desk.ledger.batch():
            desk.redoing.failed(now, "damaged", "")
        assert (desk.ledger.job(job.id).state, desk.ledger.job(job.id).output) == (State.DONE, "a (2).jpg")

    def test_a_second_one_meanwhile_is_refused(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job)
        assert "again already" in text(desk.ask_about("redo", job), ok=False)

    def test_a_second_one_afterwards_keeps_no_earlier_choice(self, desk: Desk) -> None:
        job = desk.finished()
        for settings in ({"strength": 0.5}, {}):
            text(desk.ask_about("redo", job, settings=settings))
            desk.publish(job)
        assert desk.ledger.job(job.id).redo is None

    @pytest.mark.parametrize("where", [""])
    def test_without_an_original_it_is_refused(self, where: str, desk: Desk) -> None:
        assert "original is gone" in text(desk.ask_about("redo", desk.finished(where=where)), ok=False)

    def test_what_is_not_finished_is_refused(self, desk: Desk) -> None:
        assert "not finished" in text(desk.ask_about("redo", desk.add()), ok=False)

    def test_another_model_is_refused_where_there_is_no_place_for_it(self, desk: Desk) -> None:
        told = text(desk.ask_about("redo", desk.finished(), model="zhang2016"), ok=False)
        assert told == "Colorwatch runs with compact alone."

    @pytest.mark.parametrize("settings", [{"strength": 1.5}, {"saturation": -1}, {"colour": 1}, {"strength": "x"}])
    def test_settings_out_of_bounds_are_refused(self, settings: Any, desk: Desk) -> None:
        job = desk.finished()
        text(desk.ask_about("redo", job, settings=settings), ok=False)
        assert desk.ledger.job(job.id) == job

    def test_deaths_that_came_before_count_no_more(self, desk: Desk) -> None:
        job = desk.add()
        with desk.ledger.batch():
            desk.ledger.worker_died(job.id, "it crashed", 0.0)
            desk.ledger.worker_died(job.id, "it crashed", 0.0)
            desk.ledger.rendered(job.id, "/out/.colorwatch/1-1.part", RESULT)
            desk.ledger.done(job.id, "kept", "", None)
        desk.ask_about("redo", job)
        with desk.ledger.batch():
            claimed = desk.ledger.claim(0.0, lambda _: True, ["in"])
        assert claimed

    def test_the_recipe_is_remembered_for_who_asks(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job, settings={"strength": 0.25})
        known = desk.ledger.health.setting("recipe:" + desk.ledger.job(job.id).recipe)
        told = {"model": "compact", "strength": 0.25, "saturation": 1.0, "jpeg_quality": 92}
        assert json.loads(known or "") == told | {"colored": "leave", "text": "leave", "tone": "neutral"}


class TestAnotherFormat:
    """The new result has another ending than the old one, which goes once the new one stands and that is noted."""

    def begun(self, desk: Desk, again: str = "") -> Job:
        job = desk.finished("a.png")
        with desk.ledger.batch():
            desk.redoing.begin(job, Redo({}, again=again))
            desk.ledger.reserve_anew(job.id, iter(["a.jpg"]))
        return job

    @pytest.mark.parametrize("removed", [True, False])
    def test_the_old_one_goes_unless_it_was_edited(self, removed: bool, desk: Desk) -> None:
        job = self.begun(desk)
        desk.publish(job)
        assert desk.sent[-1] == ("in", commands.Unpublish(job.id, "a.png", RESULT.digest))
        assert desk.ledger.job(job.id).state is State.PUBLISHED
        with desk.ledger.batch():
            desk.petitions.on_unpublished(Unpublished("in", job.id, removed))
        found = desk.ledger.job(job.id)
        assert (found.state, found.output) == (State.DONE, "a.jpg")

    def test_a_start_after_a_death_asks_for_it_once_more(self, desk: Desk) -> None:
        job = self.begun(desk)
        desk.publish(job)
        desk.open_again()
        desk.sent.clear()
        with desk.ledger.batch():
            desk.redoing.resume(desk.ledger.job(job.id))
        assert desk.sent == [("in", commands.Unpublish(job.id, "a.png", RESULT.digest))]

    def test_a_file_in_again_goes_first(self, desk: Desk) -> None:
        job = self.begun(desk, again="a.png")
        desk.publish(job)
        assert desk.sent[-1] == ("in", commands.AgainOver("a.png", "remove", RESULT.digest))
        with desk.ledger.batch():
            desk.petitions.on_again_ended(AgainEnded("in", "a.png", True))
        assert desk.sent[-1] == ("in", commands.Unpublish(job.id, "a.png", RESULT.digest))

    def test_a_failure_gives_the_old_name_back(self, desk: Desk) -> None:
        job = self.begun(desk)
        with desk.ledger.batch():
            desk.redoing.failed(desk.ledger.job(job.id), "damaged", "it ends early")
        found = desk.ledger.job(job.id)
        assert (found.state, found.output, found.result) == (State.DONE, "a.png", RESULT)


class TestReprocess:
    def test_each_is_queued_with_what_was_chosen_for_it_before(self, desk: Desk) -> None:
        jobs = [desk.finished(name, result=replace(RESULT, digest=digest * 32)) for name, digest in ("a1", "b2", "c3")]
        desk.ask_about("redo", jobs[0], settings={"strength": 0.5})
        desk.publish(jobs[0])
        answer = desk.ask("reprocess", jobs=[job.id for job in jobs] + [999])
        assert answer
        assert answer["jobs"] == 3
        again = desk.ledger.job(jobs[0].id)
        assert again.redo
        assert again.redo.settings == {"strength": 0.5}

    def test_asked_again_after_a_crash_it_begins_nothing_twice(self, desk: Desk) -> None:
        job = desk.finished()
        for wanted in (1, 0):
            answer = desk.ask("reprocess", jobs=[job.id])
            assert answer
            assert answer["jobs"] == wanted

    def test_one_whose_result_is_taken_away_meanwhile_stays_as_it_was(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask("reprocess", jobs=[job.id])
        rendered = desk.rendered(job)
        steps = Steps(desk.ledger, {"in": FOLDER}, lambda *sent: desk.sent.append(sent), log.get("test"), desk.redoing)
        with desk.ledger.batch():
            steps.resume(rendered)
            (_, publish) = desk.sent.pop()
            assert isinstance(publish, commands.Publish)
            assert (publish.replaces, publish.only_over) == (RESULT.digest, True)
            steps.on_result_gone(ResultGone("in", job.id))
        assert desk.ledger.job(job.id) == replace(job, spool=None)
        assert "its result was taken away meanwhile" in desk.ledger.why(job.id)[1]

    def test_one_that_a_person_asks_for_besides_comes_in_any_case(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask("reprocess", jobs=[job.id])
        with desk.ledger.batch():
            desk.petitions.on_asked_again(AskedAgain("in", "a.jpg", RESULT.digest, 99))
        now = desk.ledger.job(job.id)
        assert now.redo
        assert (now.redo.again, now.redo.only_over) == ("a.jpg", False)

    def test_scans_that_come_later_are_newer(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask("reprocess", jobs=[job.id])
        new = desk.add("new.jpg", "bb")
        with desk.ledger.batch():
            claimed = desk.ledger.claim(0.0, lambda _: True, ["in"], newest=True)
        assert claimed
        assert claimed.id == new.id


class TestAgain:
    def asked(self, desk: Desk, path: str, digest: str) -> None:
        with desk.ledger.batch():
            desk.petitions.on_asked_again(AskedAgain("in", path, digest, 99))

    def test_an_untouched_result_goes_once_the_new_one_stands(self, desk: Desk) -> None:
        job = desk.finished()
        self.asked(desk, "a.jpg", RESULT.digest)
        assert desk.sent == []
        desk.publish(job)
        assert desk.ledger.job(job.id).state is State.PUBLISHED
        assert desk.sent == [("in", commands.AgainOver("a.jpg", "remove", RESULT.digest))]
        with desk.ledger.batch():
            desk.redoing.on_again_ended(AgainEnded("in", "a.jpg", removed=True))
        assert desk.ledger.job(job.id).state is State.DONE

    def test_one_without_the_folder_it_lay_in_is_known_by_its_content(self, desk: Desk) -> None:
        desk.finished("a.jpg", result=replace(RESULT, digest="dd" * 32))
        job = desk.finished("roll/a.jpg")
        self.asked(desk, "a.jpg", RESULT.digest)
        assert desk.ledger.job(job.id).state is State.QUEUED

    def test_one_under_another_name_is_known_by_its_content_and_no_other_is_read_for_it(self, desk: Desk) -> None:
        job = desk.finished("roll/a.jpg")
        row = "folder, path, device, inode, size, mtime_ns, digest, recipe, state, added_at"
        desk.ledger._db.execute(
            "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)"
            f" INSERT INTO job ({row}, output, result) SELECT {row}, CAST('roll/' || n AS BLOB),"
            f" replace(result, ?, n) FROM job, number WHERE id = {job.id}",
            (RESULT.digest,),
        )
        steps: list[None] = []
        desk.ledger._db.set_progress_handler(lambda: steps.append(None), 100)
        found = desk.ledger.redos.with_result("in", RESULT.digest, "grandmother.jpg")
        desk.ledger._db.set_progress_handler(None, 0)
        assert (found, len(steps) < 10) == (job.id, True)
        self.asked(desk, "grandmother.jpg", RESULT.digest)
        assert desk.ledger.job(job.id).state is State.QUEUED

    def test_an_edited_one_goes_back_to_its_place(self, desk: Desk) -> None:
        job = desk.finished("roll/a.jpg")
        self.asked(desk, "roll/a.jpg", "dd" * 32)
        assert desk.sent == [("in", commands.AgainOver("roll/a.jpg", "back", "dd" * 32, "roll/a.jpg"))]
        with desk.ledger.batch():
            desk.redoing.on_again_ended(AgainEnded("in", "roll/a.jpg", removed=True, where="roll/a.jpg"))
        now = desk.ledger.job(job.id)
        assert now.state is State.QUEUED
        desk.publish(job)
        assert desk.ledger.job(job.id).state is State.DONE

    def test_told_anew_after_a_restart_it_is_not_begun_twice(self, desk: Desk) -> None:
        job = desk.finished()
        self.asked(desk, "a.jpg", "dd" * 32)
        desk.open_again()
        self.asked(desk, "a.jpg", "dd" * 32)
        assert len(desk.sent) == 2
        desk.publish(job)
        with desk.ledger.batch():
            desk.redoing.on_again_ended(AgainEnded("in", "a.jpg", removed=True, where="a.jpg"))
        assert desk.ledger.job(job.id).state is State.DONE

    def test_what_the_command_line_asked_for_takes_the_file_along(self, desk: Desk) -> None:
        job = desk.finished()
        desk.ask_about("redo", job, settings={"strength": 0.5})
        self.asked(desk, "a.jpg", RESULT.digest)
        desk.publish(job)
        assert desk.sent == [("in", commands.AgainOver("a.jpg", "remove", RESULT.digest))]
        now = desk.ledger.job(job.id).redo
        assert now
        assert now.settings == {"strength": 0.5}

    def test_a_second_file_for_the_same_result_is_left(self, desk: Desk) -> None:
        desk.finished()
        self.asked(desk, "a.jpg", RESULT.digest)
        self.asked(desk, "copy of a.jpg", RESULT.digest)
        assert desk.sent == []

    def test_a_stranger_is_left_and_said(self, desk: Desk) -> None:
        self.asked(desk, "cat.jpg", "dd" * 32)
        assert desk.sent == []
        db = sqlite3.connect(desk.path)
        (reason,) = db.execute("SELECT reason FROM health WHERE subject = 'again'").fetchone()
        db.close()
        assert reason == "cat.jpg: it is no result that colorwatch has made"

    def test_where_it_cannot_be_made_again_the_file_goes_back(self, desk: Desk) -> None:
        job = desk.finished()
        self.asked(desk, "a.jpg", RESULT.digest)
        with desk.ledger.batch():
            desk.redoing.failed(desk.ledger.job(job.id), "gone", "its original is gone")
        assert desk.sent == [("in", commands.AgainOver("a.jpg", "back", RESULT.digest, "a.jpg"))]
        assert desk.ledger.job(job.id).whereabouts == ""


class TestForget:
    def test_result_and_rows_go_and_the_original_is_new(self, desk: Desk) -> None:
        job = desk.finished()
        assert desk.ask_about("forget", job) is None
        assert desk.sent == [("in", commands.Unpublish(job.id, "a.jpg", RESULT.digest))]
        with desk.ledger.batch():
            desk.petitions.on_unpublished(Unpublished("in", job.id, removed=True))
        assert desk.sent[-1] == ("in", commands.Forget("a.jpg"))
        assert sum(desk.ledger.counts().values()) == 0

    def test_copies_that_were_dropped_later_are_forgotten_with_it(self, desk: Desk) -> None:
        job = desk.finished(where="/store/a.jpg")
        with desk.ledger.batch():
            assert job.facts
            copy = desk.ledger.add_duplicate(job.scan, job.facts, job)
            desk.ledger.done(copy.id, "duplicate", "", "/store/a (2).jpg")
        desk.ask_about("forget", job)
        with desk.ledger.batch():
            desk.petitions.on_unpublished(Unpublished("in", job.id, removed=False, why="it was edited"))
        assert sum(desk.ledger.counts().values()) == 0

    def test_asked_again_after_a_crash_it_is_forgotten_already(self, desk: Desk) -> None:
        assert "forgotten already" in text(desk.ask("forget", folder="in", path="a.jpg", job=5))

    def test_what_is_under_way_is_refused(self, desk: Desk) -> None:
        assert "under way" in text(desk.ask_about("forget", desk.add()), ok=False)

    def test_one_in_quarantine_loses_its_history_alone(self, desk: Desk) -> None:
        told = text(desk.ask_about("forget", desk.quarantined()))
        assert "/out/quarantine/a.jpg" in told
        assert not any(isinstance(command, commands.GiveBack | commands.Forget) for _, command in desk.sent)


class TestPauses:
    def test_they_outlive_a_restart(self, desk: Desk) -> None:
        text(desk.ask("pause", folder="in"))
        desk.open_again()
        assert desk.standing.paused == {"in"}
        text(desk.ask("resume", folder=""))
        desk.open_again()
        assert desk.standing.paused == set()

    def test_a_pause_of_all_holds_for_each(self, desk: Desk) -> None:
        text(desk.ask("pause", folder=""))
        assert desk.standing.paused == {"in"}
        assert "everything is paused" in text(desk.ask("resume", folder="in"), ok=False).lower()

    def test_asked_twice_they_say_so(self, desk: Desk) -> None:
        text(desk.ask("pause", folder=""))
        assert "already" in text(desk.ask("pause", folder=""))
        text(desk.ask("resume", folder=""))
        assert text(desk.ask("resume", folder="")) == "Nothing was paused."

    def test_a_folder_that_is_not_in_the_config_is_refused(self, desk: Desk) -> None:
        assert "no folder x" in text(desk.ask("pause", folder="x"), ok=False)


def test_a_scan_that_was_left_is_coloured_anyway(desk: Desk) -> None:
    job = desk.finished()
    desk.ask_about("redo", job, settings={"colored": "recolor", "text": "color"})
    redo = desk.ledger.job(job.id).redo
    assert redo is not None
    assert redo.settings == {"colored": "recolor", "text": "color"}


def test_a_setting_of_another_kind_is_refused(desk: Desk) -> None:
    job = desk.finished()
    desk.ask_about("redo", job, settings={"colored": "maybe"})
    assert desk.ledger.job(job.id).state == "done"
