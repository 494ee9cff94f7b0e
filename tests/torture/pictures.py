"""Scans that carry their number in their pixels: whose result a picture is can be read from the picture alone."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from house import Picture, encode

SIDE = 64
CELL = 8
EXTENSIONS = (".jpg", ".png", ".tif")
_DARK, _BRIGHT = 60, 190


@lru_cache(maxsize=4096)
def picture(number: int) -> Picture:
    """64 x 64 grey pixels: 8 x 8 cells, dark or bright, that spell `number` and its checksum; a little grain."""
    word = number << 32 | zlib.crc32(number.to_bytes(4, "big"))
    bits = [(word >> place) & 1 for place in range(63, -1, -1)]
    cells = np.where(np.array(bits).reshape(8, 8), _BRIGHT, _DARK)
    grain = np.random.default_rng(number).integers(-6, 7, (SIDE, SIDE))
    return (np.kron(cells, np.ones((CELL, CELL), int)) + grain).astype(np.uint8)


def number_of(pixels: NDArray[np.uint8]) -> int | None:
    """The number that a picture carries, coloured or not; None where it carries none."""
    if pixels.shape[:2] != (SIDE, SIDE):
        return None
    grey = pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=2)
    cells = grey.reshape(8, CELL, 8, CELL).mean(axis=(1, 3)) > (_DARK + _BRIGHT) / 2
    word = 0
    for bit in cells.ravel():
        word = word << 1 | int(bit)
    number, checksum = word >> 32, word & 0xFFFFFFFF
    return number if zlib.crc32(number.to_bytes(4, "big")) == checksum else None


@dataclass(frozen=True)
class Scan:
    """One scan that was dropped."""

    number: int
    path: str  # relative to the inbox
    digest: str  # sha256 of the file, in hex

    @property
    def extension(self) -> str:
        return self.path[self.path.rindex(".") :]

    @property
    def pixels(self) -> Picture:
        """What a reader finds in it."""
        content = np.frombuffer(content_of(self.number, self.extension), np.uint8)
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.uint8)


def content_of(number: int, extension: str) -> bytes:
    return encode(picture(number), extension)


def scan(number: int, path: str) -> tuple[Scan, bytes]:
    """A scan for `path`, and the bytes of its file."""
    content = content_of(number, path[path.rindex(".") :])
    return Scan(number, path, hashlib.sha256(content).hexdigest()), content
