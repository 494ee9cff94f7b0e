"""The daemon: `tick(now)` is all it does, `run` repeats it. Nothing in a tick waits for a disk but the ledger's own.

A tick takes what folders, workers and signals have said, writes it to the ledger in one commit, and only then acts:
commands to folders and requests to workers leave after the commit they follow from.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import select
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from colorwatch import log, messages
from colorwatch.budget import MIB, auto_budget, auto_workers, net_bytes, usable_cores, usable_memory
from colorwatch.claims import Claims, Deadlines
from colorwatch.errors import LockedError, ModelError, StateError, explain_os_error
from colorwatch.folder import Folder
from colorwatch.intake import Intake
from colorwatch.ledger import UNFINISHED, Ledger
from colorwatch.messages import Command, FolderSettings, Message
from colorwatch.pool import Answered, Chosen, Died, Event, Pool, Started, StartFailed, ZygoteDied, best_pool
from colorwatch.recipe import Recipe
from colorwatch.scan import DEFAULT_NET, RenderSettings, Request, State, WorkerSetup
from colorwatch.settle import signature
from colorwatch.steps import Steps

if TYPE_CHECKING:
    from colorwatch.config import Config
    from colorwatch.modelstore import Model

LEDGER = "ledger.sqlite3"
MESSAGES_PER_TICK = 512
LONGEST_SLEEP = 1.0
START_FAILURES = 3  # in a row, with no worker ever ready: the model or the installation is broken


class Service:
    """One daemon on one state folder. `start`, then `tick` until `stopped`, then `close`."""

    def __init__(
        self,
        config: Config,
        model: Model,
        pool: Callable[[int, WorkerSetup], Pool] = best_pool,
        net: str = DEFAULT_NET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes the lock and opens the ledger; raises LockedError or StateError."""
        self._config = config
        self._clock = clock
        self._log = log.get("service")
        self._lock = _lock(config.state)
        self.ledger = Ledger(os.path.join(config.state, LEDGER))
        memory = max(0, usable_memory() - net_bytes(model.path, model.small))
        workers = config.workers if isinstance(config.workers, int) else auto_workers(usable_cores(), memory)
        budget = config.limits.memory_megabytes
        self._budget = budget * MIB if isinstance(budget, int) else auto_budget(memory, workers)
        self._deadlines = Deadlines(config.limits.deadline_seconds, config.limits.deadline_seconds_per_megapixel)
        setup = WorkerSetup(os.getpid(), model.path, net, small=model.small, manifest=model.manifest)
        self._pool = pool(workers, setup)
        self._after_commit: list[Callable[[], object]] = []
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        # Never closed: a signal or a folder's thread that outlives the daemon may still write to it.
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stops = 0
        self._deadline: float | None = None
        self._ticket = 0
        self._probe_turn = True
        self._worked = False  # some worker was ready once
        self._rescanned: set[str] = set()  # folders that were looked through at least once
        self.unreachable: set[str] = set()  # folders whose inbox cannot be looked at now
        self._ready: list[str] = []  # folders whose spool is clean
        self._unclean: set[str] = set()  # folders whose spool cannot be cleaned now
        with self.ledger.batch():
            self.ledger.settle_in({folder.name: folder.inbox for folder in config.folders})
        self._build(model)

    def _build(self, model: Model) -> None:
        """The rooms of the house, for the folders of the config."""
        settings = {folder.name: folder_settings(folder) for folder in self._config.folders}
        looks = {folder.name: RenderSettings(jpeg_quality=folder.jpeg_quality) for folder in self._config.folders}
        recipes = {name: Recipe(model.digest, look) for name, look in looks.items()}
        limit = self._config.limits.max_megapixels
        self.steps = Steps(self.ledger, settings, self._send, log.get("steps"))
        self.steps.models = {recipe.key: model.name for recipe in recipes.values()}
        self.intake = Intake(
            self.ledger, self.steps, settings, lambda name: recipes[name].key, limit, self._send, log.get("intake")
        )
        self.claims = Claims(
            self.ledger, self.steps, settings, looks, limit, self._budget, self._send, log.get("claims")
        )
        self._folders = {
            name: Folder(
                folder,
                {path: signature(size, mtime_ns) for path, size, mtime_ns in self.ledger.known(name)},
                self._hear,
            )
            for name, folder in settings.items()
        }

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Recovers what an earlier daemon left, then starts folders and workers."""
        with self.ledger.batch():
            unfinished = self.ledger.recover()
        self._tell_of_strays()
        spools = {os.path.basename(job.spool) for job in unfinished if job.spool}
        for folder in self._folders.values():
            folder.send(messages.CleanSpool(frozenset(spools)))
            folder.start()
        for job in unfinished:
            self.steps.resume(job)
        self._act()
        self._log.info(
            "service.started",
            pid=os.getpid(),
            folders={name: folder.settings.inbox for name, folder in self._folders.items()},
            model=next(iter(self.steps.models.values()), ""),
            workers=self._pool.size,
            memory_mb=self._budget // MIB,
            unfinished=len(unfinished),
        )

    def _tell_of_strays(self) -> None:
        counts, ours = self.ledger.counts(), self.ledger.counts(self._folders)
        if strays := sum(counts[state] - ours[state] for state in UNFINISHED):
            self._log.warning(
                "service.strays",
                jobs=strays,
                reason="they belong to inboxes that are not in the config any more; they wait until one is again",
            )

    def stop(self) -> None:
        """Asks for an end; the second time, for an end at once. Safe in a signal's function."""
        self._stops += 1
        self._nudge()

    @property
    def stopped(self) -> bool:
        """Whether the daemon has drained, or may wait no longer."""
        if self._stops == 0:
            return False
        over = self._deadline is not None and self._clock() > self._deadline
        return self._stops > 1 or over or (not self.claims and self._settled_down())

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Ticks until it is stopped, or until `until` says so; sleeps between, until something happens."""
        longest = LONGEST_SLEEP if until is None else 0.1
        while not self.stopped and not (until and until()):
            self.tick(self._clock())
            self._sleep(longest)

    def close(self) -> None:
        """Ends workers and folders; what was running goes back into the queue."""
        self._pool.stop()
        for folder in self._folders.values():
            folder.stop()
        for folder in self._folders.values():
            folder.join(5.0)
        try:
            with self.ledger.batch():
                self._hear_all(self._clock())
                self.claims.release_all()
        except StateError as error:
            self._log.error("service.ledger_failed", reason=str(error))
        self.ledger.close()
        os.close(self._lock)
        self._log.info("service.stopped")

    # --- one tick -------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Takes what was said, commits it, acts. Never waits for a share, a worker or the clock."""
        if self._stops and self._deadline is None:
            self._deadline = now + self._config.limits.drain_seconds
            self._log.info(
                "service.stopping", running=len(self.claims), drain_seconds=self._config.limits.drain_seconds
            )
        events = self._pool.poll(now)
        with self.ledger.batch():
            self._hear_all(now)
            for event in events:
                self._on_event(event, now)
            self.steps.due_again(now)
            if not self._stops:
                self._hand_out(now)
        self._act()

    def _act(self) -> None:
        actions, self._after_commit = self._after_commit, []
        for action in actions:
            action()

    def _send(self, folder: str, command: Command) -> None:
        self._after_commit.append(partial(self._folders[folder].send, command))

    def _hear(self, message: Message) -> None:
        """Called by folder threads."""
        self._messages.put(message)
        self._nudge()

    def _nudge(self) -> None:
        """Ends the sleep of `run`."""
        os.eventfd_write(self._wake, 1)

    def _hear_all(self, now: float) -> None:
        for _ in range(MESSAGES_PER_TICK):
            try:
                message = self._messages.get_nowait()
            except queue.Empty:
                return
            self._on_message(message, now)
        self._nudge()  # more than a tick's worth: go on at once

    def _on_message(self, message: Message, now: float) -> None:
        match message:
            case messages.Settled():
                self.intake.settled(message)
            case messages.Vanished():
                self.intake.vanished(message.folder, message.path)
            case messages.Ignored():
                self.intake.ignored(message.folder, message.path, message.why)
            case messages.Published():
                self.steps.on_published(message)
            case messages.NameTaken():
                self.steps.on_name_taken(message)
            case messages.SpoolLost():
                self.steps.on_spool_lost(message)
            case messages.Disposed():
                self.steps.on_disposed(message)
            case messages.Quarantined():
                self.steps.on_quarantined(message)
            case messages.Trouble():
                if message.step == "cleanspool":
                    self._unclean.add(message.folder)
                self.steps.on_trouble(message, now)
            case messages.SpoolCleaned():
                self._unclean.discard(message.folder)
                self._ready.append(message.folder)
            case messages.Rescanned():
                self._rescanned.add(message.folder)
                self._log.debug("folder.rescanned", folder=message.folder, files=message.files)
            case messages.Unreachable():
                self.unreachable.add(message.folder)
                self._log.warning("folder.unreachable", folder=message.folder, reason=message.why)
            case messages.Reachable():
                self.unreachable.discard(message.folder)
                self._log.info("folder.reachable", folder=message.folder)

    def _on_event(self, event: Event, now: float) -> None:
        match event:
            case Answered() if self.intake.owns(event.ticket):
                self.intake.answered(event.ticket, event.answer)
            case Answered() if self.claims.owns(event.ticket):
                self.claims.answered(event.ticket, event.answer, now)
            case Died():
                self._log.warning("worker.died", pid=event.pid, reason=event.why, last_words=event.last_words)
                if self.intake.owns(event.ticket):
                    self.intake.died(event)
                elif self.claims.owns(event.ticket):
                    self.claims.died(event, now)
            case Started():
                self._worked = True
                self._log.debug("worker.started", pid=event.pid)
            case Chosen():
                self._log.info("pool.chosen", kind=event.kind, reason=event.reason)
            case ZygoteDied():
                self._log.warning("zygote.died", pid=event.pid, reason=event.why, last_words=event.last_words)
            case StartFailed():
                self._log.error("worker.start_failed", reason=event.why, failures=event.failures)
                if event.failures >= START_FAILURES and not self._worked:
                    raise ModelError(f"no worker could be started: {event.why}")

    def _hand_out(self, now: float) -> None:
        """Gives idle workers something to do: probes and renders in turn, so that neither starves the other."""
        idle = self._pool.idle()
        quiet = idle > 0 and self.claims.wants_quiet(now, self._ready)
        misses = 0
        while idle and misses < 2 and not self.claims.exclusive:
            self._ticket += 1
            request: Request | None
            seconds = 0.0
            if self._probe_turn:
                request = None if quiet else self.intake.next_probe(self._ticket)
                seconds = self._deadlines.of_reading(self.intake.bytes_of(self._ticket)) if request else 0.0
            else:
                request = self.claims.next_render(self._ticket, now, self._ready, self.intake.probing)
                seconds = self._deadlines.of(self.claims.pixels(self._ticket)) if request else 0.0
            self._probe_turn = not self._probe_turn
            if request is None:
                misses += 1
                continue
            misses = 0
            idle -= 1
            self._after_commit.append(partial(self._pool.submit, request, now + seconds))

    # --- waiting --------------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        """Whether all that can be done now is done: every folder looked at, nothing settling, probing or running."""
        counts = self.ledger.counts(self._ready)
        waiting = self.ledger.waiting(self._clock(), self._ready) + self.steps.troubled
        return (
            self._rescanned | self.unreachable == self._folders.keys()
            and self._unclean | set(self._ready) == self._folders.keys()
            and sum(counts[state] for state in UNFINISHED) <= waiting
            and not self.intake
            and not self.claims
            # A folder tells before it counts down, so it is asked first.
            and all(folder.pending() == 0 for folder in self._folders.values())
            and self._messages.empty()
        )

    def to_do(self) -> int:
        """Jobs that are neither done nor ended, and files on their way to be jobs."""
        counts = self.ledger.counts(self._folders)
        return sum(counts[state] for state in UNFINISHED) + len(self.intake)

    def left_waiting(self) -> int:
        """Scans that an end now leaves for later: not yet whole, not readable, or kept up by a full disk."""
        return self.ledger.left_waiting(self._folders)

    def _settled_down(self) -> bool:
        """No step that follows a result is under way."""
        counts = self.ledger.counts(self._ready)
        return counts[State.RENDERED] + counts[State.PUBLISHED] <= self.steps.troubled and self._messages.empty()

    def _sleep(self, longest: float) -> None:
        due = self.steps.next_due()
        seconds = longest if due is None else min(longest, max(0.0, due - self._clock()))
        poller = select.poll()
        for descriptor in (self._wake, *self._pool.descriptors()):
            poller.register(descriptor, select.POLLIN)
        poller.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)


def folder_settings(folder: object) -> FolderSettings:
    """What a folder's thread needs of its part of the config."""
    names = FolderSettings.__dataclass_fields__
    return FolderSettings(**{name: getattr(folder, name) for name in names})


def _lock(state: str) -> int:
    """A descriptor that holds the state folder's lock; raises LockedError where another process does."""
    try:
        os.makedirs(state, mode=0o750, exist_ok=True)
        descriptor = os.open(os.path.join(state, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StateError(
            f"{state}: the state folder cannot be used: {explain_os_error(error)};"
            " make it writable, or name another under `state`"
        ) from error
    for patience in (*[0.05] * 20, 0.0):  # `status` holds the lock for a moment, to see whether a daemon does
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if not patience:
                _refuse(state, descriptor)
            time.sleep(patience)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _refuse(state: str, descriptor: int) -> NoReturn:
    holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    os.close(descriptor)
    raise LockedError(
        f"{state}: another colorwatch (process {holder or 'unknown'}) works with this state folder;"
        " stop it first, or use `colorwatch status` to see what it does"
    )
