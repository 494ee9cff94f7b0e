"""A ledger that was lost: what was done is recalled from the results, and nothing is coloured twice."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from functools import partial

import pytest

from colorwatch.protocol import Answer
from colorwatch.scan import Originals, State
from colorwatch.service import Service
from colorwatch.work.recall import Recall
from homes import Home, ticks
from house import digest, files


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> Home:
    return Home(os.fspath(tmp_path))


def lose_all(home: Home) -> None:
    shutil.rmtree(home.path("state"))


def lose_half(home: Home) -> None:
    size = os.path.getsize(home.ledger)
    os.truncate(home.ledger, size // 2)


def lose_to_another(home: Home) -> None:
    with open(home.ledger, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(16384))


LOSSES = pytest.mark.parametrize("lose", [lose_all, lose_half, lose_to_another])


def lose_the_keeping(home: Home) -> dict[str, str]:
    """Some scans are done, one result is renamed by a person, one is moved and one deleted."""
    for number in range(6):
        home.drop(f"album/{number}.jpg", value=50 + number)
    assert home.run().counts["done"] == 6
    os.rename(home.path("outbox", "album", "0.jpg"), home.path("outbox", "grandmother.jpg"))
    os.makedirs(home.path("outbox", "best"))
    os.rename(home.path("outbox", "album", "1.jpg"), home.path("outbox", "best", "1.jpg"))
    return files(home.path("outbox"))


@LOSSES
@pytest.mark.parametrize("originals", ["keep", "archive"])
def test_nothing_is_coloured_twice(home: Home, lose: object, originals: str) -> None:
    if originals == "archive":
        home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
    before = {name: digest(path) for name, path in lose_the_keeping(home).items()}
    assert callable(lose)
    lose(home)
    home.drop("new.jpg", value=99)
    told = home.run()
    after = {name: digest(path) for name, path in files(home.path("outbox")).items()}
    assert {name: after.pop(name) for name in before} == before
    assert list(after) == ["new.jpg"]
    assert told.counts["done"] == 7
    assert home.run().counts["done"] == 7
    left = sorted(files(home.path("inbox")))
    assert left == ([] if originals == "archive" else [*(f"album/{n}.jpg" for n in range(6)), "new.jpg"])


def test_a_scan_dropped_again_after_the_loss_is_archived_as_a_duplicate(home: Home) -> None:
    home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
    home.drop("a.jpg", value=70)
    home.run()
    lose_all(home)
    home.drop("a.jpg", value=70)
    home.drop("renamed.jpg", value=70)
    told = home.run()
    assert home.outbox() == ["a.jpg"]
    assert files(home.path("inbox")) == {}
    assert told.counts["done"] == 3


def test_a_damaged_ledger_is_kept_and_told_of(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    lose_the_keeping(home)
    with open(home.ledger, "r+b") as file:
        file.write(b"rubbish" * 100)
    home.run()
    assert any(name.startswith("ledger.sqlite3.damaged-") for name in os.listdir(home.path("state")))
    err = capfd.readouterr().err
    assert '"event": "ledger.damaged"' in err
    assert '"event": "ledger.recalled"' in err


def test_numbers_of_the_lost_ledger_are_not_used_again(home: Home) -> None:
    lose_the_keeping(home)
    lose_all(home)
    home.drop("new.jpg", value=99)
    home.run()
    with sqlite3.connect(home.ledger) as db:
        (lowest,) = db.execute("SELECT MIN(id) FROM job").fetchone()
    db.close()
    assert lowest > 1_000_000


def test_a_first_start_looks_at_no_strangers_pictures(home: Home) -> None:
    shutil.copy(home.drop("a.jpg"), home.path("outbox", "stranger.jpg"))
    service = home.make()
    try:
        service.start()
        ticks(service, service.idle)
        assert service.ledger.health.recalled("inbox")
        assert service.ledger.counts()[State.DONE] == 1
        assert service.ledger.job(1).scan.path == "a.jpg"
    finally:
        service.close()


def test_a_death_in_the_middle_goes_on_at_the_next_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: digest(path) for name, path in lose_the_keeping(home).items()}
    lose_all(home)
    real = Recall.answered
    answers: list[object] = []

    def answered(self: Recall, ticket: int, answer: Answer, now: float) -> None:
        answers.append(answer)
        real(self, ticket, answer, now)

    monkeypatch.setattr(Recall, "answered", answered)
    for deaths in range(1, 7):
        answers.clear()
        service = home.make()
        try:
            service.start()
            ticks(service, partial(enough, service, answers, deaths))
        finally:
            service.close()
    monkeypatch.undo()
    home.run()
    assert {name: digest(path) for name, path in files(home.path("outbox")).items()} == before


def enough(service: Service, answers: list[object], many: int) -> bool:
    return len(answers) >= many or service.ledger.health.recalled("inbox")


def test_while_the_outbox_cannot_be_looked_at_nothing_is_coloured(home: Home) -> None:
    lose_the_keeping(home)
    lose_all(home)
    os.rename(home.path("outbox"), home.path("elsewhere"))
    service = home.make()
    try:
        service.start()
        ticks(service, service.idle)
        assert sum(service.ledger.counts().values()) == 0
        assert service.left_waiting() == 6
        os.rename(home.path("elsewhere"), home.path("outbox"))
        ticks(service, lambda: service.ledger.health.recalled("inbox"))
        ticks(service, service.idle)
        assert service.ledger.counts()[State.DONE] == 6
    finally:
        service.close()
    assert len(home.outbox()) == 6


def test_an_original_on_its_way_out_when_the_ledger_was_lost_gets_its_name_back(home: Home) -> None:
    home.folder |= {"originals": Originals.ARCHIVE, "archive": home.path("archive")}
    path = home.drop("a.jpg")
    before = digest(path)
    home.run()
    lose_all(home)
    os.rename(home.path("archive", "a.jpg"), home.path("inbox", ".colorwatch-1.aside.a.jpg"))
    home.run()
    assert home.outbox() == ["a.jpg"]
    assert {name: digest(where) for name, where in files(home.path("archive")).items()} == {"a.jpg": before}


def test_a_folder_that_is_new_in_the_config_is_recalled_too(home: Home) -> None:
    home.drop("a.jpg")
    home.run()
    os.rename(home.path("inbox"), home.path("scans"))
    home.folder |= {"inbox": home.path("scans")}
    told = home.run()
    assert home.outbox() == ["a.jpg"]
    assert told.counts["done"] == 2  # as the ledger has it: one of the inbox that is gone, one of the new one
    assert time.time() > told.last[0].when


DYING = """
import os, sys
from colorwatch import service
from colorwatch.work import hearing
from colorwatch.work import recall
from colorwatch.config import Config, Folder
from colorwatch.modelstore import Model
from colorwatch.pool import SpawnPool
root, place, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
count = 0

def dies(function, after):
    def call(*arguments):
        global count
        count += 1
        if count == wanted and not after:
            os.kill(os.getpid(), 9)
        found = function(*arguments)
        if count == wanted and after:
            os.kill(os.getpid(), 9)
        return found
    return call

owner, name, when = place.split(".")
owner = {"recall": recall.Recall, "service": service.Service}[owner]
setattr(owner, name, dies(getattr(owner, name), when == "after"))
folder = Folder(inbox=root + "/inbox", outbox=root + "/outbox", settle_seconds=0.1)
config = Config(folders=(folder,), state=root + "/state", workers=2)
daemon = service.Service(config, Model("none", "none", "00"), SpawnPool, "fault_nets:grey_net")
daemon.start()
daemon.run(lambda: daemon.idle() and daemon.ledger.health.recalled("inbox"))
daemon.close()
"""


STEPS = (
    *("recall.begin.after", "recall.found.after", "recall.answered.before", "recall.answered.after"),
    *("recall.restored.before", "recall.restored.after", "service._act.before"),
)


@pytest.mark.parametrize("place", STEPS)
def test_a_death_at_any_step_of_it_colours_nothing_twice(home: Home, place: str) -> None:
    before = {name: digest(path) for name, path in lose_the_keeping(home).items()}
    lose_all(home)
    for wanted in (1, 3):
        command = [sys.executable, "-c", DYING, home.root, place, str(wanted)]
        died = subprocess.run(command, check=False, timeout=60, capture_output=True)
        assert died.returncode in (0, -9), died.stderr
    told = home.run()
    assert {name: digest(path) for name, path in files(home.path("outbox")).items()} == before
    assert told.counts["done"] == 6
