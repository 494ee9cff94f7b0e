"""The lock on a state folder: one daemon at a time works with it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import NoReturn

from colorwatch.errors import LockedError, StateError, explain_os_error


def take(state: str) -> int:
    """A descriptor that holds the state folder's lock; raises LockedError where another process does, or StateError."""
    try:
        os.makedirs(state, mode=0o750, exist_ok=True)
        descriptor = os.open(os.path.join(state, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StateError(
            f"{state}: the state folder cannot be used: {explain_os_error(error)};"
            " make it writable, or name another under `state`"
        ) from error
    for patience in (*[0.05] * 20, 0.0):  # `status` holds the lock for a moment, to see whether a daemon does
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if not patience:
                _refuse(state, descriptor)
            time.sleep(patience)
    with contextlib.suppress(OSError):  # a full disk: the number is for people, the lock itself needs no room
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _refuse(state: str, descriptor: int) -> NoReturn:
    holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    os.close(descriptor)
    raise LockedError(
        f"{state}: another colorwatch (process {holder or 'unknown'}) works with this state folder;"
        " stop it first, or use `colorwatch status` to see what it does"
    )
