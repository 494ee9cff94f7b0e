"""Which finished scans the gallery does not show yet: one after another is portrayed while workers have nothing else.

What is shown is remembered as the time of the last job's end; after any death the rest is shown again, which changes
nothing. A gallery that cannot be written to costs no scan anything.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from colorwatch.disk.names import SPOOL
from colorwatch.disk.publishing import spool_path
from colorwatch.folders import commands
from colorwatch.gallery.flags import flags_of
from colorwatch.protocol import Answer, Failure, Lying, Portrayed, PortrayRequest
from colorwatch.scan import Job
from colorwatch.work.patience import backoff
from colorwatch.work.redoing import model_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings, Shown
    from colorwatch.ledger import Ledger
    from colorwatch.pool import Died
    from colorwatch.work.standing import Standing

BUSY_SECONDS = 2.0  # between two portraits while scans wait
MOST_TRIES = 4  # of one picture that cannot be read for now; then it is shown by its name, and others have their turn
SHOWN_BY_BROWSERS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")  # results whose file is a picture of the page
_SETTING = "gallery:"
_LEDGER = "gallery's ledger"
_SIDES = ("width", "height", "thumb_width", "thumb_height", "view_width", "view_height")


class Portraits:
    """Belongs to the service's thread, and works inside its batch. Times are on the monotonic clock."""

    def __init__(
        self,
        ledger: Ledger,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`send` delivers after the batch has committed."""
        self._ledger = ledger
        self._standing = standing
        self._folders = {name: folder for name, folder in folders.items() if folder.gallery}
        self._send = send
        self._log = log
        self._working: dict[int, Job] = {}
        self._showing: dict[int, tuple[str, float]] = {}  # job -> folder, and when it ended
        self._shown: dict[str, set[int]] = {name: set() for name in self._folders}  # at the time that is remembered
        self._failures: dict[str, int] = {}  # in a row, by folder
        self._not_before: dict[str, float] = {}
        self._busy_until = 0.0
        self._last = ""  # the folder of the last portrait: the others come first

    def __len__(self) -> int:
        """Portraits that workers make now."""
        return len(self._working)

    def owns(self, ticket: int) -> bool:
        return ticket in self._working

    def pending(self) -> bool:
        """Whether one is being made, or could be."""
        return bool(self._working or self._showing) or any(
            self._next(name) is not None for name in self._ready() if name not in self._failures
        )

    def pixels(self, ticket: int) -> int:
        facts = self._working[ticket].facts
        return facts.pixels if facts else 0

    def next_portrait(self, ticket: int, now: float, busy: bool) -> PortrayRequest | None:
        """The next result to portray, for a worker; with `busy` only now and then."""
        if self._working or (busy and now < self._busy_until):
            return None  # one at a time: nobody waits for them
        under_way = {folder for folder, _ in self._showing.values()}
        for name in sorted(self._ready(), key=lambda name: name == self._last):
            if name in under_way or now < self._not_before.get(name, 0.0):
                continue  # a disk that hangs or fails holds the gallery on it, and no other
            job = self._next(name)
            if job is not None and job.output:
                self._busy_until, self._last = now + BUSY_SECONDS, name
                self._working[ticket] = job
                outbox = self._folders[name].outbox
                thumb, view = _spools(outbox, job)
                return PortrayRequest(ticket, outbox, job.output, thumb, view, self._original(job))
        return None

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        job = self._working.pop(ticket)
        folder = job.scan.folder
        if isinstance(answer, Portrayed):
            self._show(job, answer)
        elif isinstance(answer, Failure) and answer.retryable and self._failures.get(folder, 0) < MOST_TRIES:
            self._fail(folder, answer.message, now)
        else:
            self._show(job, None)  # no picture of it can be made: its name alone is shown

    def died(self, event: Died, now: float) -> None:
        job = self._working.pop(event.ticket)
        for spool in filter(None, _spools(self._folders[job.scan.folder].outbox, job)):
            self._send(job.scan.folder, commands.Discard(spool))
        if event.stuck and self._failures.get(job.scan.folder, 0) < MOST_TRIES:
            self._fail(job.scan.folder, event.why, now)
        else:
            self._show(job, None)

    def shown(self, message: Shown) -> None:
        """The gallery has it; where others are missing in it, all are shown again."""
        folder, ended = self._showing.pop(message.job_id, ("", 0.0))
        if not folder:
            return
        self._failures.pop(folder, None)
        self._not_before.pop(folder, None)
        if message.missing and self._since(folder):
            self._log.info("gallery.anew", folder=folder)
            self._ledger.health.set(_SETTING + folder, None)
            self._shown[folder].clear()
        else:
            self._remember(folder, ended, message.job_id)

    def trouble(self, folder: str, reason: str, now: float) -> None:
        """The gallery cannot be written to now."""
        self._showing = {job: at for job, at in self._showing.items() if at[0] != folder}
        self._fail(folder, reason, now)

    def _fail(self, folder: str, reason: str, now: float) -> None:
        failures = self._failures[folder] = self._failures.get(folder, 0) + 1
        self._not_before[folder] = now + backoff(failures)
        if failures == 1:
            self._log.warning("gallery.waiting", folder=folder, reason=reason)

    def _ready(self) -> list[str]:
        if self._standing.quiet:
            return []
        away = self._standing.unclean | self._standing.recalling
        return [name for name in self._folders if name not in away and name in self._standing.clean]

    def _next(self, folder: str) -> Job | None:
        return self._ledger.contents.ended_since(folder, self._since(folder), self._shown[folder])

    def _since(self, folder: str) -> float:
        """When the job ended that was shown last."""
        return float(self._ledger.health.setting(_SETTING + folder) or 0)

    def _remember(self, folder: str, ended: float, job_id: int) -> None:
        if ended > self._since(folder):
            self._shown[folder].clear()
            self._ledger.health.set(_SETTING + folder, repr(ended))
        self._shown[folder].add(job_id)

    def _original(self, job: Job) -> Lying | None:
        """Where the scan's file lies, if it still does."""
        folder, read = self._folders[job.scan.folder], job.scan.fingerprint
        where = self._ledger.contents.end_of(job.id)[1]
        if where == "" or read.size < 0:
            return None
        root, path = (folder.inbox, job.scan.path) if where is None else os.path.split(where)
        return Lying(root, path, read.size, read.mtime_ns)

    def _ledger_word(self) -> str:
        """A word that tells this ledger from one that was lost, whose jobs have other numbers."""
        word = self._ledger.health.setting(_LEDGER)
        if word is None:
            word = uuid.uuid4().hex
            self._ledger.health.set(_LEDGER, word)
        return word

    def _show(self, job: Job, made: Portrayed | None) -> None:
        folder, facts = self._folders[job.scan.folder], job.facts
        ended, where = self._ledger.contents.end_of(job.id)
        self._showing[job.id] = (job.scan.folder, ended)
        thumb, view = _spools(folder.outbox, job)
        command = commands.Show(
            job_id=job.id,
            ledger=self._ledger_word(),
            when=int(job.noticed or ended),
            made=int(ended),
            path=job.scan.path,
            output=job.output or "",
            original=os.path.join(folder.inbox, job.scan.path) if where is None else where,
            model=model_of(self._ledger, job),
            flags=flags_of(job),
            pages=facts.pages if facts else 1,
            width=facts.width if facts else 1,
            height=facts.height if facts else 1,
        )
        if made is not None:
            command = replace(
                command,
                spool=thumb,
                view=view if made.view_width else "",
                **{name: getattr(made, name) for name in _SIDES},
            )
        self._send(job.scan.folder, command)


def _spools(outbox: str, job: Job) -> tuple[str, str]:
    """Where the thumbnail is spooled, and the view; "" where the result's own file serves for that."""
    shown = os.path.splitext(job.output or "")[1].lower() in SHOWN_BY_BROWSERS
    # No attempt to colour a scan has this number.
    return spool_path(outbox, job.id, 0), "" if shown else os.path.join(outbox, SPOOL, f"{job.id}-00.part")
