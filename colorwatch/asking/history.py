"""What the ledger tells a person: counts, what runs, the last results, what is in quarantine, what waits, and why."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from dataclasses import dataclass

from colorwatch.hours import Hours
from colorwatch.ledger.files import connect_to_read
from colorwatch.ledger.schema import ACTIVE, READY
from colorwatch.ledger.settings import PAUSED, QUIET, SHARE, WORKERS
from colorwatch.scan import State

_TAKEN_FOR_ETA = 100  # done jobs
NO_COLOUR = "\nno colour\n"  # as it stands in the column `flags`
_AHEAD = (State.QUEUED, State.RUNNING)


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
class Standing:
    """How a folder does in one respect (`subject`, such as watch or space): a word, a sentence part, since when."""

    folder: str
    subject: str
    state: str
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class Report:
    """The state of one colorwatch at one moment. `eta_seconds`: until what is to do is done, None if not known."""

    daemon: int | None  # the pid of the running daemon, if any
    counts: dict[str, int]
    running: list[Entry]
    last: list[Entry]
    quarantine: list[Entry]
    waiting: list[Entry]
    stuck: list[Entry]  # published, but the original cannot be cleared
    colourless: list[Entry]  # results of photographs in which no colour came out
    oldest: Entry | None  # of those that are queued
    paused: dict[str, float]  # folder -> since when, "" stands for all
    quiet_until: float | None  # quiet hours: when they end
    health: list[Standing]
    asked: int  # requests that no daemon has answered yet
    eta_seconds: float | None


def report(state: str, ledger: str, limit: int = 10) -> Report:
    """Reads the ledger beside a running daemon; raises StateError where there is none."""
    db = connect_to_read(ledger)
    try:
        counts = dict.fromkeys(map(str, State), 0)
        counts |= {str(name): int(n) for name, n in db.execute("SELECT state, SUM(jobs) FROM tally GROUP BY state")}
        stands = db.execute("SELECT folder, subject, state, reason, since FROM health ORDER BY folder, subject")
        return Report(
            daemon=running_daemon(state),
            counts=counts,
            running=_entries(db, f"state = 'running' AND {ACTIVE} ORDER BY id", "claimed_at", "output"),
            last=last_results(db, limit),
            quarantine=_entries(
                db, "state = 'quarantined' ORDER BY id DESC LIMIT ?", "ended_at", "COALESCE(whereabouts, path)", limit
            ),
            waiting=_waiting(db, limit),
            stuck=_entries(db, f"state = 'stuck' AND {ACTIVE} ORDER BY id LIMIT ?", "published_at", "output", limit),
            colourless=_entries(
                db,
                "state = 'done' AND flags <> '' AND instr(flags, ?) ORDER BY ended_at DESC LIMIT ?",
                *("ended_at", "output", NO_COLOUR, limit),
            ),
            oldest=_oldest(db),
            paused=paused(db),
            quiet_until=quiet_until(db),
            health=[Standing(*row) for row in stands],
            asked=db.execute("SELECT COUNT(*) FROM request WHERE answered_at IS NULL").fetchone()[0],
            eta_seconds=_eta(db, sum(counts[state] for state in _AHEAD)),
        )
    finally:
        db.close()


def last_results(db: sqlite3.Connection, limit: int) -> list[Entry]:
    """The `limit` scans that were done last, the latest first."""
    # `ended_at IS NOT NULL` lets the index be used: without it a million jobs are sorted.
    where = "state = 'done' AND ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?"
    return _entries(db, where, "ended_at", "output", limit)


def last_ended(db: sqlite3.Connection, limit: int) -> list[Entry]:
    """The `limit` scans that ended last in whatever way, the latest first; `kind` is the state for those done."""
    where = "ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?"
    return _entries(db, where, "ended_at", "COALESCE(output, whereabouts, path)", limit, state=True)


def paused(db: sqlite3.Connection) -> dict[str, float]:
    """Which folders are paused, and since when; "" stands for all."""
    text = setting(db, PAUSED)
    return {str(name): float(since) for name, since in json.loads(text).items()} if text else {}


def quiet_until(db: sqlite3.Connection) -> float | None:
    """When the quiet hours end that the daemon keeps now; None outside of them."""
    text = setting(db, QUIET)
    told = json.loads(text) if text else {}
    return Hours(told["hours"]).until(time.time()) if told.get("since") else None


def setting(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


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


def in_words(seconds: float) -> str:
    """A span of time as a person would say it: "about 3 hours"."""
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit * 1.5 or (unit == 60 and seconds >= 45):
            number = max(1, round(seconds / unit))
            return f"about {number} {name}{'s' if number > 1 else ''}"
    return "less than a minute"


def _eta(db: sqlite3.Connection, ahead: int) -> float | None:
    """Seconds until `ahead` scans are done, by what the last ones took and how many are worked on at once."""
    if ahead == 0:
        return 0.0
    workers = setting(db, WORKERS)
    seconds = db.execute(
        "SELECT AVG(published_at - claimed_at) FROM (SELECT published_at, claimed_at FROM job"
        " WHERE state = 'done' AND ended_at IS NOT NULL AND published_at >= claimed_at"
        " ORDER BY ended_at DESC LIMIT ?)",
        (_TAKEN_FOR_ETA,),
    ).fetchone()[0]
    if seconds is None or workers is None:
        return None
    at_once = max(1, int(workers))
    busy = float(seconds) * -(-ahead // at_once) / float(setting(db, SHARE) or 1)
    quiet = setting(db, QUIET)
    return Hours(json.loads(quiet)["hours"]).stretched(busy, time.time()) if quiet else busy


def _oldest(db: sqlite3.Connection) -> Entry | None:
    """The queued scan that was noticed first, as far as it is not one that waits for a fault to pass."""
    where = f"{READY} AND folder = ? ORDER BY noticed_at, id LIMIT 1"
    folders = db.execute("SELECT folder FROM tally WHERE state = 'queued' AND jobs > 0").fetchall()
    found = [entry for (folder,) in folders for entry in _entries(db, where, "noticed_at", "output", folder)]
    return min(found, key=lambda entry: entry.when, default=None)


def _entries(
    db: sqlite3.Connection, where: str, when: str, place: str, *values: object, state: bool = False
) -> list[Entry]:
    kind = "CASE state WHEN 'done' THEN 'done' ELSE kind END" if state else "kind"
    rows = db.execute(f"SELECT id, folder, path, {when}, {place}, {kind}, reason FROM job WHERE {where}", values)
    return [_entry(*row) for row in rows]


def _waiting(db: sqlite3.Connection, limit: int) -> list[Entry]:
    """Files that wait before they are jobs, and jobs that wait after a transient fault."""
    rows = db.execute(
        "SELECT 0, folder, path, since, path, kind, reason FROM wait"
        " UNION ALL SELECT id, folder, path, added_at, path, kind, reason FROM job"
        f" WHERE state = 'queued' AND {ACTIVE} AND reason IS NOT NULL ORDER BY 4 LIMIT ?",
        (limit,),
    )
    return [_entry(*row) for row in rows]


def _entry(
    job: int, folder: str, path: bytes, when: float | None, place: bytes | None, kind: str | None, reason: str | None
) -> Entry:
    return Entry(job, folder, os.fsdecode(path), when or 0.0, os.fsdecode(place or b""), kind or "", reason or "")
