"""A page made small on its way to the net: what passes once serves the net's lightness, and the judge.

A page is read for its lightness anyway; whoever reads rows through a `Glance` leaves the same rows behind, made smaller
by a whole number, in colour where they have any.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.colour.lab import Levels, Rows

LONG = 900  # pixels: the longer side of what is left of a large page is between this and twice as many
SHORT = 224  # pixels: nothing is made narrower than a net sees it


class Glance:
    """Rows that are made small as they are read: `lab.Rows`. They must be asked for from the first to the last."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.shape: tuple[int, ...] = rows.shape
        self.dtype: np.dtype[Any] = rows.dtype
        height, width = rows.shape[:2]
        self._by = max(1, min(max(height, width) // LONG, min(height, width) // SHORT))
        self._small = np.zeros((height // self._by, width // self._by, *rows.shape[2:]), np.uint8)
        self._seen = 0  # rows that came by
        self._waiting: list[Levels] = []  # rows of a group that is not whole
        if isinstance(rows, np.ndarray):  # all of them are there: at once is quicker
            self._take(rows)

    def __getitem__(self, rows: slice) -> Levels:
        found = self._rows[rows]
        top = rows.start or 0
        new = found[max(0, self._seen - top) :]
        if len(new):
            self._take(new)
        return found

    def picture(self) -> NDArray[np.uint8]:
        """What is left: (height, width) grey or (height, width, 3) RGB of 8 bits, smaller by a whole number.

        Fewer rows and columns than would fill another pixel are left out at the end.
        """
        return self._small

    def _take(self, rows: Levels) -> None:
        """Whole groups of `rows`, and of those that waited, are made small."""
        by, at = self._by, self._seen
        self._seen += len(rows)
        if by == 1:
            self._small[at : at + len(rows)] = _bytes(rows)
            return
        # A group that began in an earlier piece.
        if self._waiting:
            need = by - at % by
            self._waiting.append(rows[:need].copy())
            rows, at = rows[need:], at + need
            if self._seen < at:
                return
            self._put(at // by - 1, np.concatenate(self._waiting))
            self._waiting.clear()
        whole = len(rows) - len(rows) % by
        if whole:
            self._put(at // by, rows[:whole])
        if whole < len(rows):
            self._waiting.append(rows[whole:].copy())

    def _put(self, row: int, groups: Levels) -> None:
        count = min(len(groups) // self._by, len(self._small) - row)
        if count <= 0:
            return
        by, width = self._by, self._small.shape[1]
        # Of each group two pixels, across from each other: what is judged needs no more, and all of them would cost
        # more time than all the rest of the judging.
        size = (width, count)
        rows = groups[: count * by, : width * by]
        near, far = (
            np.asarray(cv2.resize(_bytes(rows[at::by, at:]), size, interpolation=cv2.INTER_NEAREST))
            for at in (by // 4, by - 1 - by // 4)
        )
        self._small[row : row + count] = cv2.addWeighted(near, 0.5, far, 0.5, 0).reshape(count, *self._small.shape[1:])


def _bytes(levels: Levels) -> NDArray[np.uint8]:
    return levels if levels.dtype == np.uint8 else (levels >> 8).astype(np.uint8)
