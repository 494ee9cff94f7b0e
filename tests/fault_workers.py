"""Worker programs that fail on purpose: real processes that speak the worker's protocol, and then do not."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import socket
import sys
import time

from colorwatch.protocol import Failure, ProbeRequest, Ready, WorkerSetup
from colorwatch.wire import MAX_BYTES, decode, encode
from colorwatch.workers.worker import PR_SET_PDEATHSIG, become_worker

CLONE_VFORK = 0x4000


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
            case "disk":
                wait_in_kernel()
            case "flood":
                flood()
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


def wait_in_kernel() -> None:
    """Sleeps as a process does whose disk is silent: in state D. The kernel keeps a parent so until its vfork ends."""
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    libc = ctypes.CDLL(None)
    if libc.syscall(clone, CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        time.sleep(60)
        os._exit(0)


def flood() -> None:
    """Says far more than anyone will read, then dies."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            os.write(2, b"not again\n" * 100_000)
    os.kill(os.getpid(), signal.SIGSEGV)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as own:
        told = decode(own.recv(MAX_BYTES))
        assert isinstance(told, WorkerSetup)
        become_worker(told.parent)
        sys.exit(attend(own, None))
