"""A worker program whose zygote cannot fork the first time: the machine is out of processes for a moment."""

from __future__ import annotations

import errno
import os

from colorwatch.protocol import WorkerSetup
from fault_workers import attend

__all__ = ["attend", "server"]


def server(setup: WorkerSetup) -> None:
    """The one fake is at the edge of the system: its first answer to a fork."""
    fork = os.fork

    def refuse() -> int:
        os.fork = fork
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    os.fork = refuse
