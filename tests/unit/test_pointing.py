"""Which scan a person means."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from colorwatch.asking.pointing import Target, point, point_at_job
from colorwatch.errors import AskError
from colorwatch.ledger import Ledger
from colorwatch.ledger.files import connect_to_read
from colorwatch.scan import Facts, Fingerprint, Job, Scan, State


@pytest.fixture
def root(tmp_path: os.PathLike[str]) -> str:
    for name in ("in", "out", "store", "out/quarantine", "other"):
        os.makedirs(os.path.join(tmp_path, name))
    return os.fspath(tmp_path)


@pytest.fixture
def folders(root: str) -> list[Any]:
    def folder(name: str, inbox: str) -> Any:
        places = {"outbox": "out", "archive": "store", "quarantine": "out/quarantine"}
        paths = {key: os.path.join(root, place) for key, place in places.items()}
        return SimpleNamespace(name=name, inbox=os.path.join(root, inbox), **paths)

    return [folder("in", "in"), folder("other", "other")]


@pytest.fixture
def ledger(root: str) -> Iterator[Ledger]:
    ledger = Ledger(os.path.join(root, "ledger.sqlite3"))
    yield ledger
    ledger.close()


@pytest.fixture
def db(ledger: Ledger, root: str) -> Iterator[sqlite3.Connection]:
    db = connect_to_read(os.path.join(root, "ledger.sqlite3"))
    yield db
    db.close()


def add(ledger: Ledger, path: str, digest: str = "aa", folder: str = "in", output: str | None = None) -> Job:
    facts = Facts(Fingerprint(1, 2, 3, 4), digest * 32, "jpeg", ".jpg", 1, 640, 480, 1, 8)
    names = itertools.chain([output or path], (f"{path} ({number})" for number in itertools.count(2)))
    with ledger.batch():
        return ledger.add(Scan(folder, path, Fingerprint(1, 2, 3, 4)), facts, "recipe", names)


def test_a_file_in_the_inbox_is_its_newest_job(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    add(ledger, "a.jpg")
    newest = add(ledger, "a.jpg", "bb")
    assert point(db, folders, os.path.join(folders[0].inbox, "a.jpg")) == Target("in", "a.jpg", newest.id)


def test_a_result_is_the_very_job_that_made_it(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    first = add(ledger, "a.jpg")
    add(ledger, "a.jpg", "bb")
    assert point(db, folders, os.path.join(folders[0].outbox, "a.jpg")).job == first.id


def test_a_result_that_waits_in_again_is_found(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    job = add(ledger, "roll/a.jpg")
    assert point(db, folders, os.path.join(folders[0].outbox, "again", "roll", "a.jpg")).job == job.id


def test_a_scan_in_quarantine_is_found_by_itself_and_by_its_notes(
    ledger: Ledger, db: sqlite3.Connection, folders: list[Any]
) -> None:
    where = os.path.join(folders[0].quarantine, "a (2).jpg")
    with ledger.batch():
        job = ledger.add_ended(Scan("in", "a.jpg", Fingerprint(1, 2, 3, 4)), State.QUARANTINED, "damaged", "it ends")
        ledger.quarantine_moved(job.id, where)
    for name in (where, f"{where} - why.txt", f"{where}.reason.json"):
        assert point(db, folders, name).job == job.id


@pytest.mark.parametrize("name", ["roll/a.jpg", "roll/a (2).jpg"])
def test_an_archived_original_is_found_under_the_name_it_has_there(
    name: str, ledger: Ledger, db: sqlite3.Connection, folders: list[Any]
) -> None:
    job = add(ledger, "roll/a.jpg")
    where = os.path.join(folders[0].archive, name)
    with ledger.batch():
        ledger.done(job.id, "archived", "", where)
    assert point(db, folders, where).job == job.id


def test_a_path_is_taken_from_the_current_folder_on(
    ledger: Ledger, db: sqlite3.Connection, folders: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = add(ledger, "roll/a.jpg")
    add(ledger, "a.jpg")
    os.mkdir(os.path.join(folders[0].inbox, "roll"))
    monkeypatch.chdir(os.path.join(folders[0].inbox, "roll"))
    assert point(db, folders, "a.jpg").job == job.id


def test_links_to_the_inbox_lead_to_it(
    ledger: Ledger, db: sqlite3.Connection, folders: list[Any], tmp_path: os.PathLike[str]
) -> None:
    job = add(ledger, "a.jpg")
    link = os.path.join(tmp_path, "shortcut")
    os.symlink(folders[0].inbox, link)
    assert point(db, folders, os.path.join(link, "a.jpg")).job == job.id


def test_a_name_as_status_shows_it_is_enough(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    job = add(ledger, "roll/a.jpg", output="roll/a (2).jpg")
    assert point(db, folders, "roll/a.jpg").job == job.id
    assert point(db, folders, "roll/a (2).jpg").job == job.id


def test_a_name_in_two_folders_is_told_with_both(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    add(ledger, "a.jpg")
    add(ledger, "a.jpg", folder="other")
    with pytest.raises(AskError, match=r"a\.jpg in in \(job 1\), a\.jpg in other \(job 2\); say which"):
        point(db, folders, "a.jpg")


def test_a_duplicate_never_stands_for_the_scan_itself(
    ledger: Ledger, db: sqlite3.Connection, folders: list[Any]
) -> None:
    job = add(ledger, "a.jpg")
    with ledger.batch():
        ledger.done(job.id, "archived", "", "/elsewhere")
        assert job.facts
        ledger.add_duplicate(job.scan, job.facts, job)
    assert point(db, folders, "a.jpg").job == job.id


def test_a_file_that_only_waits_is_found(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    with ledger.batch():
        ledger.waits.wait("in", "a.jpg", "incomplete", "it ends early")
    for text in ("a.jpg", os.path.join(folders[0].inbox, "a.jpg")):
        assert point(db, folders, text) == Target("in", "a.jpg", None, waits=True)


def test_what_nobody_knows_is_told_and_why(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    with pytest.raises(AskError, match="no such scan, and there is no such file"):
        point(db, folders, "b.jpg")
    new = os.path.join(folders[0].inbox, "new.jpg")
    with open(new, "wb"):
        pass
    with pytest.raises(AskError, match="has not taken it up"):
        point(db, folders, new)
    with pytest.raises(AskError, match="name a file in an inbox"):
        point(db, folders, "/etc/hostname" if os.path.exists("/etc/hostname") else "/bin/sh")


def test_a_job_is_found_by_its_number(ledger: Ledger, db: sqlite3.Connection, folders: list[Any]) -> None:
    job = add(ledger, "gr\udcfc.jpg")
    assert point_at_job(db, job.id) == Target("in", "gr\udcfc.jpg", job.id)
    with pytest.raises(AskError, match="there is no job 77"):
        point_at_job(db, 77)
