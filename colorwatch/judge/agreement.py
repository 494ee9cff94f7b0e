"""Whether the colours that are left of a page go with what the net would give it.

Skin, sky and leaves have their colours where the net, which sees lightness alone, expects them. The change of a print
knows nothing of what the print shows. So the net's guess, taken apart like the page itself, tells a faded photograph in
colour from a grey one whose tone changes from place to place, where their own figures leave it open.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.judge.colours import NEIGHBOURS, Colours, Parts
from colorwatch.judge.fits import inside, mean_over

Floats = NDArray[np.float32]

FITS = ("toning", "paper", "silver")
STRONGEST = 6.0  # chroma that a pixel counts with at most where all are to count alike
LEAST = 1.0  # is added where is divided by: of colour that is hardly there nothing can be told


def agreement(colours: Colours, ab: Floats) -> dict[str, float]:
    """Figures of how far the net's ab (rows, columns, 2) of the whole page goes with what each fit leaves of it.

    Of each their correlation, and that with no pixel counting for much. How strong the guess is, is none of the
    figures: old prints show drab things more often than photographs in colour do.
    """
    found: dict[str, float] = {}
    for name, left, guessed in zip(FITS, colours.left, Parts(_guessed(colours.light, ab)).left, strict=True):
        mine, theirs = _calm(left), _calm(guessed)
        found[f"{name}, agrees"] = _correlation(mine, theirs)
        found[f"{name}, evenly"] = _correlation(_clipped(mine), _clipped(theirs))
    return found


def _guessed(light: Floats, ab: Floats) -> Floats:
    """Levels, 0..255, of a page of that light in the net's colours."""
    lab = np.empty((*light.shape, 3), np.float32)
    lab[..., 0] = cv2.cvtColor(np.ascontiguousarray(np.dstack([light] * 3)), cv2.COLOR_RGB2Lab)[..., 0]
    lab[..., 1:] = cv2.resize(ab, light.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1) * 255, np.float32)


def _calm(left: Floats) -> Floats:
    return np.ascontiguousarray(mean_over(left, NEIGHBOURS)[inside(left.shape)]).reshape(-1, 2)


def _clipped(vectors: Floats) -> Floats:
    length = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))
    return np.asarray(vectors * np.minimum(1, np.float32(STRONGEST) / length), np.float32)


def _correlation(mine: Floats, theirs: Floats) -> float:
    return float((mine * theirs).sum()) / (float(np.sqrt((mine**2).sum() * (theirs**2).sum())) + LEAST)
