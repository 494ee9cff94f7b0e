"""One scan, from the inbox to the spool: open, decode, lightness, net, strips, encode, sync."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from colorwatch.codecs.codec import open_document, reopened, writer_for
from colorwatch.codecs.pages import Document, Page
from colorwatch.colour.leaving import Leaver
from colorwatch.colour.onepage import Predict, colour_page
from colorwatch.colour.outcome import Outcome
from colorwatch.errors import (
    ChangedError,
    DiskError,
    ForbiddenFileError,
    ScanError,
    TooLargeError,
    explain_os_error,
)
from colorwatch.faultpoint import reach
from colorwatch.formats.opening import open_regular
from colorwatch.formats.structure import examine
from colorwatch.formats.tiffkinds import of_page
from colorwatch.metadata.pieces import sha256_of
from colorwatch.protocol import Incomplete, RenderRequest
from colorwatch.scan import EXTENSIONS, Facts, Fingerprint, Provenance, Rendering

# Pixels; libjpeg's own limit. A strip has some rows at least, so beyond it memory would grow with the width, unseen by
# the limit on megapixels.
MAX_SIDE = 65_500
MAX_PAGES = 1000  # each costs a pass of the net, however small it is; a thick album has some hundreds

_T = TypeVar("_T")

MAX_DECODER_BYTES = 1 << 30
_WHOLE = {"jpeg": "a progressive JPEG", "png": "an interlaced PNG", "tiff": "a TIFF of very large strips or tiles"}
_INSTEAD = {"jpeg": "save it as a baseline JPEG", "png": "save it without interlacing"}

_NO_TIMES = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def probe(root: str, path: str, max_megapixels: float, max_bytes: int = 0) -> Facts | Incomplete:
    """Read the scan `path`, relative to `root`, once without decoding it: what it is, and whether it is whole.

    A file of more than `max_bytes` is not read at all; 0 sets no limit, as for megapixels.

    Raises the ScanError that says why it cannot be coloured; ChangedError if it changed while it was read.
    """
    descriptor = open_regular(root, path)
    try:
        fingerprint = Fingerprint.of(os.fstat(descriptor))
        _require_bytes(fingerprint.size, max_bytes)
        reach("probe-opened")
        found = examine(descriptor)
        reach("probe-hashed")
        _require_unchanged(descriptor, fingerprint)
    finally:
        os.close(descriptor)
    if not found.complete:
        return Incomplete(fingerprint, found.reason)
    if found.pages > MAX_PAGES:
        raise TooLargeError(f"It has {found.pages:,} pages, and {MAX_PAGES:,} of one file are coloured; split it.")
    _require_size(found.width, found.height, max_megapixels)
    _require_strips(found.format, found.decoder_bytes)
    return Facts(
        fingerprint=fingerprint,
        digest=found.digest,
        format=found.format,
        extension=EXTENSIONS[found.result][0],
        pages=found.pages,
        width=found.width,
        height=found.height,
        bands=found.bands,
        bits=found.bits,
        zero_tail=found.zero_tail,
        decoder_bytes=found.decoder_bytes,
        effort=found.effort,
    )


def colorize(request: RenderRequest, predict: Predict) -> Rendering:
    """Colour the scan that is asked for, and write the result as the new file `request.spool`, synced to disk.

    Pages that are in colour already, and those that are no pictures, are left as they are, unless the settings want
    otherwise. Of all others the lightness alone counts, whatever the strength: the result's colours are the net's.
    A spool file that is not finished does not stay. Raises a subclass of ScanError for everything that is the scan's
    or the disk's fault, ChangedError among them if the file is not, or no longer, the one that is asked for.
    """
    try:
        return _colorize(request, predict)
    finally:
        _return_memory()


def _colorize(request: RenderRequest, predict: Predict) -> Rendering:
    stages = _Stages()
    peak = _Peak()
    try:
        descriptor = open_regular(request.root, request.path)
    except ForbiddenFileError as error:
        # It was a file when it was probed: a link that stands in its way now says nothing of the scan.
        raise ChangedError("Something else stands where it was; it is looked at afresh.") from error
    try:
        fingerprint = _identified(descriptor, request)

        def write(fd: int) -> Outcome:
            try:
                found = _colour_pages(request, predict, descriptor, fd, stages)
            except ScanError:
                # A file that was written to meanwhile is not damaged; it is looked at afresh.
                _require_same(descriptor, fingerprint)
                raise
            _require_same(descriptor, fingerprint)
            if request.keep_time:
                # Before the file is synced, and on the spool file: what is published has its time from the beginning.
                _take_time(fd, descriptor)
            reach("spool-sync")
            with stages.timed("sync"):
                os.fsync(fd)
            reach("spool-synced")
            return found

        digest, stat, outcome = _spool(request.spool, write)
    finally:
        os.close(descriptor)
    reach("answer")
    return Rendering(
        digest=digest,
        size=stat.st_size,
        device=stat.st_dev,
        inode=stat.st_ino,
        width=outcome.width,
        height=outcome.height,
        peak_bytes=peak.bytes(),
        seconds={stage: round(seconds, 4) for stage, seconds in stages.seconds.items()},
        flags=outcome.flags(),
        losses=outcome.losses(),
        verdicts=outcome.verdicts(),
        prints=outcome.prints(),
    )


def _colour_pages(request: RenderRequest, predict: Predict, descriptor: int, fd: int, stages: _Stages) -> Outcome:
    """Colour all pages of the scan into `fd`, or leave them. All or nothing: an error names its page."""
    lossy = request.settings.compression == "jpeg"
    document = open_document(descriptor, request.provenance, request.result, lossy)
    writer = writer_for(document, fd, request.settings)
    outcome = Outcome(document.count, cut=document.result != "pdf")

    def again(number: int, provenance: Provenance | None) -> Page:
        return reopened(document, descriptor, number, provenance)

    leaver = Leaver(
        *(writer, _copied_as(document, request), (descriptor, fd), request.provenance),
        # What is not given to a PDF's writer stays in the document.
        *(None if document.format == "pdf" else again, stages.timed),
    )
    try:
        for page in document.pages():
            _require_size(page.width, page.height, request.max_megapixels)
            seen = colour_page(page, predict, request.settings, leaver, stages.timed)
            outcome.add(
                getattr(document, "number", outcome.pages + 1), page.width, page.height, seen, page.luggage.losses
            )
        with stages.timed("encode"):
            leaver.finish()
    except ScanError as error:
        # A PDF's pages may hold several pictures, or none.
        number = getattr(document, "number", outcome.pages + 1)
        raise (_naming_page(error, number, document.count) if number else error) from error
    finally:
        for each in (writer, document):
            # Those of a PDF alone hold files of their own.
            getattr(each, "close", lambda: None)()
    if leaver.copied:
        outcome.lost_nothing()
    return outcome


def _copied_as(document: Document, request: RenderRequest) -> str:
    """The format that a scan of which all is left is copied in, "" where its result is to be packed otherwise."""
    as_it_is = document.result == document.format and request.settings.compression == "same"
    return document.format if as_it_is else ""


def _naming_page(error: ScanError, number: int, count: int) -> ScanError:
    """The same error with the page's number, where it is one page's fault and there are several."""
    return error if count == 1 or error.retryable else type(error)(of_page(str(error), number, count))


def _return_memory() -> None:
    """Give freed memory back to the system: glibc keeps some 60 MB of strips and codec buffers otherwise (measured)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _identified(descriptor: int, request: RenderRequest) -> Fingerprint:
    """The fingerprint of the opened file, which is the one that is asked for; raises ChangedError, DiskError."""
    if not request.digest:
        _require_same(descriptor, request.fingerprint)
        return request.fingerprint
    try:
        found, digest = Fingerprint.of(os.fstat(descriptor)), sha256_of(descriptor)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    if digest != request.digest:
        raise ChangedError("Its content is no longer that of the scan that was coloured.")
    return found


def _require_same(descriptor: int, fingerprint: Fingerprint) -> None:
    try:
        stat = os.fstat(descriptor)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    if Fingerprint.of(stat) != fingerprint:
        raise ChangedError("It changed after it was looked at; it is looked at afresh.")


def _take_time(fd: int, descriptor: int) -> None:
    """Give the result's file the time of the scan's. Some shares refuse; a result is worth more than its time."""
    times = os.fstat(descriptor)
    try:
        os.utime(fd, ns=(times.st_mtime_ns, times.st_mtime_ns))
    except OSError as error:
        if error.errno not in _NO_TIMES:
            raise


def _require_unchanged(descriptor: int, fingerprint: Fingerprint) -> None:
    if Fingerprint.of(os.fstat(descriptor)) != fingerprint:
        raise ChangedError("It changed while it was read; it is looked at afresh.")


def _require_bytes(size: int, most: int) -> None:
    if 0 < most < size:
        raise TooLargeError(
            f"The file has {size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} allowed; scan it smaller, or raise "
            "max_megabytes in the config."
        )


def _require_size(width: int, height: int, max_megapixels: float) -> None:
    if max(width, height) > MAX_SIDE:
        raise TooLargeError(f"One of its sides is over {MAX_SIDE:,} pixels ({width} x {height}).")
    megapixels = width * height / 1e6
    if 0 < max_megapixels < megapixels:
        raise TooLargeError(
            f"It has {megapixels:.1f} megapixels ({width} x {height}), more than the {max_megapixels:g} allowed; "
            "scan it smaller, or raise the limit in the config."
        )


def _require_strips(format: str, decoder_bytes: int) -> None:
    """Refuses what no decoder can give in strips and what is too large to be held."""
    if decoder_bytes > MAX_DECODER_BYTES:
        raise TooLargeError(
            f"It is {_WHOLE.get(format, 'a picture')}, which takes {decoder_bytes / 1e6:,.0f} MB to decode, more than "
            f"the {MAX_DECODER_BYTES / 1e6:,.0f} that one may take; {_INSTEAD.get(format, 'save it in small strips')}."
        )


def _spool(path: str, write: Callable[[int], _T]) -> tuple[str, os.stat_result, _T]:
    """Create `path`, let `write` fill and sync it; its sha256 in hex, its stat, and what `write` gave.

    On any failure it is removed.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise DiskError(f"The spool file cannot be made: {explain_os_error(error)}.") from error
    reach("spool-opened")
    try:
        found = write(fd)
        return sha256_of(fd), os.fstat(fd), found
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        if isinstance(error, OSError):
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error
        raise
    finally:
        os.close(fd)


class _Stages:
    """Wall seconds by stage; what a stage within another one takes is its own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("decode", "judge", "net", "colour", "encode", "sync"), 0.0)
        self._running: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        self._charge()
        self._running.append(stage)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


class _Peak:
    """The peak of resident memory since this was made; of the whole process where the kernel cannot start afresh."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # proc(5): resets the peak resident set size (VmHWM)

    def bytes(self) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
