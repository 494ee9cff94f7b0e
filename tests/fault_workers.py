"""Worker programs that fail on purpose: real processes that speak the worker's protocol, and then do not."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from colorwatch.scan import Failure, ProbeRequest, Ready, WorkerSetup
from colorwatch.wire import MAX_BYTES, decode, encode
from colorwatch.worker import become_worker


def server(setup: WorkerSetup) -> None:
    """Nothing is loaded."""


def attend(channel: socket.socket, serve: object) -> int:
    """Answers each probe by what its path says: the path is the script of the failure."""
    channel.send(encode(Ready(os.getpid())))
    kept = []
    while raw := channel.recv(MAX_BYTES):
        request = decode(raw)
        assert isinstance(request, ProbeRequest)
        match request.path.split("-")[0]:
            case "crash":
                print("something in a codec went wrong", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(7)
            case "hang":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    time.sleep(3600)
            case "babble":
                channel.send(b"\x80\x04not json")
            case "foreign":
                channel.send(encode(Ready(1)))
            case "close":
                channel.close()
                time.sleep(3600)
            case "hoard":
                kept.append(b"x" * 50 * 2**20)
                channel.send(encode(Failure("echo", request.path, retryable=False)))
            case _:
                channel.send(encode(Failure("echo", request.path, retryable=False)))
    return 0


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as own:
        told = decode(own.recv(MAX_BYTES))
        assert isinstance(told, WorkerSetup)
        become_worker(told.parent)
        sys.exit(attend(own, None))
