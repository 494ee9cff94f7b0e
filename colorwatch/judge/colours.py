"""How much of a page's colour is the picture's own: what neither toning nor yellowed paper explains.

Toning gives each lightness one colour; paper yellows, and light falls on it, unevenly but smoothly over the page. Both
take a share of the light, so that the logarithms of red to green and of blue to green are a curve over lightness plus a
smooth field over the page. Both are fitted together, robustly, by least squares; what they leave over is the colour of
things, or noise. Noise is not coherent: the mean over a small neighbourhood takes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIDE = 64  # pixels of the longer side that colour is judged at; with twice as many nothing was told apart better
KNOTS = 7  # of the curve over lightness: as many as toning in two colours wants
DEGREE = 3  # of the field's polynomial
STIFFNESS = 0.02  # keeps the curve from following single things of one lightness, and the field from single corners
STEPS = 5  # of the robust fit; the figures change by a few hundredths after them
SCALE = 2.0  # chroma beyond which a pixel counts for little in the fit
NEIGHBOURS = 3  # pixels across; JPEG's chroma blocks are 16 pixels of a scan, a fraction of one here
DARK = 8.0  # levels that are added before logarithms are taken: below it colour is noise

# Of 1 in the logarithm of a ratio of sRGB levels, at white: b is 200 times a difference of cube roots of light, light a
# power of 2.4 of the levels; a comes out nearly the same.
_CHROMA = 160.0


_LUMA: Floats = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, slots=True)
class Colours:
    """Figures of one page, in units of chroma of Lab, near enough."""

    chroma: float  # the mean
    tone: float  # the mean of what toning and paper explain
    own: float  # of the rest, without noise: what a twentieth of the page exceeds
    typical: float  # and what a quarter exceeds
    detail: float  # how far single pixels lie from their neighbourhood: the median
    field: float  # how far the paper changes over the page: the standard deviation
    smooth: Floats  # logarithms of red and of blue to green that toning and paper explain, (rows, columns, 2)
    light: Floats  # the page's levels, 0..1


def measure(picture: Bytes) -> Colours:
    """The figures of an RGB picture (height, width, 3), made small already."""
    levels = _small(picture)
    light = levels @ (_LUMA / np.float32(255))
    logs = np.log(levels + np.float32(DARK))
    ratios = np.asarray(logs[..., (0, 2)] - logs[..., 1:2], np.float32)
    visible = np.float32(_CHROMA) * (light * np.float32(100 / 116) + np.float32(16 / 116))
    visible = np.asarray(visible * light / (light + np.float32(DARK / 255)), np.float32)[..., None]
    curve, field = _fit(light, ratios, visible)
    smooth = curve + field
    rest = (ratios - smooth) * visible
    calm = np.asarray(cv2.blur(rest, (NEIGHBOURS, NEIGHBOURS)), np.float32)
    own = _length(calm)
    return Colours(
        chroma=float(_length(ratios * visible).mean()),
        tone=float(_length(smooth * visible).mean()),
        own=float(np.quantile(own, 0.95)),
        typical=float(np.quantile(own, 0.75)),
        detail=float(np.median(_length(rest - calm))),
        field=float(np.sqrt(((field * visible).reshape(-1, 2).std(axis=0) ** 2).sum())),
        smooth=smooth,
        light=light,
    )


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


def _length(vectors: Floats) -> Floats:
    return np.asarray(cv2.magnitude(vectors[..., 0].copy(), vectors[..., 1].copy()), np.float32)


def _fit(light: Floats, ratios: Floats, visible: Floats) -> tuple[Floats, Floats]:
    """The curve over lightness at each pixel, and the field that is added to it; both (rows, columns, 2)."""
    hats, places = _hats(light), _places(light.shape)
    columns = np.concatenate((hats, places), axis=1)
    wanted, scale = ratios.reshape(-1, 2), visible.reshape(-1, 1) / np.float32(SCALE)
    penalty = np.zeros((columns.shape[1],) * 2, np.float32)
    bent = np.diff(np.eye(KNOTS, dtype=np.float32), 2, axis=0)
    penalty[:KNOTS, :KNOTS] = bent.T @ bent + np.float32(1e-3) * np.eye(KNOTS, dtype=np.float32)
    penalty[KNOTS:, KNOTS:] = np.float32(0.1) * np.eye(places.shape[1], dtype=np.float32)
    weights = scale[:, 0] ** 2
    for _ in range(STEPS):
        weighted = columns * weights[:, None]
        gram = weighted.T @ columns + np.float32(STIFFNESS) * weights.sum() * penalty
        found = np.linalg.solve(gram, weighted.T @ wanted)
        off = (wanted - columns @ found) * scale
        weights = scale[:, 0] ** 2 / (1 + (off * off).sum(axis=1))
    curve, field = hats @ found[:KNOTS], places @ found[KNOTS:]
    return curve.reshape(ratios.shape), field.reshape(ratios.shape)


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
