"""A small picture of a result for the gallery: as it was on the left, as it is on the right. In workers alone."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.codecs.codec import open_document
from colorwatch.codecs.pages import Levels, Page, Reducing
from colorwatch.colour.onepage import UPRIGHT
from colorwatch.errors import ChangedError, DamagedError, DiskError, ScanError, explain_os_error
from colorwatch.formats.opening import open_regular
from colorwatch.protocol import Lying, Portrayed, PortrayRequest

THUMB = 400  # the longer side of either half, in pixels: sharp on a phone's screen, about 50 kB for both
VIEW = 1600  # the same, to fill a window with: half a megabyte to one, a hundredth of a TIFF
# All colours: halved ones would run over the seam between before and after.
_OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, 82, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
_UNLIKE = 0.02  # by which the proportions of original and result may differ

Pixels = NDArray[np.uint8]
"""Rows of BGR."""


def portray(request: PortrayRequest) -> Portrayed:
    """Writes the thumbnail of a result as the new file `request.spool`, and the view, if asked; raises ScanError.

    What it was before is its original, or its own grey rendering where that is not to be had: a result has the
    lightness of its scan. Of a document the first page is shown that has a picture.
    """
    side = VIEW if request.view else THUMB
    descriptor = open_regular(request.root, request.path)
    try:
        width, height, after = _first_picture(descriptor, side)
    finally:
        os.close(descriptor)
    before = _before(request.original, after, side)
    views = (0, 0)
    if request.view:
        views = _write(request.view, before, after)
    thumbs = _write(request.spool, _within(before, THUMB), _within(after, THUMB))
    return Portrayed(width, height, *thumbs, *views)


def _before(original: Lying | None, after: Pixels, side: int) -> Pixels:
    """What stands beside `after`, of the same size."""
    height, width = after.shape[:2]
    if original is not None:
        with contextlib.suppress(ScanError, OSError):
            wide, high, found = _original(original, side)
            if abs(wide / high / (width / height) - 1) <= _UNLIKE:
                return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    grey = cv2.cvtColor(after, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def _original(original: Lying, side: int) -> tuple[int, int, Pixels]:
    descriptor = open_regular(original.root, original.path)
    try:
        found = os.fstat(descriptor)
        if (found.st_size, found.st_mtime_ns) != (original.size, original.mtime_ns):
            raise ChangedError("Another file stands where the original was.")
        return _first_picture(descriptor, side)
    finally:
        os.close(descriptor)


def _first_picture(descriptor: int, side: int) -> tuple[int, int, Pixels]:
    """Width and height of the first page, upright, and that page within a square of `side`."""
    document: Any = open_document(descriptor)
    try:
        page = next(iter(document.pages()), None)
        if page is None:
            raise DamagedError("There is no page in it.")
        lying = _within(_shrunk(page, side), side)
        flipped, turns = UPRIGHT[page.luggage.orientation]
        sides = (page.width, page.height)
        # numpy turns the other way round.
        upright = np.rot90(lying[:, ::-1] if flipped else lying, -turns)
        return *(sides[::-1] if turns % 2 else sides), np.ascontiguousarray(upright)
    finally:
        if hasattr(document, "close"):
            document.close()


def _shrunk(page: Page, side: int) -> Pixels:
    """The page as it lies, each side divided by the same whole number, and no less than `side` long for that."""
    if isinstance(page, Reducing):
        page = page.reduced(side)
    by = max(1, max(page.width, page.height) // (2 * side))
    columns = max(1, page.width // by)
    kept: list[Pixels] = []
    waiting: Pixels = np.empty((0, page.width, 3), np.uint8)
    for strip in page.strips():
        waiting = np.concatenate((waiting, _plain(strip, page)))
        if rows := len(waiting) // by:
            kept.append(_resized(waiting[: rows * by], columns, rows))
            waiting = waiting[rows * by :]
    if len(waiting) and not kept:
        kept.append(_resized(waiting, columns, 1))
    return np.concatenate(kept)


def _plain(strip: Levels, page: Page) -> Pixels:
    """Rows of a page as BGR on white."""
    levels = strip if strip.dtype == np.uint8 else (strip >> 8).astype(np.uint8)
    colours: Any = levels[:, :, : page.colours]
    if page.alpha:
        cover = levels[:, :, -1:].astype(np.float32) / 255
        colours = (colours * cover + 255 * (1 - cover)).astype(np.uint8)
    return np.repeat(colours, 3, axis=2) if page.colours == 1 else np.ascontiguousarray(colours[:, :, ::-1])


def _within(pixels: Pixels, side: int) -> Pixels:
    """The same, no side longer than `side`; never larger."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    return pixels if scale >= 1 else _resized(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _write(path: str, before: Pixels, after: Pixels) -> tuple[int, int]:
    """Both side by side as the new file `path`; width and height of one of them."""
    _, encoded = cv2.imencode(".jpg", np.hstack((before, after)), _OPTIONS)
    # No sync: a thumbnail that a power cut takes is made again, or missed by nobody.
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a worker that died over it
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, new, 0o600), "wb") as file:
            file.write(encoded.tobytes())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise DiskError(f"The thumbnail cannot be written: {explain_os_error(error)}.") from error
    return after.shape[1], after.shape[0]
