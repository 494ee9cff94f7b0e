"""Which pool is the best that can be had."""

from __future__ import annotations

from colorwatch.pool.forking import ZygotePool
from colorwatch.pool.spawn import SpawnPool
from colorwatch.pool.workers import WorkerPool
from colorwatch.protocol import WorkerSetup


def best_pool(size: int, setup: WorkerSetup) -> WorkerPool:
    """The pool that takes the least memory for `setup`; its first event, `Chosen`, says which, and why."""
    if setup.threads > 1:
        reason = f"each worker's net runs on {setup.threads} threads, and a process with threads is not forked safely"
        return SpawnPool(size, setup, reason=reason)
    return ZygotePool(size, setup, reason="its workers share one loaded net")
