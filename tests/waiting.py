"""Waiting for a condition instead of for a time, and a writer as slow as a scanner."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

PAUSE_SECONDS = 0.01
PATIENCE = float(os.environ.get("COLORWATCH_PATIENCE", "1"))  # times as long is waited on a machine with other work


def eventually(predicate: Callable[[], object], timeout: float = 10.0, message: str = "") -> None:
    """Returns as soon as `predicate()` is true; fails with `message` after `timeout` seconds, times PATIENCE."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {message or predicate!r}")
        time.sleep(PAUSE_SECONDS)


def drip_write(path: str, chunks: Iterable[bytes], pause: float, *, reopen: bool = False) -> None:
    """Writes `chunks` to `path` with `pause` seconds after each; `reopen` closes the file after each chunk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        for chunk in chunks:
            os.write(descriptor, chunk)
            if reopen:
                os.close(descriptor)
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            time.sleep(pause)
    finally:
        os.close(descriptor)
