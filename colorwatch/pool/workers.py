"""What both pools of processes share: requests, answers, deadlines, deaths, and fresh workers for worn ones."""

from __future__ import annotations

import contextlib
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import IO, ClassVar

from colorwatch.pool.children import (
    Child,
    death,
    last_words,
    make_room,
    readable,
    resident_bytes,
    waits_in_kernel,
)
from colorwatch.pool.contract import Answered, Chosen, Died, Event, Started, StartFailed
from colorwatch.protocol import Cut, Failure, Incomplete, Portrayed, Ready, Recalled, Request, WorkerSetup
from colorwatch.scan import Facts, Rendering
from colorwatch.wire import MAX_BYTES, WireError, decode, encode

REAP_SECONDS = 5.0  # how long a killed worker may take to vanish before its request is given up
EXIT_SECONDS = 1.0  # how long a worker that closed its channel may take to exit by itself
STATUS_SECONDS = 1.0  # how long to wait for word of how a worker ended, once it has
START_SECONDS = 120.0  # loading the net, on a slow disk
MAX_STUCK = 2  # for each worker: processes that cannot be ended hold their memory, so they are not replaced for ever

_ANSWERS = (Facts, Incomplete, Rendering, Recalled, Portrayed, Cut, Failure)


@dataclass(slots=True)
class Worker:
    """One worker and its request. Times are on the monotonic clock."""

    child: Child
    channel: socket.socket
    errors: IO[bytes]
    deadline: float
    ready: bool = False
    request: Request | None = None
    served: int = 0
    resident: int = 0  # bytes in RAM when it was ready
    closed_at: float | None = None  # its end of the channel is closed: it is about to exit, with a code of its own
    killed_at: float | None = None
    gone_at: float | None = None
    hung: bool = False
    retiring: bool = False
    waiting: bool = False  # for a disk or a share, when its time was up
    blameless: bool = False
    complaint: str = ""

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def idle(self) -> bool:
        return self.ready and self.request is None and not self.closing and not self.retiring

    @property
    def closing(self) -> bool:
        return self.killed_at is not None or self.closed_at is not None

    def overdue(self, now: float) -> bool:
        return now > self.deadline and (self.request is not None or not self.ready or self.retiring)

    def kill(self, now: float) -> None:
        self.killed_at = now
        self.child.kill()

    def dismiss(self, now: float) -> None:
        """Ends an idle worker: it reads the end of the channel and exits by itself."""
        self.retiring, self.deadline = True, now + REAP_SECONDS
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.close_all_but_child()
        self.child.close()

    def close_all_but_child(self) -> None:
        self.channel.close()
        self.errors.close()


@dataclass(eq=False)
class WorkerPool(ABC):
    """A pool of processes; subclasses say how workers come to be. `program` is a module that serves as a worker."""

    kind: ClassVar[str]

    size: int
    setup: WorkerSetup
    program: str = "colorwatch.workers.worker"
    scans_per_worker: int = 500  # a fresh process now and then, against what native code may leak
    growth_bytes: int = 256 * 2**20  # or sooner, once it keeps so much more than when it was ready
    reason: str = ""  # why this kind of pool was chosen: told as the first event, where it is given
    _workers: list[Worker] = field(default_factory=list)
    _stuck: list[Child] = field(default_factory=list)  # killed, and not gone: the kernel waits for a disk or a share
    _full: bool = False  # of stuck ones: no more are started
    _failures: int = 0
    _start_at: float = 0.0
    _retiring: bool = False
    _stopped: bool = False

    @abstractmethod
    def _grow(self, now: float) -> None:
        """Starts what workers are missing."""

    def _tend(self, now: float, events: list[Event]) -> None:  # noqa: B027 - there is nothing else to tend
        """Looks after whatever else the pool runs."""

    def idle(self) -> int:
        return 0 if self._retiring else sum(worker.idle for worker in self._workers)

    @property
    def pids(self) -> list[int]:
        """The workers that run now."""
        return [worker.pid for worker in self._workers]

    @property
    def stuck(self) -> list[int]:
        """Processes that were killed and given up, and are not gone yet."""
        return [child.pid for child in self._stuck]

    @property
    def ended(self) -> bool:
        """Whether the pool was retired, and its last worker has gone."""
        return self._retiring and not self._workers

    def submit(self, request: Request, deadline: float) -> int:
        worker = next(worker for worker in self._workers if worker.idle)
        worker.request, worker.deadline = request, deadline
        try:
            worker.channel.send(encode(request), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            worker.kill(deadline)  # it is dead already: `poll` reaps it and reports the request
        return worker.pid

    def poll(self, now: float) -> list[Event]:
        events: list[Event] = []
        if self.reason:
            events.append(Chosen(self.kind, self.reason))
            self.reason = ""
        self._tend(now, events)
        for worker in list(self._workers):
            self._listen(worker, now, events)
            if self._retiring and worker.idle:
                worker.dismiss(now)
            if worker.killed_at is None and worker.overdue(now):
                # Asked before it is killed: most such waits end with it (NFS), and would leave no trace.
                worker.hung, worker.waiting = True, waits_in_kernel(worker.pid)
                worker.kill(now)
            if worker.killed_at is None and worker.closed_at is not None and now > worker.closed_at + EXIT_SECONDS:
                worker.kill(now)
            if self._is_over(worker, now):
                self._bury(worker, now, events)
            else:
                make_room(worker.errors)
        self._reap_stuck(events)
        if not self._stopped and not self._retiring and not self._full and now >= self._start_at:
            try:
                self._grow(now)
            except OSError as error:  # no process, descriptor or temporary file to be had: tried again later
                events.append(self._start_failed(f"no process can be started: {error.strerror}", now))
        return events

    def descriptors(self) -> list[int]:
        # What is closed or gone stays readable: waiting for it would spin.
        channels = [worker.channel.fileno() for worker in self._workers if not worker.closing]
        return channels + [worker.child.sentinel for worker in self._workers if worker.gone_at is None]

    def retire(self) -> None:
        """Takes no more requests, answers those it has, then ends its workers; poll until `ended`."""
        self._retiring = True

    def stop(self) -> None:
        self._stopped = True
        for worker in self._workers:
            worker.child.kill()
        deadline = time.monotonic() + REAP_SECONDS
        for worker in self._workers:
            # One that is stuck in the kernel, on a share, dies with its system call.
            if readable(worker.child.sentinel, max(0.0, deadline - time.monotonic())):
                worker.child.gone()
            worker.close()
        self._workers.clear()
        for child in self._stuck:
            child.close()
        self._stuck.clear()

    def _listen(self, worker: Worker, now: float, events: list[Event]) -> None:
        """Takes every packet that is there; a silent, closed or babbling channel ends the worker."""
        while not worker.closing:
            try:
                raw = worker.channel.recv(MAX_BYTES + 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                raw = b""
            if not raw:
                worker.closed_at = now
                return
            try:
                self._take(worker, decode(raw), now, events)
            except WireError:
                worker.complaint = "it answered with something that is no answer"
                worker.kill(now)

    def _take(self, worker: Worker, message: object, now: float, events: list[Event]) -> None:
        if isinstance(message, Ready) and not worker.ready:
            worker.ready, worker.resident, self._failures = True, resident_bytes(worker.pid), 0
            events.append(Started(worker.pid))
        elif isinstance(message, Failure) and not worker.ready:
            worker.complaint = message.message
        elif isinstance(message, _ANSWERS) and worker.request is not None:
            events.append(Answered(worker.request.ticket, message, worker.pid))
            worker.request = None
            worker.served += 1
            grown = resident_bytes(worker.pid) - worker.resident
            # After a want of memory the next attempt begins in a fresh process, with nothing left over.
            short = isinstance(message, Failure) and message.kind == "memory"
            if short or worker.served >= self.scans_per_worker or grown > self.growth_bytes:
                worker.dismiss(now)
        else:
            raise WireError("an answer that nobody asked for")

    def _is_over(self, worker: Worker, now: float) -> bool:
        """Whether nothing more is to be heard of a worker, nor of how it ended."""
        if not worker.child.gone():
            return worker.killed_at is not None and now >= worker.killed_at + REAP_SECONDS
        if worker.gone_at is None:
            worker.gone_at = now
        told = worker.child.code is not None or worker.blameless
        return told or now >= worker.gone_at + STATUS_SECONDS

    def _bury(self, worker: Worker, now: float, events: list[Event]) -> None:
        self._workers.remove(worker)
        alive = worker.gone_at is None
        words = last_words(worker.errors)
        stuck = (alive or worker.waiting) and not worker.complaint
        orphan = worker.blameless and not stuck and not worker.complaint and not worker.hung
        if orphan:
            why = "its zygote was lost, and it with it"
        elif stuck and not alive:
            why = "it did not finish in time and was ended: it was waiting for a disk or a share"
        else:
            why = worker.complaint or death(worker.child.code, worker.hung, alive)
        if worker.request is not None:
            ticket = worker.request.ticket
            events.append(Died(ticket, why, worker.pid, worker.hung, words, orphan or stuck, stuck))
        elif not worker.ready and not orphan:
            reason = worker.complaint or ". ".join(filter(None, (why, words)))
            events.append(self._start_failed(reason, now))
        if alive:
            self._give_up(worker.child)
            worker.close_all_but_child()
        else:
            worker.close()

    def _give_up(self, child: Child) -> None:
        """Leaves a process that cannot be ended to itself."""
        self._stuck.append(child)

    def _reap_stuck(self, events: list[Event]) -> None:
        """Lets go of those that went after all, and says once that there are too many."""
        for child in [child for child in self._stuck if child.gone()]:
            self._stuck.remove(child)
            child.close()
        was_full, self._full = self._full, len(self._stuck) >= MAX_STUCK * self.size
        if self._full and not was_full:
            why = f"{len(self._stuck)} workers cannot be ended, since a disk or a share keeps them waiting"
            events.append(StartFailed(f"{why}; no other is started until one of them has gone", self._failures))

    def _start_failed(self, reason: str, now: float) -> StartFailed:
        """One more start in a row that came to nothing: the next one waits twice as long."""
        self._failures += 1
        self._start_at = now + backoff(self._failures)
        return StartFailed(reason, self._failures)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4, ..., a minute at most."""
    return min(60.0, 2.0 ** min(failures - 1, 6))
