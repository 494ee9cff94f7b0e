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
