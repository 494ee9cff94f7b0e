"""Lightness, the net's ab at full size, and Lab to RGB, on strips that stay in the processor's cache.

CIE Lab over sRGB (IEC 61966-2-1, D65) throughout: L 0..100, a and b about -110..110, RGB 0..255.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

NET_SIDE = 224  # the net's input, width and height in pixels
CUBIC = -0.75  # the cubic kernel's parameter in cv2.INTER_CUBIC
STRIP_PIXELS = 64 * 1024  # measured fastest of 16 k to 160 k; lab and rgb floats of a strip then take 1.5 MB


def strip_rows(width: int) -> int:
    """Rows in a strip of a picture `width` pixels wide; at least 1. The height never changes a pixel."""
    return max(1, STRIP_PIXELS // width)


def _lightness_of_grey() -> Floats:
    value = np.arange(256, dtype=np.float64) / 255
    # IEC 61966-2-1, section 5.2: sRGB to linear light; CIE 15:2004, section 8.2.1: Y to L.
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    lightness = np.where(linear > (6 / 29) ** 3, 116 * np.cbrt(linear) - 16, linear * (29 / 3) ** 3)
    return lightness.astype(np.float32)


LIGHTNESS_OF_GREY: Floats = _lightness_of_grey()
"""L of an sRGB grey level: 256 values, 0..100."""


def lightness(pixels: Bytes) -> Floats:
    """L (rows, width), 0..100, of a strip of grey (rows, width) or RGB (rows, width, 3) pixels."""
    if pixels.ndim == 2:
        return np.asarray(cv2.LUT(pixels, LIGHTNESS_OF_GREY), dtype=np.float32)
    scaled = pixels.astype(np.float32)
    scaled *= np.float32(1 / 255)
    return np.ascontiguousarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2Lab)[:, :, 0])


def net_lightness(pixels: Bytes) -> Floats:
    """L (224, 224), 0..100, of a whole picture, squashed to the net's square by area averaging."""
    height, width = pixels.shape[:2]
    if height < NET_SIDE:
        return np.asarray(cv2.resize(lightness(pixels), (NET_SIDE, NET_SIDE), interpolation=cv2.INTER_AREA))
    # Rows first: a weighted sum of whole rows is one matrix-vector product, and leaves little for the second step.
    squashed = np.empty((NET_SIDE, width), np.float32)
    step = height / NET_SIDE
    for row in range(NET_SIDE):
        top, bottom = row * step, min((row + 1) * step, float(height))
        first, last = int(top), min(int(np.ceil(bottom)), height)
        edges = np.arange(first, last, dtype=np.float64)
        weights = np.minimum(edges + 1, bottom) - np.maximum(edges, top)
        weights /= weights.sum()
        squashed[row] = _weighted_rows(pixels, first, weights)
    return np.asarray(cv2.resize(squashed, (NET_SIDE, NET_SIDE), interpolation=cv2.INTER_AREA))


def _weighted_rows(pixels: Bytes, first: int, weights: NDArray[np.float64]) -> Floats:
    """The sum of rows `first`, `first` + 1, ... of the lightness, by `weights`; a strip at a time."""
    total = np.zeros(pixels.shape[1], np.float32)
    rows = strip_rows(pixels.shape[1])
    for start in range(0, len(weights), rows):
        part = weights[start : start + rows].astype(np.float32)
        total += part @ lightness(pixels[first + start : first + start + len(part)])
    return total


class Chroma:
    """ab of the net, brought to the size of the picture strip by strip, bicubically.

    The result is that of cv2.resize with INTER_CUBIC on the whole picture, within float rounding; only a widened copy
    (as many rows as the net gives) is ever held.
    """

    def __init__(self, ab: Floats, width: int, height: int) -> None:
        """`ab` (rows, columns, 2) as the net gives it; `width`, `height` of the picture in pixels."""
        rows = ab.shape[0]
        wide = cv2.resize(np.ascontiguousarray(ab, dtype=np.float32), (width, rows), interpolation=cv2.INTER_CUBIC)
        # A third channel, zero, keeps the room of L, so that a row comes out as it goes into cvtColor.
        self._wide = np.zeros((rows, width, 3), np.float32)
        self._wide[:, :, 1:] = wide.reshape(rows, width, 2)
        self._flat = self._wide.reshape(rows, width * 3)
        self._taps, self._first = _cubic_taps(rows, height)

    def write_rows(self, top: int, lab: Floats) -> None:
        """Fill channels 1 and 2 of `lab` (rows, width, 3) with rows `top`, `top` + 1, ...; channel 0 becomes zero."""
        flat = lab.reshape(lab.shape[0], -1)
        for row in range(lab.shape[0]):
            taps, first = self._taps[top + row], self._first[top + row]
            # One product a row, never one a strip: the rounding then cannot depend on the height of the strip.
            np.dot(taps, self._flat[first : first + len(taps)], out=flat[row])


def _cubic_taps(size: int, wanted: int) -> tuple[list[Floats], list[int]]:
    """For each of `wanted` output rows: the weights of neighbouring input rows, and the first of those rows.

    Rows beyond the edge repeat the edge row, as in cv2.resize: their weights are added to the edge row's.
    """
    taps: list[Floats] = []
    firsts: list[int] = []
    for row in range(wanted):
        place = (row + 0.5) * size / wanted - 0.5
        base = int(np.floor(place))
        weights = _cubic_weights(place - base)
        first, last = max(base - 1, 0), min(base + 2, size - 1)
        merged = np.zeros(last - first + 1, np.float64)
        for offset, weight in enumerate(weights):
            merged[min(max(base - 1 + offset, first), last) - first] += weight
        taps.append(merged.astype(np.float32))
        firsts.append(first)
    return taps, firsts


def _cubic_weights(t: float) -> tuple[float, float, float, float]:
    """Keys' cubic convolution kernel (IEEE Trans. ASSP 29, 1981) with parameter CUBIC, at a fraction `t` of 0..1."""
    a = CUBIC
    before = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a
    left = ((a + 2) * t - (a + 3)) * t * t + 1
    u = 1 - t
    right = ((a + 2) * u - (a + 3)) * u * u + 1
    return before, left, right, 1 - before - left - right


class Painter:
    """Joins the lightness of a picture and its chroma to RGB, a strip at a time, in buffers made once."""

    def __init__(self, pixels: Bytes, chroma: Chroma, rows: int) -> None:
        """`pixels` (height, width) grey or (height, width, 3) RGB; strips have at most `rows` rows."""
        width = pixels.shape[1]
        self._pixels = pixels
        self._chroma = chroma
        self._lightness = np.empty((rows, width), np.float32)
        self._lab = np.empty((rows, width, 3), np.float32)
        self._rgb = np.empty((rows, width, 3), np.float32)
        self._levels = np.empty((rows, width, 3), np.uint8)

    def paint(self, top: int, bottom: int) -> Bytes:
        """RGB (bottom - top, width, 3) of rows `top` to `bottom`; valid until the next call."""
        count = bottom - top
        lab, rgb, levels = self._lab[:count], self._rgb[:count], self._levels[:count]
        pixels = self._pixels[top:bottom]
        if pixels.ndim == 2:
            plane = self._lightness[:count]
            cv2.LUT(pixels, LIGHTNESS_OF_GREY, dst=plane)
        else:
            # Multiplied in place of the result: the strip's own buffers serve for both directions.
            np.multiply(pixels, np.float32(1 / 255), out=rgb)
            cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab, dst=lab)
            plane = self._lightness[:count]
            cv2.extractChannel(lab, 0, dst=plane)
        self._chroma.write_rows(top, lab)
        cv2.insertChannel(plane, lab, 0)
        cv2.cvtColor(lab, cv2.COLOR_Lab2RGB, dst=rgb)
        # cvtColor has clipped to 0..1; this rounds, where a plain cast would darken by half a level.
        cv2.convertScaleAbs(rgb, dst=levels, alpha=255)
        return levels
