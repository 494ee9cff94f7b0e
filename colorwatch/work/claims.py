"""Which job runs next, and what its answer means: claims, memory, suspects, transient faults and lost workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from colorwatch.budget import MIB, cost
from colorwatch.disk.publishing import spool_path
from colorwatch.faultpoint import reach
from colorwatch.folders import commands
from colorwatch.protocol import Answer, Failure, RenderRequest
from colorwatch.scan import Job, Provenance, Rendering, State
from colorwatch.targets import encoder_bytes, format_named, target_of
from colorwatch.work.patience import MAX_DEATHS, Excuses, backoff
from colorwatch.work.redoing import remember, source_of
from colorwatch.work.steps import output_names

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings
    from colorwatch.ledger import Ledger
    from colorwatch.modelstore import Model
    from colorwatch.pool import Died
    from colorwatch.recipe import Recipe
    from colorwatch.work.othernets import OtherNets
    from colorwatch.work.standing import Standing
    from colorwatch.work.steps import Steps

BACKLOG = 32  # jobs that wait before the newest runs in turn with the oldest
MAX_BLAMED = 3  # deaths of the daemon while this scan ran alone and others were seen to work
OTHERS_FIRST_SECONDS = 2.0  # if it was the scan's fault, and not its folder's, another one shows it
MAX_SHORT = 8  # attempts that end for want of memory, the last after some ten minutes
NET_SECONDS = 5.0  # until it is asked again whether another net is ready
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
    net: Model | None  # another than the daemon's own


class Claims:
    """The jobs that run now, and the choice of the next."""

    def __init__(
        self,
        ledger: Ledger,
        steps: Steps,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        recipes: Mapping[str, Recipe],
        model: str,
        max_megapixels: float,
        budget: int,
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
        nets: OtherNets | None = None,
    ) -> None:
        """`budget`: bytes for all running scans together; `recipes` by folder; `model` is the model's name."""
        self._nets = nets
        self._ledger = ledger
        self._steps = steps
        self._standing = standing
        self._folders = folders
        self._recipes = recipes
        self._model = model
        self._max_megapixels = max_megapixels
        self._budget = budget
        self._send = send
        self._log = log
        self._running: dict[int, _Running] = {}
        self._excuses = Excuses()
        self._newest_next = False
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

    def next_render(
        self, ticket: int, now: float, open_folders: list[str], others: int, behind: int = 0
    ) -> RenderRequest | None:
        """Claims the next job of `open_folders` for a worker.

        `others`: how many workers read something now; `behind`: how many files wait to be read.
        """
        open_folders = self._not_on_trial(open_folders)
        if self.exclusive or not open_folders:
            return None
        suspect = self._ledger.suspect_due(now, open_folders)
        job = None
        if suspect is None or not self._succeeded:
            backlog = self._ledger.counts(open_folders)[State.QUEUED] + behind > BACKLOG
            job = self._ledger.claim(now, self._fits, open_folders, newest=backlog and self._newest_next)
            self._newest_next = not self._newest_next
        if job is None and suspect is not None and not self._running and not others:
            return self._begin_suspect(suspect, ticket, now)
        return self._begin(job, ticket, alone=False) if job else None

    def _not_on_trial(self, folders: list[str]) -> list[str]:
        """Those that may have one more scan running: a single one, where the disk failed lately."""
        if not any(folder in self._standing.writing for folder in folders):
            return folders
        busy = {running.job.scan.folder for running in self._running.values()}
        return [folder for folder in folders if folder not in busy or folder not in self._standing.writing]

    def _begin_suspect(self, suspect: Job, ticket: int, now: float) -> RenderRequest | None:
        if suspect.blamed >= MAX_BLAMED or suspect.daemon_deaths >= MAX_DAEMON_DEATHS:
            reason = f"colorwatch itself ended {suspect.daemon_deaths} times while this scan was being coloured"
            self._steps.quarantine(suspect, "poison", reason)
            return None
        if not self._net_is_free(suspect):
            self._ledger.release(suspect.id, now + NET_SECONDS)
            return None
        return self._begin(self._ledger.claim_suspect(suspect, self._succeeded), ticket, alone=True)

    def _begin(self, job: Job, ticket: int, alone: bool) -> RenderRequest | None:
        # Before anything else: a job that ends here must not keep others waiting for it.
        self._passed_over.pop(job.id, None)
        self._starved = None if self._starved == job.id else self._starved
        scan, facts = job.scan, job.facts
        needed = self._cost(job)
        if needed > self._budget:
            reason = f"colouring it needs about {needed // MIB} MB of memory, and {self._budget // MIB} MB are allowed"
            self._steps.quarantine(job, "too-large", reason)
            return None
        folder = self._folders[scan.folder]
        spool = spool_path(folder.outbox, job.id, job.attempt)
        net = self._nets.model(job.redo.model) if self._nets and _wants_other(job) and job.redo else None
        if isinstance(net, str):
            self._steps.quarantine(job, "model", net)
            return None
        self._running[ticket] = _Running(job, spool, needed, alone, net)
        reach("claim")
        result = self._named(job, folder)
        recipe = self._recipe(job, net)
        root, path, digest = source_of(job, folder)
        return RenderRequest(
            ticket,
            root,
            path,
            scan.fingerprint,
            spool,
            self._max_megapixels,
            recipe.settings,
            digest=digest,
            provenance=Provenance(
                facts.digest if facts else "",
                scan.path,
                recipe.key,
                net.name if net else self._model,
                recipe.model_digest,
            ),
            result=result,
            keep_time=folder.file_times == "scan",
        )

    def _named(self, job: Job, folder: FolderSettings) -> str:
        """The format of the result; the reserved name is another one where today's config asks for another format."""
        if job.facts is None or job.output is None:
            return ""
        target = target_of(job.facts, folder.format)
        if format_named(job.output) not in ("", target.format):
            self._ledger.reserve_anew(job.id, output_names(job.scan.path, target))
        return target.format

    def net_of(self, ticket: int) -> Model | None:
        """The model of the other net that a render needs; None for the daemon's own."""
        return self._running[ticket].net

    def _net_is_free(self, job: Job) -> bool:
        """Whether the net that it is to be made by is there, or known never to be; one scan at a time has another."""
        if not _wants_other(job) or self._nets is None or job.redo is None:
            return True
        busy = any(running.net for running in self._running.values())
        return not busy and self._nets.model(job.redo.model) is not None

    def _recipe(self, job: Job, net: Model | None) -> Recipe:
        """What it is made by: today's, whatever was today's when it was queued, but for what a person has chosen."""
        recipe = self._recipes[job.scan.folder]
        if job.redo and job.redo.under_way:
            recipe = recipe.wished(job.redo.settings)
        if net:
            recipe = replace(recipe, model_digest=net.digest)
            remember(self._ledger, recipe, net.name)
        if job.recipe != recipe.key:
            self._ledger.recipe_is(job.id, recipe.key)
        return recipe

    def _fits(self, job: Job) -> bool:
        """Whether it may run beside what runs now; a job that never fits is claimed alone and then refused."""
        if not self._net_is_free(job):
            return False
        if not self._running or job.facts is None:
            return True
        if self._starved not in (None, job.id):
            return False
        if sum(running.cost for running in self._running.values()) + self._cost(job) <= self._budget:
            return True
        self._passed_over[job.id] += 1
        if self._passed_over[job.id] > MAX_PASSED_OVER:
            self._starved = job.id  # what runs comes to its end, and nothing smaller slips in before it
        return False

    def _cost(self, job: Job) -> int:
        """Bytes that rendering needs: an upper bound."""
        if job.facts is None:
            return 0
        return cost(job.facts) + encoder_bytes(job.facts, self._folders[job.scan.folder].format)

    def effort(self, ticket: int) -> int:
        """How much a render has to do, in pixels."""
        facts = self._running[ticket].job.facts
        return facts.effort or facts.pixels if facts else 0

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        running = self._running.pop(ticket)
        job = running.job
        match answer:
            case Rendering():
                self._succeeded = True
                self._excuses.over(job.id)
                self._excuses.succeeded(job.scan.folder)
                self._steps.rendered(job, running.spool, answer)
            case Failure(kind="changed" | "gone") if self._ledger.job(job.id).scan != job.scan:
                self._ledger.release(job.id)  # it was renamed meanwhile, and is done under its new name
            case Failure(kind="changed"):
                self._steps.skip(job, "changed", "it was changed before it was coloured; the new content is looked at")
                self._send(job.scan.folder, commands.LookAgain(job.scan.path, 0.0))
            case Failure(kind="gone"):
                self._steps.skip(job, "gone", "it was taken away before it was coloured")
                self._send(job.scan.folder, commands.Forget(job.scan.path))
            case Failure(kind="memory") if job.failures + 1 >= MAX_SHORT:
                reason = f"there was not enough memory for it, {MAX_SHORT} times over some minutes"
                self._steps.quarantine(job, "too-large", reason)
            case Failure(retryable=True):
                self._wait(job, answer, now)
            case Failure():
                self._steps.quarantine(job, answer.kind, answer.message)
            case _:
                self._wait(job, Failure("internal", "its worker gave an answer to another question", True), now)

    def _wait(self, job: Job, failure: Failure, now: float) -> None:
        """A transient fault: queued again for later, said once. Where a disk failed all of its folder wait."""
        due = now + backoff(job.failures + 1)
        if failure.kind == "disk":
            self.disk_failed(job.scan.folder, failure.message, now)
            due = max(due, self._standing.writing.until(job.scan.folder) + OTHERS_FIRST_SECONDS)
        self._ledger.retry(job.id, failure.kind, failure.message, due)
        if job.failures == 0:
            self._log.warning(
                "job.waiting", job=job.id, folder=job.scan.folder, file=job.scan.path, reason=failure.message
            )

    def died(self, event: Died, now: float) -> None:
        """A worker was lost over this scan: one attempt is spent, and after three it is over."""
        running = self._running.pop(event.ticket)
        job = running.job
        self._send(job.scan.folder, commands.Discard(running.spool))
        if event.blameless and self._excuses.accept(job.id, job.scan.folder, shared=event.stuck):
            self._excused(job, event, now)
            return
        deaths = self._ledger.worker_died(job.id, f"a worker was lost over it: {event.why}", now)
        if deaths >= MAX_DEATHS:
            reason = f"{deaths} workers were lost over it; of the last one: {event.why}"
            self._steps.quarantine(self._ledger.job(job.id), "poison", reason)

    def _excused(self, job: Job, event: Died, now: float) -> None:
        if event.stuck:
            self._wait(job, Failure("disk", event.why, retryable=True), now)
        else:
            self._ledger.release(job.id)

    def disk_failed(self, folder: str, reason: str, now: float) -> None:
        """Nothing is begun in the folder for a while, then one scan at a time, until a result stands."""
        if self._standing.writing.failed(folder, now):
            self._log.warning("folder.held", folder=folder, reason=reason)
            self._ledger.health.note(folder, "outbox", "held", reason)

    def disk_works(self, folder: str) -> None:
        if self._standing.writing.went_well(folder):
            self._log.info("folder.works_again", folder=folder)
            self._ledger.health.note(folder, "outbox", "ok")

    def release_all(self) -> None:
        """The daemon stops: what runs goes back into the queue without a mark against it."""
        for running in self._running.values():
            self._ledger.release(running.job.id)
        self._running.clear()


def _wants_other(job: Job) -> bool:
    """Whether a person wants it made by another net than the daemon's."""
    return job.redo is not None and job.redo.under_way and bool(job.redo.model)
