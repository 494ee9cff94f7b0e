"""How near colours come to a photograph's own: the measures of Zhang et al. 2016, section 3.1, and colourfulness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.bins import BINS, nearest, row_of

INPUT_SIDE = 224
FARTHEST = 150


@dataclass(frozen=True, slots=True)
class Score:
    """`auc` and `auc_rebal` in percent, of all pixels and with each bin that occurs weighing the same.

    Both are the area under the share of pixels whose error in ab is below t, t from 0 to 150. `colourful` is the mean,
    over the photographs, of the colourfulness (Hasler and Suesstrunk 2003) of the result over the original's.
    """

    auc: float
    auc_rebal: float
    colourful: float

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def input_of(lab: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the net is given of 8-bit Lab (height, width, 3) in use: L - 50, (1, 224, 224), squashed."""
    light = lab[..., 0].astype(np.float32) * np.float32(100 / 255)
    interpolation = cv2.INTER_AREA if min(light.shape) >= INPUT_SIDE else cv2.INTER_CUBIC
    square = cv2.resize(light, (INPUT_SIDE, INPUT_SIDE), interpolation=interpolation)
    return np.asarray(square[None] - 50, np.float32)


def score(pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]]) -> Score:
    """The score of pairs of 8-bit Lab (height, width, 3) and the ab (h, w, 2) guessed from its lightness."""
    counts = np.zeros((len(BINS), FARTHEST + 1))
    ratios = []
    table = nearest()[0][:, 0]
    for lab, small in pairs:
        height, width = lab.shape[:2]
        guess = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        own = lab[..., 1:].astype(np.float32) - 128
        error = np.minimum(np.linalg.norm(guess - own, axis=2).astype(np.int64), FARTHEST)
        place = table[row_of(own)] * (FARTHEST + 1) + error
        counts += np.bincount(place.ravel(), minlength=counts.size).reshape(counts.shape)
        light = lab[..., :1].astype(np.float32) * np.float32(100 / 255)
        ratios.append(_colourfulness(light, guess) / max(1e-6, _colourfulness(light, own)))
    areas = [area(row) for row in counts if row.any()]
    return Score(area(counts.sum(0)), float(np.mean(areas)), float(np.mean(ratios)))


def area(counts: NDArray[np.float64]) -> float:
    """The area under the share of pixels whose error is below t, in percent, of counts by error (0..FARTHEST)."""
    below = np.cumsum(counts) / counts.sum()
    return float(100 * np.trapezoid(below) / FARTHEST)


def _colourfulness(light: NDArray[np.float32], ab: NDArray[np.float32]) -> float:
    return colourfulness(np.clip(cv2.cvtColor(np.concatenate([light, ab], 2), cv2.COLOR_Lab2RGB), 0, 1) * 255)


def colourfulness(rgb: NDArray[Any]) -> float:
    """That of Hasler and Suesstrunk 2003, of RGB (height, width, 3), 0..255."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    across, along = red - green, (red + green) / 2 - blue
    return float(np.hypot(across.std(), along.std()) + 0.3 * np.hypot(across.mean(), along.mean()))
