"""What people ask for, as it stands in the jobs' rows: results made again, scans given back, histories forgotten.

While a result is made again its row keeps in `redo` what it was before: a failure of any kind gives that back.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from colorwatch.ledger.rows import COLUMNS, fingerprint_columns, job_of
from colorwatch.scan import Fingerprint, Job, Redo

_TIMES = ("noticed_at", "claimed_at", "rendered_at", "published_at", "ended_at")
_KEPT = ("recipe", "result", "flags", "kind", "reason", *_TIMES)


class Redos:
    """Part of the ledger; its writes belong into the ledger's `batch`."""

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall

    def begin(self, job: Job, redo: Redo, recipe: str) -> None:
        """A finished job is queued again, to be made by `recipe`, as if it was noticed now: behind what waits already.

        Scans that come later are newer, so that they go first in the lane of the newest.
        """
        row = self._row(job.id)
        before: dict[str, Any] = {name: row[name] for name in _KEPT}
        before["output"] = job.output or ""
        before["digest"] = job.result.digest if job.result else ""
        before["redo"] = row["redo"]
        self._set(
            job.id,
            state="queued",
            recipe=recipe,
            redo=json.dumps({**_plain(redo), "before": before}),
            noticed_at=self._wall(),
            **dict.fromkeys(("worker_deaths", "daemon_deaths", "blamed", "alone", "failures", "not_before"), 0),
            **dict.fromkeys(("kind", "reason", "result", "spool")),
        )

    def finish(self, job: Job) -> None:
        """The new result stands, and the original was never touched: done, by the settings that were chosen."""
        if job.redo is None:
            return
        before = self._before(job.id)
        chosen = {"settings": job.redo.settings, "model": job.redo.model}
        self._set(
            job.id,
            state="done",
            redo=json.dumps(chosen) if job.redo.settings or job.redo.model else None,
            kind=before["kind"],
            reason=job.result.as_it_was if job.result else None,
            spool=None,
            settled=1,
            noticed_at=before["noticed_at"],
            ended_at=self._wall(),
        )

    def fail(self, job: Job, reason: str) -> None:
        """It cannot be made again: the row is what it was before, and says why.

        Only a name that was left to an edited result, and that another job has reserved meanwhile, is not taken back.
        """
        before = self._before(job.id)
        name = before["output"]
        if name and self.named(job.scan.folder, name) not in (None, job.id):
            name = job.output
        self._set(
            job.id,
            state="done",
            redo=before["redo"],
            output=os.fsencode(name) if name else None,
            spool=None,
            settled=1,
            **dict.fromkeys(("worker_deaths", "daemon_deaths", "blamed", "alone", "failures", "not_before"), 0),
            **{name: before[name] for name in _KEPT if name != "reason" and name in before},
            reason=f"it was to be coloured again, and could not be: {reason}",
        )

    def attach(self, job: Job, again: str, *, back: bool) -> None:
        """A file in `again/` asks for what is under way already; `back`: it is a person's edition."""
        plain = json.loads(self._row(job.id)["redo"])
        self._set(job.id, redo=json.dumps({**plain, "again": again, "back": back, "only_over": False}))

    def put_by(self, job: Job) -> None:
        """The file in `again/` that asked for it is out of there."""
        plain = json.loads(self._row(job.id)["redo"])
        self._set(job.id, redo=json.dumps({**plain, "again": "", "back": False}))

    def original_gone(self, job_id: int) -> None:
        """Its original is nowhere any more, so that nobody tries again."""
        self._set(job_id, whereabouts=b"")

    # --- scans in quarantine, and scans that wait ---------------------------------------------------------------

    def retried(self, job_id: int) -> None:
        """A scan was given back into the inbox, where it counts as a new one; its deaths are forgotten."""
        row = self._row(job_id)
        self._db.execute("DELETE FROM probe_death WHERE folder = ? AND path = ?", (row["folder"], row["path"]))
        self._set(
            job_id,
            state="skipped",
            kind="retried",
            output=None,
            whereabouts=b"",
            settled=1,
            reason=f"it was put back into the inbox, to be tried again; before: {row['reason'] or 'nothing'}",
        )

    def released(self, job_id: int, path: str, fingerprint: Fingerprint) -> None:
        """A scan was given back into the inbox, at `path`, and is left alone."""
        self._set(
            job_id,
            state="skipped",
            kind="released",
            path=os.fsencode(path),
            output=None,
            whereabouts=None,
            settled=1,
            reason="it was put back into the inbox, to be left as it is",
            **fingerprint_columns(fingerprint),
        )

    def was_released(self, folder: str, path: str, fingerprint: Fingerprint) -> bool:
        """Whether a person wants this very file, by size and time, to be left alone."""
        found = self._db.execute(
            "SELECT 1 FROM job WHERE folder = ? AND path = ? AND state = 'skipped' AND kind = 'released'"
            " AND size = ? AND mtime_ns = ?",
            (folder, os.fsencode(path), fingerprint.size, fingerprint.mtime_ns),
        )
        return found.fetchone() is not None

    def wake(self, job_id: int) -> None:
        """A job that waits for a fault to pass is due now, as if it had met none."""
        self._set(job_id, not_before=0, failures=0)

    def forgive(self, folder: str, path: str) -> None:
        """The workers that were lost over this path count no more."""
        self._db.execute("DELETE FROM probe_death WHERE folder = ? AND path = ?", (folder, os.fsencode(path)))

    def forget(self, job: Job) -> int:
        """Drops this job and every other one of the same content under the same path; how many that were."""
        row = self._row(job.id)
        cursor = self._db.execute(
            "DELETE FROM job WHERE id = ? OR (folder = ? AND path = ? AND digest = ? AND digest <> ''"
            " AND state IN ('done', 'skipped', 'quarantined') AND settled = 1)",
            (job.id, row["folder"], row["path"], row["digest"]),
        )
        self.forgive(job.scan.folder, job.scan.path)
        return cursor.rowcount

    # --- finding --------------------------------------------------------------------------------------------------

    def job(self, job_id: int) -> Job | None:
        """The job of that number, if there is one."""
        row = self._db.execute(f"SELECT {COLUMNS} FROM job WHERE id = ?", (job_id,)).fetchone()
        return job_of(row) if row else None

    def named(self, folder: str, output: str) -> int | None:
        """The job whose result has that name."""
        row = self._db.execute(
            "SELECT id FROM job WHERE folder = ? AND output = ?", (folder, os.fsencode(output))
        ).fetchone()
        return None if row is None else int(row[0])

    def with_result(self, folder: str, digest: str, name: str) -> int | None:
        """The job whose result has that content: under that `name` in whatever folder, else the newest of any name."""
        rows = self._db.execute(
            "SELECT id, output FROM job INDEXED BY job_result WHERE folder = ? AND result IS NOT NULL"
            " AND json_extract(result, '$.digest') = ?",
            (folder, digest),
        )
        last = os.path.basename(os.fsencode(name))
        ranked = [(os.path.basename(output or b"") == last, int(number)) for number, output in rows]
        return max(ranked)[1] if ranked else None

    def is_settled(self, job_id: int) -> bool:
        """Whether a scan that ended lies where it is to lie."""
        return bool(self._row(job_id)["settled"])

    # --- inner ----------------------------------------------------------------------------------------------------

    def _row(self, job_id: int) -> sqlite3.Row:
        row: sqlite3.Row = self._db.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
        return row

    def _before(self, job_id: int) -> dict[str, Any]:
        before: dict[str, Any] = json.loads(self._row(job_id)["redo"])["before"]
        return before

    def _set(self, job_id: int, **columns: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE job SET {assignments} WHERE id = ?", (*columns.values(), job_id))


def _plain(redo: Redo) -> dict[str, Any]:
    plain = {"settings": redo.settings, "model": redo.model, "again": redo.again, "back": redo.back}
    return {**plain, "only_over": True} if redo.only_over else plain
