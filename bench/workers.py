"""How many workers, with how many OpenCV threads each, colour the most scans: passes a second of one net.

    python bench/workers.py [--model compact|FILE.onnx] [--rounds 5] [--seconds 3] [--out FILE]

For each number of cores of this machine (1, 2, 4, ... as far as it has them), each split of them into workers and
threads runs for a while, all splits in turn in each round. `workers: auto` follows from the table: one thread a
worker, one worker a core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

WORKER = """
import os, sys, time
model, threads, cores, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
import numpy as np
from colorwatch.colour.net import load
from colorwatch.protocol import WorkerSetup
predict = load(WorkerSetup(0, model, threads=threads))
lightness = np.random.default_rng(0).uniform(0, 100, (224, 224)).astype(np.float32)
for _ in range(3):
    predict(lightness)
print("ready", flush=True)
for _ in sys.stdin:
    end = time.perf_counter() + seconds
    passes = 0
    while time.perf_counter() < end:
        predict(lightness)
        passes += 1
    print(passes / seconds, flush=True)
"""


class Team:
    """So many workers with so many threads each, on the first so many cores."""

    def __init__(self, model: str, cores: int, workers: int, threads: int, seconds: float) -> None:
        self.cores, self.workers, self.threads = cores, workers, threads
        usable = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._members = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, model, str(threads), usable, str(seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
                env=environment,
            )
            for _ in range(workers)
        ]
        self.rates: list[float] = []
        for member in self._members:
            assert member.stdout is not None
            assert member.stdout.readline() == "ready\n"

    def round(self) -> None:
        for member in self._members:
            assert member.stdin is not None
            member.stdin.write("\n")
        rates = []
        for member in self._members:
            assert member.stdout is not None
            rates.append(float(member.stdout.readline()))
        self.rates.append(sum(rates))

    def end(self) -> None:
        for member in self._members:
            member.communicate()


def splits(cores: int) -> list[tuple[int, int]]:
    """(workers, threads) that fill `cores`, and one worker too many."""
    exact = [(workers, cores // workers) for workers in range(1, cores + 1) if cores % workers == 0]
    return [*exact, (cores + 1, 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="compact", help="a name, or an ONNX file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    model = arguments.model
    if not os.path.exists(model):
        from colorwatch.modelstore import resolve

        model = resolve(model).path
    machine = len(os.sched_getaffinity(0))
    teams = [
        Team(model, cores, workers, threads, arguments.seconds)
        for cores in (1, 2, 4, 8)
        if cores <= machine
        for workers, threads in splits(cores)
    ]
    for _ in range(arguments.rounds):
        for team in teams:
            team.round()
    rows = []
    for team in teams:
        team.end()
        rows.append(
            {
                "cores": team.cores,
                "workers": team.workers,
                "threads": team.threads,
                "passes_per_second": round(statistics.median(team.rates), 2),
                "spread": [round(min(team.rates), 2), round(max(team.rates), 2)],
            }
        )
    for row in rows:
        print(
            "{cores} cores: {workers} workers x {threads} threads: {passes_per_second} passes/s {spread}".format(**row)
        )
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
