"""Run as a module, in a process of its own: loads a net as a worker does, runs it once, and prints what it took."""

from __future__ import annotations

import json
import os
import sys
import time

from colorwatch.errors import ColorwatchError
from colorwatch.protocol import WorkerSetup


def main(argument: str) -> int:
    """Prints one line: a JSON object, or why the net does not run (exit code 1)."""
    wanted = json.loads(argument)
    import cv2
    import numpy as np

    from colorwatch.colour.net import load

    try:
        predict = load(WorkerSetup(os.getppid(), wanted["model"], small=wanted["small"], manifest=wanted["manifest"]))
        lightness = np.full((getattr(predict, "side", 224),) * 2, 50, np.float32)
        start = time.perf_counter()
        ab = predict(lightness)
        seconds = time.perf_counter() - start
    except ColorwatchError as error:
        print(error)
        return 1
    if not np.isfinite(ab).all():
        print("it gives no numbers")
        return 1
    line = next((line for line in cv2.getBuildInformation().splitlines() if "Dispatched" in line), "")
    features = cv2.getCPUFeaturesLine().split() or line.split(":")[-1].split()
    best = [name for name in ("AVX512-SKX", "AVX2", "NEON", "SSE4.2") if any(name in found for found in features)]
    print(json.dumps({"opencv": cv2.__version__, "seconds": seconds, "features": best[0] if best else "no SIMD"}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
