"""A small picture of a result for the gallery: as it was on the left, as it is on the right. In workers alone."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import cv2
import numpy as np
import pyvips

from colorwatch.codecs import decoding  # noqa: F401 - libvips is told there which loaders it may use
from colorwatch.codecs.streams import Reader
from colorwatch.errors import DamagedError, DiskError, explain_os_error
from colorwatch.formats.opening import open_regular
from colorwatch.scan import Portrayed, PortrayRequest

SIDE = 400  # of either half, in pixels: sharp on a phone's screen, about 40 kB for both
QUALITY = 80


def portray(request: PortrayRequest) -> Portrayed:
    """Writes the thumbnail of a result as the new file `request.spool`; raises ScanError.

    A result has the lightness of its scan, so its grey rendering is what the scan looked like.
    """
    descriptor = open_regular(request.root, request.path)
    try:
        width, height = _size(descriptor)
        small = _shrunk(descriptor)
    finally:
        os.close(descriptor)
    grey = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2BGR)
    both = np.hstack((grey, cv2.cvtColor(small, cv2.COLOR_RGB2BGR)))
    _, encoded = cv2.imencode(".jpg", both, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    _write(request.spool, encoded.tobytes())
    return Portrayed(width, height, small.shape[1], small.shape[0])


def _size(descriptor: int) -> tuple[int, int]:
    """Width and height of the upright picture."""
    reader = Reader(descriptor)
    try:
        whole = pyvips.Image.new_from_source(reader.source, "")
        turned = whole.get_typeof("orientation") != 0 and whole.get("orientation") in (5, 6, 7, 8)
        size = (whole.width, whole.height)
    except pyvips.Error as error:
        raise reader.blame() or DamagedError("The result does not decode.") from error
    finally:
        reader.close()
    return size[::-1] if turned else size


def _shrunk(descriptor: int) -> Any:
    """RGB levels of the upright picture at the gallery's size."""
    reader = Reader(descriptor)
    try:
        small = pyvips.Image.thumbnail_source(reader.source, SIDE, height=SIDE, size="down", fail_on="error")
        small = small.colourspace("srgb")
        if small.hasalpha():
            small = small.flatten(background=255)
        levels = small[:3].cast("uchar") if small.bands >= 3 else small[0].bandjoin([small[0], small[0]]).cast("uchar")
        pixels = np.frombuffer(levels.write_to_memory(), np.uint8)
        return pixels.reshape(levels.height, levels.width, 3)
    except pyvips.Error as error:
        raise reader.blame() or DamagedError("The result does not decode.") from error
    finally:
        reader.close()


def _write(path: str, content: bytes) -> None:
    # No sync: a thumbnail that a power cut takes is made again, or missed by nobody.
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise DiskError(f"The thumbnail cannot be written: {explain_os_error(error)}.") from error
