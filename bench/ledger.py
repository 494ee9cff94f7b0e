"""Measures the ledger with few finished jobs and with many: start, claim, add, status, and the files known at start.

`python bench/ledger.py [--jobs 1000,1000000] [--queued 1000] [--runs 200] [--out FILE.json]`: a ledger on a real disk,
each call in a batch of its own as the daemon makes it, medians in milliseconds. `open` is the first one, which checks
the file as after a death, and `open_closed` one after a close in good order; `check` is what SQLite's quick_check alone
takes, `again` to find a result by its content, `known` the 100,000 kept files of one folder that its thread is told of.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from colorwatch.asking.history import report
from colorwatch.ledger import Ledger
from colorwatch.scan import Facts, Fingerprint, Rendering, Scan
from colorwatch.wire import to_plain

KEPT = 100_000


def scan_of(number: int) -> tuple[Scan, Facts]:
    fingerprint = Fingerprint(64769, 1_000_000 + number, 4_000_000 + number, 1_790_000_000_000_000_000 + number)
    digest = f"{number:064x}"
    facts = Facts(fingerprint, digest, "jpeg", ".jpg", 1, 4960, 7016, 1, 8)
    return Scan("inbox", f"1962/album {number % 997}/scan {number:07}.jpg", fingerprint), facts


def result_of(number: int) -> str:
    """The digest of a result; digests have no order."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def fill(path: str, jobs: int, queued: int) -> None:
    """`jobs` finished ones, of which the last 100,000 are kept in the inbox, and `queued` ones that wait."""
    Ledger(path).close()
    db = sqlite3.connect(path)
    stages = {"decode": 0.41, "net": 0.37, "colour": 0.52, "encode": 0.66, "sync": 0.04}
    result = json.dumps(to_plain(Rendering("DIGEST", 5_000_000, 64769, 77, 4960, 7016, 110_000_000, stages)))
    columns = (
        "folder, path, device, inode, size, mtime_ns, digest, facts, recipe, state, output, attempt, spool, result"
    )
    columns += ", kind, whereabouts, settled, noticed_at, added_at, claimed_at, rendered_at, published_at, ended_at"
    begin = time.time() - 86_400

    def rows() -> itertools.chain[tuple[object, ...]]:
        return itertools.chain(
            (
                row(number, "done", result.replace("DIGEST", result_of(number)), number < jobs - KEPT)
                for number in range(jobs)
            ),
            (row(jobs + number, "queued", None, False) for number in range(queued)),
        )

    def row(number: int, state: str, result: str | None, archived: bool) -> tuple[object, ...]:
        scan, facts = scan_of(number)
        at = begin + number / 100
        done = state == "done"
        return (
            *(scan.folder, scan.path.encode(), *vars_of(scan.fingerprint), facts.digest, json.dumps(to_plain(facts))),
            *("0123456789abcdef", state, scan.path.encode(), int(done), None, result, "kept" if done else None),
            *(f"/archive/{scan.path}".encode() if archived else None, int(done), at, at),
            *([at] * 4 if done else [None] * 4),
        )

    db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000")
    with db:
        db.executemany(f"INSERT INTO job ({columns}) VALUES ({', '.join('?' * 23)})", rows())
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


def vars_of(fingerprint: Fingerprint) -> tuple[int, int, int, int]:
    return fingerprint.device, fingerprint.inode, fingerprint.size, fingerprint.mtime_ns


def medians(name: str, runs: int, call: Callable[[], object]) -> dict[str, float]:
    """Milliseconds by the clock, and of this process alone: the first depends on what else the disk has to do."""
    times, cpu = [], []
    for _ in range(runs):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        call()
        times.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return {f"{name}_ms": statistics.median(times) * 1000, f"{name}_cpu_ms": statistics.median(cpu) * 1000}


def measure(folder: str, jobs: int, queued: int, runs: int) -> dict[str, float]:
    path = os.path.join(folder, f"ledger-{jobs}.sqlite3")
    fill(path, jobs, queued)
    told: dict[str, float] = {"jobs": jobs, "megabytes": round(os.path.getsize(path) / 1e6, 1)}
    begin = time.perf_counter()
    ledger = Ledger(path)
    told["open_ms"] = (time.perf_counter() - begin) * 1000
    begin = time.perf_counter()
    with ledger.batch():
        ledger.settle_in({"inbox": "/inbox"})
        ledger.recover()
    told["recover_ms"] = (time.perf_counter() - begin) * 1000
    begin, before = time.perf_counter(), resident_mb()
    known = {name: hash((size, mtime_ns)) for name, size, mtime_ns in ledger.contents.known("inbox")}
    told["known_ms"] = (time.perf_counter() - begin) * 1000
    told["known_mb"] = resident_mb() - before
    told["known"] = len(known)
    claimed: list[int] = []

    def claim() -> None:
        with ledger.batch():
            job = ledger.claim(0.0, _anything, ["inbox"], newest=len(claimed) % 2 == 1)
        if job:
            claimed.append(job.id)

    numbers = itertools.count(2 * jobs + queued)

    def add() -> None:
        scan, facts = scan_of(next(numbers))
        with ledger.batch():
            ledger.contents.find(scan.folder, scan.path, facts.digest)
            ledger.contents.elsewhere(scan.folder, scan.path, facts.digest, 100)
            ledger.add(scan, facts, "recipe", iter([scan.path]))

    told |= medians("claim", runs, claim)
    told |= medians("add", runs, add)
    numbers_again = itertools.count(jobs // 3)
    told |= medians(
        "again", runs, lambda: ledger.redos.with_result("inbox", result_of(next(numbers_again)), "again/other.jpg")
    )
    told |= medians("counts", runs, ledger.counts)
    told |= medians("status", max(5, runs // 10), lambda: report(folder, path))
    ledger.close()
    begin = time.perf_counter()
    Ledger(path).close()
    told["open_closed_ms"] = (time.perf_counter() - begin) * 1000
    db = sqlite3.connect(path)
    begin = time.perf_counter()
    db.execute("PRAGMA quick_check(1)").fetchone()
    told["check_ms"] = (time.perf_counter() - begin) * 1000
    db.close()
    print({name: round(value, 2) for name, value in told.items()}, file=sys.stderr)
    return {name: round(value, 3) for name, value in told.items()}


def resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _anything(_job: object) -> bool:
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="1000,1000000")
    parser.add_argument("--queued", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = [measure(folder, int(jobs), arguments.queued, arguments.runs) for jobs in arguments.jobs.split(",")]
    text = json.dumps(told, indent=2)
    print(text)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
