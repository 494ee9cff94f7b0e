"""What was done is recalled from the results themselves, where the ledger does not hold a folder's history.

That is so for a folder that is new to the ledger, because it was just put into the config or because the ledger was
lost. Until it is over nothing of that folder is read or coloured, so that nothing is coloured twice. Only its end is
remembered: after a death on the way it begins again, and what was recalled already is not recalled twice.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from colorwatch.folders import commands
from colorwatch.protocol import Answer, Failure, Recalled, RecallRequest
from colorwatch.scan import Provenance
from colorwatch.work.patience import MAX_DEATHS, backoff

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import AsidesRestored, FolderSettings, ResultsFound
    from colorwatch.ledger import Ledger
    from colorwatch.pool import Died
    from colorwatch.work.standing import Standing

MOST_CHARACTERS = 4096  # of a path
MOST_TRIES = 5  # at a file that cannot be read while others can
NOTED_EVERY = 500  # files
_NUMBERS_SINCE = 1_767_225_600  # the beginning of 2026, in Unix time
_NUMBERS_A_SECOND = 10

_File = tuple[str, int]  # a path relative to the outbox, and its size in bytes


@dataclass(slots=True)
class _Outbox:
    """One that is looked through."""

    files: dict[str, int] = field(default_factory=dict)  # as they are listed
    to_read: deque[_File] = field(default_factory=deque)
    reading: int = 0
    read: int = 0
    ours: int = 0  # results of ours among them
    missed: int = 0  # files that were listed and not found
    complete: bool = False  # all of it is listed
    root: tuple[int, int] | None = None  # device and inode of the outbox in which results were seen
    step: str = "listresults"  # asked of the folder
    ask_at: float | None = None  # when that is asked again
    failures: int = 0
    failing: dict[str, int] = field(default_factory=dict)  # file -> how many were read when it failed first
    wait_until: float = 0.0  # no file is read before
    troubles: int = 0


class Recall:
    """Belongs to the service's thread, and works inside its batch. Times are on the monotonic clock."""

    def __init__(
        self,
        ledger: Ledger,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`send` delivers after the batch has committed."""
        self._ledger = ledger
        self._standing = standing
        self._folders = folders
        self._send = send
        self._log = log
        self._wall = wall
        self._outboxes: dict[str, _Outbox] = {}
        self._reading: dict[int, tuple[str, _File]] = {}
        self._deaths: Counter[tuple[str, str]] = Counter()

    def begin(self) -> None:
        """Asks for the results of each folder that the ledger holds no history of."""
        for folder in self._folders:
            if not self._ledger.health.recalled(folder):
                self._standing.recalling.add(folder)
                self._outboxes[folder] = _Outbox()
                self._ledger.health.note(
                    folder, "recall", "looking", "the outbox is looked through for earlier results"
                )
                self._send(folder, commands.ListResults())

    @property
    def waiting(self) -> set[str]:
        """Folders whose outbox or inbox cannot be looked at now."""
        return {name for name, outbox in self._outboxes.items() if outbox.ask_at is not None or outbox.troubles}

    # --- what folders say -----------------------------------------------------------------------------------------

    def found(self, message: ResultsFound, now: float) -> None:
        """A slice of what the outbox holds."""
        outbox = self._outboxes.get(message.folder)
        if outbox is None or outbox.complete:
            return
        if outbox.root is not None and message.root != outbox.root:
            reason = "the outbox is not the one that was looked through before; is its disk mounted?"
            self._ask_later(message.folder, outbox, "listresults", reason, now)
            return
        outbox.ask_at = None
        outbox.files.update(message.files)
        if message.ours:
            outbox.root = message.root
            self._ledger.start_numbers_above(int((self._wall() - _NUMBERS_SINCE) * _NUMBERS_A_SECOND))
        if message.last:
            outbox.complete, outbox.failures = True, 0
            outbox.to_read.extend(outbox.files.items())
            if outbox.files:
                self._log.info("ledger.recalling", folder=message.folder, files=len(outbox.files))
            self._go_on(message.folder, outbox, now)

    def restored(self, message: AsidesRestored) -> None:
        """Originals on their way out of the inbox when the ledger was lost have their names back: the end."""
        outbox = self._outboxes.pop(message.folder, None)
        if outbox is None:
            return
        self._standing.recalling.discard(message.folder)
        self._ledger.health.note(message.folder, "recall", "done", f"{outbox.ours} results" if outbox.ours else "")
        if outbox.read:
            self._log.info(
                "ledger.recalled",
                folder=message.folder,
                results=outbox.ours,
                others=outbox.read - outbox.ours,
                originals_restored=message.count,
            )

    def trouble(self, folder: str, step: str, reason: str, now: float) -> None:
        """The folder could not do what was asked of it: asked again later."""
        outbox = self._outboxes.get(folder)
        if outbox is not None and step == outbox.step:
            self._ask_later(folder, outbox, step, reason, now)

    def due_again(self, now: float) -> None:
        """Asks again for what met trouble, when its wait is over."""
        for folder, outbox in self._outboxes.items():
            if outbox.ask_at is not None and outbox.ask_at <= now:
                outbox.ask_at = None
                self._ask(folder, outbox)

    def next_due(self) -> float | None:
        times = [outbox.ask_at for outbox in self._outboxes.values() if outbox.ask_at is not None]
        times += [outbox.wait_until for outbox in self._outboxes.values() if outbox.to_read and outbox.troubles]
        return min(times, default=None)

    # --- reading results ------------------------------------------------------------------------------------------

    def next_recall(self, ticket: int, now: float) -> RecallRequest | None:
        """The next result to read, for a worker, under `ticket`."""
        for folder, outbox in self._outboxes.items():
            # After trouble one file at a time: the disk may still be away.
            if outbox.to_read and now >= outbox.wait_until and not (outbox.troubles and outbox.reading):
                file = outbox.to_read.popleft()
                outbox.reading += 1
                self._reading[ticket] = (folder, file)
                return RecallRequest(ticket, self._folders[folder].outbox, file[0])
        return None

    def owns(self, ticket: int) -> bool:
        return ticket in self._reading

    def bytes_of(self, ticket: int) -> int:
        """The size of the file that is read."""
        return self._reading[ticket][1][1]

    def __len__(self) -> int:
        """Files that workers read now."""
        return len(self._reading)

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        folder, file = self._reading.pop(ticket)
        outbox = self._outboxes[folder]
        outbox.reading -= 1
        match answer:
            case Recalled(provenance=Provenance() as provenance) if _is_ours(provenance):
                self._ledger.contents.recall(folder, file[0], answer, provenance)
                outbox.ours += 1
                self._done(folder, outbox)
            case Failure(kind="gone"):
                outbox.missed += 1
                self._done(folder, outbox)
            case Failure(retryable=True, kind=kind) if kind != "unreadable":  # what is ours we can read
                self._try_again(folder, outbox, file, answer.message, now)
            case _:
                self._done(folder, outbox)
        self._go_on(folder, outbox, now)

    def died(self, event: Died, now: float) -> None:
        """The worker was lost over a file: after three it is taken for none of ours."""
        folder, file = self._reading.pop(event.ticket)
        outbox = self._outboxes[folder]
        outbox.reading -= 1
        if event.stuck:
            self._try_again(folder, outbox, file, event.why, now)
        elif not event.blameless:
            self._deaths[folder, file[0]] += 1
            if self._deaths[folder, file[0]] >= MAX_DEATHS:
                self._log.warning("ledger.unread", folder=folder, file=file[0], reason=event.why)
                self._done(folder, outbox)
            else:
                outbox.to_read.append(file)
        else:
            outbox.to_read.append(file)
        self._go_on(folder, outbox, now)

    def _done(self, folder: str, outbox: _Outbox) -> None:
        outbox.read += 1
        outbox.troubles = 0
        if outbox.read % NOTED_EVERY == 0:
            told = f"{outbox.read} of {len(outbox.files)} files of the outbox were read for earlier results"
            self._ledger.health.note(folder, "recall", "reading", told)
            self._log.info("ledger.recalling", folder=folder, files=len(outbox.files), read=outbox.read)

    def _try_again(self, folder: str, outbox: _Outbox, file: _File, reason: str, now: float) -> None:
        """Its disk fails, or the file alone does: then it is given up while others can be read."""
        self._deaths[folder, file[0]] += 1
        read_then = outbox.failing.setdefault(file[0], outbox.read)
        if self._deaths[folder, file[0]] > MOST_TRIES and outbox.read > read_then:
            self._log.warning("ledger.unread", folder=folder, file=file[0], reason=reason)
            self._done(folder, outbox)
            return
        outbox.to_read.append(file)
        outbox.troubles += 1
        outbox.wait_until = now + backoff(outbox.troubles)
        if outbox.troubles == 1:
            self._tell_trouble(folder, reason)

    def _go_on(self, folder: str, outbox: _Outbox, now: float) -> None:
        """The next step, once all that was listed is read."""
        if not outbox.complete or outbox.to_read or outbox.reading:
            return
        if outbox.missed:  # was it moved, or is the disk away? a second look tells
            outbox.missed, outbox.complete = 0, False
            outbox.files.clear()
            self._ask_later(folder, outbox, "listresults", "files of the outbox went away while they were read", now)
        else:
            outbox.step = "restoreasides"
            self._ask(folder, outbox)

    def _ask(self, folder: str, outbox: _Outbox) -> None:
        if outbox.step == "restoreasides":
            self._send(folder, commands.RestoreAsides(frozenset(self._ledger.at_hand(folder))))
        else:
            outbox.files.clear()
            self._send(folder, commands.ListResults())

    def _ask_later(self, folder: str, outbox: _Outbox, step: str, reason: str, now: float) -> None:
        outbox.step = step
        outbox.failures += 1
        outbox.ask_at = now + backoff(outbox.failures)
        if outbox.failures == 1:
            self._tell_trouble(folder, reason)

    def _tell_trouble(self, folder: str, reason: str) -> None:
        self._ledger.health.note(folder, "recall", "waiting", reason)
        self._log.warning("ledger.recall_waits", folder=folder, reason=reason)


def _is_ours(provenance: Provenance) -> bool:
    """Whether it is as we write it: it comes out of a file that anybody may have put there."""
    parts = provenance.path.split("/")
    return (
        re.fullmatch(r"[0-9a-f]{64}", provenance.digest) is not None
        and re.fullmatch(r"[0-9a-f]{1,64}", provenance.recipe) is not None
        and len(provenance.path) < MOST_CHARACTERS
        and not any(part in ("", ".", "..") for part in parts)
        # A name as the disk has it; no other half of a character can stand in one.
        and not any(c == "\0" or "\ud800" <= c < "\udc80" or "\udcff" < c <= "\udfff" for c in provenance.path)
    )
