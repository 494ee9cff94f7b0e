"""Workers forked from a zygote against separate processes: memory of their own, time to a first answer, throughput.

    python bench/pool.py [--model FILE.onnx or FILE.caffemodel] [--scans 50] [--rounds 9] [--out FILE.json]

Throughput is that of the net alone, two workers at once (bench/bare_worker.py), the two pools in turn, so that whatever
else the machine does meets both; the ratio is of the rounds' pairs. JSON goes to --out or stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from statistics import median, quantiles

from colorwatch import shipped
from colorwatch.pool import Answered, Event, SpawnPool, Started, StartFailed, ZygotePool
from colorwatch.protocol import ProbeRequest, RenderRequest, WorkerSetup
from colorwatch.scan import Fingerprint, Rendering

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 2**20
AnyPool = SpawnPool | ZygotePool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=shipped.find("models/compact.onnx"))
    parser.add_argument("--picture", default=os.path.join(os.path.dirname(HERE), "samples", "astronaut.jpg"))
    parser.add_argument("--scans", type=int, default=50, help="renders by each worker before its memory is read")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long one round of one pool is")
    parser.add_argument("--out")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([HERE, *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        setup = WorkerSetup(0, os.path.abspath(drawn(options.model, folder)))
        told = {
            "model": os.path.basename(options.model),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before",
            "python": platform.python_version(),
            "opencv": opencv_version(),
            **whole_scans(setup, options.picture, options.scans),
            **throughput(setup, options.rounds, options.seconds),
        }
    text = json.dumps(told, indent=2)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    print(text)


def drawn(model: str, folder: str) -> str:
    """The ONNX file itself, or of a caffemodel the graph that is fastest on this OpenCV, in `folder`.

    By a child, so that what it takes is not in this process.
    """
    if not model.endswith(".caffemodel"):
        return model
    path = os.path.join(folder, "published.onnx")
    draw = (
        "import sys, cv2; from colorwatch import caffemodel, published; model, path = sys.argv[1:]; "
        "weights = published.check(caffemodel.read(model), shown=model); "
        "open(path, 'wb').writelines(published.fast_graph(weights, cv2.__version__))"
    )
    subprocess.run([sys.executable, "-c", draw, model, path], check=True)
    return path


def whole_scans(setup: WorkerSetup, picture: str, scans: int) -> dict[str, object]:
    """Real workers: start, replacement and memory."""
    pool = ZygotePool(2, setup)
    try:
        began = time.monotonic()
        wait(pool, Started, 2)
        started = time.monotonic() - began
        zygote = pool.zygote
        assert zygote is not None
        with tempfile.TemporaryDirectory() as spool:
            fresh = [private(pid) for pid in pool.pids]
            replaced = [first_answer(pool, picture, os.path.join(spool, f"first-{n}")) for n in range(5)]
            render_all(pool, picture, spool, scans)
            memory = [private(pid) for pid in pool.pids]
        return {
            "start_seconds": round(started, 3),
            "kill_to_ready_seconds": spread([ready for ready, _ in replaced]),
            "kill_to_first_scan_seconds": spread([answered for _, answered in replaced]),
            "zygote_resident_mib": round(resident(zygote) / MIB, 1),
            "worker_private_mib_when_ready": [round(size / MIB, 1) for size in fresh],
            f"worker_private_mib_after_{scans}_scans": [round(size / MIB, 1) for size in memory],
            "forks": pool.forks,
            "threads_at_fork": pool.threads_at_fork,
        }
    finally:
        pool.stop()


def first_answer(pool: ZygotePool, picture: str, spool: str) -> tuple[float, float]:
    """Seconds from the death of both workers until one is ready, and until it has coloured a scan."""
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    wait(pool, Started)
    ready = time.monotonic() - began
    pool.submit(render(picture, spool, 0), began + 600)
    wait(pool, Answered)
    answered = time.monotonic() - began
    while pool.idle() < 2:
        pool.poll(time.monotonic())
    return ready, answered


def render_all(pool: ZygotePool, picture: str, spool: str, scans: int) -> None:
    """`scans` pictures on each worker, both at once."""
    for number in range(scans):
        spools = [os.path.join(spool, f"{number}-{worker}") for worker in range(2)]
        for ticket, path in enumerate(spools):
            pool.submit(render(picture, path, ticket), time.monotonic() + 600)
        for event in wait(pool, Answered, 2):
            assert not isinstance(event, Answered) or isinstance(event.answer, Rendering), event
        for path in spools:
            os.unlink(path)


def render(picture: str, spool: str, ticket: int) -> RenderRequest:
    root, name = os.path.split(os.path.abspath(picture))
    return RenderRequest(ticket, root, name, Fingerprint.of(os.stat(picture)), spool)


def throughput(setup: WorkerSetup, rounds: int, seconds: float) -> dict[str, object]:
    """The net alone, two workers at once: passes a second of forked workers over those of separate processes."""
    pools: dict[str, AnyPool] = {kind.kind: kind(2, setup, program="bare_worker") for kind in (ZygotePool, SpawnPool)}
    try:
        for pool in pools.values():
            wait(pool, Started, 2)
        spawned = [private(pid) for pid in pools["spawn"].pids]
        passes = max(2, round(2 * seconds / (2 * passes_seconds(pools["spawn"], 2))))
        taken: dict[str, list[float]] = {kind: [] for kind in pools}
        before = {kind: cpu_seconds(pool) for kind, pool in pools.items()}
        for number in range(rounds):
            # Each goes first in turn.
            for kind in sorted(pools, reverse=bool(number % 2)):
                taken[kind].append(passes_seconds(pools[kind], passes))
        cpu = {kind: (cpu_seconds(pool) - before[kind]) / (2 * rounds * passes) for kind, pool in pools.items()}
        ratios = [spawn / zygote for spawn, zygote in zip(taken["spawn"], taken["zygote"], strict=True)]
        return {
            "separate_process_private_mib": [round(size / MIB, 1) for size in spawned],
            "pass_ms_two_at_once_zygote": spread([1000 * taken for taken in taken["zygote"]]),
            "pass_ms_two_at_once_separate": spread([1000 * taken for taken in taken["spawn"]]),
            "throughput_ratio_zygote_to_separate": spread(ratios),
            "passes_a_round": passes,
            "cpu_ms_a_pass_zygote": round(1000 * cpu["zygote"], 2),
            "cpu_ms_a_pass_separate": round(1000 * cpu["spawn"], 2),
            "ratio_by_cpu_time": round(cpu["spawn"] / cpu["zygote"], 4),
        }
    finally:
        for pool in pools.values():
            pool.stop()


def passes_seconds(pool: AnyPool, passes: int) -> float:
    """Seconds of one pass while both workers run `passes`."""
    began = time.monotonic()
    for ticket in range(2):
        pool.submit(ProbeRequest(ticket, "/", str(passes)), began + 600)
    wait(pool, Answered, 2)
    return (time.monotonic() - began) / passes


def wait(pool: AnyPool, kind: type[Event], count: int = 1) -> list[Event]:
    """Polls until `count` events of `kind` came; all events on the way."""
    events: list[Event] = []
    while sum(isinstance(event, kind) for event in events) < count:
        heard = pool.poll(time.monotonic())
        for event in heard:
            if isinstance(event, StartFailed):
                sys.exit(event.why)
        events += heard
        time.sleep(0.001)
    return events


def private(pid: int) -> int:
    """Bytes that a process shares with no other."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if line.startswith("Private_"))
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Clean", "Private_Dirty"))


def cpu_seconds(pool: AnyPool) -> float:
    """What the workers have computed so far: it varies less than wall time beside other work."""
    total = 0
    for pid in pool.pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spread(values: list[float]) -> dict[str, float]:
    low, _, high = quantiles(values, n=4)
    return {
        "median": round(median(values), 4),
        "quartiles": [round(low, 4), round(high, 4)],
        "worst": round(max(values), 4),
    }


def opencv_version() -> str:
    import cv2

    return str(cv2.__version__)


if __name__ == "__main__":
    sys.exit(main())
