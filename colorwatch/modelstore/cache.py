"""Converted models, kept by the sha256 of their source and the converter's version; each checked before every use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable

from colorwatch.modelstore import placing

OLD_SECONDS = 3600.0  # an unfinished file older than that was left by a process that was killed


class Entry:
    """One converted model in the folder `folder`, and beside it a file with its sha256."""

    def __init__(self, folder: str, digest: str, version: str) -> None:
        """`digest` of the source, in hex; `version` of the conversion, such as `1-canvas`."""
        self._folder = folder
        self._digest = digest
        self.path = os.path.join(folder, f"{digest}-{version}.onnx")
        self._seal = self.path + ".sha256"

    def is_whole(self) -> bool:
        """Whether the model is there and is what was once written. Reads all of it."""
        try:
            with open(self._seal, encoding="ascii", errors="replace") as file:
                sealed = file.read(65).strip()
            with open(self.path, "rb") as model:
                return hashlib.file_digest(model, "sha256").hexdigest() == sealed
        except OSError:
            return False

    def write(self, parts: Iterable[bytes]) -> None:
        """Keeps the converted model, a file in parts, in the place of a damaged one. Raises ModelError or OSError."""
        placing.make_folder(self._folder)
        self._sweep()
        with placing.new_file(self._folder) as (file, path):
            seal = hashlib.sha256()
            for part in parts:
                seal.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
            # Until the new seal stands beside it the entry is not whole, and would be made again.
            placing.replace(path, self.path)
        placing.write_new(seal.hexdigest().encode() + b"\n", self._seal)

    def _sweep(self) -> None:
        """Removes what killed conversions left, and this source's conversions of other versions of the same graph."""
        version, _, graph = os.path.basename(self.path)[len(self._digest) + 1 :].partition("-")
        for name in os.listdir(self._folder):
            path = os.path.join(self._folder, name)
            with contextlib.suppress(OSError):
                unfinished = name.startswith("new-") and name.endswith(placing.UNFINISHED)
                left = unfinished and time.time() - os.stat(path).st_mtime > OLD_SECONDS
                same = name.startswith(self._digest + "-") and name.removesuffix(".sha256").endswith(f"-{graph}")
                if left or (same and not name.startswith(f"{self._digest}-{version}-")):
                    os.unlink(path)


def forget(folder: str, digest: str) -> None:
    """Removes every conversion of the source with this sha256. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name.startswith(digest + "-"):
                os.unlink(os.path.join(folder, name))


def damaged(folder: str) -> list[str]:
    """The converted models in the folder that are not what was written; they are made again when needed."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in sorted(os.listdir(folder)):
            if name.endswith(".onnx"):
                digest, _, version = name.removesuffix(".onnx").partition("-")
                entry = Entry(folder, digest, version)
                if not entry.is_whole():
                    found.append(entry.path)
    return found
