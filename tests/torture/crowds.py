"""Crowds: thousands queued and twenty restarts, a stranger who takes the results' names, poison among good scans."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable

import numpy as np

from house import digest, encode
from torture.ground import Ground, percentile, recovery
from torture.nets import DEADLY
from torture.oracle import Wanted, judge
from torture.pictures import SIDE
from torture.rows import Row, Table
from waiting import eventually


def queue(table: Table, root: str, count: int = 3000, restarts: int = 20) -> None:
    """Section f: a long queue, and the daemon ended again and again on its way through, gently and not."""
    ground = Ground(root)
    for first in range(0, count, 500):
        ground.drop(f"part-{first:05}", min(500, count - first))
    began, note, starts = time.monotonic(), "", []
    ground.begin()
    try:
        for number in range(restarts):
            life = ground.lives[-1]
            wanted = count * (number + 1) // (restarts + 1)
            eventually(lambda wanted=wanted: ground.ended() >= wanted, 300, f"{wanted} done")  # type: ignore[misc]
            before = time.monotonic()
            if number % 2:
                ground.terminate()
            else:
                ground.signal(signal.SIGKILL, group=number % 4 == 0)
            eventually(lambda life=life: ground.lives[-1] is not life, 120, "a new life")  # type: ignore[misc]
            starts.append(time.monotonic() - before)
        ground.wait_all(timeout=600)
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note else ground.abandon()
    spent = time.monotonic() - began
    table.add(
        Row(
            *("f", f"{count} queued, {restarts} restarts", count, restarts, judge(ground), spent),
            *(percentile(recovery(ground), 0.95), note or f"{count / spent:.0f} scans/s in all"),
        )
    )


def race(table: Table, root: str, count: int = 300, seed: int = 0) -> None:
    """Section g: another process makes files under the very names that the results are to have, and takes some away."""
    rng = random.Random(seed)
    ground = Ground(root, {"originals": "archive", "archive": os.path.join(root, "archive")})
    began, note = time.monotonic(), ""
    strangers: dict[str, str] = {}
    over = threading.Event()
    names: list[str] = []

    def interfere() -> None:
        taken = 0
        while not over.is_set() or taken < len(names):
            for name in names[taken:]:
                taken += 1
                time.sleep(rng.choice((0.0, 0.001, 0.004)))
                for candidate in (name, _second(name)) if rng.random() < 0.3 else (name,):
                    _be_a_stranger(ground.path("outbox", candidate), candidate, strangers, rng)
            time.sleep(0.001)

    stranger = threading.Thread(target=interfere, name="stranger", daemon=True)
    ground.begin()
    stranger.start()
    try:
        for batch in range(count // 20):
            folder = f"race-{batch:03}"
            os.makedirs(ground.path("outbox", folder))
            dropped = ground.drop(folder, 20)
            # Before, while and after they are coloured: the names are told as the scans go.
            for scan in dropped:
                delay = rng.choice((0.0, 0.0, 0.02))
                time.sleep(delay)
                names.append(scan.path)
            eventually(lambda: len(ground.scans) - ground.ended() < 15, 120, "a batch is done")
        ground.wait_all()
    except AssertionError as error:
        note = f"! {error}"
    finally:
        over.set()
        stranger.join(30)
        ground.end() if not note else ground.abandon()
    taken = sum(1 for scan in ground.scans if scan.path in strangers)
    table.add(
        Row(
            *("g", "names taken by a stranger", len(ground.scans), len(strangers)),
            judge(ground, Wanted(strangers=strangers, originals="archive")),
            time.monotonic() - began,
            note=note or f"{taken} of {len(ground.scans)} own names were taken",
        )
    )


def _second(name: str) -> str:
    stem, extension = os.path.splitext(name)
    return f"{stem} (2){extension}"


def _be_a_stranger(path: str, name: str, strangers: dict[str, str], rng: random.Random) -> None:
    """Makes a file if the name is free, as a careful program does; a quarter of them go again."""
    content = f"a stranger's {name}".encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return
    os.write(descriptor, content)
    os.close(descriptor)
    if rng.random() < 0.25:
        os.unlink(path)
    else:
        strangers[name] = hashlib.sha256(content).hexdigest()


def poison(table: Table, root: str, count: int = 500, kills: int = 3) -> None:
    """Section j: scans that end or hang their worker among good ones, across deaths of the daemon."""
    ground = Ground(root, net="torture.nets:poison_net", top={"limits": {"deadline_seconds": 2}})
    bad = []
    began, note = time.monotonic(), ""
    for part, level in enumerate((*DEADLY, None)):
        ground.drop(f"part-{part}", count // 4)
        if level is not None:
            bad.append(f"part-{part}/{part * count // 4 + 1:06}-poison.png")
            ground.put(bad[-1], encode(np.full((SIDE, SIDE), level, np.uint8), ".png"))
    wanted = len(ground.scans) + len(bad)
    ground.begin()
    try:
        for number in range(kills):
            life = ground.lives[-1]
            share = wanted * (number + 1) // (kills + 2)
            eventually(lambda share=share: ground.ended() >= share, 120, f"{share} ended")  # type: ignore[misc]
            ground.signal(signal.SIGKILL, group=True)
            eventually(lambda life=life: ground.lives[-1] is not life, 120, "a new life")  # type: ignore[misc]
        ground.wait_all(wanted, timeout=300)
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note else ground.abandon()
    attempts = {
        os.path.basename(os.fsdecode(row["path"])): (row["attempt"], row["kind"])
        for row in ground.ask("SELECT path, attempt, kind FROM job WHERE state = 'quarantined'")
    }
    table.add(
        Row(
            *("j", "poison among good scans", len(ground.scans), len(bad) + kills, judge(ground, Wanted(bad=bad))),
            time.monotonic() - began,
            note=note or f"attempts: {', '.join(str(number) for number, _ in attempts.values())}",
            figures={"in_quarantine": attempts},
        )
    )


def ledgers(table: Table, root: str, count: int = 300) -> None:
    """Section l: the ledger is deleted, cut in half, or overwritten, half of the way through; nothing is done twice."""
    ways: dict[str, Callable[[str], None]] = {
        "deleted": os.unlink,
        "cut in half": lambda path: os.truncate(path, os.path.getsize(path) // 2),
        "overwritten": _overwrite,
    }
    for way, spoil in ways.items():
        _ledger(table, os.path.join(root, way.replace(" ", "-")), count, way, spoil)


def _overwrite(path: str) -> None:
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8192))


def _ledger(table: Table, root: str, count: int, way: str, spoil: Callable[[str], None]) -> None:
    ground = Ground(root)
    began, note = time.monotonic(), ""
    ground.drop("before", count)
    ground.start()
    before: dict[str, str] = {}
    try:
        eventually(lambda: ground.ended() >= count // 2, 180, "half done")
        ground.signal(signal.SIGKILL, group=True)
        assert ground.daemon is not None
        ground.daemon.wait(30)
        for ending in ("", "-wal", "-shm"):
            path = ground.path("state", f"ledger.sqlite3{ending}")
            if ending and os.path.exists(path):
                os.unlink(path)
            elif not ending:
                spoil(path)
        before = {name: digest(path) for name, path in ground.results().items()}
        ground.begin()
        ground.drop("after", 20)
        ground.wait_all(timeout=240)
    except AssertionError as error:
        note = f"! {error}"
    finally:
        ground.end() if not note else ground.abandon()
    changed = [name for name, content in before.items() if digest(ground.path("outbox", name)) != content]
    if changed:
        note += f"! {len(changed)} results are others now: {changed[:3]}"
    spent = time.monotonic() - began
    note = note or f"{len(before)} results were there and stayed"
    table.add(Row("l", f"ledger {way}", len(ground.scans), 1, judge(ground), spent, note=note))
