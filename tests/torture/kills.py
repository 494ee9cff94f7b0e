"""Kills: at each named point, at random, of workers again and again; and the gentle end, in each phase of the work."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence

from colorwatch.faultpoint import POINTS
from torture.faults import (
    AT_END,
    AT_START,
    OF_ARCHIVES,
    OF_COPIES,
    OF_PRINTS,
    OF_REDOS,
    OF_THE_BAD,
    RARE,
    WORKER_POINTS,
    Chain,
    Fault,
)
from torture.ground import Ground, percentile, recovery, sessions
from torture.oracle import Wanted, judge
from torture.rows import Row, Table
from waiting import eventually

NO_PICTURE = b"dear aunt, these are not pictures\n"


@contextlib.contextmanager
def other_disk() -> Iterator[str | None]:
    """A folder on another disk than the temporary one; None where there is none."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev:
        yield None
        return
    folder = tempfile.mkdtemp(prefix="torture-", dir="/dev/shm")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def victims(point: str) -> tuple[str, ...]:
    """Who is killed there: the process itself; all; and, where that is a worker, the daemon over it."""
    return ("kill", "killleader", "killgroup") if point in WORKER_POINTS or point == "fork" else ("kill", "killgroup")


def at_points(
    table: Table, root: str, files: int, points: Sequence[str] | None = None, victim: str | None = None
) -> None:
    """Section a: `files` scans for each point and victim. Archives on another disk, and then on the same."""
    chosen = sorted(set(points or POINTS) - OF_PRINTS)
    with other_disk() as elsewhere:
        if elsewhere is not None:
            _at_points(table, os.path.join(root, "elsewhere"), files, chosen, victim, elsewhere)
        else:
            table.add(Row("a", "archive on another disk", 0, 0, None, skipped="there is no second disk here"))
    here = [point for point in chosen if point not in OF_COPIES and (elsewhere is None or point in OF_ARCHIVES)]
    if here:
        _at_points(table, os.path.join(root, "here"), files, here, victim, None)


def _at_points(
    table: Table, root: str, files: int, points: Sequence[str], victim: str | None, elsewhere: str | None
) -> None:
    archive = elsewhere or os.path.join(root, "archive")
    ground = Ground(root, {"originals": "archive", "archive": archive})
    chain = Chain(
        ground,
        [
            (point, action, 1 if point in RARE else max(1, files // 2))
            for point in points
            for action in victims(point)
            if victim in (None, action)
        ],
    )
    if not len(chain):  # none of these points has the victim that was asked for
        return
    began = time.monotonic()
    bad: list[str] = []
    note = ""
    ground.begin()
    try:
        while (fault := chain.current) is not None:
            _one_fault(ground, fault, files, bad)
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note else ground.abandon()
    if chain.unfired():
        note = f"! not reached: {', '.join(chain.unfired())} {note}"
    table.add(
        Row(
            *("a", f"kill at points, {'another disk' if elsewhere else 'same disk'}", len(ground.scans), len(chain)),
            judge(ground, Wanted(bad=bad, originals="archive")),
            time.monotonic() - began,
            percentile(recovery(ground), 0.95),
            note,
            figures={"points": len(points), "files_each": files},
        )
    )


def _one_fault(ground: Ground, fault: Fault, files: int, bad: list[str]) -> None:
    """`files` scans while this fault is armed, until it has fired and they are done."""
    life = ground.lives[-1]
    before = len(ground.scans) + len(bad)
    fault.want()
    ground.drop(fault.name, files)
    if fault.point in OF_THE_BAD:
        bad.append(os.path.join(fault.name, "letter.jpg"))
        ground.put(bad[-1], NO_PICTURE + fault.name.encode())
    if fault.point in AT_START | AT_END:
        eventually(lambda: fault.fired or ground.ended() >= before + files // 2, 120, "half done")
        if not fault.fired and fault.point in AT_START:
            ground.signal(signal.SIGKILL, group=True)
        elif not fault.fired:
            ground.terminate()
    asking = None
    if fault.point in OF_REDOS:
        ground.wait_all(len(ground.scans) + len(bad))
        result = ground.path("outbox", ground.scans[-1].path)
        asking = ground.popen("redo", result, "--strength", "0.5")
    eventually(lambda: fault.fired, 120, f"{fault.name} fires")
    if asking is not None:
        asking.wait(60)
    ground.wait_all(len(ground.scans) + len(bad))
    if ground.lives[-1] is life and ground.signal(signal.SIGKILL, group=True):
        eventually(lambda: ground.lives[-1] is not life, 120, "a new life")


# --- at random ----------------------------------------------------------------------------------------------------


class Feeder:
    """Keeps an inbox filled: never fewer than `backlog` scans are on their way."""

    def __init__(self, ground: Ground, backlog: int, folder: str = "fed") -> None:
        self._ground = ground
        self._backlog = backlog
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        batch = 0
        while not self._over.wait(0.05):
            missing = self._backlog - (len(self._ground.scans) - self._ground.ended())
            if missing > self._backlog // 3:
                batch += 1
                self._ground.drop(f"{self._folder}/{batch // 20:04}", missing)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def at_random(table: Table, root: str, kills: int, seed: int = 0, backlog: int = 40) -> None:
    """Section b: kills at random moments under load: of the daemon, of all, of the zygote, of a worker."""
    rng = random.Random(seed)
    ground = Ground(root, {"originals": "archive", "archive": os.path.join(root, "archive")})
    began = time.monotonic()
    note = ""
    whom = {"daemon": 0, "all": 0, "zygote": 0, "worker": 0}
    ground.begin()
    feeder = Feeder(ground, backlog)
    try:
        for number in range(kills):
            life = ground.lives[-1]
            if number % 2:
                # A moment after it was seen to work: only so is the time to the first result always known.
                eventually(lambda: ground.working() or ground.lives[-1].ended is not None, 120, "a scan is done")
                time.sleep(rng.uniform(0, 0.6))
            else:
                time.sleep(rng.uniform(0, 2.0))
            victim = rng.choices(list(whom), (55, 25, 10, 10))[0]
            whom[victim] += _kill(ground, victim, rng)
            if victim in ("daemon", "all"):
                eventually(lambda life=life: ground.lives[-1] is not life, 120, "a new life")  # type: ignore[misc]
        feeder.stop()
        ground.wait_all(timeout=180)
    except AssertionError as error:
        note = f"! {error}"
    finally:
        feeder.stop()
        ground.end() if not note else ground.abandon()
    seconds = recovery(ground)
    table.add(
        Row(
            *("b", f"random kills, seed {seed}", len(ground.scans), sum(whom.values())),
            judge(ground, Wanted(originals="archive")),
            time.monotonic() - began,
            percentile(seconds, 0.95),
            note,
            figures={"killed": whom, "recoveries": len(seconds), "median": percentile(seconds, 0.5),
                     "worst": max(seconds, default=None)},
        )
    )  # fmt: skip


def _kill(ground: Ground, victim: str, rng: random.Random) -> bool:
    if victim in ("daemon", "all"):
        return ground.signal(signal.SIGKILL, group=victim == "all")
    there = ground.processes()[victim]
    with contextlib.suppress(ProcessLookupError):
        if there:
            os.kill(rng.choice(there), signal.SIGKILL)
            return True
    return False


# --- workers, for minutes -----------------------------------------------------------------------------------------


def workers(table: Table, root: str, seconds: float, seed: int = 0, every: float = 1.0) -> None:
    """Section h: a random worker is killed every second; what that costs, and what it leaves behind."""
    rng = random.Random(seed)
    ground = Ground(root, {"originals": "archive", "archive": os.path.join(root, "archive")})
    began = time.monotonic()
    note, kills = "", 0
    rates: dict[str, float] = {}
    ground.begin()
    feeder = Feeder(ground, 60)
    try:
        eventually(ground.working, 120)
        undisturbed = max(5.0, seconds / 6)
        before = _belongings(ground)
        rates["undisturbed"] = _rate(ground, undisturbed, lambda: None)

        def kill_one() -> None:
            nonlocal kills
            kills += _kill(ground, "worker", rng)

        rates["killed"] = _rate(ground, seconds, kill_one, every)
        feeder.stop()
        ground.wait_all(timeout=180)
        eventually(lambda: len(ground.processes()["worker"]) == 2, 120, "two workers")
        after = _belongings(ground)
        grown = {key: after[key] - before[key] for key in before}
        note = f"{rates['undisturbed']:.0f}/s undisturbed, {rates['killed']:.0f}/s killed; grown {grown}"
        if any(value > 1 for value in grown.values()):  # an open log line or spool file may come between two looks
            note = f"! {note}"
    except AssertionError as error:
        note = f"! {error}"
    finally:
        feeder.stop()
        ground.end()
    table.add(
        Row(
            *("h", f"a worker killed every {every:g} s", len(ground.scans), kills),
            judge(ground, Wanted(originals="archive")),
            time.monotonic() - began,
            note=note,
            figures={"rates": rates, "lives": len(ground.lives)},
        )
    )


def _rate(ground: Ground, seconds: float, act: object, every: float = 1.0) -> float:
    """Scans a second, `act` being done every so often."""
    assert callable(act)
    began, before = time.monotonic(), ground.ended()
    while time.monotonic() < began + seconds:
        time.sleep(min(every, seconds))
        act()
    return (ground.ended() - before) / (time.monotonic() - began)


def _belongings(ground: Ground) -> dict[str, int]:
    """What could leak: processes, descriptors of daemon and zygote, threads, shared memory."""
    assert ground.daemon is not None
    processes = ground.processes()
    found = {"processes": sum(map(len, processes.values())), "shared": len(os.listdir("/dev/shm"))}
    for role in ("daemon", "zygote"):
        for pid in processes[role][:1]:
            found[f"{role} descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
            found[f"{role} threads"] = len(os.listdir(f"/proc/{pid}/task"))
    return found


# --- the gentle end -----------------------------------------------------------------------------------------------


def gentle_ends(table: Table, root: str, files: int, points: Sequence[str] | None = None) -> None:
    """Section i: held at each point, the daemon is asked to end: once, and it drains; twice, and it ends at once."""
    never = AT_END | AT_START | OF_COPIES | OF_THE_BAD | OF_REDOS | OF_PRINTS | {"put-back"}
    chosen = sorted(set(points or POINTS) - never)
    archive = os.path.join(root, "archive")
    ground = Ground(root, {"originals": "archive", "archive": archive}, {"limits": {"drain_seconds": 20}})
    twice = {}
    faults = []
    for point in chosen:
        for times in (1, 2):
            twice[len(faults)] = times == 2
            faults.append((point, "stop", 1 if point in RARE else max(1, files // 2)))
    chain = Chain(ground, faults)
    began, note, ends = time.monotonic(), "", []
    ground.begin()
    try:
        while (fault := chain.current) is not None:
            ends.append(_one_end(ground, fault, files, twice=twice[int(fault.name.split("-")[0])]))
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note else ground.abandon()
    wrong = [life.code for life in ground.lives if life.asked and life.code not in (0, None)]
    if wrong:
        note = f"! exit codes {wrong} {note}"
    table.add(
        Row(
            *("i", "SIGTERM in each phase, once and twice", len(ground.scans), len(chain)),
            judge(ground, Wanted(originals="archive")),
            time.monotonic() - began,
            percentile(recovery(ground), 0.95),
            note or f"longest end {max(ends, default=0):.1f} s",
            figures={"points": len(chosen), "longest_end": max(ends, default=None)},
        )
    )


def _one_end(ground: Ground, fault: Fault, files: int, *, twice: bool) -> float:
    """Seconds from the signal (or from going on, where the daemon itself was held) to the end."""
    life, daemon = ground.lives[-1], ground.daemon
    assert daemon is not None
    fault.want()
    ground.drop(fault.name, files)
    eventually(lambda: fault.fired and _held(ground), 120, f"{fault.name} holds")
    held = _held(ground)
    for _ in range(2 if twice else 1):
        ground.terminate()
        if daemon.pid not in held:
            time.sleep(0.15)  # both signals must be heard one by one
    if daemon.pid in held and twice:
        # Held, it took both for one: the second is sent again once it can hear.
        os.kill(daemon.pid, signal.SIGCONT)
        eventually(lambda: b"service.stopping" in _log_of(ground, life.log_from) or life.ended is not None, 20)
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGTERM)
    began = time.monotonic()
    if not (twice and daemon.pid not in held):  # at the second signal it waits for no worker, held or not
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    eventually(lambda: life.ended is not None, 120, f"the end, after {fault.name}{' twice' if twice else ''}")
    seconds = time.monotonic() - began
    eventually(lambda: ground.lives[-1] is not life, 120, "a new life")
    ground.wait_all()
    return seconds


def _held(ground: Ground) -> list[int]:
    assert ground.daemon is not None
    return [pid for pid, _, state in sessions().get(ground.daemon.pid, []) if state == "T"]


def _log_of(ground: Ground, start: int) -> bytes:
    with open(ground.path("log"), "rb") as log:
        log.seek(start)
        return log.read()
