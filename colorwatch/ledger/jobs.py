"""The jobs: one SQLite row each, written by the parent alone, and the truth after any crash.

`queued -> running -> rendered -> published -> done`, aside `skipped` and `quarantined`. Every step of the order of
operations commits here before the next one touches a disk; `synchronous=FULL` makes a commit mean "on the disk".
Callers group the writes of one tick in `batch()`, and act only after it has committed.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from colorwatch.errors import StateError
from colorwatch.ledger.files import connect
from colorwatch.ledger.health import Health
from colorwatch.ledger.requests import Requests
from colorwatch.ledger.rows import COLUMNS, fingerprint_columns, job_of
from colorwatch.ledger.waits import Waits
from colorwatch.scan import Facts, Fingerprint, Job, Rendering, Scan, State
from colorwatch.wire import to_plain

UNFINISHED = (State.QUEUED, State.RUNNING, State.RENDERED, State.PUBLISHED, State.STUCK)
_SUSPECT = "(daemon_deaths > 0 OR worker_deaths > 1)"


class Ledger:
    """The jobs of one state folder. Not thread-safe: it belongs to the service's thread."""

    def __init__(self, path: str, wall: Callable[[], float] = time.time) -> None:
        """Opens or makes the ledger at `path`; raises StateError where that cannot be.

        `wall` gives Unix time for the history; what is due is told by the caller's monotonic clock.
        """
        self._wall = wall
        self._path = path
        opened = connect(path)
        self._db = opened.db
        self.fresh = opened.fresh  # no history: it was just made, or the one before was damaged
        self.damaged = opened.damaged  # where that one was put
        self.waits = Waits(self._db, wall)
        self.health = Health(self._db, wall)
        self.requests = Requests(self._db, wall)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """All writes inside commit together; an exception takes them back.

        Raises StateError where the disk does not take them (it is full, or broken): what was said and not written
        is known again only from the ledger, so the daemon has to end and to recover.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(
                f"{self._path}: the ledger cannot be written ({error}); make room on that disk."
                " Nothing is lost: the next start goes on from what was written"
            ) from error

    def settle_in(self, inboxes: Mapping[str, str]) -> None:
        """A folder's history goes with its inbox, whatever the config calls the folder now: `inboxes` by name."""
        before = {os.fsdecode(row[0]): str(row[1]) for row in self._db.execute("SELECT inbox, folder FROM home")}
        moves = {before[inbox]: name for name, inbox in inboxes.items() if before.get(inbox, name) != name}
        for inbox, name in before.items():
            if name in moves.values() and name not in moves:
                moves[name] = f"{name} (was {inbox})"  # its inbox has left the config, and another one has its name
        for table in ("job", "wait", "probe_death", "health"):
            for number, name in enumerate(moves):
                self._db.execute(f"UPDATE {table} SET folder = ? WHERE folder = ?", (f"\n{number}", name))
            for number, name in enumerate(moves.values()):
                self._db.execute(f"UPDATE {table} SET folder = ? WHERE folder = ?", (name, f"\n{number}"))
        self._db.execute("DELETE FROM home")
        homes = {os.fsencode(inbox): moves.get(name, name) for inbox, name in before.items()}
        homes |= {os.fsencode(inbox): name for name, inbox in inboxes.items()}
        self._db.executemany("INSERT INTO home VALUES (?, ?)", homes.items())

    # --- adding ---------------------------------------------------------------------------------------------

    def known(self, folder: str) -> Iterator[tuple[str, int, int]]:
        """(path, size, mtime_ns) of every file of `folder` that needs no second look, the oldest first.

        A file that was moved away is not among them: who drops it again means something by it.
        """
        rows = self._db.execute(
            "SELECT path, size, mtime_ns FROM job WHERE folder = ? AND whereabouts IS NULL"
            " AND NOT (state = 'skipped' AND kind IN ('changed', 'gone')) ORDER BY id",
            (folder,),
        )
        return ((os.fsdecode(row[0]), row[1], row[2]) for row in rows)

    def find(self, folder: str, path: str, digest: str) -> Job | None:
        """The newest job of this content under this path that is not ended by quarantine or skipping."""
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE folder = ? AND path = ? AND digest = ?"
            " AND state NOT IN ('quarantined', 'skipped') ORDER BY id DESC LIMIT 1",
            (folder, os.fsencode(path), digest),
        ).fetchone()
        return job_of(row) if row else None

    def was_skipped(self, folder: str, path: str, kind: str) -> bool:
        """Whether this was said of this path before, by this daemon or an earlier one."""
        found = self._db.execute(
            "SELECT 1 FROM job WHERE folder = ? AND path = ? AND state = 'skipped' AND kind = ?",
            (folder, os.fsencode(path), kind),
        )
        return found.fetchone() is not None

    def add(self, scan: Scan, facts: Facts, recipe: str, names: Iterator[str]) -> Job:
        """A new queued job with the first of `names` (relative to the outbox) that no other job has reserved."""
        output = next(name for name in names if not self._reserved(scan.folder, name))
        return self._insert(scan, State.QUEUED, facts=facts, digest=facts.digest, recipe=recipe, output=output)

    def add_duplicate(self, scan: Scan, facts: Facts, of: Job) -> Job:
        """A dropped-again file whose content is done: published already, only its original is still to be cleared."""
        job = self._insert(scan, State.PUBLISHED, facts=facts, digest=facts.digest, recipe=of.recipe)
        self._set(job.id, kind="duplicate", reason=f"the same content was done before, as job {of.id}")
        return job

    def add_ended(self, scan: Scan, state: State, kind: str, reason: str) -> Job:
        """A file that never becomes a job: `skipped`, or `quarantined` before it was queued."""
        job = self._insert(scan, state)
        self._set(job.id, kind=kind, reason=reason, ended_at=self._wall())
        return job

    def refresh(self, job_id: int, fingerprint: Fingerprint) -> None:
        """The same content under the same path has a new inode or time: remember those."""
        self._set(job_id, **fingerprint_columns(fingerprint))

    # --- the order of operations ----------------------------------------------------------------------------

    def claim(self, now: float, fits: Callable[[Job], bool], folders: list[str]) -> Job | None:
        """The oldest due job of `folders` that fits becomes `running`, its attempt counted; None where there is none.

        Suspects are left aside: `claim_suspect` takes those.
        """
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE state = 'queued' AND NOT {_SUSPECT} AND not_before <= ?"
            f" AND folder IN ({', '.join('?' * len(folders))}) ORDER BY id LIMIT 32",
            (now, *folders),
        )
        for row in rows.fetchall():
            job = job_of(row)
            if fits(job):
                return self._claim(job, alone=False)
        return None

    def suspect_due(self, now: float, folders: list[str]) -> Job | None:
        """The oldest due job that was running when the daemon died, or has cost two workers."""
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE state = 'queued' AND {_SUSPECT} AND not_before <= ?"
            f" AND folder IN ({', '.join('?' * len(folders))}) ORDER BY id LIMIT 1",
            (now, *folders),
        ).fetchone()
        return job_of(row) if row else None

    def claim_suspect(self, job: Job, others_succeed: bool) -> Job:
        """Claims a suspect that will run alone.

        With `others_succeed` the daemon has been seen to work since it started, so that its death would be
        this scan's fault.
        """
        return self._claim(job, alone=others_succeed)

    def _claim(self, job: Job, alone: bool) -> Job:
        self._set(job.id, state="running", attempt=job.attempt + 1, claimed_at=self._wall(), alone=alone)
        return self.job(job.id)

    def rendered(self, job_id: int, spool: str, result: Rendering) -> None:
        """The spool file is on disk: from here on the result is published, whatever happens."""
        self._set(
            job_id,
            state="rendered",
            spool=os.fsencode(spool),
            result=json.dumps(to_plain(result)),
            rendered_at=self._wall(),
        )

    def reserve_next(self, job_id: int, names: Iterator[str]) -> Job:
        """A stranger holds the reserved name: the next free one after it of `names` is reserved instead."""
        job = self.job(job_id)
        # What comes before the present name was a stranger's or another job's, and may be again.
        later = itertools.islice(itertools.dropwhile(lambda name: name != job.output, names), 1, None)
        output = next(name for name in later if not self._reserved(job.scan.folder, name))
        self._set(job_id, output=os.fsencode(output))
        return self.job(job_id)

    def published(self, job_id: int) -> None:
        self._set(job_id, state="published", published_at=self._wall())

    def done(self, job_id: int, kind: str | None, reason: str | None, whereabouts: str | None) -> None:
        """The end of a good scan; `whereabouts`: where its original lies now: None in its place, "" nowhere."""
        where = None if whereabouts is None else os.fsencode(whereabouts)
        self._set(job_id, state="done", kind=kind, reason=reason, whereabouts=where, settled=1, ended_at=self._wall())

    def release(self, job_id: int, not_before: float = 0.0) -> None:
        """A claim is given back without a mark against the scan: the daemon stops, or the spool file is lost."""
        self._set(job_id, state="queued", spool=None, result=None, not_before=not_before)

    def retry(self, job_id: int, kind: str, reason: str, not_before: float) -> None:
        """A transient failure: queued again, due at `not_before`."""
        self._db.execute(
            "UPDATE job SET state = 'queued', failures = failures + 1, kind = ?, reason = ?, not_before = ?,"
            " spool = NULL WHERE id = ?",
            (kind, reason, not_before, job_id),
        )

    def worker_died(self, job_id: int, reason: str, not_before: float) -> int:
        """One attempt of the scan cost a worker; how many by now."""
        self._db.execute(
            "UPDATE job SET state = 'queued', worker_deaths = worker_deaths + 1, reason = ?, not_before = ?"
            " WHERE id = ?",
            (reason, not_before, job_id),
        )
        return self.job(job_id).worker_deaths

    def quarantine(self, job_id: int, kind: str, reason: str) -> None:
        """Decided and recorded first; the file is moved after, and then the job is settled."""
        self._set(job_id, state="quarantined", output=None, kind=kind, reason=reason, ended_at=self._wall(), settled=0)

    def quarantine_moved(self, job_id: int, whereabouts: str | None) -> None:
        where = None if whereabouts is None else os.fsencode(whereabouts)
        self._set(job_id, settled=1, whereabouts=where)

    def skip(self, job_id: int, kind: str, reason: str) -> None:
        """The scan ends without a result and without a fault: deleted or changed before its turn."""
        self._set(job_id, state="skipped", output=None, kind=kind, reason=reason, settled=1, ended_at=self._wall())

    def recover(self) -> list[Job]:
        """After a death of the daemon: `running` goes back to `queued` with the death counted.

        Returns the jobs whose next step is the folder's: rendered, published, and quarantined but not yet moved.
        """
        self._db.execute(
            "UPDATE job SET state = 'queued', daemon_deaths = daemon_deaths + 1, blamed = blamed + alone, alone = 0,"
            " spool = NULL WHERE state = 'running'"
        )
        # What waited before it was a job is looked at anew, and says again what it waits for.
        self.waits.all_over()
        # Due times are on a clock that began anew with the machine.
        self._db.execute("UPDATE job SET not_before = 0 WHERE state = 'queued' AND not_before > 0")
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM job WHERE state IN ('rendered', 'published')"
            f" UNION ALL SELECT {COLUMNS} FROM job WHERE state = 'quarantined' AND settled = 0 ORDER BY id"
        )
        return [job_of(row) for row in rows]

    # --- reading ----------------------------------------------------------------------------------------------

    def job(self, job_id: int) -> Job:
        return job_of(self._db.execute(f"SELECT {COLUMNS} FROM job WHERE id = ?", (job_id,)).fetchone())

    def why(self, job_id: int) -> tuple[str, str]:
        """Kind and sentence of what befell a job."""
        row = self._db.execute("SELECT kind, reason FROM job WHERE id = ?", (job_id,)).fetchone()
        return str(row[0] or ""), str(row[1] or "")

    def counts(self, folders: Collection[str] | None = None) -> dict[State, int]:
        """How many jobs are in each state; of `folders`, or of all that the ledger knows."""
        found = dict.fromkeys(State, 0)
        for folder, state, jobs in self._db.execute("SELECT folder, state, jobs FROM tally"):
            if folders is None or folder in folders:
                found[State(state)] += jobs
        return found

    def waiting(self, now: float, folders: Collection[str]) -> int:
        """How many queued jobs of `folders` wait for a transient fault to pass."""
        rows = self._db.execute(
            "SELECT folder, COUNT(*) FROM job WHERE state = 'queued' AND not_before > ? GROUP BY folder", (now,)
        )
        return sum(int(n) for folder, n in rows if folder in folders)

    def left_waiting(self, folders: Collection[str]) -> int:
        """How many files and jobs of `folders` are neither done nor ended."""
        counts = self.counts(folders)
        return sum(counts[state] for state in UNFINISHED) + self.waits.count(folders)

    # --- inner ------------------------------------------------------------------------------------------------

    def _reserved(self, folder: str, output: str) -> bool:
        found = self._db.execute("SELECT 1 FROM job WHERE folder = ? AND output = ?", (folder, os.fsencode(output)))
        return found.fetchone() is not None

    def _insert(
        self,
        scan: Scan,
        state: State,
        *,
        facts: Facts | None = None,
        digest: str = "",
        recipe: str = "",
        output: str | None = None,
    ) -> Job:
        columns: dict[str, Any] = {
            "folder": scan.folder,
            "path": os.fsencode(scan.path),
            **fingerprint_columns(scan.fingerprint),
            "digest": digest,
            "facts": json.dumps(to_plain(facts)) if facts else None,
            "recipe": recipe,
            "state": state.value,
            "output": None if output is None else os.fsencode(output),
            "added_at": self._wall(),
        }
        cursor = self._db.execute(
            f"INSERT INTO job ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            tuple(columns.values()),
        )
        self.waits.over(scan.folder, scan.path)
        return self.job(cursor.lastrowid or 0)

    def _set(self, job_id: int, **columns: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE job SET {assignments} WHERE id = ?", (*columns.values(), job_id))
