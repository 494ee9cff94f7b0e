"""Pages that are no photographs: text of many kinds, line art, blank ones; rendered, printed, aged and scanned."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from judged import as_jpeg, clipped, noisy, slow, vignetted, yellowed
from PIL import Image, ImageDraw, ImageFont

WORDS = {
    "English": "It was the best of times it was the worst of times we had everything before us nothing ahead the "
    "season of light and of darkness spring hope winter despair",
    "German": "Über allen Gipfeln ist Ruh in allen Wipfeln spürest du kaum einen Hauch die Vögelein schweigen im Walde "
    "größer Straße fröhlich Mädchen",
    "French": "Longtemps je me suis couché de bonne heure parfois à peine ma bougie éteinte mes yeux se fermaient vite "
    "où forêt élève garçon",
    "Polish": "Litwo ojczyzno moja ty jesteś jak zdrowie ile cię trzeba cenić ten tylko się dowie kto cię stracił dziś "
    "piękność łąka źdźbło",
    "Russian": "Все счастливые семьи похожи друг на друга каждая несчастливая семья несчастлива по своему дом",
    "Greek": "Σα βγεις στον πηγαιμό για την Ιθάκη να εύχεσαι να είναι μακρύς ο δρόμος γεμάτος περιπέτειες γνώσεις",
}
PAPERS = [
    (255, 255, 255),
    (250, 246, 232),
    (240, 228, 196),
    (228, 214, 180),
    (236, 240, 246),
    (238, 222, 222),
    (216, 228, 214),
]

_SANS = sorted(glob.glob("/usr/share/fonts/**/*Sans*-Regular.ttf", recursive=True)) + sorted(
    glob.glob("/usr/share/fonts/**/DejaVuSans.ttf", recursive=True)
)
_SERIF = sorted(glob.glob("/usr/share/fonts/**/*Serif*.ttf", recursive=True))
_TYPED = sorted(glob.glob("/usr/share/fonts/**/*Mono*.ttf", recursive=True))
_SLANTED = sorted(glob.glob("/usr/share/fonts/**/*Italic*.ttf", recursive=True))


def page_size(rng: np.random.Generator) -> tuple[int, int]:
    """Height and width in pixels of a sheet between A6 and A4 at 75 to 150 dots an inch."""
    height = int(rng.uniform(700, 1754))
    return height, int(height * rng.choice([0.71, 0.75, 0.65, 1.4 / 2]))


def words(rng: np.random.Generator) -> list[str]:
    return WORDS[list(WORDS)[int(rng.integers(len(WORDS)))]].split()


def text(rng: np.random.Generator, fonts: list[str], columns: int = 1, points: float = 0) -> np.ndarray:
    """Ink (0 none, 255 full) of a page of text."""
    height, width = page_size(rng)
    size = int(height / 842 * (points or rng.uniform(8, 14)))
    font = ImageFont.truetype(fonts[int(rng.integers(len(fonts)))], max(7, size))
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    known, edge = words(rng), int(width * rng.uniform(0.06, 0.14))
    gap = int(0.04 * width)
    column = (width - 2 * edge - gap * (columns - 1)) // columns
    end = height * rng.choice([0.95, 0.9, 0.6, 0.35], p=[0.5, 0.25, 0.15, 0.1])
    for number in range(columns):
        left, top = edge + number * (column + gap), int(height * rng.uniform(0.05, 0.1))
        while top < end - size:
            line, target = "", column * (1 if rng.random() < 0.8 else rng.uniform(0.2, 0.9))
            while font.getlength(line) < target:
                line += known[int(rng.integers(len(known)))] + " "
            draw.text((left, top), line.rsplit(" ", 2)[0], fill=255, font=font)
            top += int(size * rng.uniform(1.25, 1.5)) + (size if rng.random() < 0.08 else 0)
    return np.asarray(image)


def handwriting(rng: np.random.Generator) -> np.ndarray:
    """Ink of lines that a pen ran along: loops of a word's length, slanted, with gaps."""
    height, width = page_size(rng)
    ink = np.zeros((height, width), np.uint8)
    size, thick = height * rng.uniform(0.008, 0.016), max(1, round(height / 700))
    slant, top = rng.uniform(0.1, 0.7), 0.08 * height
    while top < 0.93 * height:
        left, end = 0.08 * width, width * rng.uniform(0.5, 0.93)
        while left < end:
            count = int(rng.integers(12, 60))
            t = np.arange(count)
            y = np.sin(t * 1.9 + rng.uniform(0, 6)) * size * rng.choice([0.6, 0.7, 1.2], count) + rng.normal(
                0, 1, count
            )
            x = left + t * size * 0.35 - slant * y + np.cos(t * 1.9) * size * 0.3
            line = np.stack((x, top + y), axis=1).astype(np.int32)
            cv2.polylines(ink, [line[line[:, 0] < 0.95 * width]], False, 255, thick, cv2.LINE_AA)
            left += count * size * 0.35 + size
        top += size * rng.uniform(3.4, 4.2)
    return ink


def drawing(rng: np.random.Generator) -> np.ndarray:
    """Ink of line art: outlines, hatching, plans."""
    height, width = page_size(rng)
    ink = np.zeros((height, width), np.uint8)
    thick = max(1, round(height / 600))
    for _ in range(int(rng.integers(6, 40))):
        at = (rng.uniform(0.1, 0.9, 2) * (width, height)).astype(int)
        span = int(rng.uniform(0.03, 0.3) * width)
        match int(rng.integers(5)):
            case 0:
                cv2.ellipse(ink, at, (span, span // 2 + 1), int(rng.integers(180)), 0, 360, 255, thick, cv2.LINE_AA)
            case 1:
                cv2.rectangle(ink, at, at + span, 255, thick, cv2.LINE_AA)
            case 2:
                for x in range(at[0], at[0] + span, 6 * thick):
                    cv2.line(ink, (x, at[1]), (x + span // 3, at[1] + span // 2), 255, thick, cv2.LINE_AA)
            case 3:
                points = np.cumsum(rng.normal(0, span / 8, (30, 2)), axis=0) + at
                cv2.polylines(ink, [points.astype(np.int32)], False, 255, thick, cv2.LINE_AA)
            case 4:
                cv2.line(ink, at, (rng.uniform(0.05, 0.95, 2) * (width, height)).astype(int), 255, thick, cv2.LINE_AA)
    return ink


def nothing(rng: np.random.Generator) -> np.ndarray:
    """Ink of an empty page: at times punch holes, at times what shows through from its back."""
    height, width = page_size(rng)
    ink = np.zeros((height, width), np.uint8)
    if rng.random() < 0.4:
        for at in rng.choice([(0.3, 0.7), (0.2, 0.4, 0.6, 0.8)][int(rng.integers(2))], 2, replace=False):
            cv2.circle(ink, (int(0.05 * width), int(at * height)), int(0.014 * width), 200, -1, cv2.LINE_AA)
    if rng.random() < 0.4:
        back = cv2.GaussianBlur(cv2.resize(text(rng, _SERIF)[:, ::-1], (width, height)), (0, 0), height / 500)
        ink = np.maximum(ink, clipped(back * rng.uniform(0.03, 0.09)))
    return ink


def scanned(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """RGB of a sheet with that ink: paper, pen, skew, light, grain, JPEG."""
    height, width = ink.shape
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-3, 3) * (rng.random() < 0.6), 1)
    ink = cv2.warpAffine(cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.4, 0.9)), turned, (width, height))
    paper = np.float32(PAPERS[int(rng.integers(len(PAPERS)))])
    pen = np.float32([(20, 20, 22), (40, 36, 34), (30, 40, 90), (80, 60, 40)][int(rng.integers(4))])
    strength = rng.uniform(0.35, 1) if rng.random() < 0.8 else rng.uniform(0.2, 0.35)
    share = (ink.astype(np.float32) * (strength / 255))[..., None]
    page = paper * (1 - share) + pen * share
    page *= (1 + rng.uniform(0.0, 0.04) * (slow(ink.shape, rng) - 0.5))[..., None]
    page = clipped(page)
    if rng.random() < 0.3:
        page = yellowed(page, rng)
    if rng.random() < 0.2:
        page = vignetted(page, rng)
    page = as_jpeg(noisy(page, rng, rng.uniform(0.5, 5)), int(rng.integers(40, 95)))
    return np.dstack([cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)] * 3) if rng.random() < 0.4 else page


def two_tone(page: np.ndarray) -> np.ndarray:
    """As a fax or a scanner of one bit a pixel gives it."""
    grey = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    return np.dstack([np.where(grey > 0.75 * np.median(grey), 255, 0).astype(np.uint8)] * 3)


KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "text, sans": lambda rng: text(rng, _SANS),
    "text, serif": lambda rng: text(rng, _SERIF),
    "text, small print": lambda rng: text(rng, _SERIF, points=6.5),
    "text, large": lambda rng: text(rng, _SANS, points=24),
    "text, columns": lambda rng: text(rng, _SERIF, columns=int(rng.integers(2, 4))),
    "text, typewriter": lambda rng: text(rng, _TYPED),
    "text, slanted": lambda rng: text(rng, _SLANTED),
    "text, handwriting": handwriting,
    "line art": drawing,
    "blank": nothing,
}


def pages(count: int, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Truth (text, line-art, blank), kind and picture of `count` pages of each kind."""
    rng = np.random.default_rng(seed)
    for kind, draw in KINDS.items():
        truth = kind.split(",")[0].replace(" ", "-")
        for _ in range(count):
            page = scanned(draw(rng), rng)
            if truth != "blank" and rng.random() < 0.1:
                page = two_tone(page)
            yield truth, kind, page
