"""Where colour belongs: inside of prints, and not on blacks and whites; as maps no larger than the net's colours need.

Such a map is multiplied with ab before that is brought to the page's size, so it costs nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.judge.prints import Print

Floats = NDArray[np.float32]

DARK, LIT = (1.0, 7.0), (93.0, 99.5)  # L between which chroma goes from none to all, and from all to none
_FINE = 8  # times finer than the map, so that an outline falls between its pixels


def rolled_off(light: Floats) -> Floats:
    """How much chroma each L (0..100) keeps, 0..1: all, but near black and near white, where it fades smoothly."""
    rising = np.clip((light - DARK[0]) / (DARK[1] - DARK[0]), 0, 1)
    falling = np.clip((LIT[1] - light) / (LIT[1] - LIT[0]), 0, 1)
    both = np.minimum(rising, falling)
    return np.asarray(both * both * (3 - 2 * both), np.float32)


def inside(one: Print, rows: int, columns: int) -> Floats:
    """How much of each pixel of a map of the whole page lies within that print, 0..1."""
    fine = np.zeros((rows * _FINE, columns * _FINE), np.uint8)
    corners = np.array([(x * columns * _FINE, y * rows * _FINE) for x, y in one.outline], np.float64)
    cv2.fillConvexPoly(fine, np.rint(corners).astype(np.int32), 255)
    return np.asarray(cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def assembled(parts: Sequence[tuple[Print, Floats]], rows: int, columns: int) -> Floats:
    """ab (rows, columns, 2) of a whole page, from ab of each of its prints; nothing outside of them."""
    page = np.zeros((rows, columns, 2), np.float32)
    for one, ab in parts:
        top, bottom = round(one.top * rows), max(round(one.top * rows) + 1, round(one.bottom * rows))
        left, right = round(one.left * columns), max(round(one.left * columns) + 1, round(one.right * columns))
        size = (min(right, columns) - left, min(bottom, rows) - top)
        placed = np.zeros_like(page)
        placed[top : top + size[1], left : left + size[0]] = cv2.resize(ab, size, interpolation=cv2.INTER_CUBIC)
        page += placed * inside(one, rows, columns)[..., None]
    return page
