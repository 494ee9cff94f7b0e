"""Files that are not yet jobs: what they wait for, and the workers that were lost over them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection

from colorwatch.scan import Scan


class Waits:
    """Part of the ledger; its writes belong into the ledger's `batch`."""

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall

    def wait(self, folder: str, path: str, kind: str, reason: str) -> None:
        """The file waits for something; since when stays as it was first said."""
        self._db.execute(
            "INSERT INTO wait VALUES (?, ?, ?, ?, ?) ON CONFLICT (folder, path) DO UPDATE SET"
            " kind = excluded.kind, reason = excluded.reason",
            (folder, os.fsencode(path), kind, reason, self._wall()),
        )

    def over(self, folder: str, path: str) -> None:
        self._db.execute("DELETE FROM wait WHERE folder = ? AND path = ?", (folder, os.fsencode(path)))

    def all_over(self) -> None:
        """After a start all files are looked at anew, and say again what they wait for."""
        self._db.execute("DELETE FROM wait")

    def probe_died(self, scan: Scan) -> int:
        """A worker died or hung while it probed this very file; how often by now."""
        key = (scan.folder, os.fsencode(scan.path), scan.fingerprint.size, scan.fingerprint.mtime_ns)
        row = self._db.execute(
            "INSERT INTO probe_death VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET deaths = deaths + 1 RETURNING deaths",
            key,
        ).fetchone()
        return int(row[0])

    def count(self, folders: Collection[str]) -> int:
        rows = self._db.execute("SELECT folder, COUNT(*) FROM wait GROUP BY folder")
        return sum(int(number) for folder, number in rows if folder in folders)

    def oldest_seconds(self) -> float:
        """For how long the file or job that waits longest has waited; 0 where none does."""
        first = self._db.execute("SELECT added_at FROM job WHERE state = 'queued' ORDER BY id LIMIT 1").fetchone()
        since = self._db.execute("SELECT MIN(since) FROM wait").fetchone()[0]
        starts = [when for when in (first[0] if first else None, since) if when is not None]
        return max(0.0, self._wall() - min(starts)) if starts else 0.0
