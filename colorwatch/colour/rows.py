"""The rows of a page for those who ask for strips of them: held in memory, or decoded as they are asked for.

A page of at most HELD_BYTES is decoded once and held. A larger one is decoded once for the net and once more for the
result: its size then costs time, and no memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colorwatch.budget import HELD_BYTES
from colorwatch.codecs.pages import Levels, Page, Reducing, Timed
from colorwatch.colour.lab import Rows

# A picture that a decoder made smaller is the mean of levels, and the net's is one of lightness. With this many times
# the net's side, the two differed by 0.12 of 100 at most, by 0.03 in the mean (photographs, 35 and 140 megapixels).
GLANCED = 4


@dataclass(frozen=True, slots=True)
class Decoded:
    """One pass over a page. Where it flows, no rows can be asked for that lie above those asked for last."""

    pixels: Rows
    alpha: Rows | None


class Source:
    """A page that is decoded at its making, or again in every pass; `bits` (8 or 16) is what its rows have."""

    def __init__(self, page: Page, bits: int, timed: Timed, most: int = HELD_BYTES) -> None:
        self._page, self._bits, self._timed = page, bits, timed
        self._held: Decoded | None = None
        if page.width * page.height * (page.colours + page.alpha) * page.bits // 8 <= most:
            with timed("decode"):
                self._held = _hold(page, bits)

    def glanced(self, side: int) -> Rows:
        """A pass over the colours for a net of that side: perhaps of a smaller picture, if `side` is much smaller."""
        if self._held is None and isinstance(self._page, Reducing):
            return Source(self._page.reduced(GLANCED * side), self._bits, self._timed, most=0).passed().pixels
        return self.passed().pixels

    def passed(self) -> Decoded:
        """A pass over the page, from its first row."""
        if self._held is not None:
            return self._held
        flow = _Flow(self._page, self._bits, self._timed)
        colours = self._page.colours
        shape = (self._page.height, self._page.width)
        pixels = _Facet(flow, shape if colours == 1 else (*shape, 3), slice(0, 3) if colours == 3 else 0)
        return Decoded(pixels, _Facet(flow, shape, -1) if self._page.alpha else None)


def _hold(page: Page, bits: int) -> Decoded:
    shape = (page.height, page.width) if page.colours == 1 else (page.height, page.width, 3)
    kind = np.uint8 if bits == 8 else np.uint16
    pixels = np.empty(shape, kind)
    alpha = np.empty(shape[:2], kind) if page.alpha else None
    top = 0
    for strip in _at_depth(page, bits):
        bottom = top + len(strip)
        pixels[top:bottom] = strip[:, :, 0] if page.colours == 1 else strip[:, :, :3]
        if alpha is not None:
            alpha[top:bottom] = strip[:, :, -1]
        top = bottom
    return Decoded(pixels, alpha)


def _at_depth(page: Page, bits: int) -> Iterator[Levels]:
    if bits == page.bits:
        return page.strips()
    # 65,535 is 257 times 255.
    return (((strip.astype(np.uint32) + 128) // 257).astype(np.uint8) for strip in page.strips())


class _Flow:
    """Rows that come one after the other; those from the beginning of the last request on are still there."""

    def __init__(self, page: Page, bits: int, timed: Timed) -> None:
        self.dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
        self._height, self._timed = page.height, timed
        self._strips = _at_depth(page, bits)
        self._top = 0
        self._kept: Levels = np.empty((0, page.width, page.colours + page.alpha), self.dtype)

    def rows(self, top: int, bottom: int) -> Levels:
        if top < self._top:
            raise IndexError(f"row {top} has gone by")
        bottom = min(bottom, self._height)
        if bottom > self._top + len(self._kept):
            with self._timed("decode"):
                self._more(top, bottom)
        return self._kept[top - self._top : bottom - self._top]

    def _more(self, top: int, bottom: int) -> None:
        kept, end = [self._kept[top - self._top :]], self._top + len(self._kept)
        while end < bottom:
            strip = next(self._strips)
            kept.append(strip)
            end += len(strip)
        self._kept, self._top = np.concatenate(kept), min(top, end)
        if end >= self._height:
            # What is wrong with a page may show only behind its last row.
            for _ in self._strips:
                pass


class _Facet:
    """The colours of a flow, or its alpha."""

    def __init__(self, flow: _Flow, shape: tuple[int, ...], bands: int | slice) -> None:
        self.shape, self.dtype = shape, flow.dtype
        self._flow, self._bands = flow, bands

    def __getitem__(self, rows: slice) -> Levels:
        found = self._flow.rows(rows.start or 0, self.shape[0] if rows.stop is None else rows.stop)
        return np.ascontiguousarray(found[:, :, self._bands])
