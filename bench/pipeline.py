"""Measures one scan through colorwatch, the net left out, against the original script's steps on the same picture.

`python bench/pipeline.py [--megapixels 35] [--runs 5] [--out FILE.json]`: whole child processes, one thread each, run
in turn, and OpenCV's imread and imwrite alone besides; user and system time and peak memory of each, and the median of
the ratios. "Steps" is the time after all imports: a worker imports once for hundreds of scans. The picture is made anew
from photographs (COLORWATCH_TESTDATA) or, where there are none, from seeded noise of a photograph's spectrum.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
QUALITY = 92
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VIPS_CONCURRENCY": "1"}


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


def ours(picture: str, result: str) -> None:
    """The child process of our side: what a worker does for one scan, with a fixed ab instead of the net."""
    import cv2

    sys.path[:0] = [HERE, os.path.dirname(HERE)]
    from original_script import cpu_seconds, standing_ab

    from colorwatch.colour.colorize import colorize
    from colorwatch.scan import Fingerprint, RenderRequest, RenderSettings

    cv2.setNumThreads(1)
    root, name = os.path.split(os.path.abspath(picture))
    fingerprint = Fingerprint.of(os.stat(picture))
    settings = RenderSettings(jpeg_quality=QUALITY)
    start = cpu_seconds()
    request = RenderRequest(0, root, name, fingerprint, result, 1e6, settings)
    done = colorize(request, lambda _: standing_ab())
    report = {"cpu": cpu_seconds(), "steps": cpu_seconds() - start, "seconds": done.seconds}
    print(json.dumps(report | {"peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def opencv(picture: str, result: str) -> None:
    """The child process that only reads the picture and writes it again, as OpenCV does it."""
    import cv2

    sys.path.insert(0, HERE)
    from original_script import cpu_seconds

    cv2.setNumThreads(1)
    start = cpu_seconds()
    pixels = cv2.imread(picture)
    assert pixels is not None
    cv2.imwrite(result, pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    report = {"cpu": cpu_seconds(), "steps": cpu_seconds() - start}
    print(json.dumps(report | {"peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def run(command: list[str], result: str) -> dict[str, Any]:
    if os.path.exists(result):
        os.unlink(result)
    start = time.perf_counter()
    child = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return measured | {"wall": time.perf_counter() - start, "bytes": os.path.getsize(result)}


def compare(megapixels: float, runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "scan.jpg")
        made_from = make_in_child(picture, megapixels)
        result = os.path.join(folder, "result.jpg")
        original = [sys.executable, os.path.join(HERE, "original_script.py"), picture, result, str(QUALITY)]
        mine = [sys.executable, os.path.abspath(__file__), "--ours", picture, result]
        plain = [sys.executable, os.path.abspath(__file__), "--opencv", picture, result]
        rounds = [(run(original, result), run(mine, result), run(plain, result)) for _ in range(runs)]
    pairs = [(theirs, own) for theirs, own, _ in rounds]
    ratios = {
        f"{name}_ratio": sorted(theirs[figure] / own[figure] for theirs, own in pairs)
        for name, figure in (("steps", "steps"), ("cpu", "cpu"), ("memory", "peak_kb"))
    }
    return {
        "megapixels": megapixels,
        "picture": made_from,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "original": [theirs for theirs, _ in pairs],
        "colorwatch": [own for _, own in pairs],
        "opencv": [codec for _, _, codec in rounds],
        "opencv_ratio": sorted(own["steps"] / codec["steps"] for _, own, codec in rounds),
    } | {
        name: {"median": statistics.median(found), "least": found[0], "most": found[-1]}
        for name, found in ratios.items()
    }


def make_in_child(picture: str, megapixels: float) -> str:
    # In a process of its own: a child started from a large parent would inherit its peak (ru_maxrss) at the fork.
    command = [sys.executable, os.path.abspath(__file__), "--make", picture, "--megapixels", str(megapixels)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def table(found: dict[str, Any]) -> str:
    lines = [f"{found['megapixels']:g} megapixels, grey JPEG from {found['picture']}, one thread, the net left out", ""]
    lines.append(f"{'':12}{'steps, s':>10}{'process, s':>12}{'wall s':>10}{'peak MB':>10}{'result MB':>11}")
    for name in ("original", "colorwatch", "opencv"):
        lines += [
            f"{name:12}{one['steps']:10.2f}{one['cpu']:12.2f}{one['wall']:10.2f}"
            f"{one['peak_kb'] / 1024:10.0f}{one['bytes'] / 1e6:11.1f}"
            for one in found[name]
        ]
    for name, title in (
        ("steps_ratio", "user+system time of the steps"),
        ("cpu_ratio", "of the whole process, imports included"),
        ("memory_ratio", "memory"),
    ):
        ratio = found[name]
        lines.append(f"{title}: {ratio['median']:.2f} times less (median; {ratio['least']:.2f} to {ratio['most']:.2f})")
    times = found["opencv_ratio"]
    lines.append(
        f"against OpenCV's imread and imwrite alone: {statistics.median(times):.2f} times the time of its steps "
        f"({times[0]:.2f} to {times[-1]:.2f})"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=35)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", help="write everything measured to this file, as JSON")
    parser.add_argument("--ours", nargs=2, metavar=("PICTURE", "RESULT"), help=argparse.SUPPRESS)
    parser.add_argument("--opencv", nargs=2, metavar=("PICTURE", "RESULT"), help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ours:
        ours(*asked.ours)
    elif asked.opencv:
        opencv(*asked.opencv)
    elif asked.make:
        print(make_picture(asked.make, asked.megapixels))
    else:
        found = compare(asked.megapixels, asked.runs)
        print(table(found))
        if asked.out:
            with open(asked.out, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
