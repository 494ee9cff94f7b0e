"""How long things are kept: archived originals, scans in quarantine, and the history, each for its number of days.

A row of the history is what keeps a scan from being coloured again: it is never dropped while its original lies in the
inbox, nor while the original is in the archive or in quarantine for a number of days of its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorwatch.folders import commands
from colorwatch.scan import Job, State

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import Expired, FolderSettings, OldPathFound
    from colorwatch.ledger import Ledger

EVERY_SECONDS = 3600.0
SOON_SECONDS = 10.0  # after the start, and as long as there is more
SLICE = 200  # jobs a look
_DAY = 86_400.0
_START = (0.0, 0)


@dataclass(frozen=True, slots=True)
class Days:
    """For how many days each is kept; 0 means for ever."""

    archive: int = 0
    quarantine: int = 0
    history: int = 0


class Keeping:
    """Belongs to the service's thread, and works inside its batch."""

    def __init__(
        self,
        ledger: Ledger,
        folders: Mapping[str, FolderSettings],
        days: Days,
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`send` delivers after the batch has committed."""
        self._ledger = ledger
        self._folders = folders
        self._days = days
        self._send = send
        self._log = log
        self._wall = wall
        self._due: float | None = None  # on the monotonic clock
        self._behind: dict[str, tuple[float, int]] = {}  # how far each was looked through
        self._tokens = itertools.count(-1, -1)  # below 0: those above are the identity's
        self._asked: dict[int, int] = {}  # token -> job

    def look(self, now: float) -> None:
        """Sees to what is too old, now and then, a slice at a time."""
        if self._due is None:
            self._due = now + SOON_SECONDS
        if now < self._due:
            return
        wall, days = self._wall(), self._days
        more = False
        for state, kept in ((State.DONE, days.archive), (State.QUARANTINED, days.quarantine)):
            if kept:
                after = self._behind.get(state, _START)
                old = self._ledger.ageing.stored(state, wall - kept * _DAY, after, SLICE)
                more |= self._went_through(state, old)
                self._expire(job for _, job in old)
        if days.history:
            old = self._ledger.ageing.ended(wall - days.history * _DAY, self._behind.get("history", _START), SLICE)
            more |= self._went_through("history", old)
            self._forget([job for _, job in old])
            self._ledger.requests.forget_before(wall - days.history * _DAY)
        self._due = now + (SOON_SECONDS if more else EVERY_SECONDS)

    def _went_through(self, what: str, old: list[tuple[float, Job]]) -> bool:
        """Whether there is more behind these; else the next look begins anew."""
        more = len(old) == SLICE
        self._behind[what] = (old[-1][0], old[-1][1].id) if more else _START
        return more

    def _expire(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if job.scan.folder in self._folders and job.whereabouts and not (job.redo and job.redo.under_way):
                self._send(job.scan.folder, commands.Expire(job.id, job.whereabouts, job.scan.fingerprint))

    def expired(self, message: Expired) -> None:
        """An archived original or a scan in quarantine is gone, or is no longer the one that was put there."""
        if message.gone:
            self._ledger.ageing.not_stored(message.job_id)
            self._log.info("retention.expired", folder=message.folder, job=message.job_id)

    def _forget(self, jobs: list[Job]) -> None:
        days = self._days
        over = []
        for job in jobs:
            kept = {State.DONE: days.archive, State.QUARANTINED: days.quarantine}.get(job.state, 0)
            if job.whereabouts is None:
                self._ask(job)
            elif job.whereabouts == "" or not kept:
                over.append(job.id)
        self._drop(over)

    def _ask(self, job: Job) -> None:
        """Does the original still lie in the inbox?"""
        if job.scan.folder in self._folders:
            token = next(self._tokens)
            self._asked[token] = job.id
            self._send(job.scan.folder, commands.OldPath(token, job.scan.path))

    def owns(self, message: OldPathFound) -> bool:
        return message.token < 0

    def old_path(self, message: OldPathFound) -> None:
        job_id = self._asked.pop(message.token, None)
        if job_id is not None and message.there is False:
            self._drop([job_id])

    def _drop(self, job_ids: list[int]) -> None:
        if job_ids and (dropped := self._ledger.ageing.drop(job_ids)):
            self._log.info("retention.forgotten", jobs=dropped)
