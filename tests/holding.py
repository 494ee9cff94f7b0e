"""A process that SIGKILL does not end: run as `python holding.py PID`, this holds PID at its exit until stdin closes.

The kernel stops a traced process at its exit (ptrace(2), PTRACE_EVENT_EXIT): for everyone else it is killed, and not
gone, as one is that waits for a dead file server. The tracer is a process of its own: a parent that traces would take
the stop for its child's end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys

PTRACE_CONT, PTRACE_SEIZE, PTRACE_O_TRACEEXIT = 7, 0x4206, 0x40
WALL = 0x40000000


class Holding:
    """Holds `pid` once it is killed. `held` is False where no process may be traced."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._tracer = subprocess.Popen(
            [sys.executable, "-S", __file__, str(pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._tracer.stdout is not None
        self.held = self._tracer.stdout.read(1) == b"!"

    def at_its_exit(self) -> bool:
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "t"

    def release(self) -> None:
        """Lets it end."""
        if self._tracer.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._tracer.communicate(timeout=30)


def trace(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, pid, None, PTRACE_O_TRACEEXIT) == 0:
        os.write(1, b"!")
        os.read(0, 1)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, WALL)
        libc.ptrace(PTRACE_CONT, pid, None, None)


if __name__ == "__main__":
    trace(int(sys.argv[1]))
