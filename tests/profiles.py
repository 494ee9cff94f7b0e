"""ICC profiles made by hand, for tests (ICC.1:2001-04): grey ones by a curve, RGB ones by a matrix and a gamma."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WHITE = (0.9642, 1.0, 0.8249)  # D50


def _fixed(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _gamma(gamma: float) -> bytes:
    return b"curv" + struct.pack(">IIH2x", 0, 1, round(gamma * 256))


def _table(values: NDArray[Any]) -> bytes:
    levels = np.rint(np.asarray(values) * 65535).astype(">u2").tobytes()
    return b"curv" + struct.pack(">II", 0, len(values)) + levels


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile of that colour space ("GRAY" or "RGB ") with these tags besides the usual ones."""
    described = b"desc" + struct.pack(">II", 0, 5) + b"test\0" + bytes(78)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _fixed(_WHITE), **tags}
    index, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        index += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    rest = struct.pack(">I", len(tags)) + index + body
    head = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += struct.pack(">iii", *(round(value * 65536) for value in _WHITE))
    return head.ljust(128, b"\0") + rest


def _rgb(columns: tuple[tuple[float, ...], ...], gamma: float) -> bytes:
    tags = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_fixed, columns), strict=True))
    return profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma)))


def power(value: NDArray[Any], gamma: float) -> NDArray[Any]:
    """Light of a gamma curve, as a profile can say it: in steps of 1/256."""
    return np.asarray(value ** (round(gamma * 256) / 256))


def dot_gain(value: NDArray[Any]) -> NDArray[Any]:
    """Light of a curve like that of paper on which dots of ink spread by a fifth at half tone, from the table below."""
    return np.asarray(np.interp(value, np.linspace(0, 1, len(_DOTS)), _DOTS))


_INK = 1 - np.linspace(0, 1, 1024)
_DOTS = np.rint(65535 * (1 - np.minimum(_INK + 0.8 * _INK * (1 - _INK), 1))) / 65535

GAMMA_18 = profile(b"GRAY", {b"kTRC": _gamma(1.8)})
DOT_GAIN = profile(b"GRAY", {b"kTRC": _table(_DOTS)})
ADOBE_RGB = _rgb(((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)), 563 / 256)
PROPHOTO = _rgb(((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)), 1.8)
