"""Prints as a scanner sees them: with margins, borders, film edges and mounts, and several on one glass."""

from __future__ import annotations

import cv2
import numpy as np
from judged import clipped, noisy

GLASSES = {"white lid": 250, "grey lid": 236, "no lid": 8, "black sheet": 22}


def surrounded(grey: np.ndarray, rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """RGB of a grey print with something around it, and a mask of that: True where nothing is of the picture."""
    height, width = grey.shape
    at = np.ones(grey.shape, bool)
    match kind:
        case "scanner margin":
            edges = (rng.uniform(0.02, 0.35, 4) * (height, height, width, width)).astype(int)
            level = int(rng.choice([255, 250, 244, 8, 14]))
        case "two sides":
            edges = (rng.uniform(0.05, 0.6, 4) * (height, height, width, width) * (0, 1, 0, 1)).astype(int)
            level = int(rng.choice([255, 250, 8]))
        case "white border":
            edges = np.full(4, int(rng.uniform(0.03, 0.1) * height))
            level = int(rng.uniform(228, 252))
        case "film edge":
            edges = np.full(4, int(rng.uniform(0.03, 0.12) * height))
            level = int(rng.uniform(2, 24))
        case "mount":
            edges = np.full(4, int(rng.uniform(0.06, 0.2) * height))
            level = int(rng.uniform(70, 200))
        case _:
            inner, mask = surrounded(grey, rng, "white border")
            outer, around = surrounded(cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY), rng, "scanner margin")
            top, left = (int(each[0]) for each in np.nonzero(~around))
            found = around.copy()
            found[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
            return outer, found
    top, bottom, left, right = (int(edge) for edge in edges)
    page = cv2.copyMakeBorder(grey, top, bottom, left, right, cv2.BORDER_CONSTANT, value=level)
    outside = ~cv2.copyMakeBorder(at.astype(np.uint8), top, bottom, left, right, cv2.BORDER_CONSTANT, value=0).astype(
        bool
    )
    return noisy(np.dstack([page] * 3), rng, rng.uniform(0.3, 1.5)), outside


SURROUNDINGS = ("scanner margin", "two sides", "white border", "film edge", "mount", "border on glass")


def glass(
    prints: list[np.ndarray], rng: np.random.Generator, level: int, angle: float = 0.0
) -> tuple[np.ndarray, list]:
    """RGB of a glass with these grey prints in two columns, each turned by up to `angle` degrees, and their places.

    A place is (top, left, height, width) of a print that is not turned.
    """
    side = max(max(one.shape) for one in prints)
    cell = int(side * 1.12)
    rows = -(-len(prints) // 2)
    page = np.full((rows * cell + side // 10, 2 * cell + side // 10), level, np.uint8)
    places = []
    for number, one in enumerate(prints):
        height, width = one.shape
        room = np.array((cell - height, cell - width)) // 2
        top, left = (
            np.array((number // 2, number % 2)) * cell + side // 20 + room + rng.integers(-side // 60, side // 60, 2)
        )
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-angle, angle), 1)
        turn[:, 2] += (left, top)
        layer = cv2.warpAffine(one, turn, page.shape[::-1], flags=cv2.INTER_CUBIC)
        mask = cv2.warpAffine(np.full_like(one, 255), turn, page.shape[::-1])
        page = clipped(page + (layer.astype(np.float32) - page) * (mask / 255.0))
        places.append((int(top), int(left), height, width))
    return noisy(np.dstack([page] * 3), rng, 0.8), places
