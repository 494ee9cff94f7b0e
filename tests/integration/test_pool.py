"""Real workers, spawned and forked: killed, hung, babbling, replaced."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from colorwatch.pool import Answered, Died, Event, SpawnPool, Started, StartFailed, ZygotePool
from pools import SETUP, AnyPool, alive, answer, ask, death, hold, wait_for
from waiting import eventually

KINDS = {"spawn": SpawnPool, "zygote": ZygotePool}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[AnyPool]:
    return KINDS[request.param]


@pytest.fixture
def pool(kind: type[AnyPool]) -> Iterator[AnyPool]:
    pool = kind(2, SETUP, program="fault_workers")
    yield pool
    pool.stop()


def test_each_request_gets_its_own_answer(pool: AnyPool) -> None:
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
def test_a_lost_worker_costs_its_own_request_alone(pool: AnyPool, path: str, why: str) -> None:
    wait_for(pool, Started, 2)
    ask(pool, path, 1)
    ask(pool, "good", 2)
    events = wait_for(pool, Died)
    if not any(isinstance(event, Answered) for event in events):
        events += wait_for(pool, Answered)
    assert why in death(events).why
    assert death(events).ticket == 1
    assert answer(events, 2).message == "good"
    eventually(lambda: pool.poll(time.monotonic()) is not None and pool.idle() == 2, 20, "it is replaced")


def test_the_last_words_of_a_worker_are_kept(pool: AnyPool) -> None:
    wait_for(pool, Started, 2)
    ask(pool, "crash")
    assert "something in a codec went wrong" in death(wait_for(pool, Died)).last_words


def test_a_hung_worker_is_ended_at_its_deadline(pool: AnyPool) -> None:
    wait_for(pool, Started, 2)
    pid = ask(pool, "hang", seconds=60)
    assert pool.poll(time.monotonic() + 59) == []
    died = death(wait_for(pool, Died, clock_ahead=61))
    assert died.hung
    assert died.pid == pid


def test_a_killed_worker_is_named_by_its_signal_and_replaced(pool: AnyPool) -> None:
    wait_for(pool, Started, 2)
    pid = ask(pool, "hang")
    os.kill(pid, signal.SIGKILL)
    events = wait_for(pool, Died)
    assert "SIGKILL" in death(events).why
    events += wait_for(pool, Started)
    assert pool.idle() == 2


def test_an_idle_worker_that_dies_is_replaced_without_a_word(pool: AnyPool) -> None:
    started = wait_for(pool, Started, 2)[0]
    assert isinstance(started, Started)
    os.kill(started.pid, signal.SIGKILL)
    assert all(isinstance(event, Started) for event in wait_for(pool, Started))


def test_a_request_to_a_worker_that_just_died_is_reported(pool: AnyPool) -> None:
    pool.size = 1
    (started,) = wait_for(pool, Started)
    assert isinstance(started, Started)
    os.kill(started.pid, signal.SIGKILL)
    eventually(lambda: not alive(started.pid), 5)
    ask(pool, "good", 5)
    assert death(wait_for(pool, Died)).ticket == 5


def test_a_worker_is_replaced_after_its_share_of_scans(kind: type[AnyPool]) -> None:
    pool = kind(1, SETUP, program="fault_workers", scans_per_worker=2)
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


def test_workers_that_never_start_are_reported_and_not_restarted_at_once(kind: type[AnyPool]) -> None:
    pool = kind(1, SETUP, program="fault_starts")
    try:
        (event,) = wait_for(pool, StartFailed)
        assert isinstance(event, StartFailed)
        assert "there is no net here" in event.why
        assert pool.descriptors() == []
    finally:
        pool.stop()


def test_stop_leaves_no_process_and_no_descriptor(kind: type[AnyPool]) -> None:
    before = set(os.listdir("/proc/self/fd"))
    pool = kind(2, SETUP, program="fault_workers")
    wait_for(pool, Started, 2)
    pid = ask(pool, "hang")
    pool.stop()
    assert not alive(pid)
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0


PARENT = """
import sys, time
import colorwatch.pool
from colorwatch.pool import Started
from colorwatch.protocol import WorkerSetup, ProbeRequest
pool = getattr(colorwatch.pool, sys.argv[1])(2, WorkerSetup(0, "none"), program="fault_workers")
started = 0
while started < 2:
    started += sum(isinstance(event, Started) for event in pool.poll(time.monotonic()))
    time.sleep(0.01)
pool.submit(ProbeRequest(1, "/", "hang"), time.monotonic() + 600)
print(*pool.pids, getattr(pool, "zygote", None) or "", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def daemon(kind: type[AnyPool]) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process group with a pool of two workers, one of them hung; the pids of all its children."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, kind.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        yield parent, [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()


def test_nothing_outlives_a_killed_daemon(daemon: tuple[subprocess.Popen[str], list[int]]) -> None:
    parent, children = daemon
    assert len(children) >= 2
    parent.kill()
    eventually(lambda: not any(map(alive, children)), 2, "all are gone within two seconds")


def test_nothing_outlives_a_killed_daemon_by_being_deaf_to_it(
    daemon: tuple[subprocess.Popen[str], list[int]],
) -> None:
    parent, children = daemon
    for pid in children:
        hold(pid)  # no end of a channel reaches it: the kernel's own signal must do
    parent.kill()
    eventually(lambda: not any(map(alive, children)), 2, "all are gone within two seconds")


def test_ctrl_c_in_the_group_ends_no_child(daemon: tuple[subprocess.Popen[str], list[int]]) -> None:
    parent, children = daemon
    for pid in children:
        os.kill(pid, signal.SIGINT)
    hold(parent.pid)
    os.killpg(parent.pid, signal.SIGINT)
    for pid in children:
        assert alive(pid)
        assert pending_signals(pid) == 0


def pending_signals(pid: int) -> int:
    """Signals that were sent to a process and not yet seen by it: an ignored one never waits."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        fields = dict(line.split(":\t", 1) for line in status)
    return int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)


def test_a_worker_that_keeps_memory_is_replaced(kind: type[AnyPool]) -> None:
    pool = kind(1, SETUP, program="fault_workers", growth_bytes=120 * 2**20)
    try:
        wait_for(pool, Started)
        pids = []
        for ticket in range(6):
            eventually(lambda: pool.poll(time.monotonic()) is not None and pool.idle(), 20)
            pids.append(ask(pool, "hoard", ticket))
            assert not any(isinstance(event, Died) for event in wait_for(pool, Answered))
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3]
    finally:
        pool.stop()


def test_a_retired_pool_answers_what_it_has_and_ends(pool: AnyPool) -> None:
    wait_for(pool, Started, 2)
    ask(pool, "good", 7)
    pool.retire()
    assert pool.idle() == 0
    events: list[Event] = []
    eventually(lambda: events.extend(pool.poll(time.monotonic())) or pool.ended, 10, "it has ended")
    assert answer(events, 7).message == "good"
    assert all(isinstance(event, Answered) for event in events)
    assert pool.descriptors() == []


def test_a_closed_or_dead_worker_does_not_keep_the_daemon_awake(pool: AnyPool) -> None:
    wait_for(pool, Started, 2)
    ask(pool, "close")
    eventually(lambda: pool.poll(time.monotonic()) == [] and any(w.closed_at for w in pool._workers), 5)
    poller = select.poll()
    for descriptor in pool.descriptors():
        poller.register(descriptor, select.POLLIN)
    assert poller.poll(0) == []
