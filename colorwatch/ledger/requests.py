"""What the command line asks of the daemon: rows that it writes and the daemon answers."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from colorwatch.errors import StateError
from colorwatch.ledger.files import whom_to_be


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked for; `arguments` are plain JSON values."""

    id: int
    kind: str
    arguments: dict[str, Any]


class Requests:
    """Part of the ledger, on the daemon's side; its writes belong into the ledger's `batch`."""

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall
        self._version = -1

    def changed(self) -> bool:
        """Whether another process has written to the ledger since the last call: cheap enough for each tick."""
        version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def open(self) -> list[Request]:
        """Those without an answer, the oldest first."""
        rows = self._db.execute("SELECT id, kind, arguments FROM request WHERE answered_at IS NULL ORDER BY id")
        return [Request(row["id"], row["kind"], json.loads(row["arguments"])) for row in rows.fetchall()]

    def answer(self, request_id: int, answer: Mapping[str, Any]) -> None:
        self._db.execute(
            "UPDATE request SET answer = ?, answered_at = ? WHERE id = ?",
            (json.dumps(answer), self._wall(), request_id),
        )

    def forget_before(self, when: float) -> None:
        """Drops those that were answered before `when` (Unix time)."""
        self._db.execute("DELETE FROM request WHERE answered_at < ?", (when,))


def ask(path: str, kind: str, arguments: Mapping[str, Any]) -> int:
    """Writes a request into the ledger at `path`, beside a running daemon or for the next one; returns its number.

    Raises StateError where it cannot be written, with what to do.
    """
    try:
        db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=rw", uri=True, isolation_level=None)
        try:
            db.execute("PRAGMA busy_timeout = 10000")
            db.execute("PRAGMA synchronous = FULL")
            row = db.execute(
                "INSERT INTO request (kind, arguments, asked_at) VALUES (?, ?, ?) RETURNING id",
                (kind, json.dumps(arguments), time.time()),
            ).fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StateError(f"{path}: the ledger cannot be written ({error}); {whom_to_be(path)}") from error
    return int(row[0])


def answer_to(db: sqlite3.Connection, request_id: int) -> dict[str, Any] | None:
    """The daemon's answer, once there is one."""
    row = db.execute("SELECT answer FROM request WHERE id = ? AND answered_at IS NOT NULL", (request_id,)).fetchone()
    return json.loads(row[0]) if row else None
