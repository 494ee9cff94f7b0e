"""Hours of everything at once: scans dripped, in bursts, renamed, deleted, doubled, dropped again; random faults."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from house import UNFINISHED, files
from torture import mounts, plot
from torture.ground import GREY, Ground, percentile, recovery
from torture.oracle import Verdict, Wanted, judge
from torture.pictures import Scan, content_of
from torture.rows import Row, Table
from torture.shim import NoCompilerError, Shim
from waiting import eventually

CYCLE_SECONDS = 60.0
SAMPLE_SECONDS = 5.0
DEATH_MINUTES = 12.0  # between deaths of the daemon itself: memory is to be seen over some time
_CODES = ("EIO", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "ESTALE", "EINTR")
_PLACES = ("outbox", "inbox", "archive")


def soak(
    table: Table, root: str, minutes: float, seed: int, results: str, *, real_net: bool = False, cycle: float = 0.0
) -> None:
    """Section k: one row for all cycles, a CSV and a plot of memory and descriptors in `results`."""
    rng = random.Random(seed)
    archive = os.path.join(root, "archive")
    ground = Ground(root, {"originals": "archive", "archive": archive}, net=None if real_net else GREY)
    shim = None
    with contextlib.suppress(NoCompilerError):
        shim = Shim()
        ground.environment |= shim.environment
    if mounts.inside():
        mounts.own_mount(ground.path("outbox"))
    os.makedirs(results, exist_ok=True)
    began, note = time.monotonic(), ""
    total, cycles, dropped = Verdict(), 0, 0
    faults = Faults(ground, shim, rng)
    ground.begin()
    sampler = Sampler(ground, os.path.join(results, "soak.csv"))
    length = cycle or min(CYCLE_SECONDS, minutes * 60)
    try:
        while time.monotonic() < began + minutes * 60:
            cycles += 1
            faults.go_on()
            loose = _load(ground, rng, f"cycle-{cycles:04}", length)
            faults.pause()
            dropped += len(ground.scans)
            try:
                eventually(lambda: _at_rest(ground), 150, f"cycle {cycles} comes to rest")
            finally:
                verdict = judge(ground, Wanted(originals="archive", running=True, loose=loose))
                _add(total, verdict)
                if not verdict.clean:
                    print(f"cycle {cycles}: {verdict}", flush=True)
            _take_away(ground, archive)
    except AssertionError as error:
        note = f"! {error}"
    finally:
        faults.end()
        sampler.stop()
        ground.end() if not note else ground.abandon()
        if shim is not None:
            shim.close()
    total.left_behind += [f"process {pid}" for pid in ground.leftovers()]
    slopes = plot.draw(os.path.join(results, "soak.csv"), os.path.join(results, "soak.svg"))
    table.add(
        Row(
            *("k", f"soak, {minutes:g} min, seed {seed}", dropped, sum(faults.done.values()), total),
            time.monotonic() - began,
            percentile(recovery(ground), 0.95),
            note,
            figures={"cycles": cycles, "faults": dict(faults.done), "slopes": slopes, "lives": len(ground.lives)},
        )
    )


def _add(total: Verdict, one: Verdict) -> None:
    total.scans += one.scans
    for name, value in vars(one).items():
        if isinstance(value, list):
            getattr(total, name).extend(entry for entry in value if entry not in getattr(total, name))


def _at_rest(ground: Ground) -> bool:
    """Every scan has left the inbox, and no job is under way."""
    counts = ground.counts()
    return bool(counts) and not UNFINISHED & set(counts) and not files(ground.path("inbox"))


def _take_away(ground: Ground, archive: str) -> None:
    """The user takes results and originals: the disk does not fill up, and what comes back is of no scan."""
    for folder in (ground.path("outbox"), archive):
        for name in os.listdir(folder):
            if name.startswith("cycle-"):
                shutil.rmtree(os.path.join(folder, name))
    ground.scans.clear()


def _load(ground: Ground, rng: random.Random, folder: str, seconds: float) -> set[int]:
    """Scans in every manner; the numbers of those that were deleted again on the way."""
    loose: set[int] = set()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        way = rng.choices(
            ("drip", "burst", "rename", "delete", "double", "again", "new bytes"), (10, 2, 2, 2, 2, 2, 2)
        )[0]
        here = f"{folder}/{way.replace(' ', '-')}-{rng.randrange(5)}"
        scans = ground.drop(here, rng.randrange(20, 60) if way == "burst" else 1)
        time.sleep(rng.choice((0.05, 0.3, 0.8)))
        with contextlib.suppress(FileNotFoundError):  # it was archived already
            _meddle(ground, way, scans[0], loose)
        time.sleep(rng.uniform(0, 0.3))
    return loose


def _meddle(ground: Ground, way: str, scan: Scan, loose: set[int]) -> None:
    path = ground.path("inbox", scan.path)
    stem, extension = os.path.splitext(scan.path)
    if way == "delete":
        os.unlink(path)
        loose.add(scan.number)
    elif way == "rename":
        os.rename(path, ground.path("inbox", f"{stem}-renamed{extension}"))
        ground.scans.append(Scan(scan.number, f"{stem}-renamed{extension}", scan.digest))
    elif way in ("double", "again"):
        other = scan.path if way == "again" else f"{stem}-copy{extension}"
        ground.scans.append(Scan(scan.number, other, scan.digest))
        ground.put(other, content_of(scan.number, extension))
    elif way == "new bytes":
        number = scan.number + 1_000_000_000
        content = content_of(number, extension)
        ground.put(scan.path, content)
        loose.add(scan.number)  # replaced before it was coloured, perhaps
        here = Scan(number, scan.path, hashlib.sha256(content).hexdigest())
        ground.scans.append(here)


class Faults:
    """One random fault every few seconds, in a thread of its own, whenever it may."""

    def __init__(self, ground: Ground, shim: Shim | None, rng: random.Random) -> None:
        self._ground = ground
        self._shim = shim
        self._rng = random.Random(rng.random())
        self.done: Counter[str] = Counter()
        self._may = threading.Event()
        self._over = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._last_death = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        self._may.set()

    def pause(self) -> None:
        """No more faults; the one under way is over when this returns."""
        self._may.clear()
        self._idle.wait(30)

    def end(self) -> None:
        self.pause()
        self._over.set()
        self._may.set()
        self._thread.join(30)

    def _run(self) -> None:
        while True:
            self._may.wait()
            if self._over.wait(self._rng.uniform(0.5, 4.0)):
                return
            self._idle.clear()
            if self._may.is_set():
                fault, name = self._choose()
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                    fault()
                    self.done[name] += 1
            self._idle.set()

    def _choose(self) -> tuple[Callable[[], None], str]:
        if time.monotonic() > self._last_death + DEATH_MINUTES * 60:
            self._last_death = time.monotonic()
            return self._kill_daemon, "daemon killed"
        choices: list[tuple[Callable[[], None], str, int]] = [
            (lambda: self._signal("worker", signal.SIGKILL), "worker killed", 6),
            (lambda: self._signal("zygote", signal.SIGKILL), "zygote killed", 1),
            (self._hold_worker, "worker held", 2),
            (self._hold_daemon, "daemon held", 1),
        ]
        if self._shim is not None:
            choices += [(self._fail_calls, "calls failed", 8), (self._fill, "disk full", 1)]
        if mounts.inside():
            choices.append((self._read_only, "outbox read-only", 1))
        fault, name, _ = self._rng.choices(choices, [weight for *_, weight in choices])[0]
        return fault, name

    def _signal(self, role: str, number: int) -> int:
        there = self._ground.processes()[role]
        if not there:
            raise ProcessLookupError
        pid = self._rng.choice(there)
        os.kill(pid, number)
        return pid

    def _kill_daemon(self) -> None:
        self._ground.signal(signal.SIGKILL, group=self._rng.random() < 0.5)

    def _hold_worker(self) -> None:
        pid = self._signal("worker", signal.SIGSTOP)
        time.sleep(self._rng.uniform(0.2, 2))
        os.kill(pid, signal.SIGCONT)

    def _hold_daemon(self) -> None:
        self._ground.signal(signal.SIGSTOP)
        time.sleep(self._rng.uniform(0.2, 2))
        self._ground.signal(signal.SIGCONT)

    def _fail_calls(self) -> None:
        assert self._shim is not None
        kind = self._rng.choice(("open", "write", "fsync", "link", "rename", "unlink", "mkdir"))
        place = self._ground.path(self._rng.choice(_PLACES))
        code = getattr(errno, self._rng.choice(_CODES))
        self._shim.arm(place, kind, self._rng.choice(("daemon", "workers", "both")), code, self._rng.randrange(1, 6),
                       self._rng.randrange(1, 6))  # fmt: skip
        time.sleep(self._rng.uniform(0.5, 2))
        self._shim.disarm()

    def _fill(self) -> None:
        assert self._shim is not None
        self._shim.arm(self._ground.path("outbox"), "open+write+mkdir", "both", errno.ENOSPC, 1, 1_000_000)
        time.sleep(self._rng.uniform(1, 4))
        self._shim.disarm()

    def _read_only(self) -> None:
        with contextlib.suppress(AssertionError):
            mounts.read_only(self._ground.path("outbox"))
            time.sleep(self._rng.uniform(1, 3))
        mounts.writable(self._ground.path("outbox"))


class Sampler:
    """Memory, descriptors and threads of every process, every few seconds, into a CSV."""

    def __init__(self, ground: Ground, path: str) -> None:
        self._ground = ground
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(30)

    def _run(self) -> None:
        began = time.monotonic()
        page = os.sysconf("SC_PAGE_SIZE")
        with open(self._path, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("seconds", "role", "pid", "resident_bytes", "descriptors", "threads"))
            while not self._over.wait(SAMPLE_SECONDS):
                for role, pids in self._ground.processes().items():
                    for pid in pids:
                        with contextlib.suppress(OSError, IndexError, ValueError):
                            with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
                                resident = int(statm.read().split()[1]) * page
                            descriptors = len(os.listdir(f"/proc/{pid}/fd"))
                            threads = len(os.listdir(f"/proc/{pid}/task"))
                            rows.writerow((round(time.monotonic() - began), role, pid, resident, descriptors, threads))
                file.flush()
