"""The 313 colour bins of Zhang, Isola and Efros, "Colorful Image Colorization" (ECCV 2016), and the pixels in them.

ab is cut into a grid of step 10; these are the 313 points of it that colours of sRGB come near (section 2.1 there).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_ROWS = {
    -90: (50, 90), -80: (20, 90), -70: (0, 90), -60: (-20, 90), -50: (-30, 100), -40: (-40, 100), -30: (-50, 100),
    -20: (-50, 100), -10: (-60, 100), 0: (-70, 100), 10: (-80, 90), 20: (-80, 90), 30: (-90, 90), 40: (-100, 90),
    50: (-100, 80), 60: (-110, 80), 70: (-110, 80), 80: (-110, 70), 90: (-110, 70), 100: (-90, 0),
}  # fmt: skip

BINS: NDArray[np.float32] = np.array([(a, b) for a, (lo, hi) in _ROWS.items() for b in range(lo, hi + 1, 10)], "f4")
"""The centres of the bins, (313, 2), in Lab units."""

NEIGHBOURS = 5
SIGMA = 5.0


@cache
def nearest() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each whole ab, at row (a + 128) * 256 + b + 128, its five nearest bins and their shares: two (65536, 5).

    The shares are a Gaussian of the distance with sigma 5 that sums to one (soft encoding, section 2.2). The nearest
    bin comes first.
    """
    axis = np.arange(-128, 128, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    bins, shares = [], []
    for part in np.array_split(grid, 32):
        distance = ((part[:, None] - BINS[None]) ** 2).sum(-1)
        order = np.argsort(distance, 1, kind="stable")[:, :NEIGHBOURS]
        near = np.take_along_axis(distance, order, 1)
        # Far outside the gamut every Gaussian is zero: the nearest one's exponent is taken off all, and cancels.
        share = np.exp((near[:, :1] - near) / (2 * SIGMA**2))
        bins.append(order)
        shares.append(share / share.sum(1, keepdims=True))
    return np.concatenate(bins).astype(np.int64), np.concatenate(shares).astype(np.float32)


def row_of(ab: NDArray[np.generic]) -> NDArray[np.int64]:
    """The row in `nearest()` of each ab of (..., 2), in Lab units."""
    whole = np.clip(np.rint(np.asarray(ab, np.float32)), -128, 127).astype(np.int64) + 128
    return np.asarray(whole[..., 0] * 256 + whole[..., 1], np.int64)


def rebalance(prior: NDArray[np.float64], uniform: float) -> NDArray[np.float32]:
    """Weights (313,) that make rare colours count: one over the prior mixed with `uniform` (0..1) of a flat one.

    Their mean over the pixels of the prior is one (section 2.2 there, equation 4).
    """
    mixed = (1 - uniform) * prior + uniform / len(prior)
    weight = 1 / np.maximum(mixed, 1e-12)
    return np.asarray(weight / (prior * weight).sum(), np.float32)
