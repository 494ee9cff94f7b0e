"""Measures one scan through colorwatch, the net left out, against the original script's steps on the same picture.

`python bench/pipeline.py [--megapixels 35] [--runs 7] [--sessions 3] [--out FILE.json]`. Three child processes of one
thread each, ours, the original's steps, and OpenCV's imread and imwrite alone, take turns, so that whatever else the
machine does meets all of them; a turn is one scan, or several small ones up to TURN megapixels. Each child's first turn
is its first scan, imports included, as a script that is started for each picture pays it; the `--runs` after it are the
steady state of a worker, which imports once for hundreds of scans. A session is repeated with new children. Told are
user and system time, medians and spread of the ratios turn by turn, and each child's peak memory. The picture is made
anew from photographs (COLORWATCH_TESTDATA) or, where there are none, from seeded noise of a photograph's spectrum.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any

HERE = os.path.dirname(os.path.abspath(__file__))
QUALITY = 92
TURN = 24
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}
Step = Callable[[str, str], dict[str, Any]]


def make_picture(path: str, megapixels: float) -> str:
    """Write a grey JPEG of that size to `path`; says what it was made from."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(35)
    width = round((megapixels * 1e6 * 7 / 5) ** 0.5 / 8) * 8
    height = round(megapixels * 1e6 / width)
    folder = os.environ.get("COLORWATCH_TESTDATA", "")
    photographs = sorted(glob.glob(os.path.join(folder, "photos", "eval", "*.jpg")))[::8] if folder else []
    grey = np.zeros((height, width), np.float32)
    if photographs:
        columns, rows = 7, 5
        for place in range(columns * rows):
            row, column = divmod(place, columns)
            top, bottom = row * height // rows, (row + 1) * height // rows
            left, right = column * width // columns, (column + 1) * width // columns
            tile = cv2.imread(photographs[place % len(photographs)], cv2.IMREAD_GRAYSCALE)
            grey[top:bottom, left:right] = cv2.resize(tile, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    else:
        # Octaves of noise, each half as strong as the next coarser: the 1/f spectrum of natural pictures.
        side = 4
        while side < max(width, height) / 2:
            octave = rng.normal(0, 160 / side, (side * height // width + 2, side)).astype(np.float32)
            grey += cv2.resize(octave, (width, height), interpolation=cv2.INTER_CUBIC)
            side *= 2
        grey += 128
    grain = rng.normal(0, 3, (256, width)).astype(np.float32)
    for top in range(0, height, 256):
        grey[top : top + 256] += grain[: min(256, height - top)]
    cv2.imwrite(path, np.clip(grey, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"{len(photographs)} photographs" if photographs else "seeded noise"


# --- in the child -----------------------------------------------------------------------------------------


def ours() -> Step:
    """What a worker does for one scan, with a fixed ab instead of the net."""
    sys.path[:0] = [HERE, os.path.dirname(HERE)]
    from original_script import standing_ab

    from colorwatch.colour.colorize import colorize
    from colorwatch.protocol import RenderRequest
    from colorwatch.scan import Fingerprint, RenderSettings

    def step(picture: str, result: str) -> dict[str, Any]:
        root, name = os.path.split(os.path.abspath(picture))
        settings = RenderSettings(jpeg_quality=QUALITY, colored="recolor", text="color")
        request = RenderRequest(0, root, name, Fingerprint.of(os.stat(picture)), result, 1e6, settings)
        return {"stages": colorize(request, lambda _: standing_ab()).seconds}

    return step


def original() -> Step:
    """The steps of the original script."""
    sys.path.insert(0, HERE)
    from original_script import colour

    def step(picture: str, result: str) -> dict[str, Any]:
        colour(picture, result, QUALITY)
        return {}

    return step


def opencv() -> Step:
    """Only reads the picture and writes it again, as OpenCV does it."""
    import cv2

    def step(picture: str, result: str) -> dict[str, Any]:
        pixels = cv2.imread(picture)
        assert pixels is not None
        cv2.imwrite(result, pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return {}

    return step


CHILDREN: dict[str, Callable[[], Step]] = {"original": original, "colorwatch": ours, "opencv": opencv}


def attend(kind: str, picture: str, result: str) -> None:
    """As many scans as each line read says; the first line's time is that of the whole process until then."""
    before = 0.0
    step = CHILDREN[kind]()
    import cv2

    cv2.setNumThreads(1)
    for line in sys.stdin:
        began, scans = time.perf_counter(), int(line)
        for _ in range(scans):
            if os.path.exists(result):
                os.unlink(result)
            told = step(picture, result)
        cpu, wall = (time.process_time() - before) / scans, (time.perf_counter() - began) / scans
        print(json.dumps({"cpu": cpu, "wall": wall, "peak_kb": peak_kb(), **told}), flush=True)
        before = time.process_time()


def peak_kb() -> int:
    """Of this process alone: `ru_maxrss` would count the parent's memory at the fork."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


# --- in the parent ----------------------------------------------------------------------------------------


class Child:
    """One of CHILDREN as a process."""

    def __init__(self, kind: str, picture: str, result: str) -> None:
        command = [sys.executable, os.path.abspath(__file__), "--child", kind, picture, result]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | ONE_THREAD, text=True, bufsize=1
        )

    def turn(self, scans: int) -> dict[str, Any]:
        _pipe(self._child.stdin).write(f"{scans}\n")
        line = _pipe(self._child.stdout).readline()
        if not line:
            raise SystemExit(f"a child ended with status {self._child.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        _pipe(self._child.stdin).close()
        self._child.wait()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def compare(megapixels: float, runs: int, sessions: int) -> dict[str, Any]:
    firsts: list[dict[str, dict[str, Any]]] = []
    steady: list[dict[str, dict[str, Any]]] = []
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "scan.jpg")
        made_from = make_in_child(picture, megapixels)
        results = {kind: os.path.join(folder, f"{kind}.jpg") for kind in CHILDREN}
        for _ in range(sessions):
            children = {kind: Child(kind, picture, results[kind]) for kind in CHILDREN}
            for number in range(runs + 1):
                scans = max(1, round(TURN / megapixels)) if number else 1
                (steady if number else firsts).append({kind: child.turn(scans) for kind, child in children.items()})
            for child in children.values():
                child.close()
        sizes = {kind: os.path.getsize(result) for kind, result in results.items()}
    everything = firsts + steady
    return {
        "megapixels": megapixels,
        "picture": made_from,
        "machine": f"{platform.machine()}, load {os.getloadavg()[0]:.2f} after",
        "python": platform.python_version(),
        "steady_seconds": {kind: spread([one[kind]["cpu"] for one in steady]) for kind in CHILDREN},
        "first_scan_seconds": {kind: spread([one[kind]["cpu"] for one in firsts]) for kind in CHILDREN},
        "wall_seconds": {kind: spread([one[kind]["wall"] for one in steady]) for kind in CHILDREN},
        "peak_mb": {kind: round(max(one[kind]["peak_kb"] for one in everything) / 1024, 1) for kind in CHILDREN},
        "result_bytes": sizes,
        "stages": {
            stage: round(statistics.median(one["colorwatch"]["stages"][stage] for one in steady), 4)
            for stage in steady[0]["colorwatch"]["stages"]
        },
        "steady_ratio": ratios(steady, "original", "colorwatch", "cpu"),
        "first_scan_ratio": ratios(firsts, "original", "colorwatch", "cpu"),
        "memory_ratio": ratios(everything, "original", "colorwatch", "peak_kb"),
        "over_opencv_ratio": ratios(steady, "colorwatch", "opencv", "cpu"),
    }


def ratios(turns: list[dict[str, dict[str, Any]]], over: str, under: str, figure: str) -> dict[str, float]:
    return spread([one[over][figure] / one[under][figure] for one in turns])


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 4),
        "least": round(min(values), 4),
        "most": round(max(values), 4),
    }


def make_in_child(picture: str, megapixels: float) -> str:
    # In a process of its own, so that the parent does not hold the picture.
    command = [sys.executable, os.path.abspath(__file__), "--make", picture, "--megapixels", str(megapixels)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def table(found: dict[str, Any]) -> str:
    lines = [f"{found['megapixels']:g} megapixels, grey JPEG from {found['picture']}, one thread, the net left out", ""]
    lines.append(f"{'':12}{'a scan, s':>12}{'first, s':>12}{'peak MB':>10}{'result MB':>11}")
    lines += [
        f"{kind:12}{found['steady_seconds'][kind]['median']:12.3f}{found['first_scan_seconds'][kind]['median']:12.3f}"
        f"{found['peak_mb'][kind]:10.0f}{found['result_bytes'][kind] / 1e6:11.1f}"
        for kind in CHILDREN
    ]
    for name, title in (
        ("steady_ratio", "user+system time of a scan in a running process, the original's over ours"),
        ("first_scan_ratio", "of a process with one scan, imports included"),
        ("memory_ratio", "memory"),
        ("over_opencv_ratio", "ours over OpenCV's imread and imwrite alone"),
    ):
        ratio = found[name]
        lines.append(f"{title}: {ratio['median']:.2f} (median; {ratio['least']:.2f} to {ratio['most']:.2f})")
    lines.append("ours by stage, s: " + ", ".join(f"{stage} {took:.4f}" for stage, took in found["stages"].items()))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=35)
    parser.add_argument("--runs", type=int, default=7, help="turns of each child in a session, after its first scan")
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--out", help="write everything measured to this file, as JSON")
    parser.add_argument("--child", nargs=3, metavar=("KIND", "PICTURE", "RESULT"), help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        attend(*asked.child)
    elif asked.make:
        print(make_picture(asked.make, asked.megapixels))
    else:
        found = compare(asked.megapixels, asked.runs, asked.sessions)
        print(table(found))
        if asked.out:
            with open(asked.out, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
