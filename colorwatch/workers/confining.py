"""What a worker may take of the machine: a hostile scan costs this process, and nobody else their memory."""

from __future__ import annotations

import contextlib
import os
import resource

OPEN_FILES = 256  # a worker has four, and opens a scan, its folders and a spool file


def confine(memory: int) -> None:
    """From now on this process gets `memory` bytes more than it has, 256 open files and no core file; 0 sets no limit.

    Counted is memory that is the process's own to write (RLIMIT_DATA), whether touched or not: what a forked worker has
    of the zygote's net is in it already, mapped files and the address space that glibc sets aside are not. What comes
    to the limit gets a MemoryError or its like. The size of files has no limit: a result's follows from its pixels.
    """
    if memory > 0:
        _lower(resource.RLIMIT_DATA, _own_bytes() + memory)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)


def step_back(nice: int) -> None:
    """Behind other programs, as far as `nice` says; where that is not allowed, the work goes on all the same."""
    with contextlib.suppress(OSError):
        os.nice(nice)


def _lower(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (limit, limit))


def _own_bytes() -> int:
    """What RLIMIT_DATA counts of this process now."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
