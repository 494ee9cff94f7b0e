"""Whether a decoder that made a whole picture of a JPEG had the bytes for it: libjpeg makes up what is missing.

libjpeg calls damage a warning, tells the first one only, and counts no bytes that are left over. So three things are
looked at: what it said; if that was of no importance, what it says of the same picture under a plain header; and where
it had stopped reading when the last row was there (ITU-T T.81: coded data go up to the next marker).
"""

from __future__ import annotations

import os
import re

# The picture's own bytes are wrong, or end before its rows do (jerror.h).
_LOST = re.compile(r"premature end|bad Huffman code|bad arithmetic code|instead of RST", re.IGNORECASE)
# Bytes that nobody asked for, after the rows of a part of the picture: it was decoded out of step.
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x(\w\w)", re.IGNORECASE)

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_ALONE = {0x01, *range(0xD0, 0xD9)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = {0xC0, 0xC1}
_NEEDED = {0xC4, 0xDB, 0xDC, 0xDD} | _FRAMES

FINE_TAIL = 4096  # how far before a file's end it is read in small bites, to see how much the decoder took
BITE = 4  # bytes; libjpeg itself looks some eight bytes ahead
MAX_FILLING = 64  # bytes that a careless writer may put before the end marker
MAX_HEAD = 1 << 20  # bytes of the segments before a scan that the decoder needs; real ones take some hundreds
CHUNK = 1 << 16


def lost(said: str) -> bool:
    """Whether a warning of libjpeg means that part of the picture is not there."""
    return _LOST.search(said) is not None


def out_of_step(said: str) -> bool:
    """Whether it means so when nothing but the picture's own data can have caused it."""
    found = _EXTRANEOUS.search(said)
    # Before the end marker careless writers fill up to a round size.
    return lost(said) or (found is not None and (found[2].lower() != "d9" or int(found[1]) > MAX_FILLING))


def left_over(descriptor: int, coded_from: int, reached: int, last: int) -> bool:
    """Whether coded data are left, when the decoder has all rows and has read up to `reached`, `last` bytes at once.

    They begin at `coded_from`. Raises OSError.
    """
    start = max(coded_from, reached - last - 1)
    window = os.pread(descriptor, max(0, reached - start), start)
    if _MARKER.search(window):
        return False
    # What fills up is one byte again and again, and bytes that were read may have been left too.
    first, at = b"", reached
    tail = window[-1:]
    while chunk := os.pread(descriptor, CHUNK, at):
        found = _MARKER.search(tail + chunk)
        data = (tail + chunk)[len(tail) : found.start()] if found else chunk
        first = first or data[:1]
        if data.strip(first) or first not in (b"", b"\0", b"\xff"):
            return True
        if found:
            return False
        at, tail = at + len(chunk), chunk[-1:]
    return False


def plain_head(descriptor: int) -> tuple[bytes, int] | None:
    """A header that nothing can be said against, for the coded data that begin at the offset beside it.

    None where the segments before the first scan are not what they should be. Raises OSError.
    """
    head, at, sequential = b"\xff\xd8", 2, False
    while len(head) < MAX_HEAD:
        found = _MARKER.search(os.pread(descriptor, 1024, at)) or _MARKER.search(os.pread(descriptor, CHUNK, at))
        if not found:
            return None
        at, code = at + found.end(), found.group()[1]
        if code in _ALONE:
            continue
        length = int.from_bytes(os.pread(descriptor, 2, at), "big")
        segment = os.pread(descriptor, length, at)
        if code == 0xD9 or length < 2 or len(segment) < length:
            return None
        at += length
        if code == 0xDA:
            # Spectral selection and approximation, which a sequential scan has no use for.
            segment = segment[:-3] + b"\0\x3f\0" if sequential else segment
            return head + b"\xff\xda" + segment, at
        sequential = sequential or code in _SEQUENTIAL
        if code in _NEEDED:
            head += b"\xff" + bytes((code,)) + segment
    return None
