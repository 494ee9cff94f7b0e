"""The ledger's file: an older schema brought up to date, a damaged one set aside, and a death in the middle."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from colorwatch.errors import StateError
from colorwatch.ledger import Ledger, files
from colorwatch.ledger.schema import SCHEMA_VERSION
from colorwatch.scan import Fingerprint, Scan, State

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA_1 = os.path.join(os.path.dirname(HERE), "ledgers", "v1.sql")
STATES = ("queued", "running", "rendered", "published", "done", "skipped", "quarantined")


@pytest.fixture
def path(tmp_path: os.PathLike[str]) -> str:
    """A ledger of schema 1, with a job in every state and of every kind."""
    path = os.path.join(tmp_path, "ledger.sqlite3")
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    with open(SCHEMA_1, encoding="utf-8") as file:
        db.executescript(file.read())
    for number, state in enumerate(STATES):
        db.execute(
            "INSERT INTO job (folder, path, device, inode, size, mtime_ns, digest, facts, recipe, state, output, spool,"
            " result, kind, reason, whereabouts, settled, added_at, ended_at)"
            " VALUES ('in', ?, -1, 2, 3, 4, ?, ?, 'r', ?, ?, ?, ?, ?, ?, ?, 1, 1000, ?)",
            (
                *(f"{state}\udcfc.jpg".encode(errors="surrogateescape"), f"{number:02}" * 32, facts(number), state),
                *(
                    f"{state}.jpg".encode() if number < 5 else None,
                    b"/out/.colorwatch/1-1.part" if number == 2 else None,
                ),
                *(
                    RESULT if 2 <= number <= 4 else None,
                    "damaged" if number == 6 else None,
                    "why" if number > 4 else None,
                ),
                *(b"/q/x.jpg" if number == 6 else None, 2000 if number > 3 else None),
            ),
        )
    db.execute("INSERT INTO home VALUES (x'2f61', 'in')")
    db.execute("INSERT INTO wait VALUES ('in', x'62', 'incomplete', 'it ends early', 5)")
    db.execute("INSERT INTO probe_death VALUES ('in', x'63', 1, 2, 2)")
    db.commit()
    db.close()
    return path


def facts(number: int) -> str:
    fingerprint = '{"device": 18446744073709551615, "inode": 2, "size": 3, "mtime_ns": 4}'
    return (
        f'{{"fingerprint": {fingerprint}, "digest": "{f"{number:02}" * 32}", "format": "jpeg", "extension": ".jpg",'
        ' "pages": 1, "width": 8, "height": 8, "bands": 1, "bits": 8, "zero_tail": false}'
    )


RESULT = '{"digest": "ee", "size": 9, "device": 1, "inode": 2, "width": 8, "height": 8, "peak_bytes": 7, "seconds": {}}'


def rows(path: str) -> list[tuple[object, ...]]:
    """What was known before and is to be known after."""
    db = sqlite3.connect(path)
    found = db.execute(
        "SELECT id, folder, path, inode, digest, facts, state, output, spool, result, kind, reason, whereabouts,"
        " added_at, ended_at FROM job ORDER BY id"
    ).fetchall()
    db.close()
    return found


def tables(path: str) -> list[tuple[str, str]]:
    db = sqlite3.connect(path)
    found = db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    db.close()
    return found


def version(path: str) -> int:
    db = sqlite3.connect(path)
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    db.close()
    return found


class TestAnOlderSchema:
    def test_every_job_is_brought_along(self, path: str) -> None:
        before = rows(path)
        ledger = Ledger(path)
        assert not ledger.fresh
        assert ledger.health.recalled("in"), "its history is here"
        assert {state.value: n for state, n in ledger.counts().items() if n} == dict.fromkeys(STATES, 1)
        assert [ledger.job(number + 1).state.value for number in range(len(STATES))] == list(STATES)
        assert ledger.contents.find("in", "done\udcfc.jpg", "04" * 32) == ledger.job(5)
        assert ledger.left_waiting(["in"]) == 5
        assert [job.state for job in ledger.recover()] == [State.RENDERED, State.PUBLISHED]
        ledger.close()
        assert [row[:6] for row in rows(path)] == [row[:6] for row in before]
        assert version(path) == SCHEMA_VERSION

    def test_what_it_was_is_kept_beside_it(self, path: str) -> None:
        before = rows(path)
        Ledger(path).close()
        assert version(f"{path}.v1") == 1
        assert rows(f"{path}.v1") == before

    def test_new_jobs_get_numbers_of_their_own(self, path: str) -> None:
        db = sqlite3.connect(path)
        db.execute("DELETE FROM job WHERE id > 3")
        db.commit()
        db.close()
        ledger = Ledger(path)
        scan = Scan("in", "new.jpg", Fingerprint(1, 2, 3, 4))
        assert ledger.add_ended(scan, State.SKIPPED, "not-a-file", "it is a folder").id == 8
        ledger.close()

    @pytest.mark.parametrize("step", range(0, 40, 3))
    def test_a_death_in_the_middle_loses_nothing(self, path: str, step: int) -> None:
        before = rows(path)
        killed = subprocess.run(
            [sys.executable, "-c", DYING, path, str(step)], check=False, capture_output=True, timeout=60
        )
        assert killed.returncode in (0, -9), killed.stderr
        assert version(path) in (1, SCHEMA_VERSION)
        ledger = Ledger(path)
        ledger.close()
        assert rows(path) == before
        assert rows(f"{path}.v1") == before

    def test_a_full_disk_in_the_middle_leaves_it_as_it_was(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(db: sqlite3.Connection, version: int) -> None:
            db.execute("DROP TRIGGER job_added")
            raise sqlite3.OperationalError("database or disk is full")

        before = rows(path)
        monkeypatch.setattr(files, "migrate", full)
        with pytest.raises(StateError, match="disk is full"):
            Ledger(path)
        assert (version(path), rows(path)) == (1, before)

    def test_one_of_schema_2_becomes_one_of_today(self, path: str) -> None:
        Ledger(path).close()
        today = tables(path)
        db = sqlite3.connect(path)
        for name in ("TRIGGER job_glass", "TRIGGER job_glass_removed", "TABLE glass", "TABLE print"):
            db.execute(f"DROP {name}")
        db.execute("DROP INDEX job_result")
        db.execute("DROP INDEX job_flagged")
        db.execute("ALTER TABLE job DROP COLUMN flags")
        db.execute("PRAGMA user_version = 2")
        db.commit()
        db.close()
        before = rows(path)
        Ledger(path).close()
        assert (version(path), tables(path), rows(path)) == (SCHEMA_VERSION, today, before)
        assert version(f"{path}.v2") == 2


# Dies before the statement of that number.
DYING = """
import os, sys
from colorwatch.ledger import Ledger, schema
path, step = sys.argv[1], int(sys.argv[2])
real = schema._statements
def dying(script):
    for number, statement in enumerate(real(script)):
        if number == step:
            os.kill(os.getpid(), 9)
        yield statement
schema._statements = dying
Ledger(path)
"""


class TestADamagedOne:
    @pytest.mark.parametrize("damage", ["half", "page", "empty page", "no header"])
    def test_it_is_set_aside_and_a_fresh_one_takes_its_place(self, path: str, damage: str) -> None:
        Ledger(path).close()
        size = os.path.getsize(path)
        if damage == "half":
            os.truncate(path, size // 2)
        else:
            with open(path, "r+b") as file:
                file.seek(0 if damage == "no header" else 8192)
                file.write(os.urandom(4096) if damage == "page" else bytes(4096))
        if damage == "no header" and not os.path.getsize(path):
            return
        ledger = Ledger(path)
        assert ledger.fresh
        assert os.path.exists(ledger.damaged)
        assert sum(ledger.counts().values()) == 0
        ledger.close()

    def test_a_large_one_is_checked_only_if_it_was_not_closed(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        checks: list[object] = []
        monkeypatch.setattr(files, "CHECKED_BYTES", 0)
        monkeypatch.setattr(files, "_require_whole", checks.append)
        Ledger(path).close()
        assert len(checks) == 1, "one of an older schema"
        Ledger(path).close()
        assert len(checks) == 1
        ledger = Ledger(path)
        ledger._db.close()  # as a death does
        Ledger(path).close()
        assert len(checks) == 2
        ledger = Ledger(path)
        with pytest.raises(StateError), ledger.batch():
            raise sqlite3.DatabaseError("database disk image is malformed")
        ledger.close()
        Ledger(path).close()
        assert len(checks) == 3, "one that failed is not closed in good order"
        os.truncate(path, os.path.getsize(path) - 4096)
        assert Ledger(path).damaged

    def test_one_cut_in_half_after_a_clean_end_is_noticed(self, path: str) -> None:
        ledger = Ledger(path)
        ledger.close()
        os.truncate(path, os.path.getsize(path) // 2)
        assert Ledger(path).damaged

    def test_an_empty_file_is_a_fresh_ledger(self, path: str) -> None:
        os.truncate(path, 0)
        ledger = Ledger(path)
        assert (ledger.fresh, ledger.damaged) == (True, "")
        ledger.close()
