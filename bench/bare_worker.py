"""A worker program that does nothing but run the net: a probe of path "12" is twelve passes. For bench/pool.py."""

from __future__ import annotations

import importlib
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from colorwatch.protocol import Failure, ProbeRequest, Ready, WorkerSetup
from colorwatch.wire import MAX_BYTES, decode, encode
from colorwatch.workers.worker import become_worker

Predict = Callable[[Any], Any]


def server(setup: WorkerSetup) -> Predict:
    """The net itself."""
    module, _, name = setup.net.partition(":")
    return getattr(importlib.import_module(module), name)(setup)


def attend(channel: socket.socket, predict: Predict) -> int:
    """Runs passes as asked."""
    import numpy as np

    lightness = np.random.default_rng(0).uniform(0, 100, (224, 224)).astype(np.float32)
    channel.send(encode(Ready(os.getpid())))
    while raw := channel.recv(MAX_BYTES):
        request = decode(raw)
        assert isinstance(request, ProbeRequest)
        for _ in range(int(request.path)):
            predict(lightness)
        channel.send(encode(Failure("done", request.path, retryable=False)))
    return 0


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as own:
        told = decode(own.recv(MAX_BYTES))
        assert isinstance(told, WorkerSetup)
        become_worker(told.parent)
        sys.exit(attend(own, server(told)))
