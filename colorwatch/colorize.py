"""One scan, from the inbox to the spool: open, decode, lightness, net, strips, encode, sync."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from colorwatch.carrying import pack
from colorwatch.codec import open_picture, save
from colorwatch.errors import ChangedError, DiskError, ScanError, TooLargeError, explain_os_error
from colorwatch.lab import NET_SIDE, Chroma, Painter, net_lightness, strip_rows
from colorwatch.opening import open_regular
from colorwatch.scan import Facts, Fingerprint, Incomplete, Rendering, RenderSettings
from colorwatch.structure import EXTENSIONS, examine

# Pixels; libjpeg's own limit. A strip has some rows at least, so beyond it memory would grow with the width, unseen by
# the limit on megapixels.
MAX_SIDE = 65_500

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Lightness (224, 224), 0..100, of an upright picture in; ab (56, 56, 2) out."""

# EXIF orientation to quarter turns (clockwise, after a left-right flip) that set a picture upright.
_UPRIGHT = {1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2)}
_UPRIGHT |= {5: (True, 3), 6: (False, 1), 7: (True, 1), 8: (False, 3)}


def probe(root: str, path: str, max_megapixels: float) -> Facts | Incomplete:
    """Read the scan `path`, relative to `root`, once without decoding it: what it is, and whether it is whole.

    Raises the ScanError that says why it cannot be coloured; ChangedError if it changed while it was read.
    """
    descriptor = open_regular(root, path)
    try:
        fingerprint = Fingerprint.of(os.fstat(descriptor))
        found = examine(descriptor)
        _require_unchanged(descriptor, fingerprint)
    finally:
        os.close(descriptor)
    if not found.complete:
        return Incomplete(fingerprint, found.reason)
    _require_size(found.width, found.height, max_megapixels)
    return Facts(
        fingerprint=fingerprint,
        digest=found.digest,
        format=found.format,
        extension=EXTENSIONS[found.format],
        pages=found.pages,
        width=found.width,
        height=found.height,
        bands=found.bands,
        bits=found.bits,
        zero_tail=found.zero_tail,
    )


def colorize(
    root: str,
    path: str,
    fingerprint: Fingerprint,
    spool: str,
    max_megapixels: float,
    settings: RenderSettings,
    predict: Predict,
) -> Rendering:
    """Colour the scan `path`, relative to `root`, and write the result as the new file `spool`, synced to disk.

    The file must be the one with `fingerprint`; `max_megapixels` 0 sets no limit. A spool file that is not finished
    does not stay. Raises a subclass of ScanError for everything that is the scan's or the disk's fault.
    """
    try:
        return _colorize(root, path, fingerprint, spool, max_megapixels, settings, predict)
    finally:
        _return_memory()


def _colorize(
    root: str,
    path: str,
    fingerprint: Fingerprint,
    spool: str,
    max_megapixels: float,
    settings: RenderSettings,
    predict: Predict,
) -> Rendering:
    stages = _Stages()
    peak = _Peak()
    descriptor = open_regular(root, path)
    try:
        _require_same(descriptor, fingerprint)
        picture = open_picture(descriptor)
        _require_size(picture.width, picture.height, max_megapixels)
        luggage = pack(picture.format, descriptor, fingerprint.size)
        with stages.timed("decode"):
            try:
                pixels, alpha = picture.decode()
            except ScanError:
                # A file that was written to meanwhile is not damaged; it is looked at afresh.
                _require_same(descriptor, fingerprint)
                raise
        _require_same(descriptor, fingerprint)
    finally:
        os.close(descriptor)
    with stages.timed("net"):
        ab = _upright(predict, net_lightness(pixels, wanted_side(predict)), luggage.orientation)
    rows = picture.strip_rows(strip_rows(picture.width))
    painter = Painter(pixels, Chroma(ab, picture.width, picture.height), rows, picture.blue_first)

    def paint(top: int, bottom: int) -> NDArray[np.uint8]:
        with stages.timed("colour"):
            levels = painter.paint(top, bottom)
            return levels if alpha is None else np.dstack((levels, alpha[top:bottom]))

    def write(fd: int) -> None:
        with stages.timed("encode"):
            save(picture, 3 if alpha is None else 4, rows, paint, luggage, fd, settings.jpeg_quality)
        stages.seconds["encode"] -= stages.seconds["colour"]
        with stages.timed("sync"):
            os.fsync(fd)

    digest, stat = _spool(spool, write)
    return Rendering(
        digest=digest,
        size=stat.st_size,
        device=stat.st_dev,
        inode=stat.st_ino,
        width=picture.width,
        height=picture.height,
        peak_bytes=peak.bytes(),
        seconds={stage: round(seconds, 4) for stage, seconds in stages.seconds.items()},
    )


def _return_memory() -> None:
    """Give freed memory back to the system: glibc keeps some 60 MB of strips and codec buffers otherwise (measured)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _require_same(descriptor: int, fingerprint: Fingerprint) -> None:
    try:
        stat = os.fstat(descriptor)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    if Fingerprint.of(stat) != fingerprint:
        raise ChangedError("It changed after it was looked at; it is looked at afresh.")


def _require_unchanged(descriptor: int, fingerprint: Fingerprint) -> None:
    if Fingerprint.of(os.fstat(descriptor)) != fingerprint:
        raise ChangedError("It changed while it was read; it is looked at afresh.")


def _require_size(width: int, height: int, max_megapixels: float) -> None:
    if max(width, height) > MAX_SIDE:
        raise TooLargeError(f"One of its sides is over {MAX_SIDE:,} pixels ({width} x {height}).")
    megapixels = width * height / 1e6
    if 0 < max_megapixels < megapixels:
        raise TooLargeError(
            f"It has {megapixels:.1f} megapixels ({width} x {height}), more than the {max_megapixels:g} allowed; "
            "scan it smaller, or raise the limit in the config."
        )


def wanted_side(predict: Predict) -> int:
    """The side in pixels of the square of lightness that a predict function asks for, if it does."""
    return int(getattr(predict, "side", NET_SIDE))


def _upright(predict: Predict, lightness: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """ab for pixels as they lie, from a net that sees them upright."""
    flipped, turns = _UPRIGHT[orientation]
    seen = lightness[:, ::-1] if flipped else lightness
    # numpy turns the other way round.
    ab = predict(np.ascontiguousarray(np.rot90(seen, -turns)))
    lying = np.rot90(ab, turns)
    return np.ascontiguousarray(lying[:, ::-1] if flipped else lying)


def _spool(path: str, write: Callable[[int], None]) -> tuple[str, os.stat_result]:
    """Create `path`, let `write` fill and sync it; its sha256 in hex and its stat. On any failure it is removed."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise DiskError(f"The spool file cannot be made: {explain_os_error(error)}.") from error
    try:
        write(fd)
        os.lseek(fd, 0, os.SEEK_SET)
        with open(fd, "rb", closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, os.fstat(fd)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        if isinstance(error, OSError):
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error
        raise
    finally:
        os.close(fd)


class _Stages:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("decode", "net", "colour", "encode", "sync"), 0.0)

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


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
