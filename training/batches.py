"""What the net is shown: pieces of photographs, aged or not, in an order that seed and place alone decide.

Any batch can be made again from the seed and its number, so a training that was cut off goes on as if it had not been.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training import prints
from training.photographs import Album, Photograph

AHEAD = 3
"""Batches made ahead of the one that is learned from."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How often a photograph is shown how; each 0..1."""

    whole: float = 0.6
    """Squashed whole to the square, as in use; else a piece of it."""
    aged: float = 0.4
    """Made to look like an old print."""
    film: float = 0.1
    """Seen as old film sees it."""
    sharpened: float = 0.35
    mounted: float = 0.04


@dataclass(frozen=True, slots=True)
class Batch:
    """`light` is L - 50, float32 (n, 1, side, side); `ab` float32 (n, side / 4, side / 4, 2), in Lab units."""

    light: NDArray[np.float32]
    ab: NDArray[np.float32]


def balanced(sources: list[str]) -> NDArray[np.float64]:
    """How often the photographs of these sources are shown in a turn, one on average.

    A source is shown as often as the root of its size tells, so that a large collection of one kind does not decide
    what everything looks like.
    """
    sizes = Counter(sources)
    often = np.array([1 / np.sqrt(sizes[source]) for source in sources])
    return np.asarray(often * len(often) / often.sum(), np.float64)


def order(often: NDArray[np.float64], seed: int, start: int) -> Iterator[tuple[int, int]]:
    """Endless (place, index) from the place `start` on: turn after turn of as many as `often` is long, shuffled anew.

    In each turn the photograph `i` comes `often[i]` times, rounded up or down by chance.
    """
    place, count = start, len(often)
    ends = np.cumsum(often) * (count / often.sum())
    while True:
        turn, within = divmod(place, count)
        rng = np.random.default_rng([seed, 1, turn])
        drawn = np.minimum(np.searchsorted(ends, np.arange(count) + rng.random(), side="right"), count - 1)
        for index in rng.permutation(drawn)[within:]:
            yield place, int(index)
            place += 1


def piece(lab: NDArray[np.uint8], whole: bool, rng: Generator) -> NDArray[np.uint8]:
    """A part of a photograph (height, width, 3): nearly all of it, or a third and more in about its own shape."""
    height, width = lab.shape[:2]
    if whole:
        across, down = rng.uniform(0.9, 1, 2)
    else:
        area, shape = rng.uniform(0.3, 1), np.exp(rng.uniform(-0.25, 0.25))
        # A square piece, give or take: in use every picture is squashed to a square.
        side = np.sqrt(area) * min(height, width)
        across, down = min(1.0, side * shape / width), min(1.0, side / shape / height)
    wide, high = max(16, round(across * width)), max(16, round(down * height))
    x, y = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
    part = lab[y : y + high, x : x + wide]
    return part[:, ::-1] if rng.random() < 0.5 else part


def show(
    lab: NDArray[np.uint8], side: int, shares: Shares, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One sample: lightness (side, side), 0..100, and ab (side / 4, side / 4, 2)."""
    part = piece(lab, rng.random() < shares.whole, rng)
    small = part.shape[0] * part.shape[1] < side * side
    square = cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC if small else cv2.INTER_AREA)
    light = square[..., 0].astype(np.float32) * np.float32(100 / 255)
    quarter = cv2.resize(square, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    ab = quarter[..., 1:].astype(np.float32) - 128
    if rng.random() < shares.film:
        light = prints.film(light, square[..., 1:].astype(np.float32) - 128, rng)
    if rng.random() < shares.sharpened:
        light = prints.sharpen(light, rng)
    if rng.random() < shares.mounted:
        light, ab = prints.mount(light, ab, rng)
    if rng.random() < shares.aged:
        light = prints.age(light, rng)
    return light, ab


class Batches:
    """Batches of photographs of an album, from one place in their order on."""

    def __init__(self, album: Album, photographs: list[Photograph], seed: int, shares: Shares) -> None:
        self._album = album
        self._photographs = photographs
        self._seed = seed
        self._shares = shares
        self._often = balanced([one.source for one in photographs])

    def make(self, places: list[tuple[int, int]], side: int) -> Batch:
        """The batch of these (place, index)."""
        light = np.empty((len(places), 1, side, side), np.float32)
        ab = np.empty((len(places), side // 4, side // 4, 2), np.float32)
        for row, (place, index) in enumerate(places):
            rng = np.random.default_rng([self._seed, 2, place])
            light[row, 0], ab[row] = show(self._album.lab(self._photographs[index]), side, self._shares, rng)
        return Batch(light - 50, ab)

    def stream(self, start: int, plan: Iterator[tuple[int, int]], makers: int = 1) -> Iterator[Batch]:
        """One batch for each (size, side) of `plan`, from the place `start` on, made ahead by so many threads."""
        places = order(self._often, self._seed, start)
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(makers, "batches") as threads:
            try:
                for size, side in plan:
                    ahead.append(threads.submit(self.make, [next(places) for _ in range(size)], side))
                    if len(ahead) >= AHEAD + makers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for batch in ahead:
                    batch.cancel()
