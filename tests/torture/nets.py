"""Nets that end their worker over certain pictures, and leave all others grey."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from colorwatch.protocol import WorkerSetup

BLACK, WHITE, GREY = 0, 255, 128
DEADLY = (BLACK, WHITE, GREY)


def poison_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Dies as native code does over black, never comes back over white, is killed as by the kernel over even grey."""
    import numpy as np

    def predict(lightness: Any) -> Any:
        if np.ptp(lightness) < 0.5:
            level = float(lightness.mean())
            if level < 1:
                os.kill(os.getpid(), signal.SIGSEGV)
            elif level > 99:
                time.sleep(3600)
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros((56, 56, 2), np.float32)

    return predict
