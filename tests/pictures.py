"""Small pictures for tests, written by an independent library."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif"}


def gradient(width: int = 120, height: int = 80, seed: int = 0) -> NDArray[np.uint8]:
    """A grey picture with every level, soft structure and some grain."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 255, width)[None, :] * np.linspace(1, 0.6, height)[:, None]
    return np.clip(ramp + rng.normal(0, 4, (height, width)), 0, 255).astype(np.uint8)


def encoded(array: NDArray[Any], format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    if format == "JPEG":
        options.setdefault("quality", 95)
    Image.fromarray(array).save(buffer, format, **options)
    return buffer.getvalue()


def written(folder: str, name: str, content: bytes) -> str:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def opened(path: str) -> Image.Image:
    with open(path, "rb") as file:
        content = file.read()
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def scene(width: int = 480, height: int = 360, seed: int = 0) -> NDArray[np.uint8]:
    """A picture in colour (RGB) as full of things as a photograph: shapes in many colours, texture, soft light."""
    import cv2

    rng = np.random.default_rng(seed)
    found = cv2.resize(
        rng.uniform(40, 220, (5, 6, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(60):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        size = (int(rng.integers(4, width // 7)), int(rng.integers(4, height // 7)))
        shade = tuple(float(level) for level in rng.uniform(10, 245, 3))
        cv2.ellipse(found, centre, size, float(rng.uniform(0, 180)), 0, 360, shade, -1, cv2.LINE_AA)
    found += cv2.GaussianBlur(rng.normal(0, 40, (height, width, 1)).astype(np.float32), (0, 0), 1.5)[..., None]
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


def written_page(width: int = 600, height: int = 850) -> NDArray[np.uint8]:
    """A grey page of text."""
    import cv2

    page = np.full((height, width), 244, np.uint8)
    for line, top in enumerate(range(70, height - 60, 22)):
        text = "the quick brown fox jumps over it"[line % 5 : 30 + line % 3]
        cv2.putText(page, text, (50, top), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 30, 1, cv2.LINE_AA)
    return page


def grey_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def glass(level: int = 250, seed: int = 0, count: int = 4) -> NDArray[np.uint8]:
    """Grey (500, 620): two to four grey prints of 240 x 180 on a scanner's glass."""
    page = np.full((500, 620), level, np.uint8)
    for number, (top, left) in enumerate(((20, 30), (30, 340), (270, 25), (260, 350))[:count]):
        page[top : top + 180, left : left + 240] = grey_of(scene(240, 180, seed=seed + number))
    return page
