"""What is old: originals in the archive, scans in quarantine, and rows of the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from colorwatch.ledger.rows import COLUMNS, job_of
from colorwatch.scan import Job, State

_ENDED = "state IN ('done', 'skipped', 'quarantined') AND settled = 1"


class Ageing:
    """Part of the ledger; its writes belong into the ledger's `batch`. Times are Unix times."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def stored(self, state: State, before: float, after: tuple[float, int], most: int) -> list[tuple[float, Job]]:
        """Jobs of that state that ended `before`, with when, and whose file is in the archive or in quarantine.

        The oldest first, `most` of them, from behind `after`: the time and the number of the last one of the call
        before.
        """
        rows = self._db.execute(
            f"SELECT {COLUMNS}, ended_at FROM job INDEXED BY job_stored WHERE whereabouts <> x'' AND state = ?"
            " AND ended_at < ? AND (ended_at, id) > (?, ?) ORDER BY ended_at, id LIMIT ?",
            (state.value, before, *after, most),
        )
        return [(row["ended_at"], job_of(row)) for row in rows]

    def not_stored(self, job_id: int) -> None:
        """The file was deleted: it is nowhere any more."""
        self._db.execute("UPDATE job SET whereabouts = x'' WHERE id = ?", (job_id,))

    def ended(self, before: float, after: tuple[float, int], most: int) -> list[tuple[float, Job]]:
        """Jobs that ended `before`, with when, in the same way."""
        rows = self._db.execute(
            f"SELECT {COLUMNS}, ended_at FROM job WHERE {_ENDED} AND ended_at IS NOT NULL AND ended_at < ?"
            " AND (ended_at, id) > (?, ?) ORDER BY ended_at, id LIMIT ?",
            (before, *after, most),
        )
        return [(row["ended_at"], job_of(row)) for row in rows]

    def drop(self, job_ids: Collection[int]) -> int:
        """Forgets those that have ended; how many that were."""
        numbers: Sequence[tuple[int]] = [(job_id,) for job_id in job_ids]
        return self._db.executemany(f"DELETE FROM job WHERE id = ? AND {_ENDED}", numbers).rowcount
