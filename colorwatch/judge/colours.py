"""How much of a page's colour is the picture's own: what neither toning, nor paper, nor silver explains.

All three take a share of the light, so that the logarithms of red to green and of blue to green are what `fits` fits.
What the fits leave over is the colour of things, or noise, or the change of a print that no fit follows. Noise is not
coherent: the mean over a small neighbourhood takes it. What changes slowly over the page is more likely paper; what has
edges, and has them where lightness has them, is more likely a thing. Figures of all that go to `deciding`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.judge.fits import Fits, inside, mean_over

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Left = tuple[Floats, Floats, Floats]
"""What is left of a page's colour by each of the three fits, (rows, columns, 2), in units of ab, near enough."""

SIDE = 64  # pixels of the longer side that colour is judged at; with twice as many nothing was told apart better
NEIGHBOURS = 3  # pixels across; JPEG's chroma blocks are 16 pixels of a scan, a fraction of one here
BANDS = (5, 9, 17)  # pixels across: how coarse the rest is, is what these means of it differ by
DARK = 8.0  # levels that are added before logarithms are taken: below it colour is noise
HUES = 8  # sectors
STRONG = 8.0  # chroma that a pixel counts with at most where hues are counted
SMALLEST = 8  # pixels across that edges are looked for in

# Of 1 in the logarithm of a ratio of sRGB levels, at white: b is 200 times a difference of cube roots of light, light a
# power of 2.4 of the levels; a comes out nearly the same.
_CHROMA = 160.0


_LUMA: Floats = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True)
class Colours:
    """Figures of one page, in units of chroma of Lab, near enough."""

    chroma: float  # the mean
    tone: float  # the mean of what toning and paper explain
    figures: dict[str, float]  # all of them, in the order in which `deciding` takes them
    smooth: Floats  # logarithms of red and of blue to green that toning and paper explain, (rows, columns, 2)
    light: Floats  # the page's levels, 0..1
    left: Left  # what no tone, no paper, no silver explains


class Parts:
    """A page's levels (rows, columns, 3), 0..255, taken apart: its light, its colour, what the fits leave of that."""

    def __init__(self, levels: Floats) -> None:
        self.light: Floats = levels @ (_LUMA / np.float32(255))
        logs = np.log(levels + np.float32(DARK))
        ratios = np.asarray(logs[..., (0, 2)] - logs[..., 1:2], np.float32)
        dim = self.light / (self.light + np.float32(DARK / 255))
        self.visible = np.asarray(_visible(self.light) * dim, np.float32)[..., None]
        self.fits = Fits(self.light, ratios, self.visible)
        self.colour: Floats = ratios * self.visible
        by_tone, by_paper, by_silver = (
            np.asarray((ratios - explained) * self.visible, np.float32)
            for explained in (self.fits.by_tone, self.fits.by_paper, self.fits.by_silver)
        )
        self.left: Left = (by_tone, by_paper, by_silver)


def measure(picture: Bytes) -> Colours:
    """The figures of an RGB picture (height, width, 3), made small already."""
    parts = Parts(_small(picture))
    light, visible, fits, colour = parts.light, parts.visible, parts.fits, parts.colour
    mean = colour.reshape(-1, 2).mean(axis=0)
    chroma, tone = float(_length(colour).mean()), float(_length(fits.by_paper * visible).mean())
    by_tone, by_paper, by_silver = parts.left
    field, calm = (fits.field * visible).reshape(-1, 2), mean_over(by_silver, NEIGHBOURS)
    figures = {
        "chroma": chroma,
        "cast": float(np.hypot(*mean)),
        "spread": float(_length(colour - mean).mean()),
        "tone": tone,
        "field": float(np.sqrt((field.std(axis=0) ** 2).sum())),
        "noise": float(np.median(_length(by_paper - mean_over(by_paper, NEIGHBOURS)))),
        **_quantiles("toning", _length(_of_inside(mean_over(by_tone, NEIGHBOURS))), (0.5, 0.75, 0.95, 0.99)),
        **_left("paper", by_paper),
        **_left("silver", by_silver),
        **_hues(calm),
        **_edges(calm, light),
    }
    return Colours(chroma, tone, figures, fits.by_paper, light, parts.left)


def ab_of(colours: Colours) -> Floats:
    """ab of what toning and paper alone would make of the page, (rows, columns, 2)."""
    levels = np.empty((*colours.light.shape, 3), np.float32)
    levels[..., 1] = colours.light
    levels[..., (0, 2)] = colours.light[..., None] * np.exp(colours.smooth)
    lab = cv2.cvtColor(np.clip(levels, 0, 1), cv2.COLOR_RGB2Lab)
    return np.asarray(lab[..., 1:], np.float32)


def _small(picture: Bytes) -> Floats:
    height, width = picture.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _visible(light: Floats) -> Floats:
    return np.asarray(np.float32(_CHROMA) * (light * np.float32(100 / 116) + np.float32(16 / 116)), np.float32)


def _length(vectors: Floats) -> Floats:
    return np.asarray(cv2.magnitude(vectors[..., 0].copy(), vectors[..., 1].copy()), np.float32)


def _of_inside(values: Floats) -> Floats:
    return np.ascontiguousarray(values[inside(values.shape)])


def _quantiles(name: str, values: Floats, shares: Iterable[float]) -> dict[str, float]:
    """What that share of the values lies under, by the name and hundredths."""
    flat, wanted = values.ravel(), tuple(shares)
    places = [int(share * (flat.size - 1)) for share in wanted]
    flat = np.partition(flat, places)
    return {f"{name} {share:.0%}": float(flat[at]) for share, at in zip(wanted, places, strict=True)}


def _left(name: str, rest: Floats) -> dict[str, float]:
    """What a fit leaves over: how much of it, with the rim and without, and how coarse it is."""
    calm = mean_over(rest, NEIGHBOURS)
    own = _length(calm)
    found = _quantiles(name, _of_inside(own), (0.5, 0.75, 0.95, 0.99))
    found |= _quantiles(f"{name}, whole", own, (0.75, 0.95))
    finer = calm
    for across in BANDS:
        coarser = mean_over(rest, across)
        found |= _quantiles(f"{name}, to {across}", _length(_of_inside(finer - coarser)), (0.5, 0.9))
        finer = coarser
    return found | _quantiles(f"{name}, coarse", _length(_of_inside(finer)), (0.5, 0.9))


def _hues(calm: Floats) -> dict[str, float]:
    """Whether what is left is of one hue and its opposite, or of several."""
    vectors = _of_inside(calm).reshape(-1, 2)
    less, more = np.sqrt(np.maximum(np.linalg.eigvalsh(vectors.T @ vectors / max(1, len(vectors))), 0))
    angles = np.arctan2(vectors[:, 1], vectors[:, 0])
    weights = np.minimum(np.hypot(vectors[:, 0], vectors[:, 1]), STRONG) ** 2
    sectors = np.histogram(angles, HUES, (-np.pi, np.pi), weights=weights)[0]
    sectors = sectors / max(float(sectors.sum()), 1e-6)
    entropy = -(sectors * np.log(sectors + 1e-9)).sum()
    return {"main hue": float(more), "other hue": float(less), "hues": float(entropy)}


def _edges(calm: Floats, light: Floats) -> dict[str, float]:
    """How sharply what is left changes: anywhere, where lightness does, where it does not."""
    steps = _of_inside(_slope(calm))
    lightness = _of_inside(_slope(mean_over(light * np.float32(100), NEIGHBOURS)))
    found = _quantiles("edges", steps, (0.5, 0.9)) | _quantiles("lightness", lightness, (0.5, 0.75))
    sharp, flat = lightness >= found["lightness 75%"], lightness <= found["lightness 50%"]
    return found | {"at edges": float(steps[sharp].mean()), "elsewhere": float(steps[flat].mean())}


def _slope(values: Floats) -> Floats:
    """A pixel's change to its neighbours, over all planes."""
    if min(values.shape[:2]) < SMALLEST:
        return np.zeros(values.shape[:2], np.float32)
    across, down = (np.asarray(cv2.Sobel(values, -1, *each, scale=0.125), np.float32) for each in ((1, 0), (0, 1)))
    squares = across * across + down * down
    return np.asarray(np.sqrt(squares.sum(axis=2) if squares.ndim == 3 else squares), np.float32)
