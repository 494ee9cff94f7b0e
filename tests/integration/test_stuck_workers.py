"""Workers that wait in the kernel, as on a share that hangs: told apart from hung ones, given up, never waited for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from colorwatch.pool import Answered, Died, Event, SpawnPool, Started, StartFailed, ZygotePool
from colorwatch.pool.children import waits_in_kernel
from colorwatch.pool.workers import REAP_SECONDS
from holding import Holding
from pools import SETUP, AnyPool, alive, answer, ask, death, descriptors, wait_for
from waiting import eventually

KINDS = {"spawn": SpawnPool, "zygote": ZygotePool}
Keep = Callable[[int], Holding]


@pytest.fixture(params=KINDS)
def pool(request: pytest.FixtureRequest) -> Iterator[AnyPool]:
    """One worker that fails by script, ready."""
    pool = KINDS[request.param](1, SETUP, program="fault_workers")
    try:
        wait_for(pool, Started)
        yield pool
    finally:
        pool.stop()


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Makes a process one that SIGKILL does not end, until it is released."""
    kept: list[Holding] = []

    def keep(pid: int) -> Holding:
        kept.append(Holding(pid))
        if not kept[-1].held:
            pytest.skip("no process may be traced here")
        return kept[-1]

    yield keep
    for held in kept:
        held.release()


def until_given_up(pool: AnyPool) -> list[Event]:
    """Polls past the deadline of a request of one second, and past the time that a killed worker gets."""
    events = pool.poll(time.monotonic() + 2)
    return events + pool.poll(time.monotonic() + 2 + REAP_SECONDS + 1)


def test_a_worker_that_waits_for_a_disk_at_its_deadline_is_not_held_against_its_scan(pool: AnyPool) -> None:
    pid = ask(pool, "disk", seconds=1)
    eventually(lambda: waits_in_kernel(pid), 5)
    died = death(wait_for(pool, Died, clock_ahead=2))
    assert (died.hung, died.blameless, died.stuck) == (True, True, True)
    assert "a disk or a share" in died.why


def test_a_worker_that_hangs_by_itself_is(pool: AnyPool) -> None:
    pid = ask(pool, "hang", seconds=1)
    assert not waits_in_kernel(pid)
    died = death(wait_for(pool, Died, clock_ahead=2))
    assert (died.hung, died.blameless, died.stuck) == (True, False, False)


def test_a_worker_that_cannot_be_ended_is_given_up_and_replaced(pool: AnyPool, keep: Keep) -> None:
    before = len(descriptors("self"))
    pid = ask(pool, "hang", 3, seconds=1)
    held = keep(pid)
    died = death(until_given_up(pool))
    assert (died.ticket, died.hung, died.blameless, died.stuck) == (3, True, True, True)
    assert died.why == "it did not finish in time and could not be ended: a disk or a share keeps it waiting"
    assert pool.stuck == [pid]
    assert alive(pid)
    wait_for(pool, Started)
    ask(pool, "good", 4)
    assert answer(wait_for(pool, Answered), 4).message == "good"
    held.release()
    eventually(lambda: pool.poll(time.monotonic()) is not None and not pool.stuck, 5)
    assert len(descriptors("self")) == before


def test_an_answer_that_is_none_counts_however_its_worker_ends(pool: AnyPool, keep: Keep) -> None:
    held = keep(pool.pids[0])
    ask(pool, "babble")
    eventually(lambda: pool.poll(time.monotonic()) is not None and held.at_its_exit(), 5)
    died = death(pool.poll(time.monotonic() + REAP_SECONDS + 1))
    assert (died.blameless, died.stuck) == (False, False)


def test_those_that_cannot_be_ended_are_not_replaced_for_ever(pool: AnyPool, keep: Keep) -> None:
    held = []
    for ticket in (1, 2):
        held.append(keep(ask(pool, "hang", ticket, seconds=1)))
        events = until_given_up(pool)
        assert death(events).stuck
        if ticket == 1:
            wait_for(pool, Started)
    (said,) = [event for event in events if isinstance(event, StartFailed)]
    assert "2 workers cannot be ended" in said.why
    for ahead in (1, 60, 600):
        assert pool.poll(time.monotonic() + ahead) == []
    assert pool.pids == []
    held[0].release()
    wait_for(pool, Started)
    assert len(pool.stuck) == 1


def test_a_pool_that_stops_does_not_wait_for_those_it_has_given_up(pool: AnyPool, keep: Keep) -> None:
    keep(ask(pool, "hang", seconds=1))
    until_given_up(pool)
    wait_for(pool, Started)
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < REAP_SECONDS
    assert pool.stuck == []


def test_a_zygote_that_cannot_be_ended_is_replaced_too(keep: Keep) -> None:
    pool = ZygotePool(1, SETUP, program="fault_workers")
    try:
        wait_for(pool, Started)
        first = pool.zygote
        assert first is not None
        ask(pool, "hang")
        held = keep(first)
        os.kill(first, signal.SIGKILL)
        eventually(held.at_its_exit, 5)
        # Its end of the line is still open: it is found out when the next fork does not come.
        os.kill(pool.pids[0], signal.SIGKILL)
        events = wait_for(pool, Died)
        for ahead in (60, 70, 80, 90):
            events += pool.poll(time.monotonic() + ahead)
        wait_for(pool, Started, clock_ahead=90)
        assert pool.stuck == [first]
        assert pool.zygote != first
    finally:
        pool.stop()
