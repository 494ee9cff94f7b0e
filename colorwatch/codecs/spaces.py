"""Colours of all kinds to sRGB: libvips operations that run as rows are asked for, and a last step on each strip.

Through the picture's own ICC profile where it has one that fits; CMYK without one through libvips' own. Where the
lightness of a colour is known exactly (Lab, and RGB by curves and a matrix), it is all that is taken: the result's
colours are the net's, and so no lightness is lost on colours that sRGB does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from colorwatch.codecs.icc import Curves, curves_of
from colorwatch.errors import short_of_memory

Levels = NDArray[np.unsignedinteger[Any]]

_INTENT = {"intent": "relative", "black_point_compensation": True}
_SAME = {8: 1, 16: 128}  # levels by which sRGB profiles differ from each other
_NAMES = {8: ("uchar", "b-w", "srgb"), 16: ("ushort", "grey16", "rgb16")}


def _as_it_is(image: Any) -> Any:
    return image


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a picture becomes sRGB: `apply` to the libvips image, then `finish`, where there is one, to each strip of it.

    The result has `colours` channels (1 or 3) besides alpha, and is to carry `profile`.
    """

    colours: int
    profile: bytes | None = None
    apply: Callable[[Any], Any] = _as_it_is
    finish: Callable[[Levels], Levels] | None = None


def conversion(image: Any, colours: int, bits: int) -> Conversion:
    """How `image` becomes sRGB: it has `colours` (1, 3, or 4 for CMYK) channels of `bits` (8 or 16), and maybe alpha.

    A profile that cannot be used is left out, and the numbers are taken as sRGB. Raises pyvips.Error where there is no
    memory.
    """
    own = bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else b""
    # The colour space that an ICC profile describes (ICC.1:2022, 7.2.8).
    fits = own[16:20] == {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}[colours]
    if colours == 4:
        return Conversion(3, _srgb(), lambda image: _of_cmyk(image, bits, fits))
    if not fits:
        return Conversion(colours)
    curves = curves_of(own, bits)
    try:
        table = _through(_grey_ramp(bits) if colours == 1 else _colour_cube(bits), bits, own)
    except pyvips.Error as error:
        if short_of_memory(error):
            raise
        return Conversion(colours)
    if colours == 1:
        levels = table[0, :, 1] if curves is None else _levels(curves.light[0], bits)
        return Conversion(1, _srgb(), lambda image: _looked_up(image, levels))
    if np.abs(table.astype(np.int32) - _colour_cube(bits)).max() <= _SAME[bits]:
        return Conversion(3, own)
    if curves is not None:
        return Conversion(1, _srgb(), finish=_Grey(curves, bits))
    return Conversion(3, _srgb(), lambda image: _of_rgb(image, bits))


def _srgb() -> bytes:
    return bytes(pyvips.Image.profile_load("srgb"))


def _levels(light: NDArray[np.floating[Any]], bits: int) -> Levels:
    """sRGB levels of light (IEC 61966-2-1, 5.2)."""
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    top = (1 << bits) - 1
    levels: Levels = np.rint(np.clip(value, 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)
    return levels


class _Grey:
    """Strips of RGB (and alpha) to the grey of the same Y, by a profile's curves."""

    def __init__(self, curves: Curves, bits: int) -> None:
        self._bits = bits
        self._light = [
            (light * weight).astype(np.float32) for light, weight in zip(curves.light, curves.weights, strict=True)
        ]

    def __call__(self, strip: Levels) -> Levels:
        light = np.take(self._light[0], strip[:, :, 0])
        for band in (1, 2):
            light += np.take(self._light[band], strip[:, :, band])
        grey = _levels(light, self._bits)[:, :, None]
        return grey if strip.shape[2] == 3 else np.concatenate((grey, strip[:, :, 3:]), axis=2)


def _of_rgb(image: Any, bits: int) -> Any:
    return _with_alpha(image[:3].icc_transform("srgb", embedded=True, depth=bits, **_INTENT), image, 3)


def grey_of_lightness(image: Any, largest: int) -> Any:
    """Of a picture in Lab the grey one of the same lightness; `largest` is the number that stands for L 100."""
    bits = 8 if image.format == "uchar" else 16
    lightness = np.minimum(np.arange(1 << bits) / largest, 1) * 100
    # CIE 15:2004, 8.2.1, the other way round.
    root = (lightness + 16) / 116
    levels = _levels(np.where(lightness > 8, root**3, lightness / (24389 / 27)), bits)
    first = image[0].bandjoin(image[3]) if image.bands == 4 else image[0]
    return _looked_up(first, levels).copy(interpretation=_NAMES[bits][1])


def whole_numbers(image: Any, inverted: bool) -> Any:
    """Floating-point numbers of 0 to 1 as 16 bits, and one channel more: 255 where they all are within, else 0."""
    within = ((image >= 0) & (image <= 1)).bandand()
    stretched = image.linear([-65535] * image.bands, [65535.5] * image.bands) if inverted else image.linear(65535, 0.5)
    return stretched.cast("ushort").bandjoin(within.cast("ushort"))


def _of_cmyk(image: Any, bits: int, fits: bool) -> Any:
    inks = image[:4].copy(interpretation="cmyk")
    options = {"depth": bits, "input_profile": "cmyk", **_INTENT}
    changed = inks.icc_transform("srgb", embedded=fits, **options)
    return _with_alpha(changed, image, 4)


def _with_alpha(changed: Any, image: Any, colours: int) -> Any:
    return changed.bandjoin(image[colours]) if image.bands > colours else changed


def _looked_up(image: Any, table: Levels) -> Any:
    """`image` with the first channel looked up in `table`, and alpha, if it has any, as it is."""
    mapped = image[0].maplut(_from_array(np.ascontiguousarray(table).reshape(1, -1, 1)))
    return mapped.bandjoin(image[1]) if image.bands == 2 else mapped


def _grey_ramp(bits: int) -> Levels:
    ramp: Levels = np.arange(1 << bits).astype(np.uint8 if bits == 8 else np.uint16)
    return ramp.reshape(1, -1, 1)


def _colour_cube(bits: int) -> Levels:
    steps: Levels = np.linspace(0, (1 << bits) - 1, 9).astype(np.uint8 if bits == 8 else np.uint16)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)


def _from_array(array: Levels) -> Any:
    height, width, bands = array.shape
    name, grey, colour = _NAMES[array.dtype.itemsize * 8]
    # Kept by libvips for as long as the image lives: the bytes are copied here.
    image = pyvips.Image.new_from_memory(array.tobytes(), width, height, bands, name)
    return image.copy(interpretation=grey if bands == 1 else colour)


def _through(array: Levels, bits: int, profile: bytes) -> Levels:
    image = _from_array(array)
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    changed = image.icc_transform("srgb", embedded=True, depth=bits, **_INTENT)
    found = np.frombuffer(changed.write_to_memory(), array.dtype)
    return found.reshape(1, array.shape[1], -1)[:, :, :3]
