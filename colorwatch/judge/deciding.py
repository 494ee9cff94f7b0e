"""Whether a page is in colour: a small net of one hidden layer on the figures of its colours.

The figures are taken as logarithms, and cut where they lie far from any that the net was fitted on. The hue of a tone
is none of them: the net would learn the tones that pages were made in, and prints have others. The net's numbers are
in `weights`, which `tests/trials/judging.py choose` writes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from colorwatch.judge import weights
from colorwatch.judge.colours import Colours

Doubles = NDArray[np.float64]

LEAST = 0.3  # is added before logarithms are taken: less chroma is as good as none
FARTHEST = 4.0  # times its spread is as far as a figure counts


def figures_of(colours: Colours) -> Doubles:
    """The figures as the net takes them."""
    return np.array([math.log(max(figure, 0.0) + LEAST) for figure in colours.figures.values()])


def index(colours: Colours) -> float:
    """How surely a page is in colour: above 0 it is taken to be."""
    far = (figures_of(colours) - weights.MIDDLE) / weights.SPREAD
    hidden = np.tanh(np.clip(far, -FARTHEST, FARTHEST) @ weights.FIRST + weights.BIAS)
    return float(hidden @ weights.SECOND + weights.LAST)
