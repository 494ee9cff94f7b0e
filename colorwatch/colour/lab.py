"""Lightness, the net's ab at full size, and Lab to RGB, on strips that stay in the processor's cache.

CIE Lab over sRGB (IEC 61966-2-1, D65) throughout: L 0..100, a and b about -110..110, RGB 0..255.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Levels = NDArray[np.unsignedinteger[Any]]  # 8 or 16 bits
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Rows(Protocol):
    """What reads like the rows of an array, (height, width) grey or (height, width, 3) RGB: of a strip at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, rows: slice, /) -> Levels: ...


NET_SIDE = 224  # the net's input, width and height in pixels
LARGEST_CHROMA = 128.0  # of a colour; beyond it sRGB has only some blues
CUBIC = -0.75  # the cubic kernel's parameter in cv2.INTER_CUBIC
STRIP_PIXELS = 64 * 1024  # measured fastest of 16 k to 160 k; lab and rgb floats of a strip then take 1.5 MB


def strip_rows(width: int) -> int:
    """Rows in a strip of a picture `width` pixels wide; at least 1. The height never changes a pixel."""
    return max(1, STRIP_PIXELS // width)


# Linear sRGB to XYZ (IEC 61966-2-1, D65), each row divided by its sum: white is then (1, 1, 1), as Lab wants it.
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
TO_XYZ /= TO_XYZ.sum(axis=1, keepdims=True)
_FROM_XYZ = np.linalg.inv(TO_XYZ)

# CIE 15:2004, 8.2.1: f(Y) is a cube root, and below (6/29)**3 the tangent that meets it there.
DARK_F = 6 / 29
_DARK_Y = DARK_F**3
_SLOPE = 3 * DARK_F**2  # of Y over f, below
_CHROMA_SCALE = np.array([[1 / 500], [-1 / 200]], np.float32)  # f(X) - f(Y) of a, f(Z) - f(Y) of b

# sRGB's curve as a table of linear light in steps of 2**-15, a tenth of a level where the curve is steepest. A float32
# between 256 and 512 counts in these steps, so the low half of 256 + light is its place in the table. The table begins
# below 0 and ends beyond 1, for light that is a rounding off them.
_STEPS = 1 << 15
_BELOW = 64  # steps
_BIAS = np.float32(256 + _BELOW / _STEPS)


def linear(value: Doubles) -> Doubles:
    """Linear light of an sRGB value, both 0..1 (IEC 61966-2-1, 5.2)."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _table_of_levels() -> Bytes:
    light = np.clip((np.arange(1 << 16) - _BELOW) / _STEPS, 0, 1)
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: Bytes = np.rint(value * 255).astype(np.uint8)
    return levels


_LIGHT = linear(np.arange(256) / 255)
_F = np.where(_LIGHT > _DARK_Y, np.cbrt(_LIGHT), DARK_F + (_LIGHT - _DARK_Y) / _SLOPE)
_LIGHT_OF_GREY: Floats = _LIGHT.astype(np.float32)
_RISE_OF_GREY: Floats = (_F - DARK_F).astype(np.float32)
_LEVELS = _table_of_levels()

LIGHTNESS_OF_GREY: Floats = (116 * _F - 16).astype(np.float32)
"""L of an sRGB grey level: 256 values, 0..100."""


def _takes_wide_tables() -> bool:
    """Whether cv2.LUT looks up 16-bit values, as OpenCV 5 does and OpenCV 4 does not."""
    try:
        return bool(cv2.LUT(np.full((1, 1), 7, np.uint16), _LEVELS.reshape(1, -1)).dtype == np.uint8)
    except cv2.error:
        return False


_WIDE_TABLES = _takes_wide_tables()


def _light_and_rise(pixels: Levels, light: Floats, rise: Floats) -> None:
    """Y (white is 1) of a strip of grey or RGB pixels, and f(Y) - 6/29, into `light` and `rise` (rows, width)."""
    if pixels.ndim == 2:
        cv2.LUT(pixels, _LIGHT_OF_GREY, dst=light)
        cv2.LUT(pixels, _RISE_OF_GREY, dst=rise)
        return
    cv2.transform(cv2.LUT(pixels, _LIGHT_OF_GREY), TO_XYZ[1:2], dst=light)
    rise_of_light(light, rise)


def rise_of_light(light: Floats, rise: Floats) -> None:
    """f(Y) - 6/29 of Y (white is 1) into `rise`."""
    # The bright part by logarithms (a cube root takes ten times as long); the tangent where it is darker than that.
    np.maximum(light, np.float32(_DARK_Y), out=rise)
    dark = light - rise
    cv2.log(rise, dst=rise)
    np.multiply(rise, np.float32(1 / 3), out=rise)
    cv2.exp(rise, dst=rise)
    cv2.scaleAdd(dark, 1 / _SLOPE, rise, dst=rise)
    np.subtract(rise, np.float32(DARK_F), out=rise)


def lightness(pixels: Bytes) -> Floats:
    """L (rows, width), 0..100, of a strip of grey (rows, width) or RGB (rows, width, 3) pixels."""
    if pixels.ndim == 2:
        return np.asarray(cv2.LUT(pixels, LIGHTNESS_OF_GREY), dtype=np.float32)
    light, found = np.empty(pixels.shape[:2], np.float32), np.empty(pixels.shape[:2], np.float32)
    _light_and_rise(pixels, light, found)
    found *= np.float32(116)
    found += np.float32(116 * DARK_F - 16)
    return found


def net_lightness(pixels: Rows, side: int = NET_SIDE, lightness: Callable[[Any], Floats] = lightness) -> Floats:
    """L (side, side), 0..100, of a whole picture, squashed to the net's square by area averaging.

    `lightness` gives that of a strip of its rows.
    """
    height, width = pixels.shape[:2]
    if height < side:
        return np.asarray(cv2.resize(lightness(pixels[0:height]), (side, side), interpolation=cv2.INTER_AREA))
    # Rows first: a weighted sum of whole rows is one matrix-vector product, and leaves little for the second step. Of a
    # picture of few rows a product makes several at once: the calls would take longer than the sums.
    squashed = np.empty((side, width), np.float32)
    step = height / side
    at_once = max(1, int(strip_rows(width) / step) - 1)
    for row in range(0, side, at_once):
        tops = step * np.arange(row, min(row + at_once, side))
        bottoms = np.minimum(tops + step, height)
        first, last = int(tops[0]), min(int(np.ceil(bottoms[-1])), height)
        edges = np.arange(first, last, dtype=np.float64)
        weights = np.minimum(edges + 1, bottoms[:, None]) - np.maximum(edges, tops[:, None])
        np.maximum(weights, 0, out=weights)
        weights /= weights.sum(axis=1, keepdims=True)
        squashed[row : row + at_once] = _weighted_rows(pixels, first, weights.astype(np.float32), lightness)
    return np.asarray(cv2.resize(squashed, (side, side), interpolation=cv2.INTER_AREA))


def _weighted_rows(pixels: Rows, first: int, weights: Floats, lightness: Callable[[Any], Floats]) -> Floats:
    """Sums of rows `first`, `first` + 1, ... of the lightness, by each row of `weights`; a strip at a time."""
    total = np.zeros((len(weights), pixels.shape[1]), np.float32)
    rows = strip_rows(pixels.shape[1])
    for start in range(0, weights.shape[1], rows):
        part = weights[:, start : start + rows]
        total += part @ lightness(pixels[first + start : first + start + part.shape[1]])
    return total


def toned(ab: Floats, strength: float, saturation: float) -> Floats:
    """`ab` (rows, columns, 2) of the net as the settings want it; at 1 and 1, `ab` itself.

    `saturation` (0..2) scales chroma. Above 1, strong colours are raised less than weak ones, and none beyond
    LARGEST_CHROMA: skin and sky come nearer to each other in strength rather than out of sRGB. Then `strength` (0..1)
    blends with the grey picture of the same lightness. Hue and L stay as they are.
    """
    if strength == 1 and saturation == 1:
        return ab
    if saturation <= 1:
        return np.asarray(ab * np.float32(saturation * strength))
    chroma = np.hypot(ab[..., :1], ab[..., 1:])
    # `saturation` times at 0 and once at LARGEST_CHROMA: never beyond it, and a stronger colour stays the stronger one.
    share = np.minimum(chroma / np.float32(LARGEST_CHROMA), 1)
    gain = np.float32(saturation * strength) / (1 + np.float32(saturation - 1) * share)
    return np.asarray(ab * gain)


class Chroma:
    """ab of the net, brought to the size of the picture strip by strip, bicubically.

    The result is that of cv2.resize with INTER_CUBIC on the whole picture, within float rounding; only a widened copy
    (as many rows as the net gives) is ever held.
    """

    def __init__(self, ab: Floats, width: int, height: int) -> None:
        """`ab` (rows, columns, 2) as the net gives it; `width`, `height` of the picture in pixels."""
        rows = ab.shape[0]
        wide = cv2.resize(np.ascontiguousarray(ab, dtype=np.float32), (width, rows), interpolation=cv2.INTER_CUBIC)
        # One row of a, then one of b, so that one product gives both; scaled as Lab's formulas use them.
        planes = wide.reshape(rows, width, 2).transpose(0, 2, 1) * _CHROMA_SCALE
        self._wide = np.ascontiguousarray(planes, dtype=np.float32).reshape(rows, 2 * width)
        self._taps, self._first = _cubic_taps(rows, height)

    def write_rows(self, top: int, ab: Floats) -> None:
        """Fill `ab` (rows, 2, width) with rows `top`, `top` + 1, ... of a / 500 and of -b / 200."""
        flat = ab.reshape(ab.shape[0], -1)
        for row in range(ab.shape[0]):
            taps, first = self._taps[top + row], self._first[top + row]
            # One product a row, never one a strip: the rounding then cannot depend on the height of the strip.
            np.dot(taps, self._wide[first : first + len(taps)], out=flat[row])


def _cubic_taps(size: int, wanted: int) -> tuple[list[Floats], list[int]]:
    """For each of `wanted` output rows: the weights of neighbouring input rows, and the first of those rows.

    Rows beyond the edge repeat the edge row, as in cv2.resize: their weights are added to the edge row's.
    """
    place = (np.arange(wanted, dtype=np.float64) + 0.5) * size / wanted - 0.5
    base = np.floor(place).astype(np.int64)
    weights = _cubic_weights(place - base)
    first = np.clip(base - 1, 0, max(size - 4, 0))
    merged = np.zeros((wanted, min(size, 4)), np.float64)
    for tap in range(4):
        source = np.clip(base - 1 + tap, 0, size - 1)
        np.add.at(merged, (np.arange(wanted), source - first), weights[:, tap])
    return list(merged.astype(np.float32)), first.tolist()


def _cubic_weights(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel (IEEE Trans. ASSP 29, 1981) with parameter CUBIC, at fractions `t` of 0..1."""
    a, u = CUBIC, 1 - t
    before = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    left = ((a + 2) * t - (a + 3)) * t * t + 1
    right = ((a + 2) * u - (a + 3)) * u * u + 1
    return np.stack([before, left, right, 1 - before - left - right], axis=1)


class Painter:
    """Joins the lightness of a picture and its chroma to RGB, a strip at a time, in buffers made once.

    Lab to XYZ to sRGB as cv2.cvtColor does it, but on planes, with L's part from tables and the sRGB curve from one
    more: two thirds of its time, and none of the 0.1 s in which cvtColor first builds tables of its own.
    """

    _slack = 2.0**-15
    """Linear light beyond sRGB's by which a clipped channel is no more than a tenth of a level off."""

    def __init__(self, pixels: Rows, chroma: Chroma, rows: int, blue_first: bool = False) -> None:
        """`pixels` (height, width) grey or (height, width, 3) RGB; strips have at most `rows` rows.

        With `blue_first` the result is BGR, as OpenCV's encoders take it. A strip higher than `strip_rows` is painted
        in parts of that height, whose buffers stay in the cache: encoders take higher ones than that with profit.
        """
        width = pixels.shape[1]
        self._levels: Levels = np.empty((rows, width, 3), pixels.dtype)
        rows = self._rows = min(rows, strip_rows(width))
        self._pixels = pixels
        self._chroma = chroma
        self._mix = _FROM_XYZ[::-1] if blue_first else _FROM_XYZ
        self._ab = np.empty((rows, 2, width), np.float32)
        self._planes = [np.empty((rows, width), np.float32) for _ in range(6)]
        self._steps = np.empty((rows, width), np.uint16)
        self._channels: list[Levels] = [np.empty((rows, width), pixels.dtype) for _ in range(3)]

    def paint(self, top: int, bottom: int) -> Levels:
        """RGB or BGR (bottom - top, width, 3) of rows `top` to `bottom`; valid until the next call."""
        for first in range(top, bottom, self._rows):
            last = min(first + self._rows, bottom)
            self._paint(first, last, self._levels[first - top : last - top])
        return self._levels[: bottom - top]

    def _paint(self, top: int, bottom: int, levels: Levels) -> None:
        count = bottom - top
        ab = self._ab[:count]
        x, y, z, rise, rest, spare = (plane[:count] for plane in self._planes)
        channels = [channel[:count] for channel in self._channels]
        self._take_light(self._pixels[top:bottom], y, rise)
        self._chroma.write_rows(top, ab)
        _light_of_rise(np.add(rise, ab[:, 0], out=x), rest, spare)
        _light_of_rise(np.add(rise, ab[:, 1], out=z), rest, spare)
        lights = (rise, rest, spare)
        for (from_x, from_y, from_z), light in zip(self._mix, lights, strict=True):
            cv2.addWeighted(x, from_x, z, from_z, (from_x + from_z) * _DARK_Y, dst=light)
            cv2.scaleAdd(y, from_y, light, dst=light)
        _bring_inside(y, lights, x, self._slack)
        for light, channel in zip(lights, channels, strict=True):
            self._encode(light, channel)
        cv2.merge(channels, dst=levels)

    def _take_light(self, pixels: Levels, light: Floats, rise: Floats) -> None:
        """Y (white is 1) of a strip of pixels, and f(Y) - 6/29."""
        _light_and_rise(pixels, light, rise)

    def _encode(self, light: Floats, channel: Levels) -> None:
        """Levels 0..255 of linear light that is inside sRGB to within `_slack`, rounded; `light` is used up."""
        np.add(light, _BIAS, out=light)
        steps = self._steps[: len(light)]
        np.copyto(steps, light.view(np.uint32), casting="unsafe")
        if _WIDE_TABLES:
            cv2.LUT(steps, _LEVELS.reshape(1, -1), dst=channel)
        else:
            np.take(_LEVELS, steps, out=channel, mode="clip")


def _bring_inside(light: Floats, channels: tuple[Floats, ...], spare: Floats, slack: float) -> None:
    """Colours that sRGB does not have come nearer to grey until it has them, in place; `spare` is used up.

    `channels` are linear red, green and blue, and `light` their Y. On the line from a colour to the grey of its Y, Y is
    the same everywhere, and so is L: clipping channels instead would change it.
    """
    red, green, blue = channels
    # Most strips of most pictures have no such colour, and are looked through without writing anything.
    if any(channel.max() > 1 + slack for channel in channels):
        cv2.max(cv2.max(red, green, dst=spare), blue, dst=spare)
        _mix_with_grey(light, channels, spare, np.flatnonzero(spare > 1 + slack), 1)
    if any(channel.min() < -slack for channel in channels):
        cv2.min(cv2.min(red, green, dst=spare), blue, dst=spare)
        _mix_with_grey(light, channels, spare, np.flatnonzero(spare < -slack), 0)


def _mix_with_grey(
    light: Floats, channels: tuple[Floats, ...], furthest: Floats, places: NDArray[np.intp], limit: float
) -> None:
    """As much of each colour at `places` as brings the channel that is `furthest` out to `limit`, the rest grey."""
    y = light.ravel()[places]
    share = (limit - y) / (furthest.ravel()[places] - y)
    np.clip(share, 0, 1, out=share)
    for channel in channels:
        flat = channel.ravel()
        flat[places] = y + share * (flat[places] - y)


def _light_of_rise(rise: Floats, rest: Floats, spare: Floats) -> None:
    """X or Z (white is 1), less (6/29)**3, for f(X) or f(Z) less 6/29, in place; `rest`, `spare` are used up.

    With d = 6/29, r = f - d and p = max(r, 0), the cube where f > d and its tangent where not are both
    p * p * (p + 3 * d) + 3 * d * d * r + d**3: no pixel needs to be asked which of them it is on.
    """
    cv2.threshold(rise, 0, 0, cv2.THRESH_TOZERO, dst=rest)
    np.multiply(rest, rest, out=spare)
    np.add(rest, np.float32(3 * DARK_F), out=rest)
    np.multiply(spare, rest, out=rest)
    cv2.scaleAdd(rise, _SLOPE, rest, dst=rise)
