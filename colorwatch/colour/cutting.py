"""Prints that lay on one glass, each cut out of the finished result as a file of its own. In workers alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from colorwatch.codecs.codec import open_document, writer_for
from colorwatch.codecs.pages import Levels, Page
from colorwatch.colour.leaving import write_own
from colorwatch.disk.beneath import stat_beneath
from colorwatch.disk.names import SPOOL
from colorwatch.disk.publishing import print_spool
from colorwatch.errors import ChangedError, DamagedError, DiskError, GoneError, explain_os_error
from colorwatch.faultpoint import reach
from colorwatch.formats.opening import open_regular
from colorwatch.metadata.pieces import sha256_of
from colorwatch.protocol import Cut, CutRequest, Piece, Wanted
from colorwatch.scan import Place


def cut(request: CutRequest) -> Cut:
    """Write each print that is wanted as a new spool file, in the result's format, synced to disk; all or none.

    Raises ScanError, ChangedError among them where the result is not the one that was published.
    """
    descriptor = _opened(request)
    try:
        _require_same(descriptor, request.digest)
        pieces = tuple(_piece(request, descriptor, wanted) for wanted in request.wanted)
        reach("cut-synced")
        return Cut(pieces)
    except BaseException as error:
        for wanted in request.wanted:
            with contextlib.suppress(OSError):
                os.unlink(print_spool(request.root, request.job, wanted.number))
        if isinstance(error, OSError):
            raise DiskError(f"Its prints cannot be written: {explain_os_error(error)}.") from error
        raise
    finally:
        os.close(descriptor)


def _opened(request: CutRequest) -> int:
    try:
        return open_regular(request.root, request.path)
    except GoneError as error:
        # Without our own folder the outbox is an empty mount point: nobody has taken the result away.
        if stat_beneath(request.root, SPOOL) is None:
            raise DiskError("The outbox is not there; is its disk mounted?") from error
        raise


def _require_same(descriptor: int, digest: str) -> None:
    if sha256_of(descriptor) != digest:
        raise ChangedError("It was changed after it was published.")


def _piece(request: CutRequest, descriptor: int, wanted: Wanted) -> Piece:
    path = print_spool(request.root, request.job, wanted.number)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of a worker that died over it
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        reach("cut-opened")
        _write(request, descriptor, wanted, fd)
        if request.keep_time:
            with contextlib.suppress(OSError):  # some shares refuse; a picture is worth more than its time
                times = os.fstat(descriptor)
                os.utime(fd, ns=(times.st_mtime_ns, times.st_mtime_ns))
        os.fsync(fd)
        found = os.fstat(fd)
        return Piece(wanted.number, sha256_of(fd), found.st_dev, found.st_ino)
    finally:
        os.close(fd)


def _write(request: CutRequest, descriptor: int, wanted: Wanted, fd: int) -> None:
    provenance = replace(request.provenance, cut=f"{wanted.number} of {request.count}")
    lossy = request.settings.compression == "jpeg"
    document = open_document(descriptor, provenance, lossy=lossy)
    writer = writer_for(document, fd, request.settings)
    try:
        page = next(iter(document.pages()), None)
        if page is None or document.count > 1:
            raise DamagedError("It is not the one page that it was.")
        write_own(Part(page, wanted.place), writer, lambda _stage: contextlib.nullcontext())
        writer.finish()
    finally:
        for each in (writer, document):
            getattr(each, "close", lambda: None)()


class Part:
    """A rectangle of a page: a `pages.Page` with the luggage of the whole. At least a pixel, whatever is asked for."""

    def __init__(self, page: Page, place: Place) -> None:
        self._page = page
        self._left, right = _span(place.left, place.right, page.width)
        self._top, self._bottom = _span(place.top, place.bottom, page.height)
        self.width, self.height = right - self._left, self._bottom - self._top
        self.colours, self.alpha, self.bits = page.colours, page.alpha, page.bits
        self.profile, self.luggage = page.profile, page.luggage

    def strips(self) -> Iterator[Levels]:
        """See `pages.Page.strips`; what lies below the part is not decoded."""
        top = 0
        for strip in self._page.strips():
            first, last = max(self._top - top, 0), min(self._bottom - top, len(strip))
            if first < last:
                yield np.array(strip[first:last, self._left : self._left + self.width])
            top += len(strip)
            if top >= self._bottom:
                return


def _span(first: float, last: float, side: int) -> tuple[int, int]:
    start = min(max(round(first * side), 0), side - 1)
    return start, min(max(round(last * side), start + 1), side)
