"""Pages that are left as they are, beside others that are coloured: a page writer that knows both.

A scan of which every page is left is copied (see `copying`): nothing in it is decoded and encoded again. Where that
cannot be, for other pages are coloured or the result has another format, a page that is left is written with its own
pixels: no worse than any page that the same writer is given.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from colorwatch.codecs.pages import Levels, Page, PageWriter, Paint, Timed
from colorwatch.colour.lab import strip_rows
from colorwatch.colour.rows import Source
from colorwatch.errors import DiskError, explain_os_error
from colorwatch.metadata.copying import copy
from colorwatch.scan import Provenance

Reopen = Callable[[int, Provenance | None], Page]
"""The page of that number (from 0) once more, with a luggage that says this."""


@dataclass(frozen=True, slots=True)
class _Left:
    number: int
    reason: str


class Leaver:
    """Hands pages on to `writer`; those that are left wait until it is known whether any other is coloured."""

    def __init__(
        self,
        writer: PageWriter,
        format: str,
        descriptors: tuple[int, int],
        provenance: Provenance | None,
        reopen: Reopen | None,
        timed: Timed,
    ) -> None:
        """`format` is what a scan is copied in, if all of it is left; `descriptors` are the scan's and the result's.

        Without `reopen`, the writer itself keeps what it is not given, as that of PDFs does.
        """
        self.writer = writer
        self._format, self._descriptors, self._provenance = format, descriptors, provenance
        self._reopen, self._timed = reopen, timed
        self._waiting: list[_Left] = []
        self._count = 0
        self._coloured = False
        self.copied = False  # the result is the scan itself, but for its imprint

    def add(self, page: Page, bits: int, rows: int, paint: Paint) -> None:
        """See `pages.PageWriter`."""
        self._write_waiting()
        self._coloured = True
        self._count += 1
        self.writer.add(page, bits, rows, paint)

    def leave(self, reason: str) -> None:
        """The next page is left as it is; `reason` is a part of a sentence."""
        if self._reopen is not None:
            self._waiting.append(_Left(self._count, reason))
        self._count += 1

    def finish(self) -> None:
        """See `pages.PageWriter`."""
        self.copied = bool(self._waiting) and not self._coloured and self._copied()
        if self.copied:
            return
        self._write_waiting()
        self.writer.finish()

    def _copied(self) -> bool:
        source, target = self._descriptors
        reasons = dict.fromkeys(left.reason for left in self._waiting)
        try:
            if copy(self._format, source, target, self._said("; ".join(reasons))):
                return True
            os.ftruncate(target, 0)
            os.lseek(target, 0, os.SEEK_SET)
        except OSError as error:
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error
        return False

    def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for left in waiting:
            if self._reopen is not None:
                page = self._reopen(left.number, self._said(left.reason))
                write_own(page, self.writer, self._timed)

    def _said(self, reason: str) -> Provenance | None:
        return replace(self._provenance, left=reason) if self._provenance is not None else None


def write_own(page: Page, writer: PageWriter, timed: Timed) -> None:
    """Write a page with its own pixels. Raises what reading and writing raise."""
    bits = min(page.bits, writer.bits)
    decoded = Source(page, bits, timed).passed()
    alpha = decoded.alpha if writer.alpha else None

    def paint(top: int, bottom: int) -> Levels:
        levels = decoded.pixels[top:bottom]
        if levels.ndim == 2:
            levels = np.repeat(levels[:, :, None], 3, axis=2)
        elif writer.blue_first:
            levels = levels[:, :, ::-1]
        if alpha is not None:
            levels = np.dstack((levels, alpha[top:bottom]))
        return np.ascontiguousarray(levels)

    with timed("encode"):
        writer.add(page, bits, writer.strip_rows(page.width, strip_rows(page.width)), paint)
