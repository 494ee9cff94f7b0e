"""One scan's whole story, from the ledger: what became of it, what it waits for, and what a person can do."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from colorwatch.asking.history import NO_COLOUR, paused, quiet_until, setting
from colorwatch.asking.pointing import Target
from colorwatch.ledger.settings import RECIPE

Db = sqlite3.Connection

# What to do about a scan in quarantine, by kind; what else there is is told by its sentence.
_TODO = "Once the cause is mended: colorwatch retry. To have it back as it is: colorwatch release."
_NOWHERE = "nowhere any more"
_LEFT = "To have it coloured all the same: colorwatch redo --anyway."
_FLAGGED = "No colour came out. Another model may do better: colorwatch redo --model NAME."


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a scan, and when (Unix time)."""

    when: float
    what: str


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one scan. Paths are absolute where the folder is in the config."""

    folder: str
    file: str
    job: int | None
    state: str  # as in the ledger, or "waiting" for a file that is no job yet
    now: str  # one sentence: how it stands
    todo: str  # one sentence: what a person can do, or ""
    since: float | None  # since when it is so
    result: str
    original: str
    picture: dict[str, Any]  # format, width, height, pages, bits; empty while nobody has read it
    judged: list[dict[str, Any]]  # what its pages are: kind, left, reason, pages, figures
    flags: list[str]
    recipe: dict[str, Any]  # model, strength, saturation, jpeg_quality and so on, as far as known
    attempts: int
    worker_deaths: int
    daemon_deaths: int
    failures: int
    digest: str
    events: list[Event] = field(default_factory=list)
    prints: list[dict[str, str]] = field(default_factory=list)  # saved apart: file, and state (new, saved or left)


@dataclass(frozen=True, slots=True)
class Roots:
    """Where a folder's files lie."""

    inbox: str
    outbox: str


def tell(db: sqlite3.Connection, target: Target, roots: Mapping[str, Roots]) -> Story:
    """The story of `target`; `roots` by folder's name."""
    root = roots.get(target.folder, Roots("", ""))
    if target.job is None:
        return _of_a_file(db, target, root)
    row = db.execute("SELECT * FROM job WHERE id = ?", (target.job,)).fetchone()
    facts = json.loads(row["facts"]) if row["facts"] else {}
    result = json.loads(row["result"]) if row["result"] else {}
    now, todo, since = _standing(db, row)
    if target.waits:
        waits = db.execute("SELECT reason FROM wait WHERE folder = ? AND path = ?", _key(target)).fetchone()
        now += f" What lies at its place now waits: {_tail(waits['reason'])}"
    return Story(
        folder=target.folder,
        file=target.path,
        job=target.job,
        state=row["state"],
        now=now,
        todo=todo,
        since=since,
        result=os.path.join(root.outbox, os.fsdecode(row["output"])) if _has_result(row) else "",
        original=_original(row, root),
        picture={name: facts[name] for name in ("format", "width", "height", "pages", "bits") if name in facts},
        judged=result.get("verdicts", []),
        flags=[flag["sentence"] for flag in result.get("flags", [])],
        recipe=_recipe(db, row),
        attempts=row["attempt"],
        worker_deaths=row["worker_deaths"],
        daemon_deaths=row["daemon_deaths"],
        failures=row["failures"],
        digest=row["digest"],
        events=sorted(_events(db, row), key=lambda event: event.when),
        prints=[
            {"file": os.path.join(root.outbox, os.fsdecode(path)), "state": state}
            for path, state in db.execute("SELECT path, state FROM print WHERE job = ? ORDER BY number", (target.job,))
        ],
    )


def plain(story: Story) -> dict[str, Any]:
    """The same as plain values for JSON."""
    return asdict(story)


def _of_a_file(db: sqlite3.Connection, target: Target, root: Roots) -> Story:
    row = db.execute("SELECT * FROM wait WHERE folder = ? AND path = ?", _key(target)).fetchone()
    now, since, events = "It waits no longer; it is looked at now.", None, []
    if row is not None:
        now, since = f"It waits: {_tail(row['reason'])}", row["since"]
        events = [Event(since, f"it was found to wait: {row['kind']}")]
    todo = "It is looked at again by itself. To have it looked at now: colorwatch retry."
    original = os.path.join(root.inbox, target.path)
    known = (target.folder, target.path, None, "waiting", now, todo, since, "", original)
    return Story(*known, {}, [], [], {}, 0, 0, 0, 0, "", events)


def _standing(db: sqlite3.Connection, row: sqlite3.Row) -> tuple[str, str, float | None]:
    """How a job stands, what can be done, and since when it is so."""
    reason = _tail(row["reason"] or "")
    match row["state"]:
        case "queued":
            return _queued(db, row)
        case "running":
            return f"It is being coloured now{_again(row)}, attempt {row['attempt']}.", "", row["claimed_at"]
        case "rendered":
            return f"It is coloured{_again(row)}, and about to be put into the outbox.", "", row["rendered_at"]
        case "published":
            return "Its result is published; what is left is its original.", "", row["published_at"]
        case "stuck":
            todo = "It is tried again by itself. To have it tried now: colorwatch retry."
            return f"Its result is published, but its original cannot be cleared: {reason}", todo, row["published_at"]
        case "done":
            if reason.startswith("left"):
                return f"It was {reason}", _LEFT, row["ended_at"]
            todo = _FLAGGED if NO_COLOUR in row["flags"] else ""
            return f"It is coloured{'. ' + reason if reason else '.'}", todo, row["ended_at"]
        case "quarantined":
            return f"It cannot be coloured: {reason}", _TODO, row["ended_at"]
        case _:
            todo = "" if row["kind"] in ("gone", "changed", "retried") else "To have it looked at: colorwatch retry."
            return f"It was left alone: {reason}", todo, row["ended_at"]


def _queued(db: sqlite3.Connection, row: sqlite3.Row) -> tuple[str, str, float | None]:
    begun = row["claimed_at"] if row["reason"] else row["noticed_at"]
    pauses = paused(db)
    if "" in pauses or row["folder"] in pauses:
        since = pauses.get("", pauses.get(row["folder"]))
        return f"It waits{_again(row)}, for its folder is paused.", "To go on: colorwatch resume.", since
    if row["reason"]:
        todo = "It is tried again by itself. To have it tried now: colorwatch retry."
        return f"It waits{_again(row)}: {_tail(row['reason'])}", todo, begun
    if (quiet := quiet_until(db)) is not None:
        ends = time.strftime("%H:%M", time.localtime(quiet))
        return f"It waits{_again(row)} for the end of the quiet hours, at {ends}.", "", begun
    queued = db.execute("SELECT SUM(jobs) FROM tally WHERE state = 'queued'").fetchone()[0]
    return f"It waits for its turn{_again(row)}, one of {queued} that do.", "", begun


def _again(row: sqlite3.Row) -> str:
    return " to be coloured again" if under_way(row["redo"]) and row["state"] == "queued" else ""


def under_way(redo: str | None) -> bool:
    """Whether the column `redo` says that the result is being made again, not only how it was made."""
    return bool(redo) and "before" in json.loads(redo or "{}")


def _has_result(row: sqlite3.Row) -> bool:
    stands = row["state"] in ("published", "stuck", "done") or under_way(row["redo"])
    return row["output"] is not None and stands


def _original(row: sqlite3.Row, root: Roots) -> str:
    if row["whereabouts"] is None:
        return os.path.join(root.inbox, os.fsdecode(row["path"]))
    return os.fsdecode(row["whereabouts"]) or _NOWHERE


def _recipe(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    known = setting(db, RECIPE + row["recipe"]) if row["recipe"] else None
    return json.loads(known) if known else {}


def _events(db: sqlite3.Connection, row: sqlite3.Row) -> Iterator[Event]:
    if row["noticed_at"] and row["noticed_at"] < row["added_at"]:
        yield Event(row["noticed_at"], "its file was noticed, and had gone quiet")
    yield Event(row["added_at"], "it was found to be whole, and queued" if row["digest"] else "it was looked at")
    if row["claimed_at"]:
        yield Event(row["claimed_at"], f"a worker began attempt {row['attempt']}")
    if row["rendered_at"]:
        result = json.loads(row["result"]) if row["result"] else {}
        took = sum(result.get("seconds", {}).values())
        done = "it was judged" if (row["reason"] or "").startswith("left") else "it was coloured"
        yield Event(row["rendered_at"], done + (f", in {took:.1f} seconds of work" if took else ""))
    if row["published_at"]:
        yield Event(row["published_at"], "its result was published")
    if row["ended_at"] and not under_way(row["redo"]):
        words = {"done": "it was done", "quarantined": "it went to quarantine", "skipped": "it was left alone"}
        yield Event(row["ended_at"], words.get(row["state"], "it ended") + (f" ({row['kind']})" if row["kind"] else ""))
    earlier = db.execute(
        "SELECT id, state, kind, reason, ended_at, added_at FROM job WHERE folder = ? AND path = ? AND id <> ?"
        " ORDER BY id DESC LIMIT 20",
        (row["folder"], row["path"], row["id"]),
    )
    for other in earlier:
        why = f": {other['reason']}" if other["reason"] else ""
        what = f"another job of this name, {other['id']}: {other['state']}{why}"
        yield Event(other["ended_at"] or other["added_at"], what)


def _key(target: Target) -> tuple[str, bytes]:
    return target.folder, os.fsencode(target.path)


def _tail(reason: str) -> str:
    """The rest of a sentence."""
    return reason if not reason or reason.endswith((".", "!", "?")) else reason + "."
