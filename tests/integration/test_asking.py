"""What people ask of a running daemon, by the real command and by real files."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from colorwatch.errors import Exit
from house import House, digest, files, make_drop, photographs
from onnxnets import mixing_net
from waiting import eventually


@pytest.fixture
def house(tmp_path: os.PathLike[str]) -> Iterator[House]:
    house = House(os.fspath(tmp_path))
    yield house
    if house.daemon is not None and house.daemon.poll() is None:
        house.kill()


def started(house: House, **settings: object) -> House:
    house.settings = settings
    house.write_config()
    house.start()
    return house


def drop(house: House, name: str = "a.png", number: int = 0) -> None:
    os.makedirs(os.path.dirname(house.path("inbox", name)), exist_ok=True)
    make_drop(house.path("inbox", name), photographs(number + 1, side=96)[number])


def said(told: subprocess.CompletedProcess[str], code: Exit = Exit.OK) -> str:
    assert told.returncode == code, told.stdout + told.stderr
    assert "Traceback" not in told.stderr
    return told.stdout + told.stderr


def idle(house: House) -> bool:
    """Whether no job is under way."""
    return not set(house.counts()) & {"queued", "running", "rendered", "published"}


def redone(house: House, count: int = 1) -> None:
    def all_are() -> bool:
        return sum(line["event"] == "redo.done" for line in house.log()) >= count and idle(house)

    eventually(all_are, 30, "made again")


def is_grey(path: str) -> bool:
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    assert picture is not None
    return int(np.ptp(picture.astype(np.int16), axis=2).max()) <= 2


def redness(path: str) -> float:
    """How much more red than blue a picture has, in levels."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    assert picture is not None
    return float(picture[..., 2].mean() - picture[..., 0].mean())


class TestRedo:
    def test_our_own_result_is_replaced_and_the_original_is_only_read(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        before = digest(house.path("inbox", "a.png"))
        assert not is_grey(house.path("outbox", "a.png"))
        assert "coloured again" in said(house.call("redo", house.path("inbox", "a.png"), "--strength", "0"))
        redone(house)
        assert list(house.results()) == ["a.png"]
        assert is_grey(house.path("outbox", "a.png"))
        assert digest(house.path("inbox", "a.png")) == before
        eventually(lambda: files(house.path("outbox", ".colorwatch")) == {}, 10, "the old result is out of the spool")
        story = json.loads(said(house.call("explain", "a.png", "--json")))
        assert (story["state"], story["recipe"]["strength"]) == ("done", 0.0)

    def test_an_edited_result_stays_and_the_new_one_comes_beside_it(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        with open(house.path("outbox", "a.png"), "ab") as file:
            file.write(b"mine")
        edited = digest(house.path("outbox", "a.png"))
        said(house.call("redo", house.path("outbox", "a.png"), "--strength", "0"))
        redone(house)
        assert sorted(house.results()) == ["a (2).png", "a.png"]
        assert digest(house.path("outbox", "a.png")) == edited
        assert is_grey(house.path("outbox", "a (2).png"))

    def test_an_archived_original_is_read_where_it_lies(self, house: House) -> None:
        started(house, originals="archive", archive="./archive")
        drop(house, "roll/a.png")
        house.wait_done(1, 60)
        said(house.call("redo", house.path("archive", "roll", "a.png"), "--strength", "0"))
        redone(house)
        assert is_grey(house.path("outbox", "roll", "a.png"))
        assert os.listdir(house.path("archive", "roll")) == ["a.png"]
        assert files(house.path("inbox")) == {}

    def test_without_its_original_it_is_refused_at_once(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        os.unlink(house.path("inbox", "a.png"))
        assert "its original is gone" in said(house.call("redo", "a.png"), Exit.FAILED)

    def test_an_original_that_is_another_picture_now_changes_nothing(self, house: House) -> None:
        started(house, originals="archive", archive="./archive")
        drop(house)
        house.wait_done(1, 60)
        before = digest(house.path("outbox", "a.png"))
        make_drop(house.path("archive", "a.png"), photographs(2, side=96)[1])
        said(house.call("redo", "a.png"))
        eventually(lambda: any(line["event"] == "redo.failed" for line in house.log()), 30)
        eventually(lambda: house.counts() == {"done": 1}, 10)
        assert digest(house.path("outbox", "a.png")) == before
        assert "another file" in said(house.call("explain", "a.png"))

    @pytest.mark.parametrize("again", [False, True])
    def test_kills_at_any_moment_leave_exactly_one_result(self, again: bool, house: House) -> None:
        started(house)
        for number in range(6):
            make_drop(house.path("inbox", f"{number}.png"), photographs(6, side=200)[number])
        house.wait_done(6, 60)
        said(house.call("pause"))
        for number in range(6):
            if again:
                os.makedirs(house.path("outbox", "again"), exist_ok=True)
                os.rename(house.path("outbox", f"{number}.png"), house.path("outbox", "again", f"{number}.png"))
            else:
                said(house.call("redo", house.path("inbox", f"{number}.png"), "--strength", "0"))
        said(house.call("resume"))
        for share in range(1, 6):
            eventually(lambda share=share: renewed(house) >= share, 30)  # type: ignore[misc]
            house.kill()
            house.start()
        eventually(lambda: runs(house), 30)
        eventually(lambda: renewed(house) >= 6 and idle(house) and not again_left(house), 60, "all made again")
        assert house.stop() == 0
        assert sorted(house.results()) == [f"{number}.png" for number in range(6)]
        assert house.counts() == {"done": 6}
        assert files(house.path("outbox", ".colorwatch")) == {}
        assert len(files(house.path("inbox"))) == 6


def runs(house: House) -> bool:
    """Whether the present daemon has come so far that it hears signals."""
    assert house.daemon
    return any(line["event"] == "service.started" and line["pid"] == house.daemon.pid for line in house.log())


def renewed(house: House) -> int:
    """How many results are not the first of their scan."""
    db = sqlite3.connect(house.path("state", "ledger.sqlite3"))
    try:
        return int(db.execute("SELECT COUNT(*) FROM job WHERE state = 'done' AND attempt > 1").fetchone()[0])
    finally:
        db.close()


def again_left(house: House) -> list[str]:
    return [name for name in files(house.path("outbox")) if name.startswith("again")]


class TestAgain:
    def test_a_result_moved_into_again_is_made_anew_at_its_place(self, house: House) -> None:
        started(house)
        drop(house, "roll/a.png")
        house.wait_done(1, 60)
        os.makedirs(house.path("outbox", "again"), exist_ok=True)
        os.rename(house.path("outbox", "roll", "a.png"), house.path("outbox", "again", "a.png"))
        redone(house)
        eventually(lambda: list(house.results()) == ["roll/a.png"], 20)

    def test_an_edited_one_goes_back_and_gets_a_sibling(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        with open(house.path("outbox", "a.png"), "ab") as file:
            file.write(b"mine")
        edited = digest(house.path("outbox", "a.png"))
        os.makedirs(house.path("outbox", "again"), exist_ok=True)
        os.rename(house.path("outbox", "a.png"), house.path("outbox", "again", "a.png"))
        redone(house)
        eventually(lambda: sorted(house.results()) == ["a (2).png", "a.png"], 20)
        assert digest(house.path("outbox", "a.png")) == edited

    def test_a_stranger_stays_and_status_says_so(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        os.makedirs(house.path("outbox", "again"), exist_ok=True)
        make_drop(house.path("outbox", "again", "cat.png"), photographs(2, side=96)[1])
        eventually(lambda: "cat.png" in house.call("status").stdout, 30)
        assert os.path.exists(house.path("outbox", "again", "cat.png"))


class TestQuarantine:
    def broken(self, house: House) -> None:
        with open(house.path("inbox", "x.jpg"), "w", encoding="utf-8") as file:
            file.write("no picture\n" * 9)
        eventually(lambda: house.counts() == {"quarantined": 1}, 30)
        eventually(lambda: os.path.exists(house.path("outbox", "quarantine", "x.jpg - why.txt")), 30)

    def test_retry_puts_it_back_and_tries_it_at_once(self, house: House) -> None:
        started(house)
        self.broken(house)
        make_drop(house.path("mended.jpg"), photographs(1, side=96)[0])
        os.replace(house.path("mended.jpg"), house.path("outbox", "quarantine", "x.jpg"))
        said(house.call("retry", house.path("outbox", "quarantine", "x.jpg - why.txt")))
        house.wait_done(1, 30)
        assert list(house.results()) == ["x.jpg"]

    def test_release_puts_it_back_and_leaves_it_alone_for_good(self, house: House) -> None:
        started(house)
        self.broken(house)
        assert "left as it is" in said(house.call("release", house.path("outbox", "quarantine", "x.jpg")))
        assert files(house.path("outbox")) == {}
        drop(house, "b.png")
        house.wait_done(1, 30)
        assert house.stop() == 0
        house.start()
        drop(house, "c.png", 1)
        house.wait_done(2, 30)
        assert house.counts() == {"done": 2, "skipped": 1}
        assert os.path.exists(house.path("inbox", "x.jpg"))
        assert "left alone" in said(house.call("explain", "x.jpg"))


class TestForget:
    def test_the_result_goes_and_the_scan_is_new_again(self, house: House) -> None:
        started(house, originals="archive", archive="./archive")
        drop(house)
        house.wait_done(1, 60)
        told = said(house.call("forget", "a.png"))
        assert "is removed" in told
        assert house.path("archive", "a.png") in told
        assert house.results() == {}
        assert house.counts() == {}
        shutil.move(house.path("archive", "a.png"), house.path("inbox", "a.png"))
        house.wait_done(1, 30)
        assert list(house.results()) == ["a.png"]

    def test_an_edited_result_stays_and_that_is_said(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        with open(house.path("outbox", "a.png"), "ab") as file:
            file.write(b"mine")
        os.unlink(house.path("inbox", "a.png"))
        assert "was not removed" in said(house.call("forget", house.path("outbox", "a.png")))
        assert list(house.results()) == ["a.png"]


class TestPause:
    def test_nothing_new_is_begun_until_resume_even_after_a_restart(self, house: House) -> None:
        started(house)
        eventually(lambda: runs(house), 30)
        said(house.call("pause"))
        drop(house)
        eventually(lambda: house.counts() == {"queued": 1}, 30)
        assert house.stop() == 0
        house.start()
        eventually(lambda: runs(house), 30)
        assert "Everything is paused" in said(house.call("status"))
        assert house.counts() == {"queued": 1}
        assert "paused" in said(house.call("explain", "a.png"))
        said(house.call("resume"))
        house.wait_done(1, 30)

    def test_once_ends_and_says_that_something_waits(self, house: House) -> None:
        house.call("once")
        assert "carried out when colorwatch is started" in said(house.call("pause"), Exit.WAITING)
        drop(house)
        told = said(house.call("once"), Exit.WAITING)
        assert "0 coloured, 0 in quarantine, 1 waiting" in told
        assert "paused" in told


class TestReprocess:
    def test_other_settings_make_all_anew_but_not_what_was_taken_away(self, house: House) -> None:
        started(house)
        for number in range(4):
            drop(house, f"{number}.png", number)
        house.wait_done(4, 60)
        assert house.stop() == 0
        os.unlink(house.path("outbox", "0.png"))
        os.unlink(house.path("inbox", "1.png"))
        assert "0 results are outdated" in said(house.call("reprocess", "--outdated", "--dry-run"))
        started(house, strength=0.0)
        eventually(lambda: any(line["event"] == "folder.rescanned" for line in house.log()) or True, 20)
        eventually(lambda: "2 results are outdated" in house.call("reprocess", "--outdated", "--dry-run").stdout, 20)
        told = json.loads(said(house.call("reprocess", "--outdated", "--dry-run", "--json")))
        assert (told["jobs"], told["gone"], told["deleted"]) == (2, 1, 1)
        assert "2 are coloured again" in said(house.call("reprocess", "--outdated"))
        redone(house, 2)
        assert sorted(house.results()) == ["1.png", "2.png", "3.png"]
        assert [is_grey(house.path("outbox", f"{number}.png")) for number in (1, 2, 3)] == [False, True, True]
        assert "0 results are outdated" in said(house.call("reprocess", "--outdated", "--dry-run"))

    def test_what_a_person_takes_away_meanwhile_stays_away(self, house: House) -> None:
        started(house)
        for number in range(2):
            drop(house, f"{number}.png", number)
        house.wait_done(2, 60)
        assert house.stop() == 0
        started(house, strength=0.0)
        eventually(lambda: runs(house), 30)
        said(house.call("pause"))
        assert "2 are coloured again" in said(house.call("reprocess", "--outdated"))
        os.unlink(house.path("outbox", "0.png"))
        said(house.call("resume"))
        eventually(lambda: any(line["event"] == "redo.failed" for line in house.log()), 30, "it is given up")
        redone(house)
        assert list(house.results()) == ["1.png"]
        assert house.counts() == {"done": 2}
        eventually(lambda: files(house.path("outbox", ".colorwatch")) == {}, 10, "nothing is left in the spool")
        assert "taken away meanwhile" in said(house.call("explain", house.path("inbox", "0.png")))


class TestAnotherModel:
    def red(self, house: House) -> None:
        """A net that makes everything red, in the store under that name."""
        net = mixing_net(np.eye(3), (64, 96), bias=np.array([60.0, 0.0, -40.0], np.float32))
        with open(house.path("red.onnx"), "wb") as file:
            file.write(net)
        with open(house.path("red.yaml"), "w", encoding="utf-8") as file:
            file.write(
                "name: Red\nlicence: MIT\nsource: here\ninput: {kind: grey_rgb, size: [64, 96], scale: 255}\n"
                "output: {kind: rgb, scale: 0.00392157}\n"
            )
        said(house.call("models", "import", house.path("red.onnx"), "--trust"))

    def test_a_result_is_made_again_by_it_and_its_worker_ends(self, house: House) -> None:
        self.red(house)
        started(house)
        drop(house)
        house.wait_done(1, 60)
        before = redness(house.path("outbox", "a.png"))
        assert "by red" in said(house.call("redo", "a.png", "--model", "red"))
        redone(house)
        assert redness(house.path("outbox", "a.png")) > before + 30
        story = json.loads(said(house.call("explain", "a.png", "--json")))
        assert story["recipe"]["model"] == "red"
        assert "0 results are outdated" in said(house.call("reprocess", "--outdated", "--dry-run"))
        drop(house, "b.png", 1)
        house.wait_done(2, 60)
        story = json.loads(said(house.call("explain", "b.png", "--json")))
        assert story["recipe"]["model"] == "compact"

    def test_a_model_that_is_not_here_is_told_at_once(self, house: House) -> None:
        started(house)
        drop(house)
        house.wait_done(1, 60)
        assert "colorwatch models fetch zhang2016" in said(
            house.call("redo", "a.png", "--model", "zhang2016"), Exit.MODEL
        )
        assert house.counts() == {"done": 1}

    def test_one_that_goes_missing_before_its_turn_changes_nothing(self, house: House) -> None:
        self.red(house)
        started(house)
        drop(house)
        house.wait_done(1, 60)
        before = digest(house.path("outbox", "a.png"))
        said(house.call("pause"))
        assert house.stop() == 0
        said(house.call("redo", "a.png", "--model", "red"), Exit.WAITING)
        said(house.call("models", "remove", "red"))
        said(house.call("resume"), Exit.WAITING)
        house.start()
        eventually(lambda: any(line["event"] == "redo.failed" for line in house.log()), 60)
        eventually(lambda: house.counts() == {"done": 1}, 10)
        assert digest(house.path("outbox", "a.png")) == before
