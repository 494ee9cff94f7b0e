"""How each folder does, and what the daemon has to remember besides jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from colorwatch.ledger.schema import RECALL, RECALLED


class Health:
    """Part of the ledger; its writes belong into the ledger's `batch`."""

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall

    def note(self, folder: str, subject: str, state: str, reason: str = "") -> None:
        """How the `subject` (such as watch or space) of a folder is; since when stays as long as the state does."""
        self._db.execute(
            "INSERT INTO health VALUES (?, ?, ?, ?, ?) ON CONFLICT (folder, subject) DO UPDATE SET"
            " since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END,"
            " state = excluded.state, reason = excluded.reason",
            (folder, subject, state, reason, self._wall()),
        )

    def clear(self) -> None:
        """At a start nothing is known of any folder, but whether its results are all in the ledger."""
        self._db.execute("DELETE FROM health WHERE subject <> ?", (RECALL,))

    def recalled(self, folder: str) -> bool:
        """Whether all results of the folder are in the ledger: none was lost, or all were recalled."""
        row = self._db.execute("SELECT state FROM health WHERE folder = ? AND subject = ?", (folder, RECALL)).fetchone()
        return row is not None and row[0] == RECALLED

    def setting(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set(self, name: str, value: str | None) -> None:
        """Remembers `value` under `name`; None forgets it."""
        if value is None:
            self._db.execute("DELETE FROM setting WHERE name = ?", (name,))
        else:
            self._db.execute(
                "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value)
            )
