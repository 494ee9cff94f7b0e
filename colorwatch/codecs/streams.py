"""Our own ends of what libvips reads and writes, so that a fault of the disk is remembered with its errno.

A libvips object and the object whose methods it calls hold each other; `close` parts them, so that a picture's memory
is free when it is done, not when the garbage collector next runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyvips

from colorwatch.codecs.pages import Paint
from colorwatch.codecs.tiffout import uncompressed_head
from colorwatch.errors import DiskError, MemoryShortError, ScanError, explain_os_error, short_of_memory
from colorwatch.metadata.carrying import HeadSplicer


class Reader:
    """A libvips source over a descriptor; remembers what the system said when reading failed.

    `corrections` are bytes, by offset, that are read in place of those in the file. From `fine_from` on no more than
    `bite` bytes are given at once, so that `reached` tells how far the decoder needed to read.
    """

    def __init__(
        self, descriptor: int, corrections: Mapping[int, bytes] | None = None, fine_from: int = 0, bite: int = 0
    ) -> None:
        self._descriptor = descriptor
        self._corrections = corrections or {}
        self._fine_from, self._bite = fine_from, bite
        self._at = 0
        self.last = 0  # bytes given the last time
        self._fault: OSError | MemoryError | None = None
        self.source = pyvips.SourceCustom()
        self.source.on_read(self._read)
        self.source.on_seek(self._seek)

    @property
    def reached(self) -> int:
        """The offset up to which the file was read."""
        return self._at

    def close(self) -> None:
        self.source = None

    def blame(self) -> ScanError | None:
        if isinstance(self._fault, MemoryError):
            return MemoryShortError()
        return DiskError(f"It cannot be read: {explain_os_error(self._fault)}.") if self._fault else None

    def _read(self, count: int) -> bytes:
        if self._bite and self._at >= self._fine_from:
            count = min(count, self._bite)
        try:
            found = os.pread(self._descriptor, count, self._at)
        except (OSError, MemoryError) as error:
            self._fault = error
            return b""
        for offset, right in self._corrections.items():
            found = _corrected(found, right, offset - self._at)
        self._at += len(found)
        self.last = len(found) or self.last
        return found

    def _seek(self, offset: int, whence: int) -> int:
        try:
            base = (0, self._at, os.fstat(self._descriptor).st_size)[whence]
        except OSError as error:
            self._fault = error
            return -1
        self._at = max(0, base + offset)
        return self._at


class HeadReader(Reader):
    """The same, with `head` in place of the file's first `cut` bytes."""

    def __init__(self, descriptor: int, head: bytes, cut: int) -> None:
        super().__init__(descriptor)
        self._head, self._cut = head, cut

    def _read(self, count: int) -> bytes:
        if self._at >= len(self._head):
            self._at += self._cut - len(self._head)
            found = super()._read(count)
            self._at -= self._cut - len(self._head)
            return found
        found = self._head[self._at : self._at + count]
        self._at += len(found)
        return found

    def _seek(self, offset: int, whence: int) -> int:
        if whence == 2:
            return super()._seek(offset + len(self._head) - self._cut, whence)
        return super()._seek(offset, whence)


def _corrected(content: bytes, right: bytes, at: int) -> bytes:
    """`content` with `right` at `at`, as much of it as falls inside."""
    if at >= len(content) or at + len(right) <= 0:
        return content
    changed = bytearray(content)
    first, last = max(at, 0), min(at + len(right), len(content))
    changed[first:last] = right[first - at : last - at]
    return bytes(changed)


class Writer:
    """A libvips target over a descriptor, from the offset `base` on; remembers what the system said when it failed.

    With `head`, that is put in before the pixels of a PNG.
    """

    def __init__(self, descriptor: int, head: bytes | None, base: int = 0) -> None:
        self.descriptor = descriptor
        self._base = base
        self.fault: OSError | None = None
        self.short = False  # there was no memory for what was to be written
        self._splicer = None if head is None else HeadSplicer(head, self.write_all)
        self.target = pyvips.TargetCustom()
        self.target.on_write(self._write)
        if self._splicer is None:
            self.target.on_read(self._read)
            self.target.on_seek(self._seek)

    def finish(self) -> None:
        if self._splicer is not None and self.fault is None:
            self._splicer.finish()

    def close(self) -> None:
        self.target = None

    def blame(self, error: Exception | None) -> ScanError:
        fault = self.fault or (error if isinstance(error, OSError) else None)
        if fault:
            return DiskError(f"The result cannot be written: {explain_os_error(fault)}.")
        if self.short or (error is not None and short_of_memory(error)):
            return MemoryShortError()
        return ScanError(f"The result could not be encoded ({str(error).strip().splitlines()[0]}).")

    def _write(self, chunk: Any) -> int:
        if self.fault is not None:
            return -1
        try:
            if self._splicer is None:
                self.write_all(chunk)
            else:
                self._splicer.write(bytes(chunk))
        except OSError as error:
            self.fault = error
            return -1
        except MemoryError:
            self.short = True
            return -1
        return len(chunk)

    def write_all(self, content: Any) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def _read(self, count: int) -> bytes:
        try:
            return os.read(self.descriptor, count)
        except OSError as error:
            self.fault = error
            return b""

    def _seek(self, offset: int, whence: int) -> int:
        try:
            return os.lseek(self.descriptor, offset + (self._base if whence == 0 else 0), whence) - self._base
        except OSError as error:
            self.fault = error
            return -1


class Painted:
    """The result as libvips reads it: an uncompressed BigTIFF that exists nowhere, its strips painted when asked for.

    libvips cannot call back for pixels from Python; it can read a file through us. So the result is never held whole.
    """

    def __init__(self, width: int, height: int, bands: int, bits: int, rows: int, paint: Paint) -> None:
        self._height, self._rows, self._row_bytes, self._paint = height, rows, width * bands * bits // 8, paint
        self._head = uncompressed_head(width, height, bands, bits, rows)
        self._size = len(self._head) + height * self._row_bytes
        self._at = 0
        self._strip = -1
        self._content: Any = b""
        self.fault: Exception | None = None
        self.source = pyvips.SourceCustom()
        self.source.on_read(self._read)
        self.source.on_seek(self._seek)

    def _read(self, count: int) -> bytes:
        if self._at < len(self._head):
            found = self._head[self._at : self._at + count]
        elif self._at >= self._size or self.fault is not None:
            return b""
        else:
            strip, skipped = divmod(self._at - len(self._head), self._rows * self._row_bytes)
            try:
                found = bytes(self._painted(strip)[skipped : skipped + count])
            except Exception as error:  # noqa: BLE001 - a callback from C: `save` raises it again
                self.fault = error
                return b""
        self._at += len(found)
        return found

    def close(self) -> None:
        self.source, self._content = None, b""

    def _painted(self, strip: int) -> memoryview:
        if strip != self._strip:
            top = strip * self._rows
            painted = self._paint(top, min(top + self._rows, self._height))
            self._content, self._strip = np.ascontiguousarray(painted).data.cast("B"), strip
        view: memoryview = self._content
        return view

    def _seek(self, offset: int, whence: int) -> int:
        self._at = max(0, (0, self._at, self._size)[whence] + offset)
        return self._at
