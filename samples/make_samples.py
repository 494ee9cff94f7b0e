"""Makes the sample scans beside this file: photographs in colour, turned grey and aged as old prints are.

    python -m pip install scikit-image
    python samples/make_samples.py [FOLDER]

The photographs are those inside the scikit-image wheel that anyone may pass on; CREDITS.md names them. Every random
number has a fixed seed, so a second run writes the same pictures (byte for byte only with the same Pillow).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, TiffImagePlugin
from PIL.ExifTags import IFD, Base
from skimage import data as photographs

Grey = NDArray[np.float64]  # (height, width), 0 black to 255 white

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, what panchromatic film comes nearest to


@dataclass(frozen=True)
class Print:
    """One sample: which photograph, what was cut out of it, and how badly the years treated it."""

    name: str
    photograph: str
    title: str
    taken: str  # the day on the scanner's clock, "YYYY:MM:DD HH:MM:SS"
    width: int  # pixels of the picture itself, without its paper border
    crop: tuple[int, int, int, int] | None = None  # left, top, right, bottom in the photograph
    dpi: int = 300
    border: float = 0.035  # of the width
    black: float = 22.0  # where the deepest shadow ended up as the print faded
    white: float = 232.0
    blur: float = 0.6  # radius in pixels
    grain: float = 3.5  # standard deviation in grey levels
    vignette: float = 0.12  # how much darker the corners are, 0 to 1
    dust: int = 6
    as_rgb: bool = False  # three equal bands, as scanners left at "colour" write them
    seed: int = 0


PRINTS = (
    Print("astronaut.jpg", "astronaut", "Eileen Collins, official portrait", "2024:11:03 10:12:44", 640, seed=1),
    Print("portrait.jpg", "astronaut", "Eileen Collins", "2024:11:03 10:13:20", 640, (110, 0, 350, 260), seed=2),
    Print(
        "coffee.jpg",
        "coffee",
        "Coffee on a wooden table",
        "2024:11:03 10:14:02",
        640,
        (60, 0, 540, 400),
        blur=1.0,
        grain=2.0,
        black=40.0,
        as_rgb=True,
        seed=3,
    ),
    Print("cat.tif", "chelsea", "Chelsea the cat", "2024:11:03 10:15:31", 440, dpi=200, grain=2.2, dust=3, seed=4),
    Print(
        "launch.png",
        "rocket",
        "Launch at Cape Canaveral",
        "2024:11:03 10:17:09",
        520,
        dpi=200,
        border=0.0,
        black=60.0,
        white=240.0,
        grain=1.5,
        seed=5,
    ),
)


def main(folder: str) -> None:
    for wanted in PRINTS:
        path = os.path.join(folder, wanted.name)
        save(age(grey_photograph(wanted), wanted), wanted, path)
        print(f"{path}: {os.path.getsize(path) // 1024} KB")


def grey_photograph(wanted: Print) -> Grey:
    """The photograph of `wanted`, cropped, grey, at the width asked for."""
    picture = Image.fromarray(getattr(photographs, wanted.photograph)()).crop(wanted.crop)
    height = round(picture.height * wanted.width / picture.width)
    picture = picture.resize((wanted.width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.float64) @ np.asarray(LUMINANCE)


def age(grey: Grey, wanted: Print) -> NDArray[np.uint8]:
    """`grey` as a scanner would see its print after some decades: soft, faded, grainy, dusty, on white paper."""
    random = np.random.default_rng(wanted.seed)
    grey = blurred(grey, wanted.blur)
    grey = wanted.black + grey / 255 * (wanted.white - wanted.black)
    grey *= 1 - wanted.vignette * distance_from_centre(grey.shape) ** 2.5
    grey += clouds(random, grey.shape, levels=5.0)
    grey = on_paper(grey, round(wanted.border * wanted.width), wanted.white + 10)
    for _ in range(wanted.dust):
        add_dust(grey, random)
    grain = blurred(random.normal(128, 40, grey.shape), 0.55) - 128
    strongest_in_midtones = 0.35 + 0.65 * np.sin(grey / 255 * np.pi)
    grey += grain / grain.std() * wanted.grain * strongest_in_midtones
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def blurred(grey: Grey, radius: float) -> Grey:
    soft = Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft, dtype=np.float64)


def distance_from_centre(shape: tuple[int, ...]) -> Grey:
    """0 in the middle, 1 in the corners."""
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.asarray(np.hypot(rows, columns) / np.sqrt(2))


def clouds(random: np.random.Generator, shape: tuple[int, ...], levels: float) -> Grey:
    """Uneven fading: slow waves of plus and minus `levels` across the print."""
    coarse = Image.fromarray(random.integers(0, 256, (4, 5), dtype=np.uint8))
    wide = coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return (np.asarray(wide, dtype=np.float64) / 127.5 - 1) * levels


def on_paper(grey: Grey, border: int, paper: float) -> Grey:
    return np.pad(grey, border, constant_values=paper)


def add_dust(grey: Grey, random: np.random.Generator) -> None:
    """One speck or one short hair, lighter than what lies under it."""
    row, column = random.integers(0, grey.shape[0]), random.integers(0, grey.shape[1])
    angle, length = random.uniform(0, np.pi), int(random.integers(1, 9))
    for step in range(length):
        spot = (int(row + np.sin(angle) * step), int(column + np.cos(angle) * step))
        if 0 <= spot[0] < grey.shape[0] and 0 <= spot[1] < grey.shape[1]:
            grey[spot] = 0.45 * grey[spot] + 0.55 * 245


def save(grey: NDArray[np.uint8], wanted: Print, path: str) -> None:
    """Written as scanning software writes: with its resolution, a title and a date."""
    picture = Image.fromarray(grey)
    if wanted.as_rgb:
        picture = picture.convert("RGB")
    resolution = (wanted.dpi, wanted.dpi)
    if path.endswith(".tif"):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[Base.ImageDescription] = wanted.title
        tags[Base.Software] = "colorwatch samples"
        tags[Base.DateTime] = wanted.taken
        tags[TiffImagePlugin.PREDICTOR] = 2
        picture.save(path, compression="tiff_adobe_deflate", dpi=resolution, tiffinfo=tags)
    elif path.endswith(".png"):
        picture.save(path, optimize=True, dpi=resolution, exif=exif(wanted))
    else:
        picture.save(path, quality=84, optimize=True, dpi=resolution, exif=exif(wanted))


def exif(wanted: Print) -> Image.Exif:
    tags = Image.Exif()
    tags[Base.ImageDescription] = wanted.title
    tags[Base.Software] = "colorwatch samples"
    tags[Base.DateTime] = wanted.taken
    tags[Base.Orientation] = 1
    tags[Base.XResolution] = tags[Base.YResolution] = wanted.dpi
    tags[Base.ResolutionUnit] = 2
    tags.get_ifd(IFD.Exif)[Base.DateTimeDigitized] = wanted.taken
    return tags


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
