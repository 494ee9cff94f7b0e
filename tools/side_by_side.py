"""Makes a picture for the documents: each scan beside its result, in rows.

    .venv/bin/python tools/side_by_side.py docs/before-after.jpg outbox portrait.jpg cat.tif / coffee.jpg launch.png

Names of sample scans; a `/` begins the next row. Needs Pillow, which `make setup-dev` brings.
"""

from __future__ import annotations

import os
import sys

from PIL import Image

SAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "samples")
HEIGHT, GAP, WIDTH = 300, 14, 1200


def main(target: str, results: str, *names: str) -> None:
    rows: list[list[str]] = [[]]
    for name in names:
        if name == "/":
            rows.append([])
        else:
            rows[-1].append(name)
    strips = [fitted(beside([pair(name, results) for name in row], GAP)) for row in rows]
    sheet = Image.new("RGB", (WIDTH, sum(strip.height + GAP for strip in strips) - GAP), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP
    sheet.save(target, quality=86, optimize=True)


def pair(name: str, results: str) -> Image.Image:
    return beside([scaled(os.path.join(folder, name)) for folder in (SAMPLES, results)], gap=0)


def scaled(path: str) -> Image.Image:
    with Image.open(path) as picture:
        width = round(picture.width * 2 * HEIGHT / picture.height)
        return picture.convert("RGB").resize((width, 2 * HEIGHT), Image.Resampling.LANCZOS)


def beside(pictures: list[Image.Image], gap: int) -> Image.Image:
    width = sum(picture.width + 2 * gap for picture in pictures) - 2 * gap
    strip = Image.new("RGB", (width, 2 * HEIGHT), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + 2 * gap
    return strip


def fitted(strip: Image.Image) -> Image.Image:
    return strip.resize((WIDTH, round(strip.height * WIDTH / strip.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(*sys.argv[1:])
