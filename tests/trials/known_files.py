"""100,000 known files in the inbox at the start: how long until a new one is noticed, and what looking costs.

    python tests/trials/known_files.py [--watch events|poll] [--count 100000] [--quiet-seconds 30]

The ledger is filled beforehand with a finished job for each. Prints one line of figures; exit code 1 if a new scan was
noticed later than 15 seconds after it was written, or a known one was done again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from ten_thousand import of_process

from colorwatch.ledger import Ledger
from house import House, make_drop, photographs
from waiting import eventually

PER_FOLDER = 1000
LIMIT_SECONDS = 15.0
LEDGER = ("state", "ledger.sqlite3")


def fill(house: House, count: int) -> None:
    """The files, and a ledger that has coloured each of them."""
    os.makedirs(house.path("state"), exist_ok=True)
    ledger = Ledger(house.path(*LEDGER))
    with ledger.batch():
        ledger.settle_in({"inbox": house.path("inbox")})
    ledger.close()
    rows = []
    for number in range(count):
        path = f"roll {number // PER_FOLDER:03}/scan-{number:06}.jpg"
        place = house.path("inbox", path)
        if number % PER_FOLDER == 0:
            os.makedirs(os.path.dirname(place))
        with open(place, "wb") as file:
            file.write(b"%d" % number)
        found = os.stat(place)
        name = os.fsencode(path)
        look = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        rows.append(("inbox", name, *look, f"{number:064x}", "a recipe", "done", name, 1.0, 1.0))
    db = sqlite3.connect(house.path(*LEDGER))
    with db:
        db.executemany(
            "INSERT INTO job (folder, path, device, inode, size, mtime_ns, digest, recipe, state, output, added_at,"
            " ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    db.close()


def times(house: House, event: str) -> list[str]:
    return [str(line["timestamp"]) for line in house.log() if line["event"] == event]


def trial(root: str, count: int, watch: str, quiet: float) -> bool:
    house = House(root, {"watch": watch, "poll_seconds": 5, "rescan_seconds": 60, "settle_seconds": 1})
    house.top["logging"] = {"level": "debug"}
    house.write_config()
    fill(house, count)
    began = time.monotonic()
    house.start()
    assert house.daemon is not None
    eventually(lambda: times(house, "folder.rescanned"), 120, "the first full look")
    first = time.monotonic() - began
    peak, before = of_process(house.daemon.pid)
    looks = len(times(house, "folder.rescanned"))
    time.sleep(quiet)
    _, after = of_process(house.daemon.pid)
    looks = len(times(house, "folder.rescanned")) - looks
    lags = []
    for number, picture in enumerate(photographs(3, side=64)):
        path = house.path("inbox", "roll 050" if count > 50 * PER_FOLDER else "", f"new {number}.jpg")
        make_drop(path, picture)
        written = time.time()
        house.wait_done(count + number + 1, 120)
        db = sqlite3.connect(house.path(*LEDGER))
        lags.append(db.execute("SELECT noticed_at FROM job ORDER BY id DESC LIMIT 1").fetchone()[0] - written)
        db.close()
    jobs = sum(house.counts().values())
    peak, _ = of_process(house.daemon.pid)
    code = house.stop()
    print(
        f"{watch}: {count} known files; first full look {first:.1f} s after the start; then {looks} full looks and"
        f" {after - before:.1f} s of processor time in {quiet:.0f} s; peak {peak:.0f} MB; new ones settled"
        f" {', '.join(f'{lag:.1f}' for lag in lags)} s after they were written (1 s of quiet time included); jobs"
        f" beyond the known ones {jobs - count}; exit code {code}"
    )
    return max(lags) <= LIMIT_SECONDS and jobs == count + len(lags) and code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watch", choices=("events", "poll"), default="events")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--quiet-seconds", type=float, default=30.0, help="how long the daemon is looked at, idle")
    parser.add_argument("--root", help="work here, and keep what is left")
    arguments = parser.parse_args()
    root = arguments.root or tempfile.mkdtemp(prefix="known-files-")
    try:
        clean = trial(root, arguments.count, arguments.watch, arguments.quiet_seconds)
    finally:
        if not arguments.root:
            shutil.rmtree(root, ignore_errors=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
