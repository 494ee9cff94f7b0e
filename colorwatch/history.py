"""What the ledger tells a person: counts, what runs, the last results, what is in quarantine, what waits, and why."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from dataclasses import dataclass

from colorwatch.ledger.files import connect_to_read
from colorwatch.scan import State


@dataclass(frozen=True, slots=True)
class Entry:
    """One scan's line in a report. `when` is Unix time; `place` is where its result or its original lies."""

    job: int
    folder: str
    file: str
    when: float
    place: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """The state of one colorwatch at one moment."""

    daemon: int | None  # the pid of the running daemon, if any
    counts: dict[str, int]
    running: list[Entry]
    last: list[Entry]
    quarantine: list[Entry]
    waiting: list[Entry]


def report(state: str, ledger: str, limit: int = 10) -> Report:
    """Reads the ledger beside a running daemon; raises StateError where there is none."""
    db = connect_to_read(ledger)
    try:
        counts = dict.fromkeys(map(str, State), 0)
        counts |= {str(name): int(n) for name, n in db.execute("SELECT state, SUM(jobs) FROM tally GROUP BY state")}
        return Report(
            daemon=running_daemon(state),
            counts=counts,
            running=_entries(db, "state = 'running' ORDER BY id", "claimed_at", "output"),
            last=_entries(db, "state = 'done' ORDER BY ended_at DESC, id DESC LIMIT ?", "ended_at", "output", limit),
            quarantine=_entries(
                db, "state = 'quarantined' ORDER BY id DESC LIMIT ?", "ended_at", "COALESCE(whereabouts, path)", limit
            ),
            waiting=_waiting(db, limit),
        )
    finally:
        db.close()


def running_daemon(state: str) -> int | None:
    """The pid of the daemon that holds the state folder's lock, if one does."""
    try:
        descriptor = os.open(os.path.join(state, "lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 32, 0).strip()
        return int(pid) if pid.isdigit() else 0
    finally:
        os.close(descriptor)
    return None


def _entries(db: sqlite3.Connection, where: str, when: str, place: str, *values: object) -> list[Entry]:
    rows = db.execute(f"SELECT id, folder, path, {when}, {place}, kind, reason FROM job WHERE {where}", values)
    return [_entry(*row) for row in rows]


def _waiting(db: sqlite3.Connection, limit: int) -> list[Entry]:
    """Files that wait before they are jobs, and jobs that wait after a transient fault."""
    rows = db.execute(
        "SELECT 0, folder, path, since, path, kind, reason FROM wait"
        " UNION ALL SELECT id, folder, path, added_at, path, kind, reason FROM job"
        " WHERE state = 'queued' AND reason IS NOT NULL ORDER BY 4 LIMIT ?",
        (limit,),
    )
    return [_entry(*row) for row in rows]


def _entry(
    job: int, folder: str, path: bytes, when: float | None, place: bytes | None, kind: str | None, reason: str | None
) -> Entry:
    return Entry(job, folder, os.fsdecode(path), when or 0.0, os.fsdecode(place or b""), kind or "", reason or "")
