"""16 bits a channel: the same Lab arithmetic as `lab`, with tables of 65,536 lights and the sRGB curve itself.

The lightness of a result is then that of its scan to within one step of 1 / 65,535 wherever sRGB has the colour.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.colour.lab import DARK_F, TO_XYZ, Floats, Levels, Painter, linear, rise_of_light

Deep = NDArray[np.uint16]

TOP = 65_535

_LIGHT: Floats = linear(np.arange(TOP + 1) / TOP).astype(np.float32)


def _rise_table() -> Floats:
    rise = np.empty_like(_LIGHT)
    light = _LIGHT.astype(np.float64)
    dark = DARK_F**3
    rise[:] = np.where(light > dark, np.cbrt(light) - DARK_F, (light - dark) / (3 * DARK_F**2))
    return rise


_RISE: Floats = _rise_table()


def deep_lightness(pixels: Deep) -> Floats:
    """L (rows, width), 0..100, of a strip of grey (rows, width) or RGB (rows, width, 3) pixels of 16 bits."""
    if pixels.ndim == 2:
        found = np.take(_RISE, pixels)
    else:
        light, found = np.empty(pixels.shape[:2], np.float32), np.empty(pixels.shape[:2], np.float32)
        _light_of_colour(pixels, light)
        rise_of_light(light, found)
    found *= np.float32(116)
    found += np.float32(116 * DARK_F - 16)
    return found


def _light_of_colour(pixels: Deep, light: Floats) -> None:
    cv2.transform(np.take(_LIGHT, pixels), TO_XYZ[1:2], dst=light)


class DeepPainter(Painter):
    """`Painter` for pixels of 16 bits; what it paints has 16 bits too."""

    _slack = 2.0**-23

    def _take_light(self, pixels: Levels, light: Floats, rise: Floats) -> None:
        deep = np.asarray(pixels, dtype=np.uint16)
        if deep.ndim == 2:
            np.take(_LIGHT, deep, out=light, mode="clip")
            np.take(_RISE, deep, out=rise, mode="clip")
            return
        _light_of_colour(deep, light)
        rise_of_light(light, rise)

    def _encode(self, light: Floats, channel: Levels) -> None:
        """Levels 0..65535 of linear light, clipped and rounded (IEC 61966-2-1, 5.2); `light` is used up."""
        cv2.threshold(light, 0, 0, cv2.THRESH_TOZERO, dst=light)
        cv2.threshold(light, 1, 0, cv2.THRESH_TRUNC, dst=light)
        dark = np.minimum(light, np.float32(0.0031308)) * np.float32(12.92 * TOP)
        np.maximum(light, np.float32(0.0031308), out=light)
        cv2.pow(light, 1 / 2.4, dst=light)
        # At the limit both parts are the same to within a hundredth of a step: one of them is taken off again.
        np.multiply(light, np.float32(1.055 * TOP), out=light)
        np.add(light, np.float32(0.5 - (0.055 + 12.92 * 0.0031308) * TOP), out=light)
        np.add(light, dark, out=light)
        np.copyto(channel, light, casting="unsafe")
