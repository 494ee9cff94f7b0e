"""Which content is known, and under which path its file lies: identity is the content, never a name or an inode."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator

from colorwatch.ledger.rows import COLUMNS, fingerprint_columns, job_of
from colorwatch.protocol import Recalled
from colorwatch.scan import Fingerprint, Job, Provenance, Rendering
from colorwatch.wire import to_plain

UNKNOWN_SIZE = -1
"""Size of a file whose result was recalled, and that was not looked at yet."""

_LIVE = "state NOT IN ('quarantined', 'skipped')"


class Contents:
    """Part of the ledger; its writes belong into the ledger's `batch`."""

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall

    def known(self, folder: str) -> Iterator[tuple[str, int, int]]:
        """(path, size, mtime_ns) of every file of `folder` that needs no second look, the oldest first.

        A file that was moved away is not among them: who drops it again means something by it.
        """
        rows = self._db.execute(
            "SELECT path, size, mtime_ns FROM job INDEXED BY job_here"
            " WHERE folder = ? AND whereabouts IS NULL AND size >= 0"
            " AND NOT (state = 'skipped' AND kind IN ('changed', 'gone')) ORDER BY id",
            (folder,),
        )
        return ((os.fsdecode(row[0]), row[1], row[2]) for row in rows)

    def ended_since(self, folder: str, since: float, without: Collection[int]) -> Job | None:
        """The first job of the folder that was done at `since` (Unix time) or later.

        Those of `without` are left out if they were done at that very time, and not again since.
        """
        rows = self._db.execute(
            f"SELECT {COLUMNS}, ended_at FROM job INDEXED BY job_ended WHERE ended_at >= ? AND ended_at IS NOT NULL"
            " AND folder = ? AND state = 'done' AND output IS NOT NULL ORDER BY ended_at, id LIMIT ?",
            (since, folder, len(without) + 1),
        )
        fresh = (row for row in rows if row["ended_at"] > since or row["id"] not in without)
        return next(map(job_of, fresh), None)

    def end_of(self, job_id: int) -> tuple[float, str | None]:
        """When a job ended (Unix time), and where its original lies: None in its place, "" nowhere."""
        row = self._db.execute("SELECT ended_at, whereabouts FROM job WHERE id = ?", (job_id,)).fetchone()
        return float(row[0] or 0), None if row[1] is None else os.fsdecode(row[1])

    def find(self, folder: str, path: str, digest: str) -> Job | None:
        """The newest job of this content under this path that is not ended by quarantine or skipping."""
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE folder = ? AND path = ? AND digest = ? AND {_LIVE}"
            " ORDER BY id DESC LIMIT 1",
            (folder, os.fsencode(path), digest),
        ).fetchone()
        return job_of(row) if row else None

    def elsewhere(self, folder: str, path: str, digest: str, most: int) -> list[Job]:
        """The jobs of this content under other paths of the folder: the newest of each path, `most` of them."""
        rows = self._db.execute(
            f"SELECT {COLUMNS}, MAX(id) FROM job INDEXED BY job_digest"
            f" WHERE folder = ? AND digest = ? AND digest <> '' AND path <> ? AND {_LIVE}"
            " GROUP BY path ORDER BY id DESC LIMIT ?",
            (folder, digest, os.fsencode(path), most),
        )
        return [job_of(row) for row in rows]

    def cleared(self, folder: str, digest: str, before: float, *, recalled: bool) -> Job | None:
        """The newest job of this content that was done `before` (Unix time), and whose original left its place.

        With `recalled` also one whose result was recalled, and of whose original nothing is known.
        """
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE folder = ? AND digest = ? AND digest <> '' AND state = 'done'"
            " AND ended_at < ? AND (whereabouts IS NOT NULL OR (size < 0 AND ?)) ORDER BY id DESC LIMIT 1",
            (folder, digest, before, recalled),
        ).fetchone()
        return job_of(row) if row else None

    def lies_at(self, job_id: int, path: str, fingerprint: Fingerprint) -> None:
        """The job's file lies in the inbox, at `path`, and looks like this now."""
        columns = {"path": os.fsencode(path), **fingerprint_columns(fingerprint), "whereabouts": None}
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE job SET {assignments} WHERE id = ?", (*columns.values(), job_id))

    def displaced(self, folder: str, path: str, digest: str) -> None:
        """The file at `path` has this content: what was done under that path before lies there no more."""
        self._db.execute(
            "UPDATE job SET whereabouts = x'' WHERE folder = ? AND path = ? AND digest <> ? AND digest <> ''"
            " AND state = 'done' AND whereabouts IS NULL",
            (folder, os.fsencode(path), digest),
        )

    def recall(self, folder: str, output: str, found: Recalled, provenance: Provenance) -> bool:
        """A result of ours that the ledger has lost, at `output` in the outbox; false if it is in the ledger.

        Whether its original still lies in the inbox, and looks how, is known when that file is looked at.
        """
        file = found.fingerprint
        result = Rendering(found.digest, file.size, file.device, file.inode, 0, 0, 0, {})
        when = min(file.mtime_ns / 1e9, self._wall())
        columns = {
            "folder": folder,
            "path": os.fsencode(provenance.path),
            **fingerprint_columns(Fingerprint(0, 0, UNKNOWN_SIZE, 0)),
            "digest": provenance.digest,
            "recipe": provenance.recipe,
            "state": "done",
            "output": os.fsencode(output),
            "result": json.dumps(to_plain(result)),
            "kind": "recalled",
            "settled": 1,
            **dict.fromkeys(("noticed_at", "added_at", "published_at", "ended_at"), when),
        }
        places = ", ".join("?" * len(columns))
        cursor = self._db.execute(
            f"INSERT OR IGNORE INTO job ({', '.join(columns)}) VALUES ({places})", tuple(columns.values())
        )
        return cursor.rowcount > 0
