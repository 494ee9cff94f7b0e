"""From a settled path to a queued job: the probe, what it found, and what waits."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from colorwatch import messages
from colorwatch.pool import Died
from colorwatch.scan import Answer, Facts, Failure, Fingerprint, Incomplete, Originals, ProbeRequest, Scan, State
from colorwatch.steps import backoff, output_names, same_file

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.ledger import Ledger
    from colorwatch.messages import Command, FolderSettings, Settled
    from colorwatch.steps import Steps

MAX_DEATHS = 3
MAX_EXCUSED = 5  # lost workers that are not held against a file, in one life of the daemon

# A file that calls itself one of these and is none goes to quarantine with a note; any other file that is no
# picture was not meant for us and is left where it lies.
PICTURE_NAMES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".heic", ".heif"),
        *(".avif", ".jp2", ".jxl", ".pdf", ".pnm", ".pgm", ".ppm"),
    )
)


class Intake:
    """Paths on their way into the ledger. One probe a path at a time."""

    def __init__(
        self,
        ledger: Ledger,
        steps: Steps,
        folders: Mapping[str, FolderSettings],
        recipe_of: Callable[[str], str],
        max_megapixels: float,
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`recipe_of(folder)` is the key of the folder's recipe; `send` delivers after the batch has committed."""
        self._ledger = ledger
        self._steps = steps
        self._folders = folders
        self._recipe_of = recipe_of
        self._max_megapixels = max_megapixels
        self._send = send
        self._log = log
        self._settled: dict[tuple[str, str], Settled] = {}
        self._queue: deque[tuple[str, str]] = deque()
        self._probing: dict[int, Settled] = {}
        self._waits: dict[tuple[str, str], int] = {}
        self._excused: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._settled) + len(self._probing)

    @property
    def probing(self) -> int:
        """Probes that workers have now."""
        return len(self._probing)

    def settled(self, message: Settled) -> None:
        """A path has gone quiet: probe it, once, with what was seen last."""
        key = (message.folder, message.path)
        if key not in self._settled:
            self._queue.append(key)
        self._settled[key] = message

    def next_probe(self, ticket: int) -> ProbeRequest | None:
        """The next probe for a worker, under `ticket`."""
        if not self._queue:
            return None
        message = self._probing[ticket] = self._settled.pop(self._queue.popleft())
        inbox = self._folders[message.folder].inbox
        return ProbeRequest(ticket, inbox, message.path, self._max_megapixels)

    def bytes_of(self, ticket: int) -> int:
        """The size of the file that this probe reads."""
        return self._probing[ticket].fingerprint.size

    def owns(self, ticket: int) -> bool:
        return ticket in self._probing

    def abandon(self, ticket: int) -> None:
        """The daemon stops before the probe was answered; the next start sees the file again."""
        self._probing.pop(ticket)

    def answered(self, ticket: int, answer: Answer) -> None:
        message = self._probing.pop(ticket)
        scan = Scan(message.folder, message.path, message.fingerprint)
        match answer:
            case Facts() | Incomplete() if not same_file(answer.fingerprint, scan.fingerprint):
                self._look_again(scan, 0.0)
            case Facts():
                self._over((scan.folder, scan.path))
                self._whole(Scan(scan.folder, scan.path, answer.fingerprint), answer, message.lengthened)
            case Incomplete():
                self._incomplete(scan, answer, message.patient)
            case Failure():
                self._failed(scan, answer)
            case _:
                self._look_again(scan, 0.0)

    def died(self, event: Died) -> None:
        """The worker of a probe is lost: tried again, three times at most."""
        message = self._probing.pop(event.ticket)
        scan = Scan(message.folder, message.path, message.fingerprint)
        key = (scan.folder, scan.path)
        if event.blameless and self._excused[key] < MAX_EXCUSED:
            self._excused[key] += 1
            self.settled(message)
        elif self._ledger.waits.probe_died(scan) >= MAX_DEATHS:
            reason = f"three workers were lost over it; of the last one: {event.why}"
            self._steps.quarantine_scan(scan, "poison", reason)
        else:
            self.settled(message)

    def _whole(self, scan: Scan, facts: Facts, lengthened: bool) -> None:
        """A complete picture: a new job, unless its content is known under this path."""
        if facts.zero_tail and not lengthened:
            self._send(scan.folder, messages.ZeroTail(scan.path))
            return
        known = self._ledger.find(scan.folder, scan.path, facts.digest)
        if known is None:
            self._ledger.add(scan, facts, self._recipe_of(scan.folder), output_names(scan.path, facts))
            return
        self._ledger.waits.over(scan.folder, scan.path)
        self._log.debug("scan.known", folder=scan.folder, file=scan.path, job=known.id)
        # With `delete` it stays: who drops it again may have lost the result, and this would take the last copy.
        if known.state is State.DONE and self._folders[scan.folder].originals is Originals.ARCHIVE:
            self._steps.resume(self._ledger.add_duplicate(scan, facts, known))
        else:
            self._ledger.refresh(known.id, scan.fingerprint)

    def _incomplete(self, scan: Scan, answer: Incomplete, patient: bool) -> None:
        if patient:
            self._steps.quarantine_scan(scan, "incomplete", answer.reason)
            return
        self._ledger.waits.wait(scan.folder, scan.path, "incomplete", answer.reason)
        self._log.info("scan.incomplete", folder=scan.folder, file=scan.path, reason=answer.reason)
        self._send(scan.folder, messages.Incomplete(scan.path))

    def _failed(self, scan: Scan, failure: Failure) -> None:
        key = (scan.folder, scan.path)
        if failure.kind == "gone":
            self.vanished(*key)
            self._send(scan.folder, messages.Forget(scan.path))
        elif failure.kind == "changed":
            self._look_again(scan, 0.0)
        elif failure.retryable:
            tries = self._waits[key] = self._waits.get(key, 0) + 1
            self._ledger.waits.wait(*key, failure.kind, failure.message)
            if tries == 1:
                self._log.warning("scan.waiting", folder=scan.folder, file=scan.path, reason=failure.message)
            self._look_again(scan, backoff(tries))
        elif failure.kind == "not-a-file" or (failure.kind == "not-a-picture" and not _named_as_picture(scan.path)):
            self._steps.skip_scan(scan, failure.kind, failure.message)
        else:
            self._steps.quarantine_scan(scan, failure.kind, failure.message)

    def ignored(self, folder: str, path: str, why: str) -> None:
        """Something that is no regular file stands where a scan could: noted, never touched."""
        if not self._ledger.was_skipped(folder, path, "not-a-file"):
            self._steps.skip_scan(Scan(folder, path, Fingerprint(0, 0, 0, 0)), "not-a-file", why)

    def vanished(self, folder: str, path: str) -> None:
        """What waited at this path is gone."""
        self._over((folder, path))
        self._ledger.waits.over(folder, path)

    def _over(self, key: tuple[str, str]) -> None:
        self._waits.pop(key, None)
        self._excused.pop(key, None)

    def _look_again(self, scan: Scan, seconds: float) -> None:
        self._send(scan.folder, messages.LookAgain(scan.path, seconds))


def _named_as_picture(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in PICTURE_NAMES
