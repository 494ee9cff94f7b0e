"""Photographs of which it is known what they are: in colour, grey, toned; made from photographs in colour."""

from __future__ import annotations

import functools
import os
import tarfile
from collections.abc import Iterator

import cv2
import numpy as np

LEAST_CHROMA = 2.5  # of a photograph that counts as one in colour: as for training
FAINTEST = 4.0  # mean chroma that a photograph is faded to, at the least

# Twenty tones, as RGB of black, of a middle grey and of white: what toning baths, papers and their age make of a print.
TONES = {
    "sepia": ((28, 18, 12), (140, 108, 78), (248, 236, 214)),
    "sepia, light": ((40, 34, 30), (146, 128, 110), (250, 246, 238)),
    "sepia, strong": ((40, 20, 5), (150, 100, 50), (245, 222, 179)),
    "brown": ((30, 22, 18), (130, 112, 100), (240, 232, 222)),
    "red brown": ((38, 16, 12), (148, 102, 84), (246, 228, 214)),
    "gold": ((30, 26, 10), (142, 126, 84), (250, 242, 210)),
    "selenium": ((22, 14, 20), (124, 112, 122), (246, 242, 240)),
    "selenium, strong": ((30, 10, 22), (132, 100, 116), (246, 236, 232)),
    "cyanotype": ((6, 24, 60), (70, 116, 160), (238, 244, 246)),
    "cyanotype, light": ((30, 48, 74), (110, 136, 160), (242, 244, 240)),
    "blue": ((16, 20, 36), (112, 122, 142), (240, 244, 250)),
    "green": ((14, 26, 16), (108, 130, 108), (238, 246, 234)),
    "albumen": ((52, 36, 26), (154, 130, 100), (240, 226, 188)),
    "platinum": ((36, 34, 32), (132, 130, 126), (244, 242, 234)),
    "salt print": ((58, 38, 34), (160, 130, 116), (242, 230, 210)),
    "tintype": ((14, 14, 16), (104, 100, 96), (196, 188, 176)),
    "cold paper": ((18, 20, 24), (124, 128, 134), (246, 250, 254)),
    "warm paper": ((20, 18, 16), (130, 126, 120), (252, 248, 236)),
    "split, blue shadows and yellow lights": ((14, 20, 44), (128, 122, 116), (252, 240, 206)),
    "split, brown shadows and cold lights": ((44, 26, 14), (136, 126, 118), (240, 246, 250)),
}


def photographs(source: str, limit: int = 0, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Name and RGB of each photograph in a folder of JPEGs or of tars; at most `limit`, chosen by `seed`."""
    for where in listed(source, limit, seed):
        yield os.path.basename(where[1]), read(*where)


def listed(source: str, limit: int = 0, seed: int = 0) -> list[tuple[str, str]]:
    """Where these photographs are: a tar, or "", and a name in it, or a path."""
    found = []
    for name in sorted(os.listdir(source)):
        path = os.path.join(source, name)
        if name.endswith(".tar"):
            with tarfile.open(path) as tar:
                found += [(path, member) for member in sorted(tar.getnames()) if member.endswith(".jpg")]
        elif name.endswith((".jpg", ".png")):
            found.append(("", path))
    if limit:
        rng = np.random.default_rng(seed)
        found = [found[at] for at in sorted(rng.choice(len(found), min(limit, len(found)), replace=False))]
    return found


def read(tar: str, name: str) -> np.ndarray:
    """RGB of one of them."""
    if tar:
        content = _member(tar, name)
    else:
        with open(name, "rb") as file:
            content = file.read()
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def variants(picture: np.ndarray, rng: np.random.Generator, loose: bool = False) -> Iterator[tuple]:
    """Truth, kind and picture of everything that is made of one photograph; see `in_tones` for `loose`."""
    if chroma_of(picture) >= LEAST_CHROMA:
        yield from (("colour", *each) for each in in_colour(picture, rng))
    yield from (("grey", *each) for each in in_grey(picture, rng))
    yield from (("toned", *each) for each in in_tones(picture, rng, loose))


@functools.cache
def _opened(path: str) -> tarfile.TarFile:
    return tarfile.open(path)


def _member(path: str, name: str) -> bytes:
    file = _opened(path).extractfile(name)
    return file.read() if file else b""


def chroma_of(picture: np.ndarray) -> float:
    """The mean."""
    ab = lab_of(picture)[..., 1:]
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean())


def lab_of(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


def rgb_of(lab: np.ndarray) -> np.ndarray:
    rgb = cv2.cvtColor(np.ascontiguousarray(lab, np.float32), cv2.COLOR_Lab2RGB)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)


def in_colour(picture: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and picture: as it is, with faint colours, as a faded print, and as a small JPEG."""
    yield "as it is", picture
    lab = lab_of(picture)
    share = max(rng.uniform(0.3, 0.7), FAINTEST / max(chroma_of(picture), FAINTEST))
    faint = lab.copy()
    faint[..., 1:] *= share
    yield "faint", rgb_of(faint)
    print_ = lab.copy()
    print_[..., 0] = rng.uniform(5, 25) + print_[..., 0] * rng.uniform(0.6, 0.75)
    print_[..., 1:] *= max(rng.uniform(0.45, 0.8), share)
    print_[..., 1:] += np.float32([rng.uniform(0, 10), rng.uniform(0, 12)])  # magenta and yellow are what is left
    yield "faded print", rgb_of(print_)
    yield "small JPEG", as_jpeg(picture, int(rng.integers(30, 60)))


def in_grey(picture: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and picture: grey, with noise of scanner and JPEG, with a cast, with a stamp or a pen's lines."""
    grey = grey_of(picture, rng)
    plain = np.dstack([grey] * 3)
    yield "grey", plain
    yield "grey, JPEG", as_jpeg(noisy(plain, rng, rng.uniform(0.5, 2)), int(rng.integers(60, 95)))
    yield "grey, coarse noise and JPEG", as_jpeg(noisy(plain, rng, rng.uniform(2, 7)), int(rng.integers(30, 90)))
    cast = plain.astype(np.float32) * rng.uniform(0.94, 1, 3).astype(np.float32)
    yield "grey, a cast of the scanner", as_jpeg(noisy(clipped(cast), rng, 1), int(rng.integers(60, 95)))
    yield "grey, stamp or pen", as_jpeg(noisy(marked(plain, rng), rng, 1), int(rng.integers(60, 95)))


def in_tones(picture: np.ndarray, rng: np.random.Generator, loose: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    """Kind and picture: toned evenly; yellowed unevenly; both with a vignette; with silver that came to the surface;
    on paper of two hues with an inscription; partly covered while it aged. All of them are JPEGs with noise.

    With `loose` the tones are none of TONES, but lie between two of them, and beside.
    """
    grey = grey_of(picture, rng)
    name = list(TONES)[int(rng.integers(len(TONES)))]
    tone, other = (stops_of(name, rng, loose) for name in (name, list(TONES)[int(rng.integers(len(TONES)))]))
    toned = tone_of(grey, tone)
    yield f"toned: {name}", as_jpeg(noisy(toned, rng, rng.uniform(0, 3)), int(rng.integers(50, 95)))
    uneven = yellowed(np.dstack([grey] * 3), rng)
    yield "yellowed unevenly", as_jpeg(noisy(uneven, rng, rng.uniform(0, 2)), int(rng.integers(50, 95)))
    both = vignetted(yellowed(toned, rng), rng)
    yield "toned, yellowed unevenly, vignette", as_jpeg(noisy(both, rng, rng.uniform(0, 2)), int(rng.integers(50, 95)))
    mirror = silvered(yellowed(toned, rng), rng)
    mirror = on_card(mirror, rng) if rng.random() < 0.4 else mirror
    yield "silver on the surface", as_jpeg(noisy(mirror, rng, rng.uniform(0, 2)), int(rng.integers(50, 95)))
    much = slow(grey.shape, rng, int(rng.integers(2, 4)))[..., None]
    hued = inscribed(two_hued(clipped(toned * (1 - much) + tone_of(grey, other) * much), rng), rng)
    hued = on_card(hued, rng) if rng.random() < 0.2 else hued
    yield "two hues, inscription", as_jpeg(noisy(hued, rng, rng.uniform(0, 2)), int(rng.integers(50, 95)))
    much = covered(grey.shape, rng)[..., None]
    partly = inscribed(yellowed(clipped(toned * (1 - much) + tone_of(grey, other) * much), rng), rng)
    yield "partly covered", as_jpeg(noisy(partly, rng, rng.uniform(0, 2)), int(rng.integers(50, 95)))


def grey_of(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As a film saw it: each with weights of its own for red, green and blue; often faded."""
    weights = rng.dirichlet((3, 6, 2)).astype(np.float32)
    grey = picture.astype(np.float32) @ weights
    if rng.random() < 0.5:
        black, white = rng.uniform(0, 50), rng.uniform(200, 255)
        grey = black + grey * ((white - black) / 255)
    return clipped(grey)


def stops_of(name: str, rng: np.random.Generator, loose: bool) -> np.ndarray:
    """RGB of black, grey and white in a tone; if `loose`, of one between it and another, and a little off that."""
    stops = np.array(TONES[name], np.float64)
    if not loose:
        return stops
    other = np.array(TONES[list(TONES)[int(rng.integers(len(TONES)))]], np.float64)
    share = rng.uniform(0, 0.5)
    return np.clip(stops * (1 - share) + other * share + rng.normal(0, 4, stops.shape), 0, 255)


def tone_of(grey: np.ndarray, stops: np.ndarray) -> np.ndarray:
    table = np.stack([np.interp(np.arange(256), (0, 128, 255), stops[:, band]) for band in range(3)], axis=1)
    table = cv2.GaussianBlur(table, (1, 61), 0, borderType=cv2.BORDER_REPLICATE)
    return clipped(table[grey])


def slow(shape: tuple[int, ...], rng: np.random.Generator, cells: int = 4) -> np.ndarray:
    """A smooth field, 0..1."""
    field = rng.uniform(0, 1, (cells, cells)).astype(np.float32)
    return np.clip(cv2.resize(field, shape[1::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def yellowed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paper that has taken up yellow and brown, here more than there."""
    much = rng.uniform(0.3, 1) * slow(picture.shape, rng, int(rng.integers(2, 4)))[..., None]
    paper = np.float32([1, rng.uniform(0.88, 0.97), rng.uniform(0.66, 0.9)])
    return clipped(picture.astype(np.float32) * (1 - much + much * paper))


def covered(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """How much light, damp or glue has done on one side of a line, and on the other, 0..1: as by a mat, a frame, or
    another print that lay there."""
    height, width = shape[:2]
    y, x = (np.linspace(-1, 1, count, dtype=np.float32) for count in (height, width))
    angle, line, blur = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6), rng.uniform(0.03, 0.3)
    across = np.float32(np.cos(angle)) * x[None, :] + np.float32(np.sin(angle)) * y[:, None]
    return np.float32(rng.uniform(0.3, 1)) / (1 + np.exp((np.float32(line) - across) / np.float32(blur)))


def silvered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Silver that came to the surface: what is dark has a bluish sheen, mostly towards some of the rims."""
    height, width = picture.shape[:2]
    y, x = (np.linspace(0, 1, count, dtype=np.float32) for count in (height, width))
    rim = np.zeros((height, width), np.float32)
    for away in (x[None, :], 1 - x[None, :], y[:, None], 1 - y[:, None]):
        strength, reach = rng.uniform(0.2, 1) * (rng.random() < 0.7), rng.uniform(0.08, 0.5)
        rim = np.maximum(rim, np.float32(strength) * np.clip(1 - away / np.float32(reach), 0, 1))
    rim *= 0.4 + 0.6 * slow(rim.shape, rng, int(rng.integers(3, 8)))
    dark = (1 - picture.astype(np.float32).mean(axis=2) / 255) ** 2
    sheen = np.float32([rng.uniform(75, 110), rng.uniform(90, 125), rng.uniform(120, 160)])
    much = (rng.uniform(0.4, 0.9) * rim * dark)[..., None]
    return clipped(picture * (1 - much) + sheen * much)


def two_hued(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paper that has changed to one hue here and to another there."""
    hues = np.float32([(1, 0.93, 0.8), (0.95, 1, 0.9), (1, 0.97, 0.82), (0.93, 0.97, 1), (1, 0.93, 0.9)])
    found = picture.astype(np.float32)
    for hue in rng.choice(len(hues), 2, replace=False):
        much = rng.uniform(0.4, 1) * slow(picture.shape, rng, int(rng.integers(2, 4)))[..., None]
        found *= 1 - much + much * hues[hue]
    return clipped(found)


def inscribed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A line or two in blue, violet, brown or black ink along one of the rims."""
    found = picture.copy()
    height, width = found.shape[:2]
    ink = [(50, 60, 120), (90, 60, 130), (100, 70, 40), (30, 30, 34)][int(rng.integers(4))]
    scale, thick = min(height, width) / 700 * rng.uniform(0.6, 1.6), max(1, min(height, width) // 200)
    top = rng.uniform(0.04, 0.12) if rng.random() < 0.4 else rng.uniform(0.86, 0.96)
    for line in range(int(rng.integers(1, 3))):
        at = (int(rng.uniform(0.02, 0.3) * width), int((top + 0.05 * line) * height))
        cv2.putText(found, "Wien, 4. Juni 1887  F. u. K.", at, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, scale, ink, thick)
    return found


def on_card(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mounted on a card of another tone, lighter than most of the print."""
    side = int(min(picture.shape[:2]) * rng.uniform(0.03, 0.12))
    green = rng.uniform(0.92, 1)
    card = [float(level) for level in rng.uniform(150, 245) * np.array([1, green, green * rng.uniform(0.8, 1)])]
    return cv2.copyMakeBorder(picture, side, side, side, side, cv2.BORDER_CONSTANT, value=card)


def enlarged(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As it is, or larger: a JPEG's blocks are then a smaller part of the page, as in a scan."""
    by = rng.choice([1, 1.6, 2.5], p=[0.5, 0.3, 0.2])
    return picture if by == 1 else cv2.resize(picture, None, fx=by, fy=by, interpolation=cv2.INTER_CUBIC)


def vignetted(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    dark = 1 - rng.uniform(0.2, 0.6) * np.clip(np.hypot(x, y) - 0.4, 0, 1)
    return clipped(picture * dark[..., None])


def marked(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A stamp, or lines of a pen, in red, violet, blue or green ink; at most a few hundredths of the area."""
    found = picture.copy()
    height, width = found.shape[:2]
    ink = [(190, 30, 40), (110, 50, 150), (30, 50, 160), (20, 110, 70)][int(rng.integers(4))]
    side = min(height, width)
    if rng.random() < 0.5:
        centre = (int(rng.uniform(0.2, 0.8) * width), int(rng.uniform(0.2, 0.8) * height))
        cv2.circle(found, centre, int(side * rng.uniform(0.07, 0.12)), ink, max(1, side // 80), cv2.LINE_AA)
        scale = side / 700
        cv2.putText(found, "FOTO 1931", (centre[0] - side // 14, centre[1]), 0, scale, ink, 1, cv2.LINE_AA)
    else:
        points = np.cumsum(rng.normal(0, side / 25, (14, 2)), axis=0) + rng.uniform(0.3, 0.7, 2) * (width, height)
        cv2.polylines(found, [points.astype(np.int32)], False, ink, max(1, side // 150), cv2.LINE_AA)
    return found


def noisy(picture: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """A scanner's noise, in each channel for itself, partly over neighbouring pixels."""
    noise = rng.standard_normal(picture.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6) * 1.6
    return clipped(picture + noise * np.float32(sigma))


def as_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]


def clipped(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
