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

import numpy as np
from numpy.typing import NDArray

from colorwatch.codecs.codec import open_document, writer_for
from colorwatch.codecs.pages import Levels, Page, PageWriter, Timed
from colorwatch.colour.deep import DeepPainter, deep_lightness
from colorwatch.colour.lab import NET_SIDE, Chroma, Painter, lightness, net_lightness, strip_rows, toned
from colorwatch.colour.rows import Source
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
from colorwatch.scan import EXTENSIONS, Facts, Fingerprint, Incomplete, Rendering, RenderRequest, RenderSettings

# Pixels; libjpeg's own limit. A strip has some rows at least, so beyond it memory would grow with the width, unseen by
# the limit on megapixels.
MAX_SIDE = 65_500
MAX_PAGES = 1000  # each costs a pass of the net, however small it is; a thick album has some hundreds

_T = TypeVar("_T")

MAX_DECODER_BYTES = 1 << 30
_WHOLE = {"jpeg": "a progressive JPEG", "png": "an interlaced PNG", "tiff": "a TIFF of very large strips or tiles"}
_INSTEAD = {"jpeg": "save it as a baseline JPEG", "png": "save it without interlacing"}

_NO_TIMES = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Lightness (224, 224), 0..100, of an upright picture in; ab (56, 56, 2) out."""

# EXIF orientation to quarter turns (clockwise, after a left-right flip) that set a picture upright.
UPRIGHT = {1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2)}
UPRIGHT |= {5: (True, 3), 6: (False, 1), 7: (True, 1), 8: (False, 3)}


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

    Of a scan that has colours, its lightness alone counts, whatever the strength: the result's colours are the net's.
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

        def write(fd: int) -> tuple[tuple[int, int], str]:
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

        digest, stat, ((width, height), lost) = _spool(request.spool, write)
    finally:
        os.close(descriptor)
    reach("answer")
    return Rendering(
        digest=digest,
        size=stat.st_size,
        device=stat.st_dev,
        inode=stat.st_ino,
        width=width,
        height=height,
        peak_bytes=peak.bytes(),
        seconds={stage: round(seconds, 4) for stage, seconds in stages.seconds.items()},
        losses=lost,
    )


def _colour_pages(
    request: RenderRequest, predict: Predict, descriptor: int, fd: int, stages: _Stages
) -> tuple[tuple[int, int], str]:
    """Colour all pages of the scan into `fd`; the size of the largest, and what the result has no place for.

    All or nothing: an error names its page.
    """
    lossy = request.settings.compression == "jpeg"
    document = open_document(descriptor, request.provenance, request.result, lossy)
    writer = writer_for(document, fd, request.settings)
    sizes, lost = list[tuple[int, int]](), dict[str, None]()
    try:
        for page in document.pages():
            _require_size(page.width, page.height, request.max_megapixels)
            colour_page(page, predict, request.settings, writer, stages.timed)
            sizes.append((page.width, page.height))
            lost[page.luggage.losses] = None
        with stages.timed("encode"):
            writer.finish()
    except ScanError as error:
        # A PDF's pages may hold several pictures, or none.
        number = getattr(document, "number", len(sizes) + 1)
        raise (_naming_page(error, number, document.count) if number else error) from error
    finally:
        for each in (writer, document):
            # Those of a PDF alone hold files of their own.
            getattr(each, "close", lambda: None)()
    return max(sizes, key=lambda size: size[0] * size[1]), "; ".join(filter(None, lost))


def colour_page(page: Page, predict: Predict, settings: RenderSettings, writer: PageWriter, timed: Timed) -> None:
    """Colour one page and hand it to `writer`, in strips. Raises what reading and writing raise."""
    bits = min(page.bits, writer.bits)
    reach("decode")
    source = Source(page, bits, timed)
    reach("forward")
    with timed("net"):
        side = wanted_side(predict)
        seen = net_lightness(source.glanced(side), side, lightness if bits == 8 else deep_lightness)
        ab = _upright(predict, seen, page.luggage.orientation)
    chroma = Chroma(toned(ab, settings.strength, settings.saturation), page.width, page.height)
    rows = writer.strip_rows(page.width, strip_rows(page.width))
    decoded = source.passed()
    alpha = decoded.alpha if writer.alpha else None
    painter = (Painter if bits == 8 else DeepPainter)(decoded.pixels, chroma, rows, writer.blue_first)

    def paint(top: int, bottom: int) -> Levels:
        with timed("colour"):
            levels = painter.paint(top, bottom)
            reach("spool-write")
            return levels if alpha is None else np.dstack((levels, alpha[top:bottom]))

    reach("encode")
    with timed("encode"):
        writer.add(page, bits, rows, paint)


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


def wanted_side(predict: Predict) -> int:
    """The side in pixels of the square of lightness that a predict function asks for, if it does."""
    return int(getattr(predict, "side", NET_SIDE))


def _upright(predict: Predict, lying: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """ab for pixels as they lie, from a net that sees them upright."""
    flipped, turns = UPRIGHT[orientation]
    seen = lying[:, ::-1] if flipped else lying
    # numpy turns the other way round.
    ab = predict(np.ascontiguousarray(np.rot90(seen, -turns)))
    turned = np.rot90(ab, turns)
    return np.ascontiguousarray(turned[:, ::-1] if flipped else turned)


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
        self.seconds: dict[str, float] = dict.fromkeys(("decode", "net", "colour", "encode", "sync"), 0.0)
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
