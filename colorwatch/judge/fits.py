"""What toning, paper and silver make of a page's colours, fitted in three ways, each freer than the one before.

Toning gives each lightness one colour: a curve over lightness. Paper yellows, and light falls on it, unevenly but
smoothly: a field over the page is added to the curve. Silver changes too, at the rims, where hands were, and what it
does shows in the dark, as paper shows in the light: two fields, one for either.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

KNOTS = 7  # of the curve over lightness: as many as toning in two colours wants
DEGREE = 3  # of a field's polynomial
STIFFNESS = 0.02  # keeps the curve from following single things of one lightness, and a field from single corners
STEPS = 3  # of each robust fit, which starts from the weights of the one before
SCALE = 2.0  # chroma beyond which a pixel counts for little in a fit
RIM, RIM_WEIGHT = 8, 0.03  # an eighth of the page all around hardly counts: a card, a mount, the scanner's lid


def inside(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """What is left of a page without its rim."""
    rim = min(shape[:2]) // RIM
    return slice(rim, shape[0] - rim), slice(rim, shape[1] - rim)


class Fits:
    """Three fits to a page; of each what it explains at every pixel, (rows, columns, 2)."""

    def __init__(self, light: Floats, ratios: Floats, visible: Floats) -> None:
        hats, places = _hats(light), _places(light.shape)
        lights = light.reshape(-1, 1)
        wanted, scale = ratios.reshape(-1, 2), visible.reshape(-1, 1) / np.float32(SCALE)
        counts = np.full(light.shape, RIM_WEIGHT, np.float32)
        counts[inside(light.shape)] = 1
        most = scale[:, 0] ** 2 * counts.ravel()
        weights, explained, found = most, [], []
        for columns in (
            hats,
            np.concatenate((hats, places), axis=1),
            np.concatenate((hats, places * lights, places * (1 - lights)), axis=1),
        ):
            penalty = _penalty(columns.shape[1])
            for _ in range(STEPS):
                weighted = columns * weights[:, None]
                gram = weighted.T @ columns + np.float32(STIFFNESS) * weights.sum() * penalty
                factors = np.linalg.solve(gram, weighted.T @ wanted)
                off = (wanted - columns @ factors) * scale
                weights = most / (1 + (off * off).sum(axis=1))
            explained.append((columns @ factors).reshape(ratios.shape))
            found.append(factors)
        self.by_tone, self.by_paper, self.by_silver = explained
        self.field: Floats = (places @ found[1][KNOTS:]).reshape(ratios.shape)


def _penalty(count: int) -> Floats:
    found = np.zeros((count, count), np.float32)
    bent = np.diff(np.eye(KNOTS, dtype=np.float32), 2, axis=0)
    found[:KNOTS, :KNOTS] = bent.T @ bent + np.float32(1e-3) * np.eye(KNOTS, dtype=np.float32)
    found[KNOTS:, KNOTS:] = np.float32(0.1) * np.eye(count - KNOTS, dtype=np.float32)
    return found


def _hats(light: Floats) -> Floats:
    """For each pixel how near its lightness is to each of KNOTS evenly spaced ones: linear, and 1 in all."""
    knots = np.linspace(0, 1, KNOTS, dtype=np.float32)
    near = 1 - np.abs(light.reshape(-1, 1) - knots) * np.float32(KNOTS - 1)
    return np.asarray(np.maximum(near, 0), np.float32)


def _places(shape: tuple[int, ...]) -> Floats:
    """Legendre's polynomials over the page, up to DEGREE in all, without the constant."""
    x, y = (np.polynomial.legendre.legvander(np.linspace(-1, 1, count), DEGREE) for count in (shape[1], shape[0]))
    terms = [(across, down) for across in range(DEGREE + 1) for down in range(DEGREE + 1 - across) if across + down]
    return np.stack([np.outer(y[:, down], x[:, across]).ravel() for across, down in terms], axis=1).astype(np.float32)


def mean_over(values: Floats, across: int) -> Floats:
    """Over a square neighbourhood of each pixel."""
    return np.asarray(cv2.blur(values, (across, across), borderType=cv2.BORDER_REFLECT), np.float32)
