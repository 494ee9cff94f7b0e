"""Real workers: killed, hung, babbling, replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from colorwatch.pool import Answered, Died, Event, SpawnPool, Started, StartFailed
from colorwatch.scan import Failure, ProbeRequest, WorkerSetup
from waiting import eventually

SETUP = WorkerSetup(parent=0, model="none")


@pytest.fixture
def pool() -> Iterator[SpawnPool]:
    pool = SpawnPool(2, SETUP, program="fault_workers")
    yield pool
    pool.stop()


def wait_for(pool: SpawnPool, kind: type[Event], count: int = 1, clock_ahead: float = 0.0) -> list[Event]:
    """Polls until `count` events of `kind` came; returns all events on the way."""
    events: list[Event] = []

    def enough() -> bool:
        events.extend(pool.poll(time.monotonic() + clock_ahead))
        return sum(isinstance(event, kind) for event in events) >= count

    eventually(enough, 20, f"{count} x {kind.__name__}")
    return events


def ask(pool: SpawnPool, path: str, ticket: int = 1, seconds: float = 60.0) -> int:
    return pool.submit(ProbeRequest(ticket, "/", path), time.monotonic() + seconds)


def answer(events: list[Event], ticket: int = 1) -> Failure:
    (found,) = [event for event in events if isinstance(event, Answered) and event.ticket == ticket]
    assert isinstance(found.answer, Failure)
    return found.answer


def death(events: list[Event]) -> Died:
    (found,) = [event for event in events if isinstance(event, Died)]
    return found


def test_each_request_gets_its_own_answer(pool: SpawnPool) -> None:
    wait_for(pool, Started, 2)
    ask(pool, "one", 1)
    ask(pool, "two", 2)
    assert pool.idle() == 0
    events = wait_for(pool, Answered, 2)
    assert (answer(events, 1).message, answer(events, 2).message) == ("one", "two")
    assert pool.idle() == 2


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("crash", "SIGSEGV"),
        ("exit", "exit code 7"),
        ("babble", "no answer"),
        ("foreign", "no answer"),
        ("close", "SIGKILL"),
    ],
)
def test_a_lost_worker_costs_its_own_request_alone(pool: SpawnPool, path: str, why: str) -> None:
    wait_for(pool, Started, 2)
    ask(pool, path, 1)
    ask(pool, "good", 2)
    events = wait_for(pool, Died)
    if not any(isinstance(event, Answered) for event in events):
        events += wait_for(pool, Answered)
    assert why in death(events).why
    assert death(events).ticket == 1
    assert answer(events, 2).message == "good"
    assert any(isinstance(event, Started) for event in events + wait_for(pool, Started))
    assert pool.idle() == 2


def test_the_last_words_of_a_worker_are_kept(pool: SpawnPool) -> None:
    wait_for(pool, Started, 2)
    ask(pool, "crash")
    assert "something in a codec went wrong" in death(wait_for(pool, Died)).last_words


def test_a_hung_worker_is_ended_at_its_deadline(pool: SpawnPool) -> None:
    wait_for(pool, Started, 2)
    pid = ask(pool, "hang", seconds=60)
    assert pool.poll(time.monotonic() + 59) == []
    died = death(wait_for(pool, Died, clock_ahead=61))
    assert died.hung
    assert died.pid == pid


def test_a_killed_worker_is_named_by_its_signal_and_replaced(pool: SpawnPool) -> None:
    wait_for(pool, Started, 2)
    pid = ask(pool, "hang")
    os.kill(pid, signal.SIGKILL)
    events = wait_for(pool, Died)
    assert "SIGKILL" in death(events).why
    events += wait_for(pool, Started)
    assert pool.idle() == 2


def test_an_idle_worker_that_dies_is_replaced_without_a_word(pool: SpawnPool) -> None:
    started = wait_for(pool, Started, 2)[0]
    assert isinstance(started, Started)
    os.kill(started.pid, signal.SIGKILL)
    assert all(isinstance(event, Started) for event in wait_for(pool, Started))


def test_a_request_to_a_worker_that_just_died_is_reported(pool: SpawnPool) -> None:
    pool.size = 1
    (started,) = wait_for(pool, Started)
    assert isinstance(started, Started)
    os.kill(started.pid, signal.SIGKILL)
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    ask(pool, "good", 5)
    assert death(wait_for(pool, Died)).ticket == 5


def test_a_worker_is_replaced_after_its_share_of_scans() -> None:
    pool = SpawnPool(1, SETUP, program="fault_workers", scans_per_worker=2)
    try:
        wait_for(pool, Started)
        pids = set()
        for ticket in range(6):
            eventually(lambda: pool.poll(time.monotonic()) is not None and pool.idle(), 20)
            pids.add(ask(pool, "good", ticket))
            assert not any(isinstance(event, Died) for event in wait_for(pool, Answered))
        assert len(pids) == 3
    finally:
        pool.stop()


def test_workers_that_never_start_are_reported_and_not_restarted_at_once() -> None:
    pool = SpawnPool(1, SETUP, program="fault_starts")
    try:
        (event,) = wait_for(pool, StartFailed)
        assert isinstance(event, StartFailed)
        assert "there is no net here" in event.why
        assert pool.descriptors() == []
    finally:
        pool.stop()


def test_stop_leaves_no_process_and_no_descriptor() -> None:
    before = set(os.listdir("/proc/self/fd"))
    pool = SpawnPool(2, SETUP, program="fault_workers")
    wait_for(pool, Started, 2)
    pid = ask(pool, "hang")
    pool.stop()
    assert not os.path.exists(f"/proc/{pid}")
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0


PARENT = """
import sys, time
from colorwatch.pool import SpawnPool, Started
from colorwatch.scan import WorkerSetup, ProbeRequest
pool = SpawnPool(1, WorkerSetup(0, sys.argv[1], sys.argv[2]), program="colorwatch.worker")
while not any(isinstance(event, Started) for event in pool.poll(time.monotonic())):
    time.sleep(0.01)
print(pool._workers[0].pid, flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_a_killed_daemon() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, "none", "fault_nets:grey_net"], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        worker = int(parent.stdout.readline())
        parent.kill()
        eventually(lambda: not _alive(worker), 2, "the worker is gone within two seconds")


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
