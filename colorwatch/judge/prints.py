"""Where the pictures of a page are: inside margins, borders and film edges, or side by side on a scanner's glass.

All around a picture lies something even: glass under a white lid or under none, white paper, a film's black edge, a
mount. What is not that is one rectangle, or a few; everything else is taken for a page without margins, for a sky cut
off or a person cut in two would be worse than a tinted margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SIDE = 480  # pixels of the longer side that is looked at
MARGIN = 0.012  # of the page's side: what is narrower is no margin
WHITE, BLACK = 222, 36  # levels: a margin that is not all around is at least or at most this
EVEN = 9  # levels by which a margin may differ from itself; grain is smoothed away before
RECTANGULAR = 0.93  # of the rectangle around a picture that its hull must fill
NEARLY = 0.7  # that it must fill where other signs are good: a white sky under a white lid takes a corner
FULL = 0.5  # of its hull that is not like the margin
CLEAN = 0.985  # of what is outside of all pictures that must be margin: the rest is dust, a hair, a number
SMALLEST = 0.02  # of the page: what is smaller is no print
MOST_PRINTS = 12
GAP = 0.008  # of the page's side that prints must lie apart
RIM = 2  # pixels
STRAIGHT = 0.985  # of its upright rectangle that the outline of a print fills that lies straight
DEPTH = 3  # margins within margins: glass, a white border


@dataclass(frozen=True, slots=True)
class Print:
    """Where one picture lies: a rectangle in shares of the page, and its outline (a convex polygon) in the same."""

    left: float
    top: float
    right: float
    bottom: float
    outline: tuple[tuple[float, float], ...]

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


def find(grey: Bytes) -> list[Print]:
    """The pictures of a page (height, width), made small: one after the other as they are read, or [] for the page.

    [] means that nothing was found around the picture, or nothing that is surely a margin.
    """
    height, width = grey.shape
    factor = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    found = _inside(small)
    inner = [_deeper(small, each, 1) for each in found]
    prints = [_refined(grey, _shared(each, small.shape)) for each in inner]
    return [prints[number] for number in reading_order([(one.left, one.top, one.right, one.bottom) for one in prints])]


Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """The numbers of boxes as they are read: row by row from the left; what lies one below another there, from the top.

    A box begins a new row where its middle lies below the first one of the row before.
    """
    rows = _bands(boxes, range(len(boxes)), 1)
    columns = (column for row in rows for column in _bands(boxes, row, 0))
    return [number for column in columns for number in sorted(column, key=lambda number: boxes[number][1])]


def _bands(boxes: Sequence[Box], numbers: Iterable[int], side: int) -> list[list[int]]:
    bands = list[list[int]]()
    for number in sorted(numbers, key=lambda number: boxes[number][side]):
        middle = (boxes[number][side] + boxes[number][side + 2]) / 2
        if bands and middle < boxes[bands[-1][0]][side + 2]:
            bands[-1].append(number)
        else:
            bands.append([number])
    return bands


_Hull = NDArray[np.int32]
"""Corners (n, 2) of a convex polygon, x and y in pixels."""


def _deeper(small: Bytes, hull: _Hull, depth: int) -> _Hull:
    """The one picture within a margin within this one, if there is any."""
    left, top, wide, high = cv2.boundingRect(hull)
    # The outermost pixels have something of what is around.
    left, top, wide, high = left + RIM, top + RIM, wide - 2 * RIM, high - 2 * RIM
    if depth >= DEPTH or min(wide, high) < 24:
        return hull
    found = _inside(small[top : top + high, left : left + wide], hull - (left, top))
    if len(found) != 1:
        return hull
    return _deeper(small, found[0] + (left, top), depth + 1)


def _inside(small: Bytes, hull: _Hull | None = None) -> list[_Hull]:
    """The hulls of the pictures in this one; [] where there are none, or only all of it.

    Of a picture that lies a little askew, `hull`, what is outside of it is margin already.
    """
    height, width = small.shape
    if min(height, width) < 24:
        return []
    calm: Bytes = np.asarray(cv2.medianBlur(small, 5), np.uint8)
    outside: Bytes = np.zeros(small.shape, np.uint8)
    if hull is not None:
        outside[:] = 1
        cv2.fillConvexPoly(outside, hull, 0)
        outside = np.asarray(cv2.dilate(outside, np.ones((5, 5), np.uint8)), np.uint8)
    for tone, sides in _tones(calm, outside):
        margin = (cv2.absdiff(calm, np.full_like(calm, tone)) <= EVEN).astype(np.uint8) | outside
        margin = _reached(margin)
        found = _rectangles(margin, sides == 4)
        if found is not None and _is_margin(tone, sides, margin, found):
            return found
    return []


def _tones(calm: Bytes, outside: Bytes) -> list[tuple[int, int]]:
    """The levels that the page's edge may be of, the commonest first, each with how many sides it has most of."""
    edge = 2
    sides = [calm[:edge], calm[-edge:], calm[:, :edge], calm[:, -edge:]]
    masks = [outside[:edge], outside[-edge:], outside[:, :edge], outside[:, -edge:]]
    seen = [side[mask == 0] for side, mask in zip(sides, masks, strict=True)]
    everything = np.concatenate(seen)
    if everything.size < 20:
        return []
    counts = np.bincount(everything, minlength=256).astype(np.float64)
    near = np.convolve(counts, np.ones(2 * EVEN - 3), "same")
    found = []
    for _ in range(2):
        tone = int(near.argmax())
        if near[tone] < 0.2 * everything.size:
            break
        level = int(np.median(everything[np.abs(everything.astype(int) - tone) <= EVEN]))
        most = sum(bool(side.size) and (np.abs(side.astype(int) - level) <= EVEN).mean() > 0.8 for side in seen)
        found.append((level, int(most)))
        near[max(0, tone - 2 * EVEN) : tone + 2 * EVEN] = 0
    return found


def _reached(margin: Bytes) -> Bytes:
    """What of a mask is joined to the page's edge."""
    padded = cv2.copyMakeBorder(margin, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), 2)
    return np.asarray(padded[1:-1, 1:-1] == 2, np.uint8)


def _rectangles(margin: Bytes, all_around: bool) -> list[_Hull] | None:
    """The hulls of what is not margin; None where that is anything but rectangles apart from each other.

    A single one need not be a rectangle where the margin is `all_around`; of several, most must be.
    """
    height, width = margin.shape
    rest = cv2.morphologyEx(1 - margin, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(rest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hulls, filled = list[_Hull](), list[float]()
    for contour in contours:
        hull = cv2.convexHull(contour)
        area = cv2.contourArea(hull)
        if area < SMALLEST * height * width:
            continue
        if cv2.contourArea(contour) < FULL * area:
            return None
        _, (wide, high), _ = cv2.minAreaRect(hull)
        filled.append(area / max(1.0, wide * high))
        hulls.append(np.asarray(hull.reshape(-1, 2), np.int32))
    if not hulls or len(hulls) > MOST_PRINTS or min(filled) < NEARLY:
        return None
    if not (all_around and len(hulls) == 1) and 2 * sum(share >= RECTANGULAR for share in filled) <= len(hulls):
        return None
    hulls = [hull if share >= RECTANGULAR else _box(hull) for hull, share in zip(hulls, filled, strict=True)]
    covered = np.zeros_like(margin)
    for hull in hulls:
        cv2.fillConvexPoly(covered, hull, 1)
    bare = cv2.dilate(covered, np.ones((5, 5), np.uint8)) == 0
    if bare.any() and margin[bare].mean(dtype=np.float64) < CLEAN:
        return None
    return hulls if len(hulls) == 1 or _apart(hulls, GAP * max(height, width)) else None


def _box(hull: _Hull) -> _Hull:
    left, top, wide, high = cv2.boundingRect(hull)
    corners = [(left, top), (left + wide - 1, top), (left + wide - 1, top + high - 1), (left, top + high - 1)]
    return np.array(corners, np.int32)


def _apart(hulls: list[_Hull], gap: float) -> bool:
    boxes = [cv2.boundingRect(hull) for hull in hulls]
    for number, (left, top, wide, high) in enumerate(boxes):
        for other, over, across, down in boxes[:number]:
            beside = max(left - other - across, other - left - wide)
            below = max(top - over - down, over - top - high)
            if max(beside, below) < gap:
                return False
    return True


def _is_margin(tone: int, sides: int, margin: Bytes, hulls: list[_Hull]) -> bool:
    """Whether that is enough of a margin, and surely one."""
    height, width = margin.shape
    boxes = np.array([cv2.boundingRect(hull) for hull in hulls])
    left, top = boxes[:, 0].min(), boxes[:, 1].min()
    right, bottom = (boxes[:, 0] + boxes[:, 2]).max(), (boxes[:, 1] + boxes[:, 3]).max()
    widest = max(left / width, top / height, 1 - right / width, 1 - bottom / height)
    if widest < MARGIN and len(hulls) == 1:
        return False
    plain = tone >= WHITE or tone <= BLACK
    if len(hulls) > 1:
        return plain and sides >= 2
    return (plain and sides >= 2) or sides == 4


def _shared(hull: _Hull, shape: tuple[int, ...]) -> Print:
    left, top, wide, high = cv2.boundingRect(hull)
    height, width = shape
    outline = tuple((float(x) / width, float(y) / height) for x, y in hull)
    return Print(left / width, top / height, (left + wide) / width, (top + high) / height, outline)


def _refined(grey: Bytes, one: Print) -> Print:
    """A print that lies straight, its edges to the pixel of `grey`: a net sees one cut otherwise with other eyes."""
    corners = np.array(one.outline, np.float32)
    if cv2.contourArea(corners) < STRAIGHT * one.area:
        return one
    height, width = grey.shape
    left, right = round(one.left * width), round(one.right * width)
    top, bottom = round(one.top * height), round(one.bottom * height)
    reach = 2 + 3 * max(height, width) // SIDE
    lying, standing = grey[:, left:right], grey.T[:, top:bottom]
    top, bottom = _edge(lying, top, reach), height - _edge(lying[::-1], height - bottom, reach)
    left, right = _edge(standing, left, reach), width - _edge(standing[::-1], width - right, reach)
    edges = left / width, top / height, right / width, bottom / height
    x0, y0, x1, y1 = edges
    return Print(*edges, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def _edge(rows: Bytes, near: int, reach: int) -> int:
    """The first row, `near` or some rows from there, of which as much is unlike the rows before it as of later ones."""
    first, last = max(0, near - reach), min(len(rows), near + reach + 1)
    inner = rows[first:last, rows.shape[1] // 20 : rows.shape[1] - rows.shape[1] // 20].astype(np.int16)
    if first == 0 or inner.size == 0:
        return near  # nothing lies before it
    unlike = (np.abs(inner - np.median(inner[:2])) > EVEN).mean(axis=1)
    if unlike.max() < 0.2:
        return near
    return first + int(np.argmax(unlike > 0.5 * unlike.max()))
