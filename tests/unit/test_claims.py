"""The choice of the next job, on a real ledger."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from colorwatch import log
from colorwatch.budget import MIB
from colorwatch.folders.messages import FolderSettings
from colorwatch.ledger import Ledger
from colorwatch.pool import Died
from colorwatch.protocol import Failure, RenderRequest
from colorwatch.recipe import Recipe
from colorwatch.scan import Facts, Fingerprint, Originals, Rendering, RenderSettings, Scan, State, effort_of
from colorwatch.work.claims import BACKLOG, MAX_PASSED_OVER, MAX_SHORT, Claims, Deadlines
from colorwatch.work.patience import MAX_DEATHS, MAX_EXCUSED
from colorwatch.work.standing import Standing
from colorwatch.work.steps import Steps

FOLDER = FolderSettings("in", "/inbox", "/outbox", Originals.KEEP, None, "/quarantine", 1.0, 60.0, 60.0, True)
RECIPE = Recipe("dd" * 32, RenderSettings(jpeg_quality=80))
RESULT = Rendering("ee" * 32, 99, 1, 2, 640, 480, 1000, {"net": 0.1})
FULL = Failure("disk", "the disk is full", retryable=True)


@dataclass
class Desk:
    """Claims on a ledger of its own, with nobody to carry out what is sent."""

    ledger: Ledger
    budget: int = 200 * MIB
    now: float = 1000.0
    tickets: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        folders = {"in": FOLDER, "other": FOLDER}
        self.standing = Standing(list(folders))
        self.standing.clean.extend(folders)
        steps = Steps(self.ledger, folders, self.send, log.get("test"))
        recipes = dict.fromkeys(folders, RECIPE)
        self.claims = Claims(
            *(self.ledger, steps, self.standing, folders, recipes, "zhang"),
            *(0, self.budget, self.send, log.get("test")),
        )

    def send(self, folder: str, command: object) -> None:
        """Nobody carries it out here."""

    def add(self, name: str, side: int = 100, folder: str = "in", noticed: float | None = None, **more: int) -> int:
        scan = Scan(folder, name, Fingerprint(1, 2, 3, 4))
        size = (1, side, side, 1, 8)
        facts = Facts(scan.fingerprint, name.rjust(64, "0"), "jpeg", ".jpg", *size, decoder_bytes=side * side, **more)
        return self.ledger.add(scan, facts, RECIPE.key, iter([name]), noticed).id

    def request(self, behind: int = 0) -> RenderRequest | None:
        return self.claims.next_render(next(self.tickets), self.now, self.standing.open(self.now), 0, behind)

    def claim(self, behind: int = 0) -> str | None:
        request = self.request(behind)
        return request.path if request else None

    def answer(self, answer: Rendering | Failure) -> None:
        """What the worker says whose job was claimed last."""
        self.claims.answered(max(self.claims._running), answer, self.now)

    def die(self, **how: bool) -> None:
        self.claims.died(Died(max(self.claims._running), "it died", 7, False, "", **how), self.now)


@pytest.fixture
def desk(tmp_path: os.PathLike[str]) -> Iterator[Desk]:
    ledger = Ledger(os.path.join(tmp_path, "ledger"))
    ledger._db.execute("PRAGMA synchronous = OFF")  # no power is cut here, and much is written
    yield Desk(ledger)
    ledger.close()


def test_a_scan_that_is_refused_for_its_size_keeps_no_other_waiting(desk: Desk) -> None:
    desk.add("first")
    assert desk.claim() == "first"
    first = max(desk.claims._running)
    large = desk.add("large", 20_000)
    for number in range(MAX_PASSED_OVER):
        desk.add(f"small-{number}")
        assert desk.claim() is not None, "smaller ones go first for a while"
        desk.claims.answered(max(desk.claims._running), Failure("damaged", "it is cut", False), 0.0)
    desk.add("later")
    desk.claim()
    desk.claims.answered(first, Failure("damaged", "it is cut", False), 0.0)
    while desk.ledger.job(large).state is State.QUEUED:
        if desk.claim() is None and len(desk.claims):
            desk.claims.release_all()
    assert desk.ledger.job(large).state is State.QUARANTINED
    for name in ("two", "at once"):
        desk.add(name)
    desk.claims.release_all()
    assert [desk.claim() is not None for _ in range(2)] == [True, True]


def test_a_result_is_told_where_it_comes_from(desk: Desk) -> None:
    desk.add("album/a.jpg")
    request = desk.request()
    assert request is not None
    assert request.provenance is not None
    assert request.provenance.digest.endswith("album/a.jpg")
    assert (request.provenance.path, request.provenance.recipe) == ("album/a.jpg", RECIPE.key)
    assert (request.provenance.model, request.provenance.model_digest) == ("zhang", "dd" * 32)
    assert request.settings.jpeg_quality == 80


def test_a_job_that_waited_while_the_recipe_changed_is_made_and_noted_by_the_new_one(desk: Desk) -> None:
    job = desk.add("a.jpg")
    desk.ledger.recipe_is(job, "an older one")
    desk.claim()
    assert desk.ledger.job(job).recipe == RECIPE.key


class TestFormats:
    @pytest.fixture
    def png(self, desk: Desk) -> Desk:
        for folder in ("in", "other"):
            desk.claims._folders[folder] = replace(FOLDER, format="png", file_times="scan")  # type: ignore[index]
        return desk

    def test_a_result_is_made_in_the_format_that_the_config_asks_for(self, png: Desk) -> None:
        png.add("a.jpg")
        request = png.request()
        assert request is not None
        assert (request.result, request.keep_time) == ("png", True)

    def test_a_name_that_was_reserved_for_another_format_is_given_back(self, png: Desk) -> None:
        job = png.add("a.jpg")
        png.add("a.png", folder="in")
        png.claim()
        assert png.ledger.job(job).output == "a (2).png"

    def test_a_name_that_speaks_of_no_format_stays(self, png: Desk) -> None:
        job = png.add("Aunt Ada")
        png.claim()
        assert png.ledger.job(job).output == "Aunt Ada"

    def test_a_webp_s_encoder_counts_for_its_memory(self, desk: Desk) -> None:
        job = desk.ledger.job(desk.add("a.jpg", 1000))
        before = desk.claims._cost(job)
        desk.claims._folders["in"] = replace(FOLDER, format="webp")  # type: ignore[index]
        assert desk.claims._cost(job) - before == 24_000_000


class TestTwoLanes:
    def test_few_go_in_their_order(self, desk: Desk) -> None:
        for number in range(BACKLOG):
            desk.add(f"{number:02}", side=1)
        assert [desk.claim() for _ in range(4)] == ["00", "01", "02", "03"]

    def test_in_a_backlog_the_oldest_and_the_newest_go_in_turn(self, desk: Desk) -> None:
        for number in range(BACKLOG + 8):
            desk.add(f"{number:02}", side=1, noticed=float(number))
        assert [desk.claim() for _ in range(4)] == ["00", "39", "01", "38"]

    def test_files_that_are_not_jobs_yet_count_for_the_backlog(self, desk: Desk) -> None:
        for number in range(4):
            desk.add(f"{number}", side=1, noticed=float(number))
        assert [desk.claim(behind=BACKLOG) for _ in range(4)] == ["0", "3", "1", "2"]

    def test_what_was_noticed_last_is_the_newest_whenever_it_was_read(self, desk: Desk) -> None:
        desk.add("dropped now", noticed=2e9)
        for number in range(BACKLOG + 8):
            desk.add(f"{number:02}", side=1, noticed=float(number))
        assert [desk.claim() for _ in range(2)] == ["00", "dropped now"]

    def test_a_claim_costs_the_same_among_forty_thousand(self, desk: Desk) -> None:
        def seconds_of_a_claim() -> float:
            times = []
            for _ in range(40):
                begin = time.perf_counter()
                with desk.ledger.batch():
                    assert desk.claim() is not None
                times.append(time.perf_counter() - begin)
                desk.claims.release_all()
            return sorted(times)[20]

        with desk.ledger.batch():
            for number in range(100):
                desk.add(f"{number:05}", noticed=float(number))
        few = seconds_of_a_claim()
        with desk.ledger.batch():
            for number in range(100, 40_000):
                desk.add(f"{number:05}", folder="in" if number % 3 else "other", noticed=float(number))
        assert seconds_of_a_claim() < few * 2 + 0.002


class TestADiskThatFails:
    def test_the_others_of_its_folder_wait_with_the_one_that_met_it(self, desk: Desk) -> None:
        for number in range(3):
            desk.add(f"{number}")
        desk.add("elsewhere", folder="other")
        desk.claim()
        desk.answer(FULL)
        assert (desk.claim(), desk.claim()) == ("elsewhere", None)

    def test_then_one_scan_at_a_time_is_tried_until_a_result_stands(self, desk: Desk) -> None:
        for number in range(5):
            desk.add(f"{number}")
        desk.claim()
        desk.answer(FULL)
        waits = []
        failed = "0"
        for _ in range(3):
            begin = desk.now
            while (path := desk.claim()) is None:
                desk.now += 1.0
            waits.append(desk.now - begin)
            assert desk.claim() is None, "one at a time"
            assert path != failed, "another one first"
            failed = path
            desk.answer(FULL)
        assert waits == [5.0, 10.0, 20.0]
        desk.now += 40.0
        assert desk.claim() is not None
        desk.claims.disk_works("in")
        assert desk.claim() is not None

    def test_two_workers_that_meet_one_failure_count_for_one(self, desk: Desk) -> None:
        for number in range(3):
            desk.add(f"{number}")
        desk.claim(), desk.claim()
        desk.answer(FULL)
        desk.answer(FULL)
        desk.now += 5.0
        assert desk.claim() is not None


class TestLostWorkers:
    def test_three_make_a_poison(self, desk: Desk) -> None:
        job = desk.add("a")
        desk.claim()
        for _ in range(MAX_DEATHS - 1):
            desk.die()
            assert desk.claim() == "a"
        desk.die()
        assert desk.ledger.job(job).state is State.QUARANTINED

    def test_a_share_that_hangs_makes_none_however_often(self, desk: Desk) -> None:
        jobs = [desk.add(name) for name in ("a", "b")]
        for _ in range(10 * MAX_EXCUSED):
            while desk.claim() is None:
                desk.now += 5.0
            desk.die(blameless=True, stuck=True)
        assert {desk.ledger.job(job).state for job in jobs} == {State.QUEUED}
        assert all(desk.ledger.job(job).worker_deaths == 0 for job in jobs)

    def test_a_scan_that_hangs_alone_while_others_are_done_is_poison(self, desk: Desk) -> None:
        job = desk.add("a")
        for number in range(20 * MAX_EXCUSED):
            other = desk.add(f"other-{number}")
            while desk.ledger.job(other).state is not State.RENDERED:
                path = desk.claim()
                if path is None:
                    desk.now += 5.0
                elif path == "a":
                    desk.die(blameless=True, stuck=True)
                else:
                    desk.answer(RESULT)
                    desk.claims.disk_works("in")
            if desk.ledger.job(job).state is State.QUARANTINED:
                return
            desk.now += 300.0
        raise AssertionError("it is tried for ever")

    def test_want_of_memory_is_waited_for_and_bounded(self, desk: Desk) -> None:
        job = desk.add("a")
        begin = desk.now
        for _ in range(MAX_SHORT):
            while desk.claim() is None:
                desk.now += 5.0
            desk.answer(Failure("memory", "there was not enough memory for it", True))
        assert desk.ledger.job(job).state is State.QUARANTINED
        assert desk.now - begin > 600


def test_a_scan_renamed_while_it_was_to_be_coloured_is_queued_under_its_new_name(desk: Desk) -> None:
    job = desk.add("a")
    desk.claim()
    desk.ledger.contents.lies_at(job, "b", Fingerprint(1, 2, 3, 4))
    desk.answer(Failure("gone", "it is gone", False))
    assert desk.claim() == "b"


class TestDeadlines:
    def test_every_page_counts_and_the_smallest_as_a_megapixel(self) -> None:
        deadlines = Deadlines(120, 10)
        assert deadlines.of(effort_of([35_000_000])) == 470
        assert deadlines.of(effort_of([8_000_000] * 50)) == 4120
        assert deadlines.of(effort_of([35_000_000] + [10_000] * 50)) == 470 + 500
        assert deadlines.of(effort_of([10_000])) == 120.1

    def test_a_render_may_take_as_long_as_its_pages_and_one_known_from_before_as_its_pixels(self, desk: Desk) -> None:
        desk.add("pages.tif", effort=5_000_000)
        desk.add("page.jpg", side=2000)
        efforts = []
        for _ in range(2):
            request = desk.request()
            assert request
            efforts.append(desk.claims.effort(request.ticket))
        assert efforts == [5_000_000, 4_000_000]
