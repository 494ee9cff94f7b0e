"""The curves of ICC profiles: linear light of a picture's numbers, straight from the profile and in double precision.

LittleCMS goes through tables of 16 bits on its way from 16 bits to 16 bits, and is hundreds of steps off in the darks.
Grey profiles are a curve, and most RGB ones are three curves and a matrix: those are read here (ICC.1:2022, 8.3.3 and
8.3.4, 10.6 curves, 10.18 parametric curves). All others are LittleCMS' own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

MAX_POINTS = 1 << 16  # of a curve
_PARAMETERS = (1, 3, 4, 5, 7)  # of parametric curves, by their kind


@dataclass(frozen=True, slots=True)
class Curves:
    """Y (white is 1) is the sum of `weights` times the light of each channel; `light` has a table for each of them."""

    light: tuple[Doubles, ...]
    weights: tuple[float, ...]


def curves_of(profile: bytes, bits: int) -> Curves | None:
    """The curves of a grey or an RGB profile, for numbers of `bits` (8 or 16); None where it has no sound ones."""
    try:
        tags = _tags(profile)
        value = np.linspace(0, 1, 1 << bits)
        space, meeting = profile[16:20], profile[20:24]
        if space == b"GRAY" and meeting in (b"XYZ ", b"Lab "):
            light = _curve(tags[b"kTRC"], value)
            return _sound(Curves((_from_black(_of_lightness(light) if meeting == b"Lab " else light),), (1.0,)))
        # A profile that has tables as well means them to be used.
        if space == b"RGB " and meeting == b"XYZ " and b"A2B0" not in tags and b"A2B1" not in tags:
            weights = [_xyz(tags[name])[1] for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
            lights = tuple(_curve(tags[name], value) for name in (b"rTRC", b"gTRC", b"bTRC"))
            whole = sum(weights)
            return _sound(Curves(lights, tuple(weight / whole for weight in weights)))
    except (KeyError, IndexError, ValueError, ArithmeticError, struct.error):
        pass
    return None


def _sound(curves: Curves) -> Curves | None:
    """Not what gives no light at all, or what is darker for larger numbers."""
    for light in curves.light:
        if not np.isfinite(light).all() or light[-1] < 0.5 or (np.diff(light) < -1e-4).any():
            return None
    return curves if all(weight >= 0 for weight in curves.weights) else None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    count = min(struct.unpack_from(">I", profile, 128)[0], 100)
    found = {}
    for at in range(132, 132 + 12 * count, 12):
        name, offset, length = struct.unpack_from(">4sII", profile, at)
        found[name] = profile[offset : offset + length]
    return found


def _xyz(content: bytes) -> tuple[float, ...]:
    if content[:4] != b"XYZ ":
        raise ValueError
    return tuple(number / 65536 for number in struct.unpack_from(">3i", content, 8))


def _curve(content: bytes, value: Doubles) -> Doubles:
    """The curve in a tag, of values 0..1; what it gives is 0..1 too."""
    if content[:4] == b"para":
        return np.clip(_parametric(content, value), 0, 1)
    if content[:4] != b"curv":
        raise ValueError
    count = struct.unpack_from(">I", content, 8)[0]
    if count == 0:
        return value
    if count == 1:
        return np.asarray(value ** (struct.unpack_from(">H", content, 12)[0] / 256))
    if count > MAX_POINTS:
        raise ValueError
    points = np.frombuffer(content, ">u2", count, 12) / 65535
    return np.asarray(np.interp(value, np.linspace(0, 1, count), points))


def _parametric(content: bytes, value: Doubles) -> Doubles:
    kind = struct.unpack_from(">H", content, 8)[0]
    given = [number / 65536 for number in struct.unpack_from(f">{_PARAMETERS[kind]}i", content, 12)]
    g, a, b, c, d, e, f = given + [(1, 1, 0, 0, 0, 0, 0)[at] for at in range(len(given), 7)]
    if kind == 0:
        return np.asarray(value**g)
    powered = np.maximum(a * value + b, 0) ** g
    if kind in (1, 2):
        return np.asarray(np.where(value >= -b / a, powered + (c if kind == 2 else 0), c if kind == 2 else 0))
    return np.asarray(np.where(value >= d, powered + (e if kind == 4 else 0), c * value + (f if kind == 4 else 0)))


def _of_lightness(connection: Doubles) -> Doubles:
    """Light of L, 0..1 (CIE 15:2004, 8.2.1, the other way round)."""
    lightness = connection * 100
    return np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness * 27 / 24389)


def _from_black(light: Doubles) -> Doubles:
    """Black point compensation: ink that is not quite black is black."""
    black = min(light[0], 0.5)
    return np.asarray((light - black) / (1 - black))
