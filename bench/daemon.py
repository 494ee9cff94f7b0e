"""From drop to published result: the daemon against the bare engine, in interleaved runs.

    python bench/daemon.py [--count 60] [--megapixels 2] [--rounds 3] [--model compact] [--workers 2] [--out FILE]

The bare engine is as many processes as the daemon has workers, each with the net loaded, which colour their share of
the same scans one after another and write the results with fsync, and nothing else: no watching, no ledger, no probe.
Steady state is the time from the first claim to the last published result, by the ledger's own clock, divided by the
number of scans; the bare engine's is taken the same way, once its nets are loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

from house import House, make_drop, photographs

ENGINE = """
import sys
from colorwatch.colour.colorize import colorize, probe
from colorwatch.colour.net import load
from colorwatch.protocol import RenderRequest, WorkerSetup
import os
root, spool, model, *names = sys.argv[1:]
predict = load(WorkerSetup(0, model))
prints = {name: probe(root, name, 0).fingerprint for name in names}
colorize(RenderRequest(0, root, names[0], prints[names[0]], f"{spool}/warm-{os.getpid()}"), predict)
print("ready", flush=True)
sys.stdin.readline()
for name in names:
    colorize(RenderRequest(0, root, name, prints[name], f"{spool}/{name}"), predict)
print("done", flush=True)
"""


CONVERT = """
import sys, cv2
from colorwatch import caffemodel, published
with open(sys.argv[2], "wb") as file:
    file.writelines(published.fast_graph(published.check(caffemodel.read(sys.argv[1])), cv2.__version__))
"""


def bare(house: House, model: str, names: list[str], workers: int) -> float:
    """Seconds a scan with `workers` processes that do nothing but colour."""
    spool = house.path("bare")
    os.makedirs(spool)
    processes = []
    for number in range(workers):
        command = [sys.executable, "-c", ENGINE, house.path("source"), spool, model, *names[number::workers]]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
        processes.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        )
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    start = time.perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
    seconds = time.perf_counter() - start
    for process in processes:
        process.communicate()
    shutil.rmtree(spool)
    return seconds / len(names)


def through_the_daemon(house: House, names: list[str]) -> float:
    """Seconds a scan from the first claim to the last result."""
    shutil.copytree(house.path("source"), house.path("inbox"), dirs_exist_ok=True)
    house.start()
    house.wait_done(len(names), 600)
    assert house.stop() == 0
    ledger = sqlite3.connect(house.path("state", "ledger.sqlite3"))
    (seconds,) = ledger.execute("SELECT MAX(published_at) - MIN(claimed_at) FROM job").fetchone()
    ledger.close()
    for folder in ("inbox", "outbox", "state"):
        shutil.rmtree(house.path(folder))
    return float(seconds) / len(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--megapixels", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="compact", help="compact, an ONNX file, or a caffemodel")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="bench-daemon-")
    try:
        result = measure(root, arguments)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"daemon {result['daemon']:.3f} s a scan, bare engine {result['bare']:.3f} s: "
        f"ratio {result['ratio']:.3f} ({result['ratios'][0]:.3f}-{result['ratios'][-1]:.3f})"
    )
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


def measure(root: str, arguments: argparse.Namespace) -> dict[str, object]:
    file = arguments.model
    if file.endswith(".caffemodel"):
        file = os.path.join(root, "net.onnx")
        subprocess.run([sys.executable, "-c", CONVERT, arguments.model, file], check=True)
    model = file if file == "compact" else {"path": file, "trust": True}
    house = House(os.path.join(root, "house"), {}, {"workers": arguments.workers, "model": model})
    os.makedirs(house.path("source"))
    side = int((arguments.megapixels * 1e6 / 1.33) ** 0.5)
    names = []
    for number, picture in enumerate(photographs(arguments.count, side=side)):
        names.append(f"{number:03}.jpg")
        make_drop(house.path("source", names[-1]), picture)
    if file == "compact":
        from colorwatch.modelstore import resolve

        file = resolve("compact").path
    pairs = []
    for _ in range(arguments.rounds):
        engine = bare(house, file, names, arguments.workers)
        house.__post_init__()
        pairs.append((through_the_daemon(house, names), engine))
    ratios = sorted(daemon / engine for daemon, engine in pairs)
    return {
        "scans": arguments.count,
        "megapixels": arguments.megapixels,
        "workers": arguments.workers,
        "daemon": statistics.median(pair[0] for pair in pairs),
        "bare": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }


if __name__ == "__main__":
    main()
