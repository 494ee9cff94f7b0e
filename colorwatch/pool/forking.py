"""Workers forked from one warmed zygote: they share its net, and are ready at once."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass, field, replace
from typing import IO

from colorwatch.pool.children import Grandchild, OwnChild, death, error_file, last_words, make_room, readable
from colorwatch.pool.contract import Answered, Chosen, Event, ZygoteDied
from colorwatch.pool.spawn import spawn
from colorwatch.pool.workers import EXIT_SECONDS, REAP_SECONDS, START_SECONDS, Worker, WorkerPool, backoff
from colorwatch.protocol import Ended, Failure, Forked, ForkRequest, NotForked, Ready
from colorwatch.wire import MAX_BYTES, WireError, decode, encode
from colorwatch.workers import passing

ZYGOTE = "colorwatch.workers.zygote"
FORK_SECONDS = 30.0  # a zygote that has not forked by then hangs


@dataclass(slots=True)
class _Asked:
    """A worker that the zygote was asked for, and that is not known to exist yet."""

    channel: socket.socket
    errors: IO[bytes]
    deadline: float

    def wait_closed(self, deadline: float) -> None:
        """Waits for the death of a worker whose number is not known yet: its channel closes with it."""
        with contextlib.suppress(OSError):
            while readable(self.channel.fileno(), max(0.0, deadline - time.monotonic())):
                if not self.channel.recv(MAX_BYTES):
                    return

    def close(self) -> None:
        self.channel.close()
        self.errors.close()


@dataclass(slots=True)
class _Zygote:
    child: OwnChild
    control: socket.socket
    errors: IO[bytes]
    deadline: float
    ready: bool = False
    asked: dict[int, _Asked] = field(default_factory=dict)
    forked: dict[int, Grandchild] = field(default_factory=dict)
    closed_at: float | None = None
    killed_at: float | None = None
    hung: bool = False
    unfit: str = ""  # why nothing can be forked from it
    complaint: str = ""

    def overdue(self, now: float) -> bool:
        late = any(now > asked.deadline for asked in self.asked.values())
        return late or (not self.ready and now > self.deadline)

    @property
    def killed(self) -> bool:
        return self.killed_at is not None

    def kill(self, now: float) -> None:
        self.killed_at = now
        self.child.kill()

    def close_all_but_child(self) -> None:
        for asked in self.asked.values():
            asked.close()
        self.control.close()
        self.errors.close()

    def close(self) -> None:
        self.close_all_but_child()
        self.child.close()


@dataclass(eq=False)
class ZygotePool(WorkerPool):
    """`size` workers forked from one zygote, which has loaded the net of `setup` and run it once.

    A zygote that has more than one thread is not forked from: the pool says so (`Chosen`) and goes on by spawn.
    """

    kind = "zygote"

    forks: int = 0
    threads_at_fork: int = 0  # the most that a zygote ever had
    _zygote: _Zygote | None = None
    _unfit: bool = False
    _losses: int = 0  # zygotes lost since the last answer
    _number: int = 0

    @property
    def zygote(self) -> int | None:
        """The zygote's pid."""
        return self._zygote.child.pid if self._zygote else None

    @property
    def ended(self) -> bool:
        return self._retiring and not self._workers and self._zygote is None

    def descriptors(self) -> list[int]:
        found = WorkerPool.descriptors(self)
        if self._zygote is not None:
            found.append(self._zygote.child.sentinel)
            if self._zygote.closed_at is None and not self._zygote.killed:
                found.append(self._zygote.control.fileno())
        return found

    def poll(self, now: float) -> list[Event]:
        events = WorkerPool.poll(self, now)
        if any(isinstance(event, Answered) for event in events):
            self._losses = 0
        return events

    def stop(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.child.kill()
        WorkerPool.stop(self)
        if zygote is None:
            return
        deadline = time.monotonic() + REAP_SECONDS
        if readable(zygote.child.sentinel, REAP_SECONDS):
            zygote.child.gone()
        for asked in zygote.asked.values():
            asked.wait_closed(deadline)
        zygote.close()

    def _tend(self, now: float, events: list[Event]) -> None:
        zygote = self._zygote
        if zygote is None:
            return
        gone = zygote.child.gone()  # asked before listening, so that its last words are heard
        self._hear(zygote, now, events)
        make_room(zygote.errors)
        if gone or (zygote.killed_at is not None and now >= zygote.killed_at + REAP_SECONDS):
            self._lost(zygote, now, events, alive=not gone)
        elif not zygote.killed:
            if zygote.overdue(now):
                zygote.hung = True
                zygote.kill(now)
            elif zygote.closed_at is not None and now > zygote.closed_at + EXIT_SECONDS:
                zygote.kill(now)
            elif self._retiring and not self._workers and not zygote.asked:
                zygote.control.shutdown(socket.SHUT_RDWR)

    def _grow(self, now: float) -> None:
        if self._unfit:
            while len(self._workers) < self.size:
                self._workers.append(spawn(self.program, self.setup, now))
        elif self._zygote is None:
            self._zygote = self._start(now)
        elif self._zygote.ready and not self._zygote.killed:
            while len(self._workers) + len(self._zygote.asked) < self.size and self._ask(self._zygote, now):
                pass

    def _start(self, now: float) -> _Zygote:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = error_file()
        with theirs:
            ours.send(encode(replace(self.setup, parent=os.getpid())))
            child = OwnChild.start(ZYGOTE, [str(theirs.fileno()), self.program], theirs.fileno(), errors)
        ours.setblocking(False)
        return _Zygote(child, ours, errors, deadline=now + START_SECONDS)

    def _ask(self, zygote: _Zygote, now: float) -> bool:
        """Asks for one worker; False where the zygote takes no request now."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = _Asked(ours, error_file(), now + FORK_SECONDS)
        self._number += 1
        with theirs:
            try:
                packet = encode(ForkRequest(self._number))
                passing.send(zygote.control, packet, [theirs.fileno(), asked.errors.fileno()])
            except OSError:
                asked.close()
                return False
        zygote.asked[self._number] = asked
        return True

    def _hear(self, zygote: _Zygote, now: float, events: list[Event]) -> None:
        """Takes what the zygote says, to the end."""
        while zygote.closed_at is None and not zygote.killed:
            try:
                packet, descriptors = passing.receive(zygote.control)
            except BlockingIOError:
                return
            except OSError:
                packet, descriptors = b"", []
            if not packet:
                zygote.closed_at = now
                return
            try:
                self._take_from(zygote, decode(packet), descriptors, now, events)
            except WireError:
                zygote.complaint = "the zygote said something that makes no sense"
                zygote.kill(now)
            passing.close_all(descriptors)

    def _take_from(
        self, zygote: _Zygote, message: object, descriptors: list[int], now: float, events: list[Event]
    ) -> None:
        match message:
            case Ready():
                zygote.ready, self._failures = True, 0
            case Failure(kind="threads"):
                zygote.unfit = message.message
            case Failure():
                zygote.complaint = message.message
            case Forked() if message.number in zygote.asked and descriptors:
                asked = zygote.asked.pop(message.number)
                child = Grandchild(message.pid, descriptors.pop())
                zygote.forked[message.number] = child
                self._workers.append(Worker(child, asked.channel, asked.errors, deadline=now + START_SECONDS))
                self.forks += 1
                self.threads_at_fork = max(self.threads_at_fork, message.threads)
            case NotForked() if message.number in zygote.asked:
                zygote.asked.pop(message.number).close()
                events.append(self._start_failed(message.why, now))
            case Ended() if message.number in zygote.forked:
                zygote.forked.pop(message.number).code = message.code
            case _:
                raise WireError("nothing that a zygote says")

    def _lost(self, zygote: _Zygote, now: float, events: list[Event], alive: bool) -> None:
        """The zygote is gone, or cannot be ended: its workers go with it, and none of their requests is to blame."""
        self._zygote = None
        for worker in self._workers:
            self._listen(worker, now, events)
            if worker.child.code is None:
                worker.blameless = True
                worker.kill(now)
        why = zygote.complaint or death(zygote.child.code, zygote.hung, alive)
        words = last_words(zygote.errors)
        if zygote.unfit:
            self._unfit = True
            events.append(Chosen("spawn", zygote.unfit))
        elif self._retiring and not self._workers:
            pass
        elif zygote.ready:
            self._losses += 1
            self._start_at = now + backoff(self._losses)
            events.append(ZygoteDied(zygote.child.pid, why, words))
        else:
            events.append(self._start_failed(zygote.complaint or ". ".join(filter(None, (why, words))), now))
        zygote.close_all_but_child()
        if alive:
            self._give_up(zygote.child)
        else:
            zygote.child.close()
