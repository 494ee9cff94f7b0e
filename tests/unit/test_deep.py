"""16 bits a channel: neutrals stay themselves, and lightness stays within a step wherever sRGB has the colour."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.colour.deep import TOP, DeepPainter, deep_lightness
from colorwatch.colour.lab import TO_XYZ, Chroma, Painter, lightness, linear

ALL_GREYS = np.arange(TOP + 1, dtype=np.uint16).reshape(256, 256)


def painted(pixels: NDArray[np.uint16], ab: NDArray[np.float32], rows: int = 256) -> NDArray[np.uint16]:
    height, width = pixels.shape[:2]
    painter = DeepPainter(pixels, Chroma(ab, width, height), rows)
    strips = [painter.paint(top, min(top + rows, height)).copy() for top in range(0, height, rows)]
    return np.asarray(np.concatenate(strips), dtype=np.uint16)


def grey_of(rgb: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The grey level, 0..65535 and not rounded, that is as light as a colour: in float64, by the formulas alone."""
    light = linear(rgb / TOP) @ TO_XYZ[1]
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-12) ** (1 / 2.4) - 0.055)
    return np.asarray(value * TOP)


def test_every_grey_level_without_colour_stays_itself() -> None:
    rgb = painted(ALL_GREYS, np.zeros((56, 56, 2), np.float32))
    assert (rgb == ALL_GREYS[:, :, None]).all()


@pytest.mark.parametrize("strength", [5, 25, 60, 120])
def test_lightness_stays_within_a_step_whether_or_not_srgb_has_the_colour(strength: float) -> None:
    ab = np.random.default_rng(1).uniform(-strength, strength, (56, 56, 2)).astype(np.float32)
    rgb = painted(ALL_GREYS, ab)
    assert np.abs(grey_of(rgb) - ALL_GREYS).max() <= 1


def test_it_agrees_with_eight_bits() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ab = np.random.default_rng(2).uniform(-20, 20, (16, 16, 2)).astype(np.float32)
    shallow = Painter(levels, Chroma(ab, 16, 16), 16).paint(0, 16).astype(np.float64)
    deep = painted(levels.astype(np.uint16) * 257, ab).astype(np.float64) / 257
    assert np.abs(deep - shallow).max() <= 0.6
    assert np.allclose(deep_lightness(levels.astype(np.uint16) * 257), lightness(levels), atol=1e-4)


def test_colour_scans_give_their_lightness_alone() -> None:
    rgb = np.random.default_rng(3).integers(0, TOP + 1, (32, 32, 3)).astype(np.uint16)
    result = painted(rgb, np.zeros((8, 8, 2), np.float32))
    assert np.abs(grey_of(result) - grey_of(rgb)).max() <= 1
    assert (np.ptp(result.astype(np.int32), axis=-1) <= 1).all()


def test_the_height_of_the_strips_changes_nothing() -> None:
    ab = np.random.default_rng(4).uniform(-30, 30, (56, 56, 2)).astype(np.float32)
    assert (painted(ALL_GREYS, ab, rows=7) == painted(ALL_GREYS, ab)).all()
