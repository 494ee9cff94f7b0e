"""The child: loads the net once, then answers one request at a time over its socket until that closes.

Run as `python -m colorwatch.workers.worker DESCRIPTOR`, or forked from `colorwatch.workers.zygote`. Everything that
reads a scan's bytes happens in here; whatever goes wrong leaves as a plain `Failure`, and what cannot leave as one (a
crash, a hang) costs this process alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from colorwatch.errors import DiskError, MemoryShortError, ModelError, ScanError, explain_os_error, short_of_memory
from colorwatch.protocol import (
    Answer,
    CutRequest,
    Failure,
    PortrayRequest,
    ProbeRequest,
    Ready,
    RecallRequest,
    RenderRequest,
    Request,
    WorkerSetup,
)
from colorwatch.wire import MAX_BYTES, decode, encode
from colorwatch.workers.confining import confine, step_back

if TYPE_CHECKING:
    from colorwatch.colour.onepage import Predict

PR_SET_PDEATHSIG = 1
OOM_SCORE = 300


def server(setup: WorkerSetup) -> Callable[[Request], Answer]:
    """The function that answers requests, its net loaded; raises ModelError where that cannot be."""
    module, _, name = setup.net.partition(":")
    predict: Predict = getattr(importlib.import_module(module), name)(setup)

    def serve(request: Request) -> Answer:
        return _guarded(lambda: _answer(request, predict))

    return serve


def main(arguments: list[str]) -> int:
    """Loads the net, then serves until the parent closes the socket or dies."""
    with socket.socket(fileno=int(arguments[0])) as channel:
        setup = decode(channel.recv(MAX_BYTES))
        if not isinstance(setup, WorkerSetup):
            return 1
        become_worker(setup.parent)
        step_back(setup.nice)
        try:
            serve = server(setup)
        except ModelError as error:
            channel.send(encode(Failure("model", str(error), retryable=False)))
            return 1
        importlib.import_module("colorwatch.colour.colorize")  # what it loads is no scan's
        confine(setup.memory_limit)
        return attend(channel, serve)


def attend(channel: socket.socket, serve: Callable[[Request], Answer]) -> int:
    """Says that it is ready, then answers one request at a time until the channel closes; returns the exit code."""
    importlib.import_module("colorwatch.colour.colorize")  # now, not while the first scan waits
    channel.send(encode(Ready(os.getpid())))
    while raw := channel.recv(MAX_BYTES):
        request = decode(raw)
        if not isinstance(request, ProbeRequest | RenderRequest | RecallRequest | PortrayRequest | CutRequest):
            return 1
        channel.send(encode(serve(request)))
    return 0


def _answer(request: Request, predict: Predict) -> Answer:
    from colorwatch.colour.colorize import colorize, probe
    from colorwatch.metadata.imprint import recall

    if isinstance(request, ProbeRequest):
        return probe(request.root, request.path, request.max_megapixels, request.max_bytes)
    if isinstance(request, RecallRequest):
        return recall(request.root, request.path)
    if isinstance(request, PortrayRequest):
        from colorwatch.colour.portrait import portray

        return portray(request)
    if isinstance(request, CutRequest):
        from colorwatch.colour.cutting import cut

        return cut(request)
    return colorize(request, predict)


def _guarded(work: Callable[[], Answer]) -> Answer:
    """The answer, or what went wrong as a value: no exception crosses the process boundary."""
    try:
        return work()
    except ScanError as error:
        return Failure(error.kind, str(error), error.retryable)
    except MemoryError:
        return _short_of_memory()
    except OSError as error:
        return Failure(DiskError.kind, explain_os_error(error), retryable=True)
    except Exception as error:  # noqa: BLE001 - a bug of ours, or of a codec: the scan is kept, the worker lives on
        if short_of_memory(error):
            return _short_of_memory()
        return Failure("internal", f"colorwatch itself failed on it ({_one_line(error)})", retryable=False)


def _short_of_memory() -> Failure:
    return Failure(MemoryShortError.kind, str(MemoryShortError()), MemoryShortError.retryable)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def become_worker(parent: int) -> None:
    """What every worker does first: it leaves Ctrl-C to the parent, dies with it, and goes first when memory ends."""
    ignore_ctrl_c()
    die_with(parent)
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as score:
        # Else the kernel may choose the zygote, whose memory every worker shares: all of them would be lost for one.
        if int(score.read()) < OOM_SCORE:
            score.seek(0)
            score.write(str(OOM_SCORE))


def ignore_ctrl_c() -> None:
    """The terminal's Ctrl-C reaches the whole group, but only the parent decides when a child ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def die_with(parent: int) -> None:
    """Asks the kernel for SIGKILL when the parent dies, so that no orphan ever writes beside a successor.

    The kernel means the thread that started this process: a pool lives and dies with the thread that polls it.
    """
    libc: Any = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
