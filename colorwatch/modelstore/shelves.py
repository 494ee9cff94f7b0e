"""Where models lie: the folders that are searched, what is trusted, and what a file's content is."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from colorwatch import shipped
from colorwatch.errors import ColorwatchError, ModelError, explain_os_error
from colorwatch.modelstore import placing
from colorwatch.scan import printable

ENDINGS = (".caffemodel", ".onnx")
TRUSTED = "trusted"  # a text file in the store: one line `SHA256  NAME` for each file that was imported with --trust
_MAX_TRUSTED_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Shelves:
    """The folders of models. `state` is the state folder; `beside` the config's own folder. None leaves one out."""

    state: str | None = None
    beside: str | None = None

    @property
    def store(self) -> str:
        """Where fetched and imported models are kept. Raises ModelError where there is no state folder."""
        if self.state is None:
            raise ModelError("There is no state folder, so there is no place to keep a model in.")
        return os.path.join(self.state, "models")

    @property
    def cache(self) -> str:
        """Where converted models are kept; everything in it can be made again."""
        return os.path.join(self.store, "cache")

    def folders(self) -> list[str]:
        """The folders in the order in which they are searched, each once."""
        found = [self.store] if self.state is not None else []
        if self.beside is not None:
            found.append(os.path.join(self.beside, "models"))
        return list(dict.fromkeys(found))

    def files(self) -> Iterator[str]:
        """Every regular file in these folders whose name ends as a model's does, links to such files included."""
        for folder in self.folders():
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                continue
            for name in names:
                path = os.path.join(folder, name)
                if name.lower().endswith(ENDINGS) and size_of(path) is not None:
                    yield path

    def trusted(self) -> dict[str, str]:
        """The sha256 of every file that was imported with --trust, and the name it got."""
        if self.state is None:
            return {}
        try:
            with open(os.path.join(self.store, TRUSTED), encoding="utf-8", errors="replace") as file:
                lines = file.read(_MAX_TRUSTED_BYTES).splitlines()
        except OSError:
            return {}
        found = (line.split(maxsplit=1) for line in lines)
        return {parts[0]: parts[1] for parts in found if len(parts) == 2 and len(parts[0]) == 64}

    def trust(self, digest: str, name: str) -> None:
        """Notes that the file with this sha256 is trusted. Raises OSError."""
        self._write({**self.trusted(), digest: name})

    def distrust(self, digest: str) -> None:
        """Forgets that. Raises OSError."""
        known = self.trusted()
        if known.pop(digest, None) is not None:
            self._write(known)

    def _write(self, known: dict[str, str]) -> None:
        text = "".join(f"{digest}  {name}\n" for digest, name in known.items())
        placing.write_new(text.encode(), os.path.join(self.store, TRUSTED))


def embedded(name: str) -> str:
    """The absolute path of a file that comes with colorwatch, such as `models/compact.onnx`. Raises ModelError."""
    try:
        return shipped.find(name)
    except ColorwatchError as error:
        raise ModelError(f"The model cannot be used: {error}.") from None


def size_of(path: str) -> int | None:
    """The size of a regular file in bytes, a link followed; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def open_model(path: str) -> int:
    """The file opened for reading, a regular one with something in it. Raises ModelError with a sentence."""
    shown = printable(path)
    try:
        # O_NONBLOCK: opening a fifo would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ModelError(f"There is no model file {shown}; name one that is there, or write model: compact.") from None
    except OSError as error:
        raise ModelError(f"The model file {shown} cannot be opened: {explain_os_error(error)}.") from None
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size > 0:
        return descriptor
    os.close(descriptor)
    if stat.S_ISREG(found.st_mode):
        raise ModelError(f"The model file {shown} is empty; copy it again from where it came.")
    raise ModelError(f"{shown} is no regular file, so it cannot be a model; name a .caffemodel or .onnx file.")


def digest_of(path: str) -> str:
    """The sha256 of a model file in hex. Raises ModelError with a sentence."""
    descriptor = open_model(path)
    try:
        with open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The model file {printable(path)} cannot be read: {explain_os_error(error)}.") from None
    finally:
        os.close(descriptor)
