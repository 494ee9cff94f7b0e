"""Named places in the order of operations where the torture bench can have a process die, stop or meet a broken disk.

Off, `reach` is an empty function. It is another one only where both variables are set as the process starts and the
folder is there; and something happens only while the folder holds a file named `faults-are-wanted`:

    COLORWATCH_FAULT=POINT:K[xTIMES][:ACTION][,...]    COLORWATCH_FAULT_BENCH=FOLDER

The action (`kill` by default) comes at the K-th time that the point is reached by any process of the daemon, and at the
TIMES - 1 after it: `kill` ends this process, `killgroup` its whole group, `killleader` the group's first process, the
daemon (each by SIGKILL); `stop` holds this process by SIGSTOP; the name of an errno (EIO) is raised as an OSError.
Counts are kept in the folder, so that they go on in the daemon that is started afterwards.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

POINTS = {
    # In the daemon: folder threads
    "detect": "a file was noticed in an inbox",
    "rescan": "the full look at an inbox begins",
    "settled": "a file has gone quiet, and is about to be told",
    "link": "before a result gets its final name",
    "linked": "it has the name, its folder is not synced yet",
    "linked-synced": "the folder is synced, nothing is told yet",
    "discard": "before the spool name goes",
    "clean-spool": "before what an earlier daemon left in the spool is removed",
    "aside": "before an original is renamed aside",
    "set-aside": "it is aside",
    "place": "before it is moved into the archive or the quarantine",
    "copy": "in the middle of its copy to another disk",
    "copied": "the copy is whole and synced, and not in its place yet",
    "placed": "it stands in the archive or the quarantine, its folder is not synced yet",
    "remove": "before the name aside is removed",
    "removed": "the name aside is gone, nothing is told yet",
    "put-back": "before an original gets its own name back",
    "swap": "before a new result and the one that it replaces swap names",
    "swapped": "they have, the folders are not synced yet",
    "quarantine": "before a scan is moved into quarantine",
    "note": "it is there, its note is not",
    "noted": "the note is written and has no name yet",
    # In the daemon: the service's thread
    "recover": "before what an earlier daemon left is taken up",
    "recovered": "that is committed, nothing is asked for again yet",
    "add": "a new job, before the commit",
    "claim": "a job is claimed, before the commit",
    "rendered": "its result is in the spool, before the commit",
    "published": "it is in the outbox, before the commit",
    "done": "its original is cleared, before the commit",
    "refused": "a scan is to go to quarantine, before the commit",
    "settle-quarantine": "it is in quarantine, before the commit",
    "cut-out": "prints are in the spool, before the commit",
    "print-saved": "one of them stands under its name, before the commit",
    "committed": "a tick's commit is on disk, nothing was asked for yet",
    "drain": "the daemon was asked to end",
    "close": "before what still runs is given back",
    # In the zygote and in workers
    "fork": "before a worker is forked",
    "probe-opened": "a worker has opened a scan to look at it",
    "probe-hashed": "it has read it to the end",
    "decode": "a worker has opened a scan to colour it",
    "forward": "before the net",
    "encode": "before the encoder",
    "spool-opened": "the spool file is made, and empty",
    "spool-write": "in the middle of the spool file",
    "spool-sync": "before the spool file is synced",
    "spool-synced": "after that, its digest not taken yet",
    "answer": "before the worker tells",
    "cut-opened": "the spool file of a print that is cut out of a result is made, and empty",
    "cut-synced": "all prints of the result are in the spool and synced, nothing is told yet",
}
"""Every point, and what is so when it is reached."""

WANTED = "faults-are-wanted"

_SPEC = re.compile(r"([a-z-]+):(\d+)(?:x(\d+))?(?::(\w+))?")
_ACTIONS = ("kill", "killgroup", "killleader", "stop")


@dataclass(frozen=True, slots=True)
class _Fault:
    point: str
    first: int
    times: int
    action: str

    @classmethod
    def of(cls, spec: str) -> _Fault:
        found = _SPEC.fullmatch(spec)
        if found is None or found[1] not in POINTS:
            raise ValueError(f"COLORWATCH_FAULT: {spec!r} names no fault point; it is POINT:K[xTIMES][:ACTION]")
        action = found[4] or "kill"
        if action not in _ACTIONS and not hasattr(errno, action):
            raise ValueError(f"COLORWATCH_FAULT: {action!r} is neither one of {', '.join(_ACTIONS)} nor an errno")
        return cls(found[1], int(found[2]), int(found[3] or 1), action)


class _Armed:
    """What `reach` is where faults are wanted."""

    def __init__(self, faults: list[_Fault], folder: str) -> None:
        self._faults = faults
        self._folder = folder

    def __call__(self, point: str) -> None:
        if not os.path.exists(os.path.join(self._folder, WANTED)):
            return
        count = self._note(f"{point}.reached")
        for fault in self._faults:
            if fault.point == point and fault.first <= count < fault.first + fault.times:
                self._note(f"{point}.fired")
                _act(fault.action)

    def _note(self, name: str) -> int:
        """Counts on, for all processes: one byte a time at the end of a file; how many there are now."""
        file = os.open(os.path.join(self._folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            os.write(file, b".")
            return os.lseek(file, 0, os.SEEK_CUR)
        finally:
            os.close(file)


def _act(action: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "killgroup":
            os.killpg(os.getpgrp(), signal.SIGKILL)
        case "killleader":
            os.kill(os.getpgrp(), signal.SIGKILL)
            signal.pause()  # the kernel ends this process with its parent
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            code = getattr(errno, action)
            raise OSError(code, os.strerror(code))


def _off(_point: str) -> None:
    """Nothing."""


def _armed() -> Callable[[str], None]:
    specs, folder = os.environ.get("COLORWATCH_FAULT"), os.environ.get("COLORWATCH_FAULT_BENCH")
    if not specs or not folder or not os.path.isdir(folder):
        return _off
    return _Armed([_Fault.of(spec) for spec in specs.split(",")], folder)


reach: Callable[[str], None] = _armed()
"""Says that the named point is reached, in the process that says it. Nothing happens where faults are not wanted."""
