"""The zygote: what it shares, what it must not have, and what remains when it or its workers die."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from colorwatch import shipped
from colorwatch.config import Config, Folder
from colorwatch.modelstore import Model
from colorwatch.pool import (
    ENVIRONMENT,
    Answered,
    Chosen,
    Died,
    Event,
    SpawnPool,
    Started,
    StartFailed,
    ZygoteDied,
    ZygotePool,
    best_pool,
    forking,
)
from colorwatch.protocol import ProbeRequest, RenderRequest, WorkerSetup
from colorwatch.scan import Facts, Fingerprint, Rendering, State
from colorwatch.service import Service
from colorwatch.work import patience
from house import encode
from pools import SETUP, alive, answer, ask, children, death, descriptors, hold, private_bytes, reads, wait_for
from waiting import eventually

PR_SET_CHILD_SUBREAPER = 36
SAMPLES = os.path.join(os.path.dirname(shipped.find("models/compact.onnx")), "..", "samples")


@contextlib.contextmanager
def running(size: int = 2, net: str = "", program: str = "fault_workers", **limits: int) -> Iterator[ZygotePool]:
    """A pool; `net` is one of fault_nets, served by the real worker."""
    setup = WorkerSetup(0, "none", f"fault_nets:{net}") if net else SETUP
    pool = ZygotePool(size, setup, program="colorwatch.workers.worker" if net else program, **limits)
    try:
        yield pool
    finally:
        pool.stop()


@pytest.fixture
def pool() -> Iterator[ZygotePool]:
    """Two workers that fail by script, ready."""
    with running() as pool:
        wait_for(pool, Started, 2)
        yield pool


@pytest.fixture
def real() -> Iterator[ZygotePool]:
    """Two workers with the shipped net, ready."""
    pool = ZygotePool(2, WorkerSetup(0, shipped.find("models/compact.onnx")))
    try:
        wait_for(pool, Started, 2)
        yield pool
    finally:
        pool.stop()


@pytest.fixture
def first_process() -> Iterator[None]:
    """Orphans fall to this process, as they do to process 1 of a container."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def zygote_of(pool: ZygotePool) -> int:
    assert pool.zygote is not None
    return pool.zygote


def render(pool: ZygotePool, spool: str, ticket: int = 1) -> int:
    """Asks for a sample to be coloured."""
    root = os.path.realpath(SAMPLES)
    fingerprint = Fingerprint.of(os.stat(os.path.join(root, "astronaut.jpg")))
    request = RenderRequest(ticket, root, "astronaut.jpg", fingerprint, spool)
    return pool.submit(request, time.monotonic() + 60)


class TestWhatIsShared:
    def test_the_zygote_has_one_thread_at_every_fork(self, real: ZygotePool) -> None:
        for pid in real.pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(real, Started, 2)
        assert (real.forks, real.threads_at_fork) == (4, 1)
        assert len(os.listdir(f"/proc/{zygote_of(real)}/task")) == 1

    def test_the_zygote_starts_with_openblas_held_to_one_thread(self, real: ZygotePool) -> None:
        with open(f"/proc/{zygote_of(real)}/environ", "rb") as environ:
            assert b"OPENBLAS_NUM_THREADS=1" in environ.read().split(b"\0")

    def test_libvips_is_loaded_after_the_fork_alone(self, real: ZygotePool) -> None:
        assert reads(zygote_of(real), "cv2")
        assert not reads(zygote_of(real), "vips")
        assert all(reads(pid, "vips") for pid in real.pids)

    def test_a_worker_has_little_memory_of_its_own(self, real: ZygotePool, tmp_path: Path) -> None:
        for ticket in range(4):
            pid = render(real, os.path.join(tmp_path, str(ticket)), ticket)
            (event,) = [event for event in wait_for(real, Answered) if isinstance(event, Answered)]
            assert isinstance(event.answer, Rendering)
        assert private_bytes(pid) < 60 * 2**20

    def test_a_worker_holds_no_descriptor_but_its_own(self, pool: ZygotePool) -> None:
        # Input, output, errors and its channel; nothing of the zygote's, nor of the worker forked before.
        assert [len(descriptors(pid)) for pid in pool.pids] == [4, 4]

    def test_workers_are_the_first_to_go_when_memory_ends(self, real: ZygotePool) -> None:
        def score(pid: int) -> int:
            with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
                return int(file.read())

        assert all(score(pid) > score(zygote_of(real)) for pid in real.pids)


class TestWhenItCannotBeHad:
    def test_a_net_that_leaves_a_thread_is_not_forked(self) -> None:
        with running(net="threaded_net") as pool:
            events = wait_for(pool, Started, 2)
            assert [event.kind for event in events if isinstance(event, Chosen)] == ["spawn"]
            assert "2 threads" in next(event.reason for event in events if isinstance(event, Chosen))
            assert (pool.forks, pool.zygote) == (0, None)
            probe_samples(pool)

    @pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="OpenBLAS starts no threads on one core")
    def test_numpy_with_threads_of_its_own_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(ENVIRONMENT, "OPENBLAS_NUM_THREADS", "2")
        with running(net="grey_net") as pool:
            assert any(isinstance(event, Chosen) for event in wait_for(pool, Started, 2))
            assert pool.forks == 0

    def test_a_thread_that_comes_later_is_noticed_at_the_next_fork(self) -> None:
        with running(net="later_threaded_net") as pool:
            wait_for(pool, Started, 2)
            zygote, forked = zygote_of(pool), pool.pids
            os.kill(zygote, signal.SIGUSR1)
            eventually(lambda: len(os.listdir(f"/proc/{zygote}/task")) == 2)
            os.kill(forked[0], signal.SIGKILL)
            events = wait_for(pool, Started, 2)
            assert [type(event) for event in events] == [Chosen, Started, Started]
            assert (pool.forks, pool.threads_at_fork) == (2, 1)
            assert not set(forked) & set(pool.pids)
            probe_samples(pool)

    def test_more_than_one_thread_a_worker_means_spawn(self) -> None:
        pool = best_pool(1, WorkerSetup(0, "none", threads=2))
        assert isinstance(pool, SpawnPool)
        assert pool.poll(-1.0) == [
            Chosen("spawn", "each worker's net runs on 2 threads, and a process with threads is not forked safely")
        ]

    def test_one_thread_a_worker_means_a_zygote(self) -> None:
        pool = best_pool(1, WorkerSetup(0, "none"))
        assert isinstance(pool, ZygotePool)
        assert pool.poll(-1.0) == [Chosen("zygote", "its workers share one loaded net")]

    def test_a_net_that_cannot_be_loaded_is_said_in_its_own_words(self) -> None:
        with running(net="missing_net") as pool:
            (event,) = wait_for(pool, StartFailed)
            assert event == StartFailed("there is no such net", 1)
            assert pool.poll(time.monotonic()) == []  # not at once again
            (event,) = wait_for(pool, StartFailed, clock_ahead=2)
            assert event == StartFailed("there is no such net", 2)

    def test_a_fork_that_fails_is_tried_again_later(self) -> None:
        with running(program="fault_forks") as pool:
            events = wait_for(pool, StartFailed)
            assert "no worker can be forked" in next(e.why for e in events if isinstance(e, StartFailed))
            events += wait_for(pool, Started, 2 - sum(isinstance(event, Started) for event in events))
            assert pool.idle() == 2


class TestDeaths:
    def test_a_replacement_answers_after_less_than_a_second_of_work(self, real: ZygotePool, tmp_path: Path) -> None:
        # Its processor time, not the clock's: on a busy machine the clock measures the others. `make bench` has both.
        zygote = zygote_of(real)
        wait_for_idle(real, 2)
        for pid in real.pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(real, Started)
        render(real, os.path.join(tmp_path, "result"), 1)
        (answered,) = [event for event in wait_for(real, Answered) if isinstance(event, Answered)]
        assert isinstance(answered.answer, Rendering)
        assert processor_seconds(answered.pid) < 1
        assert zygote_of(real) == zygote

    def test_a_dead_zygote_is_replaced_and_its_requests_are_not_to_blame(self, pool: ZygotePool) -> None:
        zygote, workers = zygote_of(pool), pool.pids
        ask(pool, "hang", 7)
        os.kill(zygote, signal.SIGKILL)
        events = wait_for(pool, Died)
        assert (death(events).ticket, death(events).blameless) == (7, True)
        (lost,) = [event for event in events if isinstance(event, ZygoteDied)]
        assert (lost.pid, "SIGKILL" in lost.why) == (zygote, True)
        wait_for(pool, Started, 2)
        assert not set(workers) & set(pool.pids)
        ask(pool, "good", 8)
        assert answer(wait_for(pool, Answered), 8).message == "good"

    def test_workers_die_with_their_zygote_by_the_kernels_hand(self, pool: ZygotePool) -> None:
        workers = pool.pids
        ask(pool, "hang")
        os.kill(zygote_of(pool), signal.SIGKILL)
        eventually(lambda: not any(map(alive, workers)), 2, "nobody polled")

    def test_the_zygote_goes_when_the_pools_end_closes(self, pool: ZygotePool) -> None:
        zygote, workers = zygote_of(pool), pool.pids
        assert pool._zygote is not None
        pool._zygote.control.shutdown(socket.SHUT_RDWR)
        eventually(lambda: not any(map(alive, [zygote, *workers])), 2)

    def test_a_death_is_noticed_while_the_zygote_hangs(self, pool: ZygotePool) -> None:
        zygote = zygote_of(pool)
        hold(zygote)
        pid = ask(pool, "hang")
        os.kill(pid, signal.SIGKILL)
        died = death(wait_for(pool, Died))
        assert (died.pid, died.blameless, died.why) == (pid, False, "it ended, nobody knows how")
        events = wait_for(pool, ZygoteDied, clock_ahead=60)
        assert "did not finish in time" in next(e.why for e in events if isinstance(e, ZygoteDied))
        wait_for(pool, Started, 2, clock_ahead=120)
        assert zygote_of(pool) != zygote

    def test_a_hung_worker_is_ended_while_the_zygote_hangs(self, pool: ZygotePool) -> None:
        pid = ask(pool, "hang", seconds=1)
        hold(zygote_of(pool))
        died = death(wait_for(pool, Died, clock_ahead=2))
        assert (died.pid, died.hung, died.blameless) == (pid, True, False)

    def test_a_crash_just_before_the_zygotes_death_still_counts(self, pool: ZygotePool) -> None:
        ask(pool, "crash")
        pid = next(worker.pid for worker in pool._workers if worker.request)
        eventually(lambda: pid not in children(zygote_of(pool)), 5, "the zygote has reaped it")
        os.kill(zygote_of(pool), signal.SIGKILL)
        died = death(wait_for(pool, Died))
        assert ("SIGSEGV" in died.why, died.blameless) == (True, False)

    def test_zygotes_that_die_again_and_again_are_started_less_and_less_often(self) -> None:
        with running(1) as pool:
            ahead = 0.0
            for wait in (1.0, 2.0, 4.0):
                wait_for(pool, Started, clock_ahead=ahead)
                os.kill(zygote_of(pool), signal.SIGKILL)
                wait_for(pool, ZygoteDied, clock_ahead=ahead)
                pool.poll(time.monotonic() + ahead + wait - 0.5)
                assert pool.zygote is None
                ahead += wait
            wait_for(pool, Started, clock_ahead=ahead)


class TestWhatIsLeftBehind:
    def test_two_hundred_forks_leave_no_descriptor_and_no_zombie(self) -> None:
        with running(2, scans_per_worker=1) as pool:
            wait_for(pool, Started, 2)
            ask_and_wait(pool, 10)
            before = at_rest(pool)
            ask_and_wait(pool, 200)
            assert at_rest(pool) == before
            assert pool.forks >= 210

    def test_two_hundred_crashes_leave_no_descriptor_and_no_zombie(self) -> None:
        with running(2) as pool:
            before = at_rest(pool)
            for ticket in range(200):
                wait_for_idle(pool, 1)
                ask(pool, "exit", ticket)
                wait_for(pool, Died)
            assert at_rest(pool) == before

    def test_stop_in_the_middle_of_a_fork_leaves_nothing(self) -> None:
        before, kin = descriptors("self"), set(children(os.getpid()))
        for steps in range(12):
            pool = ZygotePool(2, SETUP, program="fault_workers")
            eventually(lambda pool=pool: pool.poll(time.monotonic()) == [] and pool._number, 20, "a fork is asked for")
            for _ in range(steps):
                pool.poll(time.monotonic())
            zygote = zygote_of(pool)
            workers = set(pool.pids) | set(children(zygote))
            pool.stop()
            assert not any(map(alive, [zygote, *workers]))
        assert set(children(os.getpid())) <= kin
        assert len(descriptors("self")) == len(before)

    def test_orphans_of_a_zygote_are_reaped_where_they_fall_to_the_daemon(
        self, pool: ZygotePool, first_process: None
    ) -> None:
        workers = pool.pids
        ask(pool, "hang")
        os.kill(zygote_of(pool), signal.SIGKILL)
        assert death(wait_for(pool, Died)).blameless
        eventually(lambda: pool.poll(time.monotonic()) == [] and not set(workers) & set(children(os.getpid())), 5)

    def test_a_retired_pool_leaves_its_zygote_no_reason_to_stay(self, pool: ZygotePool) -> None:
        zygote, workers = zygote_of(pool), pool.pids
        pool.retire()
        eventually(lambda: pool.poll(time.monotonic()) == [] and pool.ended, 10)
        assert not any(map(alive, [zygote, *workers]))


class TestInTheDaemon:
    def test_a_scan_that_was_running_when_the_zygote_died_keeps_a_clean_record(self, tmp_path: Path) -> None:
        with daemon(tmp_path, "hang_once_net") as service:
            ticks(service, (tmp_path / "model").exists)
            assert isinstance(service._pool, ZygotePool)
            os.kill(zygote_of(service._pool), signal.SIGKILL)
            ticks(service, lambda: service.ledger.counts()[State.DONE] == 1)
            assert service.ledger.job(1).worker_deaths == 0

    def test_a_scan_that_kills_the_zygote_each_time_ends_in_quarantine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(patience, "MAX_EXCUSED", 1)
        monkeypatch.setattr(forking, "backoff", lambda losses: 0.0)
        with daemon(tmp_path, "parent_killing_net") as service:
            ticks(service, lambda: service.ledger.counts()[State.QUARANTINED] == 1)
            assert service.ledger.job(1).worker_deaths == patience.MAX_DEATHS


@contextlib.contextmanager
def daemon(root: Path, net: str) -> Iterator[Service]:
    """A daemon with the pool that it chooses by itself, and a black picture in its inbox."""
    inbox, outbox, marker = root / "inbox", root / "outbox", root / "model"
    inbox.mkdir()
    outbox.mkdir()
    (inbox / "black.png").write_bytes(encode(np.zeros((60, 80), np.uint8), ".png"))
    folder = Folder(inbox=str(inbox), outbox=str(outbox), settle_seconds=0.1)
    config = Config(folders=(folder,), state=str(root / "state"), workers=1)
    service = Service(config, Model("none", str(marker), "00" * 32), net=f"fault_nets:{net}")
    try:
        service.start()
        yield service
    finally:
        service.close()


def ticks(service: Service, until: Callable[[], bool]) -> None:
    """Ticks until `until()` holds."""

    def step() -> bool:
        service.tick(time.monotonic())
        return until()

    eventually(step, 60)


def probe_samples(pool: ZygotePool) -> None:
    """Both workers answer."""
    for ticket in (1, 2):
        pool.submit(ProbeRequest(ticket, os.path.realpath(SAMPLES), "astronaut.jpg"), time.monotonic() + 60)
    events = wait_for(pool, Answered, 2)
    assert all(isinstance(event.answer, Facts) for event in events if isinstance(event, Answered))


def at_rest(pool: ZygotePool) -> tuple[int, int]:
    """How many descriptors this process and the zygote hold, once all workers are idle and the dead ones are reaped."""

    def resting() -> bool:
        pool.poll(time.monotonic())
        return pool.idle() == 2 and sorted(children(zygote_of(pool))) == sorted(pool.pids)

    eventually(resting, 20, "two idle workers, no zombie")
    return len(descriptors("self")), len(descriptors(zygote_of(pool)))


def wait_for_idle(pool: ZygotePool, count: int) -> None:
    eventually(lambda: pool.poll(time.monotonic()) is not None and pool.idle() >= count, 20)


def ask_and_wait(pool: ZygotePool, count: int) -> None:
    """Has `count` requests answered, as many at once as it takes."""
    events: list[Event] = []
    tickets = itertools.count()

    def step() -> bool:
        events.extend(pool.poll(time.monotonic()))
        while pool.idle() and (ticket := next(tickets)) < count:
            ask(pool, "good", ticket)
        return sum(isinstance(event, Answered) for event in events) >= count

    eventually(step, 60, "all answered")
    assert not any(isinstance(event, Died | StartFailed) for event in events)
