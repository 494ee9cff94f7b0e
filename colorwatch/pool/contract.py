"""What every pool promises, and what it says: plain events, and methods that never wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from colorwatch.protocol import Answer, Request

# OpenBLAS and OpenMP would start threads at import: a worker of one thread never needs them, and a zygote that has them
# must not fork.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    "OPENCV_LOG_LEVEL": "ERROR",
    "MALLOC_ARENA_MAX": "2",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """A request's answer."""

    ticket: int
    answer: Answer
    pid: int


@dataclass(frozen=True, slots=True)
class Died:
    """The worker of this request is gone; `why` is a sentence part, `last_words` the end of its error output.

    `blameless`: its request had no part in it. It went down with its zygote, or, where `stuck`, it was waiting for a
    disk or a share when its time was up: the next attempt had better wait until that answers again.
    """

    ticket: int
    why: str
    pid: int
    hung: bool
    last_words: str
    blameless: bool = False
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A worker is ready, its net loaded."""

    pid: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A worker, or the zygote, ended before it was ready, or none may be started now; `failures` in a row."""

    why: str
    failures: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Workers are started by `kind` ("zygote" or "spawn") from now on; `reason` is a sentence part."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class ZygoteDied:
    """The zygote is gone, and its workers with it; another one is started."""

    pid: int
    why: str
    last_words: str


Event = Answered | Died | Started | StartFailed | Chosen | ZygoteDied


class Pool(Protocol):
    """What the service asks of a pool. No method but `stop` waits."""

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
