"""A child process as a pool sees it: its end, its error output, and what to say of both."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, Protocol

from colorwatch.pool.contract import ENVIRONMENT

LAST_WORDS_BYTES = 2000
ERROR_BYTES = 64 * 1024  # of what a child prints, held at most
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Child(Protocol):
    """A process that can be watched and ended without its number ever being taken for another's."""

    @property
    def pid(self) -> int: ...
    @property
    def sentinel(self) -> int:
        """A pidfd: readable once the process is gone."""
        ...

    @property
    def code(self) -> int | None:
        """How it ended: an exit code, or a signal's number as a negative one; None while that is not known."""
        ...

    def gone(self) -> bool:
        """Whether it has ended, known how or not."""
        ...

    def kill(self) -> None: ...
    def close(self) -> None:
        """Gives its descriptors back."""
        ...


@dataclass(slots=True)
class OwnChild:
    """A process that this one started."""

    process: subprocess.Popen[bytes]
    sentinel: int

    @classmethod
    def start(cls, module: str, arguments: list[str], descriptor: int, errors: IO[bytes]) -> OwnChild:
        """Runs a module of ours; it inherits `descriptor`, and `errors` takes all that it prints."""
        # -P: a daemon started in some folder must not import what lies there.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            pass_fds=[descriptor],
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
        return cls(process, os.pidfd_open(process.pid))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def code(self) -> int | None:
        return self.process.poll()

    def gone(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        if self.process.poll() is None:
            # Stuck in the kernel: nothing more is asked of it, and its object must not complain that nothing was.
            self.process.returncode = -signal.SIGKILL
        os.close(self.sentinel)


@dataclass(slots=True)
class Grandchild:
    """A process that the zygote forked; `sentinel` came from the zygote, which opened it before it could be reaped."""

    pid: int
    sentinel: int
    code: int | None = None

    def gone(self) -> bool:
        return self.code is not None or readable(self.sentinel)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.sentinel, signal.SIGKILL)

    def close(self) -> None:
        # After its zygote's death it may have become a child of this process, as process 1 of a container: reap it.
        with contextlib.suppress(OSError):
            os.waitid(os.P_PIDFD, self.sentinel, os.WEXITED | os.WNOHANG)
        os.close(self.sentinel)


def readable(descriptor: int, seconds: float = 0.0) -> bool:
    """Whether there is something to read, an end included, within `seconds`."""
    poller = select.poll()  # not select(), which knows no descriptor above 1023
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(seconds * 1000))


def error_file() -> IO[bytes]:
    """ERROR_BYTES of memory for what a child prints. Once it is full, more is refused (EPERM), and nobody waits."""
    file = open(os.memfd_create("errors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "r+b", buffering=0)  # noqa: SIM115
    os.ftruncate(file.fileno(), ERROR_BYTES)
    fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return file


def make_room(errors: IO[bytes]) -> None:
    """Lets a child's error file go on from its start before it is full, with the last words kept."""
    descriptor = errors.fileno()
    # Parent and child have one place in the file: it was opened once.
    if os.lseek(descriptor, 0, os.SEEK_CUR) > ERROR_BYTES // 2:
        words = _tail(descriptor)
        os.pwrite(descriptor, words, 0)
        os.lseek(descriptor, len(words), os.SEEK_SET)


def _tail(descriptor: int) -> bytes:
    end = os.lseek(descriptor, 0, os.SEEK_CUR)
    start = max(0, end - LAST_WORDS_BYTES)
    return os.pread(descriptor, end - start, start)


def waits_in_kernel(pid: int) -> bool:
    """Whether a thread of the process sleeps where only a disk or a share can wake it (state D, proc_pid_stat(5))."""
    try:
        return any(_state(pid, thread) == "D" for thread in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return False


def _state(pid: int, thread: str) -> str:
    try:
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8", errors="replace") as stat:
            # The name before it may hold anything, brackets included.
            return stat.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def resident_bytes(pid: int) -> int:
    """Memory of a process in RAM, shared pages counted; 0 where it cannot be read."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def death(code: int | None, hung: bool, killed: bool = False) -> str:
    """How a process ended, in words; a signal by its name. `killed`: it was told to end and did not."""
    if killed:
        late = "did not finish in time and " if hung else ""
        return f"it {late}could not be ended: a disk or a share keeps it waiting"
    if hung:
        return "it did not finish in time and was ended"
    if code is None:
        return "it ended, nobody knows how"
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        hint = " (was the memory full?)" if code == -signal.SIGKILL else ""
        return f"it was ended by {name}{hint}"
    return f"it ended by itself with exit code {code}"


def last_words(errors: IO[bytes]) -> str:
    """The last line that a child wrote to its error output."""
    lines = _tail(errors.fileno()).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
