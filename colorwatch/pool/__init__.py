"""Workers: real processes, one net, one socket and one request each; a lost worker costs its own request alone.

`ZygotePool` forks them from one warmed process, `SpawnPool` starts each afresh, `SerialPool` does without processes;
`best_pool` chooses. A worker's program is named by string, so that the parent never loads what reads pictures.
"""

from colorwatch.pool.choice import best_pool
from colorwatch.pool.contract import (
    ENVIRONMENT,
    Answered,
    Chosen,
    Died,
    Event,
    Pool,
    Started,
    StartFailed,
    ZygoteDied,
)
from colorwatch.pool.forking import ZygotePool
from colorwatch.pool.serial import SerialPool
from colorwatch.pool.spawn import SpawnPool

__all__ = [
    "ENVIRONMENT",
    "Answered",
    "Chosen",
    "Died",
    "Event",
    "Pool",
    "SerialPool",
    "SpawnPool",
    "StartFailed",
    "Started",
    "ZygoteDied",
    "ZygotePool",
    "best_pool",
]
