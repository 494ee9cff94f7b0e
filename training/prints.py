"""What age does to a print: lightness that looks like an old photograph's, made from a new one's.

Each function takes lightness (height, width), float32, 0..100, and a random generator, and gives the same kind; none
changes its argument. Only what the net sees is aged; the colours that it is to give stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Lightness = NDArray[np.float32]


def fade(light: Lightness, rng: Generator) -> Lightness:
    """Blacks turn grey and whites turn dull."""
    black, white = rng.uniform(0, 28), rng.uniform(72, 100)
    return np.asarray(black + light * np.float32((white - black) / 100), np.float32)


def bend(light: Lightness, rng: Generator) -> Lightness:
    """Another exposure and another contrast of the paper."""
    gamma = np.exp(rng.uniform(-0.4, 0.4))
    bent = 100 * (np.clip(light, 0, 100) / 100) ** np.float32(gamma)
    steep = np.float32(rng.uniform(0.75, 1.35))
    return np.asarray(np.clip((bent - 50) * steep + 50, 0, 100), np.float32)


def film(light: Lightness, ab: NDArray[np.float32], rng: Generator) -> Lightness:
    """Old film is blind to red and sees too much blue: skies go white, lips go dark. `ab` is (height, width, 2)."""
    red, blue = rng.uniform(0, 0.35), rng.uniform(0, 0.25)
    return np.asarray(np.clip(light - red * ab[..., 0] - blue * ab[..., 1], 0, 100), np.float32)


def paper(light: Lightness, rng: Generator) -> Lightness:
    """Paper that has yellowed unevenly, and light that fell unevenly on it: a slow change over the picture."""
    field = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
    height, width = light.shape
    slow = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(light * (1 + np.float32(rng.uniform(0.03, 0.18)) * slow), 0, 100), np.float32)


def blur(light: Lightness, rng: Generator) -> Lightness:
    """A soft lens, or hands that moved."""
    return np.asarray(cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.6)), np.float32)


def sharpen(light: Lightness, rng: Generator) -> Lightness:
    """A scanner's sharpening; and our small photographs, enlarged, are softer than a scan that was made small."""
    soft = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.7, 1.5))
    return np.asarray(np.clip(light + np.float32(rng.uniform(0.3, 1.2)) * (light - soft), 0, 100), np.float32)


def grain(light: Lightness, rng: Generator) -> Lightness:
    """Grain, fine or coarse."""
    noise = rng.standard_normal(light.shape, np.float32)
    if rng.random() < 0.5:
        sigma = rng.uniform(0.5, 1.0)
        # Blurred noise is weaker, by about 2 sigma sqrt(pi).
        noise = cv2.GaussianBlur(noise, (0, 0), sigma) * np.float32(2 * sigma * np.sqrt(np.pi))
    return np.asarray(np.clip(light + noise * np.float32(rng.uniform(0.8, 5)), 0, 100), np.float32)


def scratch(light: Lightness, rng: Generator) -> Lightness:
    """Scratches, creases and dust, light or dark."""
    marked = light.copy()
    height, width = light.shape
    for _ in range(int(rng.integers(1, 7))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        angle, length = rng.uniform(0, np.pi), rng.uniform(2, 0.7 * width)
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        shade = float(rng.choice([rng.uniform(75, 100), rng.uniform(0, 25)], p=[0.7, 0.3]))
        cv2.line(marked, (int(x), int(y)), end, shade, 1 + int(rng.random() < 0.15), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 25))):
        spot = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(marked, spot, int(rng.integers(0, 2)), float(rng.uniform(60, 100)), -1, cv2.LINE_AA)
    return marked


def compress(light: Lightness, rng: Generator) -> Lightness:
    """A scan kept as a small JPEG."""
    levels = np.clip(np.rint(light * 2.55), 0, 255).astype(np.uint8)
    written, content = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
    if not written:
        return light
    read = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    return np.asarray(read, np.float32) / np.float32(2.55)


def mount(light: Lightness, ab: NDArray[np.float32], rng: Generator) -> tuple[Lightness, NDArray[np.float32]]:
    """The white border of a print, or the black one of a film; there `ab`, of any size (h, w, 2), is neutral."""
    light, ab = light.copy(), ab.copy()
    shade = rng.uniform(84, 100) if rng.random() < 0.7 else rng.uniform(0, 10)
    # Four steps are one pixel of ab at a quarter of the size, so that the edges of both meet.
    steps = rng.integers(0, max(2, light.shape[0] // 40), 4)
    for array, value in ((light, np.float32(shade)), (ab, np.float32(0))):
        height, width = array.shape[:2]
        unit = height // (light.shape[0] // 4)
        top, bottom, left, right = (int(step) * unit for step in steps)
        array[:top] = value
        array[height - bottom :] = value
        array[:, :left] = value
        array[:, width - right :] = value
    return light, ab


_WEAR: tuple[tuple[float, Callable[[Lightness, Generator], Lightness]], ...] = (
    (0.5, bend),
    (0.25, paper),
    (0.3, blur),
    (0.3, fade),
    (0.4, grain),
    (0.15, scratch),
    (0.2, compress),
)


def age(light: Lightness, rng: Generator) -> Lightness:
    """Some of the wears of an old print, in the order in which they come."""
    for chance, wear in _WEAR:
        if rng.random() < chance:
            light = wear(light, rng)
    return light
