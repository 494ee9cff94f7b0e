"""What a page is, judged before the net sees it: in colour, grey or toned; a photograph, text, line art or blank.

The thresholds were chosen on one set of pages and tried on another (`tests/trials/judging.py`, `docs/judging.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.judge.agreement import agreement
from colorwatch.judge.colours import Colours, measure
from colorwatch.judge.deciding import DOUBT, index, index_asked
from colorwatch.judge.ink import Ink, look

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

Guess = Callable[[], Floats]
"""ab (rows, columns, 2) that the net would give the whole page, as it lies; asked for where the page leaves doubt."""

FAINT = 3.0  # mean chroma below which no page is in colour; of 7,372 to choose on one had less
TONED = 3.0  # mean chroma of toning and paper at which a page is called toned
PAPER = 0.87  # the share of even paper that a page of strokes has; no photograph was seen to have more than 0.81
INKED = 0.4  # no page of strokes has more of its paper inked
BLANK_PAPER, BLANK = 0.97, 0.003  # the share of paper on an empty page, and of ink at the most: punch holes, dust
LIGHT = 90  # the level of paper, at the least: an even dark page is a night
SLOPE = 150  # levels by which light on paper may fall off: an even change from black to white is a sky
SMALLEST = 128  # pixels: of a smaller page it cannot be told whether it is text
LETTERS, LETTERED = 40, 0.5  # pieces of the size of letters, and their share of the ink, that make it text


class Kind(StrEnum):
    """What a page is. The first three are pictures."""

    COLOUR = "colour"
    GREY = "grey"
    TONED = "toned"
    TEXT = "text"
    LINE_ART = "line-art"
    BLANK = "blank"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a page is, by which figures. `colours` is None for a page without any."""

    kind: Kind
    figures: dict[str, float]
    colours: Colours | None = None

    @property
    def is_picture(self) -> bool:
        return self.kind in (Kind.COLOUR, Kind.GREY, Kind.TONED)


def judge(picture: Bytes, guess: Guess | None = None) -> Judgement:
    """What a page is whose picture, made small, is this: (height, width) grey or (height, width, 3) RGB.

    Without a `guess` what is in doubt is decided by the page alone.
    """
    grey = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    ink = look(grey)
    figures = {"paper": round(ink.paper, 3)} | ({"ink": round(ink.ink, 4)} if ink.ink else {})
    kind = _of_strokes(ink) if min(grey.shape) >= SMALLEST else None
    colours = None if kind is not None or _is_colourless(picture) else measure(picture)
    if colours is not None:
        own = index(colours)
        if guess is not None and DOUBT[0] < own < DOUBT[1]:
            agreed = agreement(colours, guess())
            figures |= {"at_first": round(own, 2), "agrees": round(agreed["silver, agrees"], 2)}
            own = index_asked(colours, own, agreed)
        figures |= {"own_colours": round(own, 2), "chroma": round(colours.chroma, 2), "tone": round(colours.tone, 2)}
        is_coloured = own > 0 and colours.chroma >= FAINT
        kind = Kind.COLOUR if is_coloured else Kind.TONED if colours.tone >= TONED else Kind.GREY
    return Judgement(kind or Kind.GREY, figures, colours)


def _of_strokes(ink: Ink) -> Kind | None:
    """Text, line art or blank, or None for a picture."""
    if ink.level < LIGHT or ink.slope > SLOPE or ink.paper < PAPER or ink.ink > INKED:
        return None
    if ink.ink < BLANK:
        return Kind.BLANK if ink.paper >= BLANK_PAPER else None
    return Kind.TEXT if ink.pieces >= LETTERS and ink.lettered >= LETTERED else Kind.LINE_ART


def _is_colourless(picture: Bytes) -> bool:
    if picture.ndim == 2:
        return True
    red, green, blue = cv2.split(picture)
    return not (cv2.absdiff(red, green).any() or cv2.absdiff(blue, green).any())
