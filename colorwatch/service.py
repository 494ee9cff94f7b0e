"""The daemon: `tick(now)` is all it does, `run` repeats it. Nothing in a tick waits for a disk but the ledger's own.

A tick takes what folders, workers and signals have said, writes it to the ledger in one commit, and only then acts:
commands to folders and requests to workers leave after the commit they follow from.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from colorwatch import lock, log
from colorwatch.budget import MIB, auto_budget, auto_workers, net_bytes, usable_cores, usable_memory
from colorwatch.errors import StateError
from colorwatch.faultpoint import reach
from colorwatch.folders import commands
from colorwatch.folders.commands import Command
from colorwatch.folders.folder import Folder
from colorwatch.folders.messages import FolderSettings, Message
from colorwatch.ledger import UNFINISHED, Ledger
from colorwatch.ledger.settings import STANDS
from colorwatch.pool import Answered, Died, Pool, best_pool
from colorwatch.protocol import DEFAULT_NET, WorkerSetup
from colorwatch.recipe import Recipe
from colorwatch.scan import RenderSettings, State, printable
from colorwatch.watching.settle import signature
from colorwatch.work.claims import Claims, Deadlines
from colorwatch.work.handing import Handing
from colorwatch.work.hearing import Hearing
from colorwatch.work.identity import Identity
from colorwatch.work.intake import Intake
from colorwatch.work.keeping import Days, Keeping
from colorwatch.work.leisure import Leisure
from colorwatch.work.othernets import OtherNets
from colorwatch.work.pacing import Pacing
from colorwatch.work.petitions import Petitions
from colorwatch.work.recall import Recall
from colorwatch.work.redoing import Redoing
from colorwatch.work.standing import Standing
from colorwatch.work.steps import Steps

if TYPE_CHECKING:
    from colorwatch.config import Config
    from colorwatch.modelstore import Model

LEDGER = "ledger.sqlite3"
_LOOKS = RenderSettings.__dataclass_fields__.keys()  # keys of a folder in the config, too
MESSAGES_PER_TICK = 512
LONGEST_SLEEP = 1.0
START_SECONDS = 60.0  # that a start is to take at most, and a second more for each megabyte of a ledger to be checked
CLOSE_SECONDS = 5.0  # for the threads of all folders together: a share may hang for good
WORKER_SPARE_BYTES = 512 * MIB  # beyond the cost of the largest scan: what the net and the allocator take for a while


class Service:
    """One daemon on one state folder. `start`, then `tick` until `stopped`, then `close`."""

    def __init__(
        self,
        config: Config,
        model: Model,
        pool: Callable[[int, WorkerSetup], Pool] = best_pool,
        net: str = DEFAULT_NET,
        clock: Callable[[], float] = time.monotonic,
        find_model: Callable[[str], Model] | None = None,
        wall: Callable[[], float] = time.time,
        patience: Callable[[float, str], None] | None = None,
    ) -> None:
        """Takes the lock and opens the ledger; raises LockedError or StateError.

        `patience` asks whoever waits for the start for so many seconds more, and says what for.
        """
        self._config = config
        self._clock = clock
        self._log = log.get("service")
        self._lock = lock.take(config.state)
        self.ledger = Ledger(os.path.join(config.state, LEDGER), before_long=partial(self._before_long, patience))
        memory = max(0, usable_memory() - net_bytes(model.path, model.small))
        workers = config.workers if isinstance(config.workers, int) else auto_workers(usable_cores(), memory)
        budget = config.limits.memory_megabytes
        self._budget = budget * MIB if isinstance(budget, int) else auto_budget(memory, workers)
        allowed = self._budget + WORKER_SPARE_BYTES
        setup = WorkerSetup(
            *(os.getpid(), model.path, net),
            small=model.small,
            manifest=model.manifest,
            memory_limit=allowed,
            nice=config.work.nice,
        )
        self._pool = pool(workers, setup)
        self._nets = (
            OtherNets(find_model, pool, net, self.nudge, log.get("othernets"), allowed, config.work.nice)
            if find_model
            else None
        )
        self._after_commit: list[Callable[[], object]] = []
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        # Never closed: a signal or a folder's thread that outlives the daemon may still write to it.
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stops = 0
        self._deadline: float | None = None
        self.standing = Standing([folder.name for folder in config.folders])
        with self.ledger.batch():
            self.ledger.settle_in({folder.name: folder.inbox for folder in config.folders})
        work = config.work
        self.pacing = Pacing(work.quiet_hours, work.cpu_share, self.ledger, self.standing, log.get("pacing"), wall)
        with self.ledger.explained():
            self._build(model)

    def _build(self, model: Model) -> None:
        """The rooms of the house, for the folders of the config."""
        least = self._config.limits.min_free_megabytes
        settings = {folder.name: folder_settings(folder, least) for folder in self._config.folders}
        recipes = {
            folder.name: Recipe(model.digest, RenderSettings(**{name: getattr(folder, name) for name in _LOOKS}))
            for folder in self._config.folders
        }
        limit = self._config.limits.max_megapixels
        self.redoing = Redoing(self.ledger, recipes, model.name, self._send, log.get("redoing"))
        self.steps = Steps(self.ledger, settings, self._send, log.get("steps"), self.redoing)
        self.petitions = Petitions(
            *(self.ledger, self.redoing, settings, model.name, self._nets, self.standing),
            *(self.steps.resume, self._send, log.get("petitions")),
        )
        self.steps.models = {recipe.key: model.name for recipe in recipes.values()}
        keys = {name: recipe.key for name, recipe in recipes.items()}
        self.identity = Identity(self.ledger, self.steps, settings, keys, self._send, log.get("identity"))
        self.intake = Intake(
            *(self.ledger, self.steps, self.identity, self.standing),
            *(settings, limit, self._send, log.get("intake")),
            max_bytes=self._config.limits.max_megabytes * 1_000_000,
        )
        self.claims = Claims(
            *(self.ledger, self.steps, self.standing, settings, recipes, model.name),
            *(limit, self._budget, self._send, log.get("claims"), self._nets),
        )
        self.recall = Recall(self.ledger, self.standing, settings, self._send, log.get("recall"))
        kept = self._config.retention
        days = Days(kept.archive_days, kept.quarantine_days, kept.history_days)
        self.keeping = Keeping(self.ledger, settings, days, self._send, log.get("retention"))
        self.leisure = Leisure(self.ledger, self.standing, settings, recipes, self._send)
        self.handing = Handing(
            *(self.ledger, self.intake, self.recall, self.claims, self.leisure, self.standing, self.pacing),
            Deadlines(self._config.limits.deadline_seconds, self._config.limits.deadline_seconds_per_megapixel),
        )
        self.hearing = Hearing(
            *(self.ledger, self.intake, self.identity, self.recall, self.claims, self.steps),
            *(self.petitions, self.standing, self.leisure, self.keeping, self._log),
        )
        self._folders = {
            name: Folder(
                folder,
                {path: signature(size, mtime_ns) for path, size, mtime_ns in self.ledger.contents.known(name)},
                self._hear,
                noted=self._noted(folder),
            )
            for name, folder in settings.items()
        }

    def _noted(self, folder: FolderSettings) -> dict[str, str]:
        """Where the folders that its files go into lay when they were used last, by path."""
        paths = [path for path in (folder.outbox, folder.archive, folder.quarantine) if path]
        return {path: self.ledger.health.setting(STANDS + printable(path)) or "" for path in paths}

    def _before_long(self, patience: Callable[[float, str], None] | None, size: int) -> None:
        megabytes = size // 1_000_000
        reason = "it is large, and was not closed by the last daemon, or is of an older version"
        self._log.info("ledger.checking", megabytes=megabytes, reason=reason)
        if patience:
            patience(START_SECONDS + megabytes, f"looks through the ledger of {megabytes:,} MB")

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Recovers what an earlier daemon left, then starts folders and workers."""
        with self.ledger.explained():
            self._start()

    def _start(self) -> None:
        if self.ledger.damaged:
            reason = f"it was damaged, and is kept as {self.ledger.damaged}; what was done is recalled from the results"
            self._log.warning("ledger.damaged", reason=reason)
        with self.ledger.batch():
            unfinished = self.ledger.recover()
            reach("recover")
            self.recall.begin()
            self.petitions.introduce(self._pool.size)
            self.pacing.introduce()
        self._act()  # each outbox is looked through before its spool is made
        self._tell_of_strays()
        spools = {os.path.basename(job.spool) for job in unfinished if job.spool} | self.leisure.apart.resume()
        for folder in self._folders.values():
            folder.send(commands.CleanSpool(frozenset(spools)))
            folder.start()
        reach("recovered")
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
        self.nudge()

    @property
    def stopped(self) -> bool:
        """Whether the daemon has drained, or may wait no longer."""
        if self._stops == 0:
            return False
        over = self._deadline is not None and self._clock() > self._deadline
        return self._stops > 1 or over or (not self.claims and self._settled_down())

    def run(
        self,
        until: Callable[[], bool] | None = None,
        after_tick: Callable[[], None] | None = None,
        longest: float = LONGEST_SLEEP,
    ) -> None:
        """Ticks until it is stopped, or until `until` says so; sleeps `longest` between, if nothing happens."""
        with self.ledger.explained():
            while not self.stopped and not (until and until()):
                self.tick(self._clock())
                if after_tick:
                    after_tick()
                self._sleep(longest)

    def nudge(self) -> None:
        """Ends the sleep of `run`. Safe in a signal's function."""
        os.eventfd_write(self._wake, 1)

    @property
    def workers(self) -> int:
        return self._pool.size

    def close(self) -> None:
        """Ends workers and folders; what was running goes back into the queue."""
        self._pool.stop()
        if self._nets:
            self._nets.stop()
        for folder in self._folders.values():
            folder.stop()
        until = time.monotonic() + CLOSE_SECONDS
        for folder in self._folders.values():
            folder.join(max(0.0, until - time.monotonic()))
        try:
            with self.ledger.batch():
                self._hear_all(self._clock())
                reach("close")
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
            reach("drain")
            self._log.info(
                "service.stopping", running=len(self.claims), drain_seconds=self._config.limits.drain_seconds
            )
        events = self._pool.poll(now) + (self._nets.poll(now) if self._nets else [])
        with self.ledger.batch():
            self._hear_all(now)
            self.pacing.look(now)
            for event in events:
                if isinstance(event, Answered | Died):
                    self.pacing.ended(event.ticket, now)
                self.hearing.event(event, now)
            self.steps.due_again(now)
            self.recall.due_again(now)
            self.petitions.look(now)
            self.keeping.look(now)
            if not self._stops:
                self._after_commit += self.handing.out(self._pool, self._nets, now)
        self._act()

    def _act(self) -> None:
        actions, self._after_commit = self._after_commit, []
        if actions:
            reach("committed")
        for action in actions:
            action()

    def _send(self, folder: str, command: Command) -> None:
        self._after_commit.append(partial(self._folders[folder].send, command))

    def _hear(self, message: Message) -> None:
        """Called by folder threads."""
        self._messages.put(message)
        self.nudge()

    def _hear_all(self, now: float) -> None:
        for _ in range(MESSAGES_PER_TICK):
            try:
                message = self._messages.get_nowait()
            except queue.Empty:
                return
            self.hearing.message(message, now)
        self.nudge()  # more than a tick's worth: go on at once

    # --- waiting --------------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        """Whether all that can be done now is done: every folder looked at, nothing settling, probing or running."""
        now, clean = self._clock(), self.standing.clean
        counts = self.ledger.counts(clean)
        open_folders = self.standing.open(now)
        shut = self.ledger.counts(set(clean) - set(open_folders))[State.QUEUED]
        waiting = self.ledger.waiting(now, open_folders) + shut + self.steps.troubled
        return (
            self.standing.looked_at
            and self.recall.waiting >= self.standing.recalling
            and sum(counts[state] for state in UNFINISHED) <= waiting
            and len(self.intake) <= self.intake.held(now)
            and not self.claims
            and not self.leisure.pending(now)
            # A folder tells before it counts down, so it is asked first.
            and all(folder.pending() == 0 for folder in self._folders.values())
            and self._messages.empty()
        )

    @property
    def watching(self) -> dict[str, tuple[str, str]]:
        """How each folder's inbox is watched now: "events" or "polling", and why."""
        return self.standing.watching

    @property
    def unreachable(self) -> set[str]:
        """Folders whose inbox cannot be looked at now."""
        return self.standing.unreachable

    def to_do(self) -> int:
        """Jobs that are neither done nor ended, and files on their way to be jobs."""
        counts = self.ledger.counts(self._folders)
        return sum(counts[state] for state in UNFINISHED) + len(self.intake)

    def left_waiting(self) -> int:
        """Scans that an end now leaves for later: not yet whole, not readable, or kept up by a full disk."""
        return self.ledger.left_waiting(self._folders) + len(self.intake)

    def _settled_down(self) -> bool:
        """No step that follows a result is under way."""
        counts = self.ledger.counts(self.standing.clean)
        under_way = counts[State.RENDERED] + counts[State.PUBLISHED] + counts[State.STUCK]
        return under_way <= self.steps.troubled and self._messages.empty()

    def _sleep(self, longest: float) -> None:
        dues = (self.steps.next_due(), self.recall.next_due(), self.pacing.next_due())
        due = min((due for due in dues if due is not None), default=None)
        seconds = longest if due is None else min(longest, max(0.0, due - self._clock()))
        poller = select.poll()
        others = self._nets.descriptors() if self._nets else []
        for descriptor in (self._wake, *self._pool.descriptors(), *others):
            poller.register(descriptor, select.POLLIN)
        poller.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)


def folder_settings(folder: object, min_free_megabytes: int = 0) -> FolderSettings:
    """What a folder's thread needs of its part of the config, and of the limits."""
    names = FolderSettings.__dataclass_fields__.keys() - {"min_free"}
    values = {name: getattr(folder, name) for name in names}
    return FolderSettings(**values, min_free=min_free_megabytes * 1_000_000)
