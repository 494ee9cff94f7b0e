"""10,000 small scans within three seconds into a running daemon; then 10,000 more, half of them under the same names.

    python tests/trials/ten_thousand.py [--watch events|poll] [--count 10000] [--stopped 0] [--rounds 2]
                                           [--net tiny|compact]

With --stopped SECONDS the daemon stands still (SIGSTOP) while they land, so that the system loses events. Prints one
line of figures a round; exit code 1 if a scan was lost, doubled or torn. The net is a tiny one unless another is asked
for, since what is tried is everything around it.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cv2

from house import Drop, House, Picture, encode, is_of, photographs
from onnxnets import mixing_net
from waiting import eventually

FOLDERS = 20
SETTLE_SECONDS = 1.0
_MANIFEST = """\
name: tiny
licence: none
source: this trial
input: {kind: L, size: [32, 32], scale: 1, offset: 0, layout: NCHW}
output: {kind: ab, scale: 1}
"""


@dataclass
class Round:
    """What is dropped, by path, and how it is in the end."""

    contents: dict[str, bytes]
    drops: dict[str, Drop]


def prepare(paths: list[str], seed: int) -> Round:
    """A grey picture of its own for each path, 64 pixels high and wide."""
    rng = np.random.default_rng(seed)
    sources = [picture[:64, :64] for picture in photographs(50, side=64)]
    made = Round({}, {})
    for number, path in enumerate(paths):
        source = sources[number % len(sources)]
        pixels: Picture = np.clip(
            source.astype(np.int16) // 2 + rng.integers(0, 120, (8, 8)).repeat(8, 0).repeat(8, 1), 0, 255
        ).astype(np.uint8)
        content = encode(pixels, ".jpg")
        read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
        made.contents[path] = content
        made.drops[path] = Drop(np.asarray(read, np.uint8), hashlib.sha256(content).hexdigest())
    return made


def drop_all(house: House, contents: dict[str, bytes]) -> float:
    """Writes all of them in place, and says how many seconds that took."""
    start = time.monotonic()
    for path, content in contents.items():
        with open(house.path("inbox", path), "wb") as file:
            file.write(content)
    return time.monotonic() - start


def rows(house: House) -> list[tuple[str, str, str, float, float, float]]:
    """Digest, result, state, when it was noticed, when it was added, and the time of its file; of each job."""
    db = sqlite3.connect(house.path("state", "ledger.sqlite3"))
    try:
        found = db.execute("SELECT digest, output, state, noticed_at, added_at, mtime_ns FROM job").fetchall()
    finally:
        db.close()
    return [(row[0], os.fsdecode(row[1] or b""), row[2], row[3], row[4], row[5] / 1e9) for row in found]


def of_process(pid: int) -> tuple[float, float]:
    """Highest memory so far in MB, and seconds of processor time."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return peak / 1024, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(house: House, title: str, made: Round, seconds: float, writing: float, dropped: int) -> bool:
    """Holds the ledger and the outbox against what was dropped, and prints it."""
    found = rows(house)
    done = {digest: output for digest, output, state, *_ in found if state == "done"}
    counts = collections.Counter(digest for digest, _, state, *_ in found if state == "done")
    digests = {drop.digest: drop for drop in made.drops.values()}
    lost = [path for path, drop in made.drops.items() if drop.digest not in done]
    doubled = [digest for digest in digests if counts[digest] > 1]
    results = house.results()
    doubled += sorted(set(results) - {output for _, output, *_ in found})
    torn = [
        output
        for digest, output in done.items()
        if digest in digests and not (output in results and is_of(results[output], digests[digest].pixels))
    ]
    others = sorted({state for _, _, state, *_ in found} - {"done"})
    lags = np.array(
        [noticed - mtime - SETTLE_SECONDS for digest, _, _, noticed, _, mtime in found if digest in digests]
    )
    assert house.daemon is not None
    peak, cpu = of_process(house.daemon.pid)
    blind = [str(line["reason"]) for line in house.log() if line["event"] == "folder.blind"]
    print(
        f"{title}: {dropped} files written in {writing:.1f} s, {len(results)} results; lost {len(lost)}, doubled"
        f" {len(doubled)}, torn {len(torn)}, other states {others}; noticed this long after the quiet time: median"
        f" {np.median(lags):.2f} s, 99 % {np.percentile(lags, 99):.2f} s, last {lags.max():.2f} s; all done after"
        f" {seconds:.0f} s; daemon's own process: peak {peak:.0f} MB, {cpu:.0f} s of processor time; blind: {blind}",
        flush=True,
    )
    return not (lost or doubled or torn or others)


def trial(root: str, count: int, watch: str, stopped: float, net: str, rounds: int) -> bool:
    house = House(root, {"watch": watch, "settle_seconds": SETTLE_SECONDS, "poll_seconds": 5, "rescan_seconds": 60})
    if net == "tiny":
        with open(house.path("tiny.onnx"), "wb") as file:
            file.write(mixing_net(np.array([[0.1], [0.2]], np.float32), (32, 32)))
        with open(house.path("tiny.yaml"), "w", encoding="utf-8") as file:
            file.write(_MANIFEST)
        house.top["model"] = {"path": "./tiny.onnx", "trust": True}
    house.write_config()
    names = [f"roll {number % FOLDERS}/scan-{number:05}.jpg" for number in range(count)]
    for number in range(FOLDERS):
        os.makedirs(house.path("inbox", f"roll {number}"))
    first = prepare(names, 1)
    half = [*names[: count // 2], *(f"{name[:-4]} new.jpg" for name in names[count // 2 :])]
    second = prepare(half, 2)
    house.start()
    assert house.daemon is not None
    eventually(lambda: any(line["event"] == "folder.watching" for line in house.log()), 60)
    clean, expected = True, 0
    for title, made in (("first round", first), ("second round", second))[:rounds]:
        start = time.monotonic()
        if stopped:
            house.daemon.send_signal(signal.SIGSTOP)
        writing = drop_all(house, made.contents)
        if stopped:
            time.sleep(max(0.0, stopped - writing))
            house.daemon.send_signal(signal.SIGCONT)
        expected += count
        house.wait_done(expected, 3600)
        clean = tell(house, f"{watch}, {title}", made, time.monotonic() - start, writing, count) and clean
    code = house.stop()
    return clean and code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watch", choices=("events", "poll"), default="events")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--stopped", type=float, default=0.0, help="seconds that the daemon stands still meanwhile")
    parser.add_argument("--net", choices=("tiny", "compact"), default="tiny")
    parser.add_argument("--rounds", type=int, choices=(1, 2), default=2)
    parser.add_argument("--root", help="work here, and keep what is left")
    arguments = parser.parse_args()
    root = arguments.root or tempfile.mkdtemp(prefix="ten-thousand-")
    try:
        clean = trial(root, arguments.count, arguments.watch, arguments.stopped, arguments.net, arguments.rounds)
    finally:
        if not arguments.root:
            shutil.rmtree(root, ignore_errors=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
