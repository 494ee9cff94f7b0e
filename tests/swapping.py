"""Run as `python swapping.py A B`: exchanges the two names again and again, as fast as it can, until stdin closes.

Prints how often. The kernel does each exchange at once (renameat2(2), RENAME_EXCHANGE): there is always something at
both names.
"""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import sys

AT_FDCWD, RENAME_EXCHANGE = -100, 2


class Swapping:
    """Another process that exchanges two names."""

    def __init__(self, one: str, other: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", __file__, one, other], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"begun\n"

    def stop(self) -> int:
        """How often they were exchanged."""
        told, _ = self._process.communicate(timeout=30)
        return int(told)


def swap(one: bytes, other: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    count = 0
    while True:
        for _ in range(64):
            if libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0:
                count += 1
        if select.select([0], [], [], 0)[0]:
            return count


if __name__ == "__main__":
    os.write(1, b"begun\n")
    print(swap(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])))
