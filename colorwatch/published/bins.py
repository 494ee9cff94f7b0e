"""The 313 bins of ab that the published net chooses from: the points of a grid of tens that lie in the sRGB gamut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 10
FIRST_A = -90
# For each a, from -90 on in tens: the first and the last b.
B_RANGES = (
    (50, 90), (20, 90), (0, 90), (-20, 90), (-30, 100), (-40, 100), (-50, 100), (-50, 100), (-60, 100), (-70, 100),
    (-80, 90), (-80, 90), (-90, 90), (-100, 90), (-100, 80), (-110, 80), (-110, 80), (-110, 70), (-110, 70), (-90, 0),
)  # fmt: skip


def bins() -> NDArray[np.float32]:
    """The bins in the order of the net's classes: float32 (313, 2), a and b."""
    return np.array(
        [(FIRST_A + STEP * row, b) for row, (first, last) in enumerate(B_RANGES) for b in range(first, last + 1, STEP)],
        np.float32,
    )
