"""What tests of pools ask of them, and of their processes."""

from __future__ import annotations

import os
import signal
import time

from colorwatch.pool import Answered, Died, Event, SpawnPool, ZygotePool
from colorwatch.protocol import Failure, ProbeRequest, WorkerSetup
from waiting import eventually

SETUP = WorkerSetup(parent=0, model="none")
AnyPool = SpawnPool | ZygotePool


def wait_for(pool: AnyPool, kind: type[Event], count: int = 1, clock_ahead: float = 0.0) -> list[Event]:
    """Polls until `count` events of `kind` came; returns all events on the way."""
    events: list[Event] = []

    def enough() -> bool:
        events.extend(pool.poll(time.monotonic() + clock_ahead))
        return sum(isinstance(event, kind) for event in events) >= count

    eventually(enough, 20, f"{count} x {kind.__name__}")
    return events


def ask(pool: AnyPool, path: str, ticket: int = 1, seconds: float = 60.0) -> int:
    return pool.submit(ProbeRequest(ticket, "/", path), time.monotonic() + seconds)


def answer(events: list[Event], ticket: int = 1) -> Failure:
    (found,) = [event for event in events if isinstance(event, Answered) and event.ticket == ticket]
    assert isinstance(found.answer, Failure)
    return found.answer


def death(events: list[Event]) -> Died:
    (found,) = [event for event in events if isinstance(event, Died)]
    return found


def alive(pid: int) -> bool:
    return state(pid) not in "ZX"


def state(pid: int) -> str:
    """The letter of proc_pid_stat(5); X of one that is no more."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def hold(pid: int) -> None:
    """Stops a process, and returns once it does nothing more: a signal takes a moment."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state(pid) == "T", 5, "it stands still")


def children(pid: int) -> list[int]:
    """The children of a process's first thread, zombies included."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def descriptors(pid: int | str) -> set[str]:
    """The numbers of a process's open descriptors."""
    return set(os.listdir(f"/proc/{pid}/fd"))


def private_bytes(pid: int) -> int:
    """Memory that a process shares with no other."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if line.startswith("Private_"))
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Clean", "Private_Dirty"))


def reads(pid: int, word: str) -> bool:
    """Whether a file with `word` in its name is mapped into a process."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return any(word in line for line in maps)
