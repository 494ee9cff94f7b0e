"""Which job runs next, and what its answer means: claims, memory, suspects, transient faults and lost workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorwatch import messages
from colorwatch.budget import MIB, cost
from colorwatch.publishing import spool_path
from colorwatch.scan import Answer, Failure, Job, Rendering, RenderRequest, RenderSettings
from colorwatch.steps import backoff

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.ledger import Ledger
    from colorwatch.messages import Command, FolderSettings
    from colorwatch.pool import Died
    from colorwatch.steps import Steps

MAX_WORKER_DEATHS = 3
MAX_BLAMED = 3  # deaths of the daemon while this scan ran alone and others were seen to work
MAX_EXCUSED = 5  # workers that a scan may lose to the zygote's death before they count: it may be what kills it
MAX_PASSED_OVER = 32  # smaller scans that go before a large one
MAX_DAEMON_DEATHS = 20  # all deaths while it ran: the bound where no other scan ever comes to prove it


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a request may take: `seconds`, and more for each megapixel."""

    seconds: float
    seconds_per_megapixel: float

    def of(self, pixels: int) -> float:
        return self.seconds + self.seconds_per_megapixel * pixels / 1e6

    def of_reading(self, size: int) -> float:
        """The same for a probe of `size` bytes, which may come over a slow share: a second more for each megabyte."""
        return self.seconds + size / 1e6


@dataclass(slots=True)
class _Running:
    job: Job
    spool: str
    cost: int
    alone: bool


class Claims:
    """The jobs that run now, and the choice of the next."""

    def __init__(
        self,
        ledger: Ledger,
        steps: Steps,
        folders: Mapping[str, FolderSettings],
        settings: Mapping[str, RenderSettings],
        max_megapixels: float,
        budget: int,
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`budget`: bytes for all running scans together; `settings` by folder."""
        self._ledger = ledger
        self._steps = steps
        self._folders = folders
        self._settings = settings
        self._max_megapixels = max_megapixels
        self._budget = budget
        self._send = send
        self._log = log
        self._running: dict[int, _Running] = {}
        self._excused: Counter[int] = Counter()  # job -> workers it lost through no fault of its own
        self._passed_over: Counter[int] = Counter()  # by job: how often smaller ones went first
        self._starved: int | None = None
        self._succeeded = False  # a scan was rendered since the daemon started

    def __len__(self) -> int:
        return len(self._running)

    def owns(self, ticket: int) -> bool:
        return ticket in self._running

    @property
    def exclusive(self) -> bool:
        """A suspect runs: nothing may run beside it."""
        return any(running.alone for running in self._running.values())

    def wants_quiet(self, now: float, open_folders: list[str]) -> bool:
        """A suspect is due and may run, once nothing else does."""
        return self._succeeded and bool(open_folders) and self._ledger.suspect_due(now, open_folders) is not None

    def next_render(self, ticket: int, now: float, open_folders: list[str], others: int) -> RenderRequest | None:
        """Claims the next job of `open_folders` for a worker; `others`: how many probes run now."""
        if self.exclusive or not open_folders:
            return None
        suspect = self._ledger.suspect_due(now, open_folders)
        job = None
        if suspect is None or not self._succeeded:
            job = self._ledger.claim(now, self._fits, open_folders)
        if job is None and suspect is not None and not self._running and not others:
            return self._begin_suspect(suspect, ticket)
        return self._begin(job, ticket, alone=False) if job else None

    def _begin_suspect(self, suspect: Job, ticket: int) -> RenderRequest | None:
        if suspect.blamed >= MAX_BLAMED or suspect.daemon_deaths >= MAX_DAEMON_DEATHS:
            reason = f"colorwatch itself ended {suspect.daemon_deaths} times while this scan was being coloured"
            self._steps.quarantine(suspect, "poison", reason)
            return None
        return self._begin(self._ledger.claim_suspect(suspect, self._succeeded), ticket, alone=True)

    def _begin(self, job: Job, ticket: int, alone: bool) -> RenderRequest | None:
        # Before anything else: a job that ends here must not keep others waiting for it.
        self._passed_over.pop(job.id, None)
        self._starved = None if self._starved == job.id else self._starved
        scan, facts = job.scan, job.facts
        needed = cost(facts) if facts else 0
        if needed > self._budget:
            reason = f"colouring it needs about {needed // MIB} MB of memory, and {self._budget // MIB} MB are allowed"
            self._steps.quarantine(job, "too-large", reason)
            return None
        folder = self._folders[scan.folder]
        spool = spool_path(folder.outbox, job.id, job.attempt)
        self._running[ticket] = _Running(job, spool, needed, alone)
        return RenderRequest(
            ticket,
            folder.inbox,
            scan.path,
            scan.fingerprint,
            spool,
            self._max_megapixels,
            self._settings[scan.folder],
        )

    def _fits(self, job: Job) -> bool:
        """Whether it may run beside what runs now; a job that never fits is claimed alone and then refused."""
        if not self._running or job.facts is None:
            return True
        if self._starved not in (None, job.id):
            return False
        if sum(running.cost for running in self._running.values()) + cost(job.facts) <= self._budget:
            return True
        self._passed_over[job.id] += 1
        if self._passed_over[job.id] > MAX_PASSED_OVER:
            self._starved = job.id  # what runs comes to its end, and nothing smaller slips in before it
        return False

    def pixels(self, ticket: int) -> int:
        facts = self._running[ticket].job.facts
        return facts.pixels if facts else 0

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        running = self._running.pop(ticket)
        job = running.job
        match answer:
            case Rendering():
                self._succeeded = True
                self._excused.pop(job.id, None)
                self._steps.rendered(job, running.spool, answer)
            case Failure(kind="changed"):
                self._steps.skip(job, "changed", "it was changed before it was coloured; the new content is looked at")
                self._send(job.scan.folder, messages.LookAgain(job.scan.path, 0.0))
            case Failure(kind="gone"):
                self._steps.skip(job, "gone", "it was taken away before it was coloured")
                self._send(job.scan.folder, messages.Forget(job.scan.path))
            case Failure(retryable=True):
                self._wait(job, answer, now)
            case Failure():
                self._steps.quarantine(job, answer.kind, answer.message)
            case _:
                self._wait(job, Failure("internal", "its worker gave an answer to another question", True), now)

    def _wait(self, job: Job, failure: Failure, now: float) -> None:
        """A transient fault: queued again for later, said once."""
        self._ledger.retry(job.id, failure.kind, failure.message, now + backoff(job.failures + 1))
        if job.failures == 0:
            self._log.warning(
                "job.waiting", job=job.id, folder=job.scan.folder, file=job.scan.path, reason=failure.message
            )

    def died(self, event: Died, now: float) -> None:
        """A worker was lost over this scan: one attempt is spent, and after three it is over."""
        running = self._running.pop(event.ticket)
        job = running.job
        self._send(job.scan.folder, messages.Discard(running.spool))
        if event.blameless and self._excused[job.id] < MAX_EXCUSED:
            self._excused[job.id] += 1
            self._ledger.release(job.id)
            return
        deaths = self._ledger.worker_died(job.id, f"a worker was lost over it: {event.why}", now)
        if deaths >= MAX_WORKER_DEATHS:
            reason = f"{deaths} workers were lost over it; of the last one: {event.why}"
            self._steps.quarantine(self._ledger.job(job.id), "poison", reason)

    def release_all(self) -> None:
        """The daemon stops: what runs goes back into the queue without a mark against it."""
        for running in self._running.values():
            self._ledger.release(running.job.id)
        self._running.clear()
