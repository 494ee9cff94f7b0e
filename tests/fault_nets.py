"""Nets that fail on purpose, and one that only gives grey: real functions, loaded by real workers.

`load(setup)` takes the model's path and returns the predict function: lightness (224, 224) to ab (56, 56, 2).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from colorwatch.errors import ModelError
from colorwatch.protocol import WorkerSetup


def grey_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """No colour at all."""
    import numpy as np

    return lambda lightness: np.zeros((56, 56, 2), np.float32)


def crash_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Dies in each pass, as native code does."""

    def predict(lightness: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)

    return predict


def hang_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Never comes back, and does not listen."""

    def predict(lightness: Any) -> Any:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(3600)

    return predict


def black_crash_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Dies over black pictures alone; others come out grey."""
    grey = grey_net(setup)

    def predict(lightness: Any) -> Any:
        if lightness.max() < 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        return grey(lightness)

    return predict


def black_hang_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Hangs over black pictures alone; others come out grey."""
    grey, hang = grey_net(setup), hang_net(setup)
    return lambda lightness: hang(lightness) if lightness.max() < 1 else grey(lightness)


def hang_once_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Hangs in the first pass of all workers, and leaves the model's file to say so."""
    marker = setup.model
    grey, hang = grey_net(setup), hang_net(setup)

    def predict(lightness: Any) -> Any:
        if os.path.exists(marker):
            return grey(lightness)
        with open(marker, "w"):
            return hang(lightness)

    return predict


def missing_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Cannot be loaded."""
    raise ModelError("there is no such net")


def threaded_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Grey, and it leaves a thread running."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return grey_net(setup)


def later_threaded_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Grey; it starts a thread on SIGUSR1."""
    signal.signal(signal.SIGUSR1, lambda *_: threaded_net(setup))
    return grey_net(setup)


def parent_killing_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Over black pictures it takes the daemon down, as a scan does that fills the machine's memory."""
    grey = grey_net(setup)

    def predict(lightness: Any) -> Any:
        if lightness.max() < 1:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(3600)
        return grey(lightness)

    return predict


def hog_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Over black pictures it takes all the memory it can get, and writes to it; others come out grey."""
    grey, hoard = grey_net(setup), []

    def predict(lightness: Any) -> Any:
        while lightness.max() < 1:
            hoard.append(bytearray(os.urandom(1)) * (16 * 2**20))
        return grey(lightness)

    return predict


def poison_net(setup: WorkerSetup) -> Callable[[Any], Any]:
    """Blank pictures are poison: black ones crash the worker, white ones hang it, grey ones have it killed."""
    grey, hang = grey_net(setup), hang_net(setup)

    def predict(lightness: Any) -> Any:
        if lightness.std() > 0.5:
            return grey(lightness)
        if lightness.max() > 95:
            return hang(lightness)
        os.kill(os.getpid(), signal.SIGSEGV if lightness.max() < 5 else signal.SIGKILL)
        return None

    return predict
