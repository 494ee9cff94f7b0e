"""Bombs and giants in the inbox of a real daemon: refused with a reason or done, in little memory, and nothing else."""

from __future__ import annotations

import glob
import os
import threading
from pathlib import Path

import bombs
from house import House, audit, files, make_drop, photographs
from waiting import eventually

MIB = 2**20
BUDGET = 256
PIXELS = 60_000_000  # grey; more than fit into the budget


class Watch:
    """The most memory that a session's processes took together, shared pages counted once."""

    def __init__(self, session: int) -> None:
        self.peak = 0
        self._session = session
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, sum(map(own_bytes, members(self._session))))

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def members(session: int) -> list[str]:
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            found.append(os.path.dirname(path))
    return found


def own_bytes(process: str) -> int:
    try:
        with open(f"{process}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except OSError:
        return 0


def ends(house: House) -> dict[str, str]:
    """How each file ended: the kind of its refusal, or "done"."""
    found = {}
    for event in house.log():
        if event["event"] == "job.done":
            found[str(event["file"])] = "done"
        if event["event"] in ("scan.quarantined", "job.quarantined"):
            found[str(event["file"])] = str(event["kind"])
    return found


def test_bombs_and_giants_are_refused_with_a_reason_and_take_no_memory(tmp_path: Path) -> None:
    house = House(
        str(tmp_path),
        {"settle_seconds": 0.2, "rescan_seconds": 1, "incomplete_seconds": 1},
        {"workers": 2, "limits": {"memory_megabytes": BUDGET}},
    )
    wanted = bombs.make(PIXELS)
    drops = {}
    for number, picture in enumerate(photographs(3, side=128)):
        drops[f"good-{number}.png"] = make_drop(house.path("inbox", f"good-{number}.png"), picture)
    house.start()
    assert house.daemon is not None
    try:
        eventually(lambda: len(house.results()) == 3, 60)
        watch = Watch(house.daemon.pid)
        for name, (fill, _) in wanted.items():
            fill(house.path("inbox", name))
        eventually(lambda: set(wanted) <= set(ends(house)), 120, "all have ended")
        drops["last.png"] = make_drop(house.path("inbox", "last.png"), photographs(1, side=100)[0])
        eventually(lambda: "last.png" in house.results(), 30)
        watch.stop()
        assert house.stop() == 0
    finally:
        if house.daemon.poll() is None:
            house.kill()
    found = ends(house)
    assert {name: found[name] for name in wanted if found[name] not in wanted[name][1]} == {}
    assert not [event for event in house.log() if event["event"] == "worker.died"]
    # Interpreter, net and libraries take some 250 MB for two workers and the daemon.
    assert watch.peak < (BUDGET + 350) * MIB, f"{watch.peak // MIB} MB"
    for name in wanted:
        if found[name] != "done":
            assert os.path.exists(house.path("outbox", "quarantine", name + " - why.txt"))
    assert not audit(house, drops).lost
    assert files(house.path("outbox", ".colorwatch")) == {}
