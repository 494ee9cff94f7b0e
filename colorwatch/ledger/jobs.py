"""The jobs: one SQLite row each, written by the parent alone, and the truth after any crash.

`queued -> running -> rendered -> published -> done`, aside `stuck`, `skipped` and `quarantined`. Every step of the
order of operations commits here before the next one touches a disk; `synchronous=FULL` makes a commit mean "on the
disk".
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
from colorwatch.ledger.ageing import Ageing
from colorwatch.ledger.contents import Contents
from colorwatch.ledger.files import close, connect
from colorwatch.ledger.health import Health
from colorwatch.ledger.prints import Prints
from colorwatch.ledger.redos import Redos
from colorwatch.ledger.requests import Requests
from colorwatch.ledger.rows import COLUMNS, fingerprint_columns, job_of
from colorwatch.ledger.schema import ACTIVE, READY, SUSPECT, WAITING
from colorwatch.ledger.waits import Waits
from colorwatch.scan import Facts, Job, Rendering, Scan, State
from colorwatch.wire import to_plain

UNFINISHED = (State.QUEUED, State.RUNNING, State.RENDERED, State.PUBLISHED, State.STUCK)
_LOOKED_AT = 32  # jobs that a claim looks at, if the first ones do not fit


class Ledger:
    """The jobs of one state folder. Not thread-safe: it belongs to the service's thread."""

    def __init__(
        self, path: str, wall: Callable[[], float] = time.time, before_long: Callable[[int], None] | None = None
    ) -> None:
        """Opens or makes the ledger at `path`; raises StateError where that cannot be. `before_long`: see `connect`.

        `wall` gives Unix time for the history; what is due is told by the caller's monotonic clock.
        """
        self._wall = wall
        self._path = path
        self._sound = True
        opened = connect(path, before_long)
        self._db = opened.db
        self.fresh = opened.fresh  # no history: it was just made, or the one before was damaged
        self.damaged = opened.damaged  # where that one was put
        self.ageing = Ageing(self._db)
        self.contents = Contents(self._db, wall)
        self.waits = Waits(self._db, wall)
        self.health = Health(self._db, wall)
        self.requests = Requests(self._db, wall)
        self.redos = Redos(self._db, wall)
        self.prints = Prints(self._db)

    def close(self) -> None:
        close(self._db, sound=self._sound)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """All writes inside commit together; an exception takes them back.

        Raises StateError where the disk does not take them (it is full, or broken): what was said and not written
        is known again only from the ledger, so the daemon has to end and to recover.
        """
        with self.explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What SQLite says of its file leaves as a StateError with a sentence for a person."""
        try:
            yield
        except sqlite3.Error as error:
            self._sound = False
            raise StateError(
                f"{self._path}: the ledger cannot be written ({error}); make room on that disk, and see that it is"
                " sound. Nothing is lost: the next start goes on from what was written"
            ) from error

    def settle_in(self, inboxes: Mapping[str, str]) -> None:
        """A folder's history goes with its inbox, whatever the config calls the folder now: `inboxes` by name."""
        before = {os.fsdecode(row[0]): str(row[1]) for row in self._db.execute("SELECT inbox, folder FROM home")}
        moves = {before[inbox]: name for name, inbox in inboxes.items() if before.get(inbox, name) != name}
        for inbox, name in before.items():
            if name in moves.values() and name not in moves:
                moves[name] = f"{name} (was {inbox})"  # its inbox has left the config, and another one has its name
        for table in ("job", "wait", "probe_death", "health", "glass"):
            for number, name in enumerate(moves):
                self._db.execute(f"UPDATE {table} SET folder = ? WHERE folder = ?", (f"\n{number}", name))
            for number, name in enumerate(moves.values()):
                self._db.execute(f"UPDATE {table} SET folder = ? WHERE folder = ?", (name, f"\n{number}"))
        self._db.execute("DELETE FROM home")
        homes = {os.fsencode(inbox): moves.get(name, name) for inbox, name in before.items()}
        homes |= {os.fsencode(inbox): name for name, inbox in inboxes.items()}
        self._db.executemany("INSERT INTO home VALUES (?, ?)", homes.items())

    # --- adding ---------------------------------------------------------------------------------------------

    def was_skipped(self, folder: str, path: str, kind: str) -> bool:
        """Whether this was said of this path before, by this daemon or an earlier one."""
        found = self._db.execute(
            "SELECT 1 FROM job WHERE folder = ? AND path = ? AND state = 'skipped' AND kind = ?",
            (folder, os.fsencode(path), kind),
        )
        return found.fetchone() is not None

    def add(self, scan: Scan, facts: Facts, recipe: str, names: Iterator[str], noticed: float | None = None) -> Job:
        """A new queued job with the first of `names` (relative to the outbox) that no other job has reserved.

        `noticed`: the Unix time at which its file was; that of now where it is None.
        """
        return self._insert(
            scan,
            State.QUEUED,
            facts=facts,
            digest=facts.digest,
            recipe=recipe,
            output=self._free(scan.folder, names),
            noticed=noticed,
        )

    def add_duplicate(self, scan: Scan, facts: Facts, of: Job) -> Job:
        """A dropped-again file whose content is done: published already, only its original is still to be cleared."""
        job = self._insert(scan, State.PUBLISHED, facts=facts, digest=facts.digest, recipe=of.recipe)
        self._set(job.id, kind="duplicate", reason=f"the same content was done before, as job {of.id}")
        return job

    def add_ended(self, scan: Scan, state: State, kind: str, reason: str, noticed: float | None = None) -> Job:
        """A file that never becomes a job: `skipped`, or `quarantined` before it was queued."""
        job = self._insert(scan, state, noticed=noticed)
        self._set(job.id, kind=kind, reason=reason, ended_at=self._wall())
        return job

    def start_numbers_above(self, number: int) -> None:
        """New jobs get numbers above this one: those of a ledger that was lost still stand in names on the disks."""
        highest = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'job'").fetchone()
        if highest is None:
            self._db.execute("INSERT INTO sqlite_sequence VALUES ('job', ?)", (number,))
        elif highest[0] < number:
            self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'job'", (number,))

    # --- the order of operations ----------------------------------------------------------------------------

    def claim(self, now: float, fits: Callable[[Job], bool], folders: list[str], *, newest: bool = False) -> Job | None:
        """A due job of `folders` that fits becomes `running`, its attempt counted; None where there is none.

        It is the one that was noticed first, or with `newest` last, and costs the same however many wait. Suspects
        are left aside: `claim_suspect` takes those.
        """
        self._wake(now)
        order = "DESC" if newest else "ASC"
        first: list[sqlite3.Row] = []
        for folder in folders:
            first += self._db.execute(
                f"SELECT noticed_at, id FROM job INDEXED BY job_ready WHERE folder = ? AND {READY}"
                f" ORDER BY noticed_at {order}, id {order} LIMIT {_LOOKED_AT}",
                (folder,),
            ).fetchall()
        for row in sorted(first, key=tuple, reverse=newest)[:_LOOKED_AT]:
            job = self.job(row["id"])
            if fits(job):
                return self._claim(job, alone=False)
        return None

    def _wake(self, now: float) -> None:
        """Jobs whose wait is over are due as if they had never waited."""
        self._db.execute(
            f"UPDATE job INDEXED BY job_waiting SET not_before = 0 WHERE {WAITING} AND not_before <= ?", (now,)
        )

    def suspect_due(self, now: float, folders: list[str]) -> Job | None:
        """The oldest due job that was running when the daemon died, or has cost two workers."""
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM job INDEXED BY job_suspect WHERE {SUSPECT} AND not_before <= ?"
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
            flags="".join(f"\n{flag.word}\n" for flag in result.flags),
            rendered_at=self._wall(),
        )

    def reserve_next(self, job_id: int, names: Iterator[str]) -> Job:
        """A stranger holds the reserved name: the next free one after it of `names` is reserved instead."""
        job = self.job(job_id)
        # What comes before the present name was a stranger's or another job's, and may be again.
        later = itertools.islice(itertools.dropwhile(lambda name: name != job.output, names), 1, None)
        self._set(job_id, output=os.fsencode(self._free(job.scan.folder, later)))
        return self.job(job_id)

    def reserve_anew(self, job_id: int, names: Iterator[str]) -> None:
        """The scan of a queued job was renamed, and its result is to be named after it."""
        job = self.job(job_id)
        self._set(job_id, output=None)
        self._set(job_id, output=os.fsencode(self._free(job.scan.folder, names)))

    def recipe_is(self, job_id: int, recipe: str) -> None:
        """What the job is made by, where that changed while it waited."""
        self._set(job_id, recipe=recipe)

    def published(self, job_id: int) -> None:
        self._set(job_id, state="published", published_at=self._wall())

    def stuck(self, job_id: int, reason: str) -> None:
        """The result is published, and the original cannot be cleared for now: tried again, but never made again."""
        self._set(job_id, state="stuck", kind="stuck", reason=reason)

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
            " spool = NULL, result = NULL WHERE id = ?",
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

        Returns the jobs whose next step is the folder's: rendered, published, stuck, and quarantined but not moved yet.
        """
        self._db.execute(
            "UPDATE job INDEXED BY job_active SET state = 'queued', daemon_deaths = daemon_deaths + 1,"
            f" blamed = blamed + alone, alone = 0, spool = NULL WHERE state = 'running' AND {ACTIVE}"
        )
        # What waited before it was a job is looked at anew, and says again what it waits for.
        self.waits.all_over()
        # Due times are on a clock that began anew with the machine.
        self._db.execute(f"UPDATE job INDEXED BY job_waiting SET not_before = 0 WHERE {WAITING}")
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM job INDEXED BY job_active"
            f" WHERE {ACTIVE} AND state IN ('rendered', 'published', 'stuck') UNION ALL"
            f" SELECT {COLUMNS} FROM job INDEXED BY job_unsettled WHERE state = 'quarantined' AND settled = 0"
            " ORDER BY id"
        )
        return [job_of(row) for row in rows]

    # --- reading ----------------------------------------------------------------------------------------------

    def job(self, job_id: int) -> Job:
        return job_of(self._db.execute(f"SELECT {COLUMNS} FROM job WHERE id = ?", (job_id,)).fetchone())

    def at_hand(self, folder: str) -> list[int]:
        """The jobs of a folder whose original may be on its way out of the inbox."""
        rows = self._db.execute(
            "SELECT id FROM job INDEXED BY job_active"
            f" WHERE folder = ? AND {ACTIVE} AND state IN ('published', 'stuck') UNION ALL"
            " SELECT id FROM job INDEXED BY job_unsettled WHERE folder = ? AND state = 'quarantined' AND settled = 0",
            (folder, folder),
        )
        return [int(row[0]) for row in rows]

    def not_gone(self, job_id: int) -> Job:
        """The original of a job that ended was found on its way out: it is to be cleared after all."""
        job = self.job(job_id)
        if job.state is State.DONE:
            self._set(job_id, state="published", settled=0, whereabouts=None, ended_at=None)
        else:
            self._set(job_id, settled=0, whereabouts=None)
        return self.job(job_id)

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
            "SELECT folder, COUNT(*) FROM job INDEXED BY job_waiting"
            f" WHERE {WAITING} AND not_before > ? GROUP BY folder",
            (now,),
        )
        return sum(int(n) for folder, n in rows if folder in folders)

    def left_waiting(self, folders: Collection[str]) -> int:
        """How many files and jobs of `folders` are neither done nor ended."""
        counts = self.counts(folders)
        return sum(counts[state] for state in UNFINISHED) + self.waits.count(folders)

    # --- inner ------------------------------------------------------------------------------------------------

    def _free(self, folder: str, names: Iterator[str]) -> str:
        """The first of `names` that no job has reserved."""
        return next(name for name in names if not self._reserved(folder, name))

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
        noticed: float | None = None,
    ) -> Job:
        now = self._wall()
        columns: dict[str, Any] = {
            "folder": scan.folder,
            "path": os.fsencode(scan.path),
            **fingerprint_columns(scan.fingerprint),
            "digest": digest,
            "facts": json.dumps(to_plain(facts)) if facts else None,
            "recipe": recipe,
            "state": state.value,
            "output": None if output is None else os.fsencode(output),
            "noticed_at": now if noticed is None else noticed,
            "added_at": now,
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
