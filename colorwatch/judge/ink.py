"""Whether a page is paper with strokes on it, or with nothing, rather than a picture.

A closing takes away whatever is darker and thinner than a few millimetres: of a page of text or lines, even paper is
left, and of a picture, a coarser picture. What the closing took away is ink.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIDE = (
    640  # pixels of the longer side that ink is looked for at; 10 points on A4 are then some 7 pixels from line to line
)
STROKE = 1 / 43  # of the longer side: strokes are thinner
CELL = 1 / 40  # of the longer side: the cells that are paper or not
EVEN, RANGE = (9.0, 14.0), 0.08  # levels by which paper may differ from what it ought to be: this part of the contrast
DEGREE = 3  # of the polynomial that is fitted to the paper, for light falls unevenly on it
STEPS = 6  # of that fit
WORTH_A_LOOK = 0.6  # of the cells that must be paper for ink to be looked for
INK = 0.12  # of the paper's level by which ink is darker, at the least; faint pencil has about 0.2
LETTER = 1 / 16  # of the longer side: the height of letters at the most


@dataclass(frozen=True, slots=True)
class Ink:
    """Figures of one page."""

    paper: float  # the share of cells that are even paper
    level: float  # how light the paper is in the mean, 0..255
    slope: float  # how much the paper's level changes over nine tenths of the page
    ink: float = 0.0  # the share of paper that is inked; not looked for where there is little paper
    pieces: int = 0  # that the ink is in, of the size of letters
    lettered: float = 0.0  # the share of ink that is in those


def look(grey: Bytes) -> Ink:
    """The figures of a page (height, width), made small already."""
    small = _small(grey)
    height, width = small.shape
    long = max(height, width)
    stroke, cell = max(3, round(STROKE * long) | 1), max(3, round(CELL * long))
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((stroke, stroke), np.uint8))
    across, down = max(1, width // cell), max(1, height // cell)
    cells = cv2.resize(paper, (across, down), interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(small[::3, ::3], (1, 99))
    within = float(np.clip(RANGE * (high - low), *EVEN))
    ideal = _ideal(cells, within)
    even = np.abs(cells - ideal) < within
    sheet = float(even.mean()), float(ideal.mean()), float(np.subtract(*np.percentile(ideal, (95, 5))))
    if sheet[0] < WORTH_A_LOOK:
        return Ink(*sheet)
    under = cv2.resize(ideal, (width, height), interpolation=cv2.INTER_LINEAR)
    is_paper = cv2.resize(even.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    depth = under - small
    inked = (depth > np.maximum(np.float32(INK) * under, 10)) & is_paper
    pieces, lettered = _letters(inked, max(4, round(LETTER * long)))
    return Ink(*sheet, float(inked.sum() / max(1, int(is_paper.sum()))), pieces, lettered)


def _small(grey: Bytes) -> Bytes:
    height, width = grey.shape
    factor = SIDE / max(height, width)
    if factor >= 1:
        return grey
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ideal(cells: Floats, within: float) -> Floats:
    """What the paper's level would be at each cell: a smooth surface, heedless of what is darker."""
    down, across = cells.shape
    y, x = np.meshgrid(np.linspace(-1, 1, down), np.linspace(-1, 1, across), indexing="ij")
    terms = [x**across * y**down for across in range(DEGREE + 1) for down in range(DEGREE + 1 - across)]
    columns = np.stack(terms, axis=-1).reshape(x.size, -1).astype(np.float32)
    wanted = cells.ravel()
    weights = (wanted >= np.median(wanted)).astype(np.float32) + np.float32(0.01)
    for _ in range(STEPS):
        weighted = columns * weights[:, None]
        gram = weighted.T @ columns + np.float32(0.01) * np.eye(len(terms), dtype=np.float32)
        fitted = columns @ np.linalg.solve(gram, weighted.T @ wanted)
        off = (wanted - fitted) / np.float32(within)
        # What is darker may be a picture, what is lighter hardly anything.
        weights = 1 / (1 + np.where(off < 0, 16, 1) * off**2) ** 2
    return np.asarray(np.clip(fitted, 0, 255).reshape(cells.shape), np.float32)


def _letters(inked: NDArray[np.bool_], largest: int) -> tuple[int, float]:
    """How many pieces of ink are at most `largest` pixels high, as letters are, and their share of the ink."""
    total = int(inked.sum())
    if not total:
        return 0, 0.0
    _, _, stats, _ = cv2.connectedComponentsWithStats(inked.astype(np.uint8), connectivity=8)
    tall, wide, area = (stats[1:, at] for at in (cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH, cv2.CC_STAT_AREA))
    # Letters of one word often run together; a rule is no letter.
    fitting = (tall >= 2) & (tall <= largest) & (wide <= 12 * tall) & (area >= 3)
    return int(fitting.sum()), float(area[fitting].sum() / total)
