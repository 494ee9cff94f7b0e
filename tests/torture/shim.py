"""The preloaded library that fails system calls (failing.c): built where there is a compiler, and told what to fail."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "failing.c")
KINDS = {"open": 1, "write": 2, "fsync": 4, "link": 8, "rename": 16, "unlink": 32, "mkdir": 64}
PROCESSES = {"daemon": 1, "workers": 2, "both": 3}
_HEAD = struct.Struct("=IIiIIII")
_SIZE = _HEAD.size + 4096


class NoCompilerError(Exception):
    """There is no C compiler here."""


def build(folder: str) -> str:
    """The library, compiled into `folder`; raises NoCompilerError."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NoCompilerError("there is no C compiler here")
    library = os.path.join(folder, "failing.so")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True, timeout=60)
    return library


class Shim:
    """What all processes of one daemon share with the bench."""

    def __init__(self, folder: str | None = None) -> None:
        self._own = folder or tempfile.mkdtemp(prefix="failing-")
        self.library = build(self._own)
        path = os.path.join(self._own, "failing.state")
        with open(path, "wb") as file:
            file.write(bytes(_SIZE))
        self.environment = {"LD_PRELOAD": self.library, "FAILING_STATE": path}
        self._file = open(path, "r+b")  # noqa: SIM115
        self._map = mmap.mmap(self._file.fileno(), _SIZE)

    def arm(self, root: str, kinds: str, processes: str, code: int, first: int, times: int = 1) -> None:
        """Calls number `first` to `first + times - 1` of these kinds (`open+write`) below `root` fail from now on."""
        self.disarm()
        name = os.fsencode(root)
        self._map[_HEAD.size : _HEAD.size + len(name) + 1] = name + b"\0"
        bits = sum(KINDS[kind] for kind in kinds.split("+"))
        # The kinds are written last: without them nothing counts.
        self._map[4 : _HEAD.size] = _HEAD.pack(0, PROCESSES[processes], code, first, times, 0, 0)[4:]
        self._map[:4] = struct.pack("=I", bits)

    def disarm(self) -> None:
        self._map[:4] = bytes(4)

    @property
    def fired(self) -> int:
        return int(_HEAD.unpack(self._map[: _HEAD.size])[6])

    @property
    def count(self) -> int:
        """The calls of these kinds so far."""
        return int(_HEAD.unpack(self._map[: _HEAD.size])[5])

    def close(self) -> None:
        self._map.close()
        self._file.close()
        shutil.rmtree(self._own, ignore_errors=True)
