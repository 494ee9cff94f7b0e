"""Scans of 35, 140 and 1,000 megapixels, one after the other, with fixed colours instead of a net: CPU time and memory.

    python tests/trials/any_size.py [--kinds jpeg8 png8 png16 tiff8 tiff16] [--megapixels 35 140 1000] [--result pdf]

A photograph repeated; scans are made in a temporary folder (TMPDIR: up to 4 GB). Each scan has a process of its own,
whose peak is that of the whole process. CPU time is of one thread: beside other work it says more than the clock's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SIDES = {35: (7000, 5000), 140: (14_000, 10_000), 1000: (35_000, 28_572)}
SUFFIXES = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif"}


def make(path: str, kind: str, width: int, height: int) -> None:
    """A grey scan of that kind, with grain as a scanner has it."""
    import numpy as np
    import pyvips

    from house import photographs

    photo = pyvips.Image.new_from_array(photographs(1, 5000)[0])
    photo = photo.crop(0, 0, min(photo.width, 7000), 5000)
    grain = np.random.default_rng(1).normal(0, 2, (5000, photo.width)).astype(np.float32)
    base = (photo + pyvips.Image.new_from_array(grain)).cast("float").copy_memory()
    whole = base.replicate(-(-width // base.width), -(-height // base.height)).crop(0, 0, width, height)
    if kind.endswith("16"):
        whole = (whole * 257).cast("ushort").copy(interpretation="grey16")
    else:
        whole = whole.cast("uchar").copy(interpretation="b-w")
    if kind == "jpeg8":
        whole.jpegsave(path, Q=92)
    elif kind.startswith("png"):
        whole.pngsave(path, compression=1, filter="up")
    else:
        whole.tiffsave(path, compression="deflate", level=1, predictor="horizontal")


def colour(path: str, result: str) -> None:
    """In a process of its own: prints CPU seconds and the peak of its memory in MB."""
    import cv2
    import numpy as np

    from colorwatch.colour.colorize import colorize
    from colorwatch.protocol import RenderRequest
    from colorwatch.scan import Fingerprint

    cv2.setNumThreads(1)
    ab = np.random.default_rng(1).normal(8, 10, (56, 56, 2)).astype(np.float32)
    folder, name = os.path.split(path)
    request = RenderRequest(1, folder, name, Fingerprint.of(os.stat(path)), f"{path}.part", result=result)
    began = time.process_time()
    colorize(request, lambda _: ab)
    seconds = time.process_time() - began
    with open("/proc/self/status", encoding="ascii") as file:
        peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    print(f"{seconds:.2f} {peak / 1e6:.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=["jpeg8", "png8", "png16", "tiff8", "tiff16"])
    parser.add_argument("--megapixels", nargs="+", type=int, default=list(SIDES))
    parser.add_argument("--result", default="")
    parser.add_argument("--colour", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.colour:
        colour(given.colour, given.result)
        return 0
    for kind in given.kinds:
        for megapixels in given.megapixels:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, f"scan{SUFFIXES[kind.rstrip('0123456789')]}")
                make(path, kind, *SIDES[megapixels])
                command = [sys.executable, __file__, "--colour", path, "--result", given.result]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                sizes = [os.path.getsize(each) / 1e6 for each in (path, f"{path}.part")]
            each = float(told[0]) / megapixels * 1000
            print(f"{kind:7} {megapixels:5} MP  {told[0]:>7} s  {told[1]:>4} MB  {each:.1f} ms/MP", end="  ")
            print(f"{sizes[0]:.0f} -> {sizes[1]:.0f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
