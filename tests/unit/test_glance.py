"""What passes through a glance is what was there, and leaves the same behind, made small."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorwatch.colour.glance import Glance
from colorwatch.colour.lab import net_lightness
from pictures import scene


@pytest.mark.parametrize("size", [(480, 360), (1500, 2300), (2301, 1807), (5000, 300)])
@pytest.mark.parametrize("grey", [False, True])
def test_the_net_sees_the_same_and_the_picture_is_whole(size: tuple[int, int], grey: bool) -> None:
    pixels = scene(*size)
    pixels = np.ascontiguousarray(pixels[..., 0]) if grey else pixels
    glance = Glance(pixels)
    assert np.array_equal(net_lightness(glance), net_lightness(pixels))
    small = glance.picture()
    by = pixels.shape[0] // small.shape[0]
    assert small.shape[0] == pixels.shape[0] // by
    assert small.shape[1] == pixels.shape[1] // by
    cut = pixels[: small.shape[0] * by, : small.shape[1] * by]
    whole = cv2.resize(cut, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(whole.astype(int) - small).mean() < 4


def test_a_small_page_is_left_as_it_is() -> None:
    pixels = scene(300, 200)
    glance = Glance(pixels)
    net_lightness(glance)
    assert np.array_equal(glance.picture(), pixels)


def test_sixteen_bits_become_eight() -> None:
    pixels: NDArray[np.uint16] = scene(300, 200).astype(np.uint16) * 257
    glance = Glance(pixels)
    net_lightness(glance, lightness=lambda strip: np.zeros(strip.shape[:2], np.float32))
    assert np.array_equal(glance.picture(), scene(300, 200))
