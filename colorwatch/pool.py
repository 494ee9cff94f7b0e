"""Workers: real processes, one net, one socket and one request each; a lost worker costs its own request alone.

`SpawnPool` starts `python -m colorwatch.worker`; `SerialPool` honours the same contract in this process. The pool
imports nothing of the worker: it is named by string, so that the parent never loads what reads pictures.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import IO, Protocol

from colorwatch.scan import Answer, Facts, Failure, Incomplete, Ready, Rendering, Request, WorkerSetup
from colorwatch.wire import MAX_BYTES, WireError, decode, encode

# OpenBLAS and OpenMP would start threads at import that a worker of one thread never needs.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    "OPENCV_LOG_LEVEL": "ERROR",
    "MALLOC_ARENA_MAX": "2",
}
REAP_SECONDS = 5.0  # how long a killed worker may take to vanish before its request is given up
EXIT_SECONDS = 1.0  # how long a worker that closed its channel may take to exit by itself
START_SECONDS = 120.0  # loading the net, on a slow disk
LAST_WORDS_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Answered:
    """A request's answer."""

    ticket: int
    answer: Answer
    pid: int


@dataclass(frozen=True, slots=True)
class Died:
    """The worker of this request is gone; `why` is a sentence part, `last_words` the end of its error output."""

    ticket: int
    why: str
    pid: int
    hung: bool
    last_words: str


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has loaded its net."""

    pid: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A worker ended before it was ready; `failures` in a row."""

    why: str
    failures: int


Event = Answered | Died | Started | StartFailed


class Pool(Protocol):
    """What the service asks of a pool. No method waits."""

    @property
    def size(self) -> int: ...
    def idle(self) -> int:
        """How many requests `submit` would take now."""
        ...

    def submit(self, request: Request, deadline: float) -> int:
        """Hands a request to an idle worker and returns its pid; `deadline` on the monotonic clock."""
        ...

    def poll(self, now: float) -> list[Event]:
        """What happened since the last call; restarts, kills and reaps as needed."""
        ...

    def descriptors(self) -> list[int]:
        """Descriptors that become readable when `poll` has something to say."""
        ...

    def stop(self) -> None:
        """Ends every worker at once."""
        ...


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    channel: socket.socket
    sentinel: int  # a pidfd: readable once the process is gone
    errors: IO[bytes]
    deadline: float
    ready: bool = False
    request: Request | None = None
    served: int = 0
    closed_at: float | None = None  # its end of the channel is closed: it is about to exit, with a code of its own
    killed_at: float | None = None
    hung: bool = False
    retiring: bool = False
    complaint: str = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def idle(self) -> bool:
        return self.ready and self.request is None and not self.closing and not self.retiring

    @property
    def closing(self) -> bool:
        return self.killed_at is not None or self.closed_at is not None

    def overdue(self, now: float) -> bool:
        return now > self.deadline and (self.request is not None or not self.ready)


@dataclass(slots=True)
class SpawnPool:
    """`size` workers started by spawn. `program` is a module that speaks the worker's protocol."""

    size: int
    setup: WorkerSetup
    program: str = "colorwatch.worker"
    scans_per_worker: int = 500  # a fresh process now and then, against what native code may leak
    _workers: list[_Worker] = field(default_factory=list)
    _failures: int = 0
    _start_at: float = 0.0
    _stopped: bool = False

    def idle(self) -> int:
        return sum(worker.idle for worker in self._workers)

    def submit(self, request: Request, deadline: float) -> int:
        worker = next(worker for worker in self._workers if worker.idle)
        worker.request, worker.deadline = request, deadline
        try:
            worker.channel.send(encode(request), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            self._kill(worker, deadline)  # it is dead already: `poll` reaps it and reports the request
        return worker.pid

    def poll(self, now: float) -> list[Event]:
        events: list[Event] = []
        for worker in list(self._workers):
            self._listen(worker, now, events)
            if worker.killed_at is None and worker.overdue(now):
                worker.hung = True
                self._kill(worker, now)
            if worker.killed_at is None and worker.closed_at is not None and now > worker.closed_at + EXIT_SECONDS:
                self._kill(worker, now)
            if worker.killed_at is not None or worker.process.poll() is not None:
                self._reap(worker, now, events)
        while not self._stopped and len(self._workers) < self.size and now >= self._start_at:
            self._workers.append(self._start(now))
        return events

    def descriptors(self) -> list[int]:
        # A closed channel stays readable: waiting for it would spin.
        open_channels = [worker.channel.fileno() for worker in self._workers if not worker.closing]
        return [worker.sentinel for worker in self._workers] + open_channels

    def stop(self) -> None:
        self._stopped = True
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            try:
                worker.process.wait(REAP_SECONDS)
            except subprocess.TimeoutExpired:
                continue  # stuck in the kernel, on a share: it dies with its system call
            finally:
                self._close(worker)
        self._workers.clear()

    def _start(self, now: float) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
        try:
            # -P: a daemon started in some folder must not import what lies there.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", self.program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        finally:
            theirs.close()
        ours.send(encode(replace(self.setup, parent=os.getpid())))
        return _Worker(process, ours, os.pidfd_open(process.pid), errors, deadline=now + START_SECONDS)

    def _listen(self, worker: _Worker, now: float, events: list[Event]) -> None:
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
                self._take(worker, decode(raw), events)
            except WireError:
                worker.complaint = "it answered with something that is no answer"
                self._kill(worker, now)

    def _take(self, worker: _Worker, message: object, events: list[Event]) -> None:
        if isinstance(message, Ready) and not worker.ready:
            worker.ready, worker.deadline, self._failures = True, 0.0, 0
            events.append(Started(worker.pid))
        elif isinstance(message, Failure) and not worker.ready:
            worker.complaint = message.message
        elif isinstance(message, Facts | Incomplete | Rendering | Failure) and worker.request is not None:
            events.append(Answered(worker.request.ticket, message, worker.pid))
            worker.request = None
            worker.served += 1
            if worker.served >= self.scans_per_worker:
                worker.retiring = True
                worker.channel.shutdown(socket.SHUT_WR)  # it reads the end and exits by itself
        else:
            raise WireError("an answer that nobody asked for")

    def _kill(self, worker: _Worker, now: float) -> None:
        worker.killed_at = now
        worker.process.kill()

    def _reap(self, worker: _Worker, now: float, events: list[Event]) -> None:
        code = worker.process.poll()
        if code is None and worker.killed_at is not None and now < worker.killed_at + REAP_SECONDS:
            return
        self._workers.remove(worker)
        why = worker.complaint or _death(code, worker.hung)
        last_words = _last_words(worker.errors)
        if worker.request is not None:
            events.append(Died(worker.request.ticket, why, worker.pid, worker.hung, last_words))
        elif not worker.ready:
            self._failures += 1
            self._start_at = now + min(60.0, 2.0 ** (self._failures - 1))
            reason = worker.complaint or ". ".join(filter(None, (why, last_words)))
            events.append(StartFailed(reason, self._failures))
        self._close(worker)

    def _close(self, worker: _Worker) -> None:
        worker.channel.close()
        worker.errors.close()
        os.close(worker.sentinel)


@dataclass(slots=True)
class SerialPool:
    """The same contract without processes: `submit` does the work at once. For debugging and fast tests."""

    setup: WorkerSetup
    program: str = "colorwatch.worker"
    size: int = 1
    _serve: Callable[[Request], Answer] | None = None
    _events: list[Event] = field(default_factory=list)

    def idle(self) -> int:
        return 0 if self._events else 1

    def submit(self, request: Request, deadline: float) -> int:  # noqa: ARG002 - nobody is left to watch the clock
        if self._serve is None:
            self._serve = importlib.import_module(self.program).server(self.setup)
        self._events.append(Answered(request.ticket, self._serve(request), os.getpid()))
        return os.getpid()

    def poll(self, now: float) -> list[Event]:  # noqa: ARG002
        events, self._events = self._events, []
        return events

    def descriptors(self) -> list[int]:
        return []

    def stop(self) -> None:
        self._events.clear()


def _death(code: int | None, hung: bool) -> str:
    """How a worker ended, in words; a signal by its name."""
    if hung:
        return "it did not finish in time and was ended"
    if code is None:
        return "it could not be ended: it is stuck in a file system call"
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        hint = " (was the memory full?)" if code == -signal.SIGKILL else ""
        return f"it was ended by {name}{hint}"
    return f"it ended by itself with exit code {code}"


def _last_words(errors: IO[bytes]) -> str:
    """The last line that a worker wrote to its error output."""
    try:
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
