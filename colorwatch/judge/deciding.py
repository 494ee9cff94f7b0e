"""Whether a page is in colour: small nets of one hidden layer on the figures of its colours.

The first weighs the page alone. What it is not sure of, the second weighs again, beside how far the page's colours go
with what the net would give it (`agreement`). The page's own figures are taken as logarithms, and all are cut where
they lie far from any that the nets were fitted on. The hue of a tone is none of them: the nets would learn the tones
that pages were made in, and prints have others. The numbers are in `weights` and `weights_asked`, which
`tests/trials/judging.py choose` writes.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from colorwatch.judge import weights, weights_asked
from colorwatch.judge.colours import Colours

Doubles = NDArray[np.float64]

LEAST = 0.3  # is added before logarithms are taken: less chroma is as good as none
FARTHEST = 4.0  # times its spread is as far as a figure counts
DOUBT = (-2.0, 3.0)  # between these the first net is not sure


class Layers(Protocol):
    """A net's numbers: of each figure its name, middle, spread and weights; those of the second layer."""

    NAMES: tuple[str, ...]
    MIDDLE: Doubles
    SPREAD: Doubles
    FIRST: Doubles
    BIAS: Doubles
    SECOND: Doubles
    LAST: float


def figures_of(colours: Colours) -> Doubles:
    """The figures as the first net takes them."""
    return np.array([_logarithm(figure) for figure in colours.figures.values()])


def figures_asked(colours: Colours, own: float, agreed: dict[str, float]) -> Doubles:
    """The figures as the second net takes them: what the first said, those of the agreement, and the first's own."""
    return np.concatenate(([own], list(agreed.values()), figures_of(colours)))


def index(colours: Colours) -> float:
    """How surely a page is in colour, told by itself: above 0 it is taken to be."""
    return _weighed(figures_of(colours), weights)


def index_asked(colours: Colours, own: float, agreed: dict[str, float]) -> float:
    """How surely a page is in colour, by its `index` and its `agreement` too."""
    return _weighed(figures_asked(colours, own, agreed), weights_asked)


def _logarithm(figure: float) -> float:
    return math.log(max(figure, 0.0) + LEAST)


def _weighed(figures: Doubles, net: Layers) -> float:
    far = (figures - net.MIDDLE) / net.SPREAD
    hidden = np.tanh(np.clip(far, -FARTHEST, FARTHEST) @ net.FIRST + net.BIAS)
    return float(hidden @ net.SECOND + net.LAST)
