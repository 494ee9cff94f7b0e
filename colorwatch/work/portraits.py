"""Which finished scans the gallery does not show yet: one after another is portrayed while workers have nothing else.

What is shown is remembered as the time of the last job's end; after any death the rest is shown again, which changes
nothing. A gallery that cannot be written to costs no scan anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from colorwatch.disk.publishing import spool_path
from colorwatch.folders import commands
from colorwatch.scan import Answer, Failure, Job, Portrayed, PortrayRequest
from colorwatch.work.patience import backoff

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings, Shown
    from colorwatch.ledger import Ledger
    from colorwatch.pool import Died
    from colorwatch.work.standing import Standing

BUSY_SECONDS = 2.0  # between two portraits while scans wait
_SETTING = "gallery:"


class Portraits:
    """Belongs to the service's thread, and works inside its batch. Times are on the monotonic clock."""

    def __init__(
        self,
        ledger: Ledger,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        models: Callable[[str], str],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`models(recipe)` names the model of a recipe's key; `send` delivers after the batch has committed."""
        self._ledger = ledger
        self._standing = standing
        self._folders = {name: folder for name, folder in folders.items() if folder.gallery}
        self._models = models
        self._send = send
        self._log = log
        self._working: dict[int, Job] = {}
        self._showing: dict[int, tuple[str, float]] = {}  # job -> folder, and when it ended
        self._shown: dict[str, set[int]] = {name: set() for name in self._folders}  # at the time that is remembered
        self._failures = 0
        self._not_before = 0.0

    def __len__(self) -> int:
        """Portraits that workers make now."""
        return len(self._working)

    def owns(self, ticket: int) -> bool:
        return ticket in self._working

    def pending(self) -> bool:
        """Whether one is being made, or could be."""
        return bool(self._working or self._showing) or (
            self._failures == 0 and any(self._next(name) is not None for name in self._ready())
        )

    def pixels(self, ticket: int) -> int:
        facts = self._working[ticket].facts
        return facts.pixels if facts else 0

    def next_portrait(self, ticket: int, now: float, busy: bool) -> PortrayRequest | None:
        """The next result to portray, for a worker; with `busy` only now and then."""
        if self._working or self._showing or now < self._not_before:
            return None  # one at a time: nobody waits for them
        for name in self._ready():
            job = self._next(name)
            if job is not None and job.output:
                self._not_before = now + BUSY_SECONDS if busy else 0.0
                self._working[ticket] = job
                outbox = self._folders[name].outbox
                return PortrayRequest(ticket, outbox, job.output, spool_path(outbox, job.id, 0))
        return None

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        job = self._working.pop(ticket)
        if isinstance(answer, Portrayed):
            self._failures = 0
            self._show(job, answer)
        elif isinstance(answer, Failure) and answer.retryable and answer.kind != "gone":
            self._fail(answer.message, now)
        else:
            self._show(job, None)  # no picture of it can be made: its name alone is shown

    def died(self, event: Died, now: float) -> None:
        job = self._working.pop(event.ticket)
        self._send(job.scan.folder, commands.Discard(spool_path(self._folders[job.scan.folder].outbox, job.id, 0)))
        if event.stuck:
            self._fail(event.why, now)
        else:
            self._show(job, None)

    def shown(self, message: Shown) -> None:
        """The gallery has it."""
        folder, ended = self._showing.pop(message.job_id, ("", 0.0))
        if folder:
            self._failures = 0
            self._remember(folder, ended, message.job_id)

    def trouble(self, folder: str, reason: str, now: float) -> None:
        """The gallery cannot be written to now."""
        self._showing = {job: at for job, at in self._showing.items() if at[0] != folder}
        self._fail(reason, now)

    def _fail(self, reason: str, now: float) -> None:
        self._failures += 1
        self._not_before = now + backoff(self._failures)
        if self._failures == 1:
            self._log.warning("gallery.waiting", reason=reason)

    def _ready(self) -> list[str]:
        if self._standing.quiet:
            return []
        away = self._standing.unclean | self._standing.recalling
        return [name for name in self._folders if name not in away and name in self._standing.clean]

    def _next(self, folder: str) -> Job | None:
        since = float(self._ledger.health.setting(_SETTING + folder) or 0)
        return self._ledger.contents.ended_since(folder, since, self._shown[folder])

    def _remember(self, folder: str, ended: float, job_id: int) -> None:
        before = float(self._ledger.health.setting(_SETTING + folder) or 0)
        if ended > before:
            self._shown[folder].clear()
            self._ledger.health.set(_SETTING + folder, repr(ended))
        self._shown[folder].add(job_id)

    def _show(self, job: Job, made: Portrayed | None) -> None:
        folder = self._folders[job.scan.folder]
        ended, where = self._ledger.contents.end_of(job.id)
        self._showing[job.id] = (job.scan.folder, ended)
        original = os.path.join(folder.inbox, job.scan.path) if where is None else where
        facts = job.facts
        self._send(
            job.scan.folder,
            commands.Show(
                job_id=job.id,
                when=int(ended),
                path=job.scan.path,
                output=job.output or "",
                original=original,
                model=self._models(job.recipe),
                width=made.width if made else facts.width if facts else 1,
                height=made.height if made else facts.height if facts else 1,
                spool=spool_path(folder.outbox, job.id, 0) if made else "",
                thumb_width=made.thumb_width if made else 0,
                thumb_height=made.thumb_height if made else 0,
            ),
        )
