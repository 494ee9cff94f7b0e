"""The zygote: loads the net once, runs it once, then forks a worker of itself for each request.

Run as `python -P -m colorwatch.workers.zygote DESCRIPTOR [PROGRAM]`. It must have one thread whenever it forks:
what holds locks in other threads is lost in a forked child. So it looks at no picture, and loads nothing that does:
libvips starts threads, and is loaded by the workers.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from colorwatch.errors import ModelError, explain_os_error
from colorwatch.faultpoint import reach
from colorwatch.protocol import Ended, Failure, Forked, ForkRequest, NotForked, Ready, WorkerSetup
from colorwatch.wire import MAX_BYTES, decode, encode
from colorwatch.workers import passing
from colorwatch.workers.confining import confine, step_back
from colorwatch.workers.worker import become_worker, die_with, ignore_ctrl_c

STDOUT, STDERR = 1, 2


class Zygote:
    """Forks and reaps, until the pool closes `control`. `program` is the worker's module, `serve` its loaded net.

    `memory_limit`: bytes that a worker may take beyond what it shares with the zygote; 0 sets no limit.
    """

    def __init__(
        self, control: socket.socket, program: ModuleType, serve: Callable[[Any], Any], memory_limit: int = 0
    ) -> None:
        self._control = control
        self._memory_limit = memory_limit
        self._program = program
        self._serve = serve
        self._children: dict[int, int] = {}  # pidfd -> number of the request
        self._poller = select.poll()
        self._poller.register(control, select.POLLIN)

    def run(self) -> int:
        """Serves the pool; returns the exit code."""
        while True:
            for descriptor, _ in self._poller.poll():
                if descriptor != self._control.fileno():
                    self._reap(descriptor)
                elif (code := self._listen()) is not None:
                    return code

    def _listen(self) -> int | None:
        packet, descriptors = passing.receive(self._control)
        if not packet:
            return 0
        request = decode(packet)
        if not isinstance(request, ForkRequest) or len(descriptors) != 2:
            return 1
        threads = count_threads()
        if threads != 1:
            self._control.send(encode(unfit(threads)))
            return 1
        self._fork(request.number, threads, *descriptors)
        passing.close_all(descriptors)
        return None

    def _fork(self, number: int, threads: int, channel: int, errors: int) -> None:
        parent = os.getpid()
        reach("fork")
        try:
            pid = os.fork()
        except OSError as error:
            why = f"no worker can be forked: {explain_os_error(error)}"
            self._control.send(encode(NotForked(number, why)))
            return
        if pid == 0:
            self._be_worker(parent, channel, errors)
        # The pidfd is made here, where the worker's number cannot be taken by another before it is reaped.
        sentinel = os.pidfd_open(pid)
        self._children[sentinel] = number
        self._poller.register(sentinel, select.POLLIN)
        passing.send(self._control, encode(Forked(number, pid, threads)), [sentinel])

    def _reap(self, sentinel: int) -> None:
        # Told first, reaped after: a zygote that dies in between leaves no death that nobody was told of.
        found = os.waitid(os.P_PIDFD, sentinel, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return
        code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        self._control.send(encode(Ended(self._children.pop(sentinel), code)))
        os.waitid(os.P_PIDFD, sentinel, os.WEXITED)
        self._poller.unregister(sentinel)
        os.close(sentinel)

    def _be_worker(self, parent: int, channel: int, errors: int) -> NoReturn:
        """In the child: lets go of everything of the zygote's but the net, and serves."""
        code = 1
        try:
            become_worker(parent)
            os.dup2(errors, STDOUT)
            os.dup2(errors, STDERR)
            passing.close_all([errors, *self._children])
            self._control.close()
            confine(self._memory_limit)
            with socket.socket(fileno=channel) as own:
                code = self._program.attend(own, self._serve)
        except BaseException:  # noqa: BLE001 - nothing may go on as a second zygote
            with contextlib.suppress(OSError):
                traceback.print_exc()
        finally:
            # An output that takes no more must not keep the child from its end.
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def main(arguments: list[str]) -> int:
    """Loads, forks and reaps until the pool closes the socket or dies."""
    ignore_ctrl_c()
    # Inherited as ignored, it would have the kernel reap the workers before anyone asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    program = importlib.import_module(arguments[1] if len(arguments) > 1 else "colorwatch.workers.worker")
    with socket.socket(fileno=int(arguments[0])) as control:
        setup = decode(control.recv(MAX_BYTES))
        if not isinstance(setup, WorkerSetup):
            return 1
        die_with(setup.parent)
        step_back(setup.nice)
        try:
            serve = program.server(setup)
        except ModelError as error:
            control.send(encode(Failure("model", str(error), retryable=False)))
            return 1
        # What is loaded stays: the collector must not write into pages that the workers share.
        gc.collect()
        gc.freeze()
        threads = count_threads()
        if threads != 1:
            control.send(encode(unfit(threads)))
            return 1
        control.send(encode(Ready(os.getpid())))
        return Zygote(control, program, serve, setup.memory_limit).run()


def count_threads() -> int:
    """The threads of this process, native ones included."""
    return len(os.listdir("/proc/self/task"))


def unfit(threads: int) -> Failure:
    """Why nothing may be forked from this process."""
    return Failure("threads", f"the loaded net left {threads} threads running, and they do not survive a fork", False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
