"""Workers that are started afresh, each loading the net by itself."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from colorwatch.pool.children import OwnChild, error_file
from colorwatch.pool.workers import START_SECONDS, Worker, WorkerPool
from colorwatch.protocol import WorkerSetup
from colorwatch.wire import encode


class SpawnPool(WorkerPool):
    """`size` workers, each `python -m PROGRAM` with a net of its own: works everywhere, and takes the memory for it."""

    kind = "spawn"

    def _grow(self, now: float) -> None:
        while len(self._workers) < self.size:
            self._workers.append(spawn(self.program, self.setup, now))


def spawn(program: str, setup: WorkerSetup, now: float) -> Worker:
    """A new worker, not ready yet."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    errors = error_file()
    with theirs:
        ours.send(encode(replace(setup, parent=os.getpid())))
        child = OwnChild.start(program, [str(theirs.fileno())], theirs.fileno(), errors)
    return Worker(child, ours, errors, deadline=now + START_SECONDS)
