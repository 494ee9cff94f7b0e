"""From a settled path to a whole scan: the probe, what it found, and what waits."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorwatch.folders import commands
from colorwatch.pool import Died
from colorwatch.protocol import Answer, Failure, Incomplete, ProbeRequest
from colorwatch.scan import Facts, Fingerprint, Scan
from colorwatch.work.patience import MAX_DEATHS, Excuses, backoff
from colorwatch.work.steps import same_file

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import Access, FolderSettings, Settled
    from colorwatch.ledger import Ledger
    from colorwatch.work.identity import Identity
    from colorwatch.work.standing import Standing
    from colorwatch.work.steps import Steps

BACKLOG = 32  # files that wait before the newest is read in turn with the oldest
REPORTED_AFTER = 6  # looks at a file that cannot be read, about three minutes, before its owner and mode are reported

# A file that calls itself one of these and is none goes to quarantine with a note; any other file that is no
# picture was not meant for us and is left where it lies.
PICTURE_NAMES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".heic", ".heif"),
        *(".avif", ".jp2", ".jxl", ".pdf", ".pnm", ".pgm", ".ppm"),
    )
)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that went quiet, and the Unix time at which that was first told."""

    message: Settled
    noticed: float

    @property
    def key(self) -> tuple[str, str]:
        return self.message.folder, self.message.path

    @property
    def scan(self) -> Scan:
        return Scan(self.message.folder, self.message.path, self.message.fingerprint)


class Intake:
    """Paths on their way to be scans. One probe a path at a time."""

    def __init__(
        self,
        ledger: Ledger,
        steps: Steps,
        identity: Identity,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        max_megapixels: float,
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
        max_bytes: int = 0,
    ) -> None:
        """`send` delivers after the batch has committed; `max_bytes` of a file, 0 for no limit."""
        self._ledger = ledger
        self._steps = steps
        self._identity = identity
        self._standing = standing
        self._folders = folders
        self._max_megapixels = max_megapixels
        self._max_bytes = max_bytes
        self._send = send
        self._log = log
        self._wall = wall
        self._lanes: dict[str, OrderedDict[str, _File]] = {name: OrderedDict() for name in folders}
        self._newest_next = False
        self._probing: dict[int, _File] = {}
        self._waits: dict[tuple[str, str], int] = {}
        self._excuses = Excuses()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values())) + len(self._probing) + len(self._identity)

    def held(self, now: float) -> int:
        """Files that nothing is done about now, because of how their folder stands."""
        return sum(len(self._lanes[folder]) for folder in self._standing.unread(now))

    @property
    def probing(self) -> int:
        """Probes that workers have now."""
        return len(self._probing)

    def settled(self, message: Settled) -> None:
        """A path has gone quiet: probe it, once, with what was seen last."""
        self._identity.seen(message.folder, message.path)
        if self._ledger.redos.was_released(message.folder, message.path, message.fingerprint):
            return  # a person wants it left as it is
        lane = self._lanes[message.folder]
        before = lane.get(message.path)
        lane[message.path] = _File(message, before.noticed if before else self._wall())

    def next_probe(self, ticket: int, now: float) -> ProbeRequest | None:
        """The next probe for a worker, under `ticket`: of the oldest file, and in a backlog of the newest in turn."""
        closed = self._standing.unread(now)
        busy = {file.message.folder for file in self._probing.values()}
        lanes = [
            lane
            for folder, lane in self._lanes.items()
            if lane and folder not in closed and not (folder in self._standing.reading and folder in busy)
        ]
        if not lanes:
            return None
        newest = self._newest_next and sum(map(len, lanes)) > BACKLOG
        self._newest_next = not self._newest_next
        if newest:
            _, file = max(lanes, key=lambda lane: next(reversed(lane.values())).noticed).popitem()
        else:
            _, file = min(lanes, key=lambda lane: next(iter(lane.values())).noticed).popitem(last=False)
        self._probing[ticket] = file
        inbox = self._folders[file.message.folder].inbox
        return ProbeRequest(ticket, inbox, file.message.path, self._max_megapixels, self._max_bytes)

    def bytes_of(self, ticket: int) -> int:
        """The size of the file that this probe reads."""
        return self._probing[ticket].message.fingerprint.size

    def owns(self, ticket: int) -> bool:
        return ticket in self._probing

    def abandon(self, ticket: int) -> None:
        """The daemon stops before the probe was answered; the next start sees the file again."""
        self._probing.pop(ticket)

    def answered(self, ticket: int, answer: Answer) -> None:
        file = self._probing.pop(ticket)
        scan = file.scan
        self._excuses.succeeded(scan.folder)
        if self._standing.reading.went_well(scan.folder):
            self._ledger.health.note(scan.folder, "reading", "ok")
        match answer:
            case Facts() | Incomplete() if not same_file(answer.fingerprint, scan.fingerprint):
                self._look_again(scan, 0.0)
            case Facts(zero_tail=True) if not file.message.lengthened:
                self._over(file.key)
                self._send(scan.folder, commands.ZeroTail(scan.path))
            case Facts():
                self._over(file.key)
                self._identity.whole(Scan(scan.folder, scan.path, answer.fingerprint), answer, file.noticed)
            case Incomplete():
                self._incomplete(file, answer)
            case Failure():
                self._failed(file, answer)
            case _:
                self._look_again(scan, 0.0)

    def died(self, event: Died, now: float) -> None:
        """The worker of a probe is lost: tried again, three times at most if the file may be to blame."""
        file = self._probing.pop(event.ticket)
        scan = file.scan
        if event.blameless and self._excuses.accept(file.key, scan.folder, shared=event.stuck):
            if event.stuck and self._standing.reading.failed(scan.folder, now):
                self._ledger.health.note(scan.folder, "reading", "held", event.why)
                self._log.warning("folder.held", folder=scan.folder, reason=event.why)
            self._again(file)
        elif self._ledger.waits.probe_died(scan) >= MAX_DEATHS:
            reason = f"three workers were lost over it; of the last one: {event.why}"
            self._steps.quarantine_scan(scan, "poison", reason, file.noticed)
        else:
            self._again(file)

    def _again(self, file: _File) -> None:
        self._lanes[file.message.folder].setdefault(file.message.path, file)

    def _incomplete(self, file: _File, answer: Incomplete) -> None:
        scan = file.scan
        if file.message.patient:
            self._steps.quarantine_scan(scan, "incomplete", answer.reason, file.noticed)
            return
        self._ledger.waits.wait(scan.folder, scan.path, "incomplete", answer.reason)
        self._log.info("scan.incomplete", folder=scan.folder, file=scan.path, reason=answer.reason)
        self._send(scan.folder, commands.Incomplete(scan.path))

    def _failed(self, file: _File, failure: Failure) -> None:
        scan = file.scan
        if failure.kind == "gone":
            self.vanished(scan.folder, scan.path)
            self._send(scan.folder, commands.Forget(scan.path))
        elif failure.kind == "changed":
            self._look_again(scan, 0.0)
        elif failure.retryable:
            self._wait(scan, failure)
        elif failure.kind == "not-a-file" or (failure.kind == "not-a-picture" and not _named_as_picture(scan.path)):
            self._steps.skip_scan(scan, failure.kind, failure.message)
        else:
            self._steps.quarantine_scan(scan, failure.kind, failure.message, file.noticed)

    def _wait(self, scan: Scan, failure: Failure) -> None:
        """Looked at again, later and later; said once, and once more with what to do if it stays unreadable."""
        key = (scan.folder, scan.path)
        tries = self._waits[key] = self._waits.get(key, 0) + 1
        if tries < REPORTED_AFTER or failure.kind != "unreadable":
            self._ledger.waits.wait(*key, failure.kind, failure.message)
        elif tries == REPORTED_AFTER:
            self._send(scan.folder, commands.DescribeAccess(scan.path))
        if tries == 1:
            self._log.warning("scan.waiting", folder=scan.folder, file=scan.path, reason=failure.message)
        self._look_again(scan, backoff(tries))

    def access(self, message: Access) -> None:
        """Who owns a file that stays unreadable, and what would help."""
        if (message.folder, message.path) in self._waits:
            self._ledger.waits.wait(message.folder, message.path, "unreadable", message.text)
            self._log.warning("scan.unreadable", folder=message.folder, file=message.path, reason=message.text)

    def ignored(self, folder: str, path: str, why: str) -> None:
        """Something that is no regular file stands where a scan could: noted, never touched."""
        if not self._ledger.was_skipped(folder, path, "not-a-file"):
            self._steps.skip_scan(Scan(folder, path, Fingerprint(0, 0, 0, 0)), "not-a-file", why)

    def vanished(self, folder: str, path: str) -> None:
        """What waited at this path is gone."""
        self._over((folder, path))
        self._identity.vanished(folder, path)
        self._ledger.waits.over(folder, path)

    def _over(self, key: tuple[str, str]) -> None:
        self._waits.pop(key, None)
        self._excuses.over(key)

    def _look_again(self, scan: Scan, seconds: float) -> None:
        self._send(scan.folder, commands.LookAgain(scan.path, seconds))


def _named_as_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in PICTURE_NAMES
