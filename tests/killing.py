"""Ends or fails a function at its Nth call into the operating system, for every N until it runs through."""

from __future__ import annotations

import ctypes
import itertools
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from colorwatch.disk import beneath

CALLS = (
    *("open", "mkdir", "rmdir", "link", "rename", "unlink", "fsync", "fchmod", "fchown", "utime"),
    *("listdir", "scandir"),
)
KILLED = 9
BROKEN = 3


class Faults:
    """Counts system calls from 1 on and does `act` at number `at`: before it, or `after` it was carried out."""

    def __init__(self, at: int, act: Callable[[], None], *, after: bool = False) -> None:
        self.count = 0
        self._at = at
        self._act = act
        self._after = after

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            mine = self.count == self._at
            if mine and not self._after:
                self._act()
            try:
                return real(*arguments, **named)
            finally:
                if mine and self._after:
                    self._act()

        return call


class Disk:
    """What the filesystem under test can do.

    Lacking `links` it is like exFAT, lacking `rename_new` and `exchange` like NFS.
    """

    def __init__(self, *, links: bool = True, rename_new: bool = True, exchange: bool = True) -> None:
        self.links = links
        self.rename_new = rename_new
        self.exchange = exchange


@contextmanager
def tampered(faults: Faults, disk: Disk | None = None) -> Iterator[None]:
    """Every system call of the package's file modules goes through `faults`."""
    disk = disk or Disk()
    real = {name: getattr(os, name) for name in CALLS}
    libc = beneath._libc

    def link(*arguments: Any, **named: Any) -> None:
        if not disk.links:
            raise PermissionError(1, "Operation not permitted")
        real["link"](*arguments, **named)

    class Libc:
        @staticmethod
        def renameat2(*arguments: Any) -> int:
            try:
                return int(counted(*arguments))
            except OSError as error:
                ctypes.set_errno(error.errno or 0)
                return -1

    def renameat2(*arguments: Any) -> int:
        if not (disk.rename_new if arguments[-1] == 1 else disk.exchange):
            raise OSError(22, "Invalid argument")
        result = libc.renameat2(*arguments)
        if result != 0:
            raise OSError(ctypes.get_errno(), "renameat2")
        return int(result)

    counted = faults.wrap(renameat2)
    try:
        for name in CALLS:
            setattr(os, name, faults.wrap(link if name == "link" else real[name]))
        beneath._libc = Libc  # type: ignore[assignment]
        yield
    finally:
        beneath._libc = libc
        for name, function in real.items():
            setattr(os, name, function)


def in_child(work: Callable[[], object], faults: Faults, disk: Disk | None = None) -> int:
    """Runs `work` in a forked process and returns its exit status: 0, KILLED or BROKEN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: the child only makes calls
        pid = os.fork()
    if pid == 0:
        try:
            with tampered(faults, disk):
                work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(BROKEN)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at_every_call(start: Callable[[str], Callable[[], object]], disk: Disk | None = None) -> Iterator[str]:
    """For each N, before and after: `start(name)` prepares and gives the work, the work is killed there.

    Yields each name, for the caller to do the work again and to look at what is there.
    """
    for number in itertools.count(1):
        for after in (False, True):
            name = f"{number}-{'after' if after else 'before'}"
            work = start(name)
            status = in_child(work, Faults(number, lambda: os._exit(KILLED), after=after), disk)
            assert status in (0, KILLED), f"killed at {name}: exit status {status}"
            yield name
            if status == 0:
                assert number > 3, "the work made no system calls"
                return


def failed_at_every_call(
    start: Callable[[str], Callable[[], object]], code: int, disk: Disk | None = None
) -> Iterator[tuple[str, OSError | None]]:
    """The same with the Nth call failing with errno `code`; yields the error that came out, if one did."""

    def fail() -> None:
        raise OSError(code, os.strerror(code))

    for number in itertools.count(1):
        name = f"{number}-{code}"
        work = start(name)
        faults = Faults(number, fail)
        error = None
        with tampered(faults, disk):
            try:
                work()
            except OSError as caught:
                error = caught
        yield name, error
        if faults.count < number:
            return
