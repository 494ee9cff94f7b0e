"""One page: judged, then left as it is, or seen by the net, print by print, and painted.

Strips, colours and memory are the same for every format; `pages` is the seam.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from colorwatch.codecs.pages import Levels, Page, Timed
from colorwatch.colour.deep import DeepPainter, deep_lightness
from colorwatch.colour.glance import Glance
from colorwatch.colour.lab import NET_SIDE, Chroma, Painter, lightness, net_lightness, strip_rows, toned
from colorwatch.colour.leaving import Leaver
from colorwatch.colour.rows import Source
from colorwatch.faultpoint import reach
from colorwatch.judge import Judgement, Kind, judge
from colorwatch.judge.colours import ab_of
from colorwatch.judge.margins import assembled, rolled_off
from colorwatch.judge.prints import Box, Print, find, reading_order
from colorwatch.scan import Place, RenderSettings

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

Predict = Callable[[Floats], Floats]
"""Lightness (224, 224), 0..100, of an upright picture in; ab (56, 56, 2) out."""

# EXIF orientation to quarter turns (clockwise, after a left-right flip) that set a picture upright.
UPRIGHT = {1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2)}
UPRIGHT |= {5: (True, 3), 6: (False, 1), 7: (True, 1), 8: (False, 3)}

SMALL = 56  # rows and columns of ab that the nets give
FINE = 112  # rows and columns of ab where a part of it is to stay neutral: twice as many as the nets give
FINEST = 256  # where there are prints and margins, whose edges show
WIDE_BYTES = 24 << 20  # that ab may take at the page's width

NO_CHROMA = 2.0  # mean chroma of ab below which no colour came out; the embedded net never gave a photograph under 2.5
COLOURED, NO_SHARE = 5.0, 0.05  # nor where so little of the page has that much chroma

_LEFT = {Kind.COLOUR: "it is in colour already", Kind.TEXT: "it is a page of text"}
_LEFT |= {Kind.LINE_ART: "it is line art", Kind.BLANK: "it is blank"}
_COLOURED = {Kind.COLOUR: "it is in colour, and was coloured anew", Kind.GREY: "it is black-and-white"}
_COLOURED |= {Kind.TONED: "it is toned or yellowed", Kind.TEXT: "it is a page of text"}
_COLOURED |= {Kind.LINE_ART: "it is line art", Kind.BLANK: "it is blank"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a page: what it was judged to be, and whether it was left; or whether no colour came out."""

    kind: str
    left: bool
    reason: str
    figures: dict[str, float]
    no_colour: bool = False
    prints: tuple[Place, ...] = ()  # where there are several


def colour_page(page: Page, predict: Predict, settings: RenderSettings, writer: Leaver, timed: Timed) -> Seen:
    """Colour one page and hand it to `writer`, in strips, or leave it. Raises what reading and writing raise."""
    bits = min(page.bits, writer.writer.bits)
    reach("decode")
    source = Source(page, bits, timed)
    reach("forward")
    with timed("net"):
        glance = Glance(source.glanced(wanted_side(predict)))
        whole = net_lightness(glance, wanted_side(predict), lightness if bits == 8 else deep_lightness)

    @functools.cache
    def guess() -> Floats:
        with timed("net"):
            return upright(predict, whole, page.luggage.orientation)

    with timed("judge"):
        judgement = judge(glance.picture(), guess)
        kind = judgement.kind
        left = is_left(kind, settings)
        prints = [] if kind in (Kind.TEXT, Kind.LINE_ART, Kind.BLANK) else find(grey_of(glance.picture()))
        places = _places(prints, page.luggage.orientation)
    if left:
        writer.leave(_LEFT[kind])
        return Seen(kind, True, _LEFT[kind], judgement.figures, prints=places)
    with timed("net"):
        if prints:
            ab = _ab_of_prints(glance.picture(), whole, prints, predict, page)
        else:
            ab = _ab_of_whole(guess(), whole, page)
    figures, no_colour = _outcome(ab, prints, judgement)
    ab = toned(ab, settings.strength, settings.saturation)
    if settings.tone == "keep" and judgement.colours is not None:
        ab = _with_tone(ab, judgement, _side(FINE, page.width))
    _paint(page, source, Chroma(ab, page.width, page.height), bits, writer, timed)
    wanted = settings.strength > 0 and settings.saturation > 0
    return Seen(kind, False, _COLOURED[kind], figures, no_colour and wanted and judgement.is_picture, places)


def _places(prints: list[Print], orientation: int) -> tuple[Place, ...]:
    """Where several prints lie, in the order in which they are read on the page once it stands upright."""
    if len(prints) < 2:
        return ()
    flipped, turns = UPRIGHT[orientation]

    def as_it_stands(one: Print) -> Box:
        left, top, right, bottom = one.left, one.top, one.right, one.bottom
        if flipped:
            left, right = 1 - right, 1 - left
        for _ in range(turns):  # each clockwise
            left, top, right, bottom = 1 - bottom, left, 1 - top, right
        return left, top, right, bottom

    ordered = (prints[number] for number in reading_order([as_it_stands(one) for one in prints]))
    return tuple(Place(one.left, one.top, one.right, one.bottom) for one in ordered)


def is_left(kind: Kind, settings: RenderSettings) -> bool:
    """Whether the settings want a page of that kind to stay as it is."""
    if kind == Kind.COLOUR:
        return settings.colored == "leave"
    return kind in (Kind.TEXT, Kind.LINE_ART, Kind.BLANK) and settings.text == "leave"


def wanted_side(predict: Predict) -> int:
    """The side in pixels of the square of lightness that a predict function asks for, if it does."""
    return int(getattr(predict, "side", NET_SIDE))


def grey_of(picture: Bytes) -> Bytes:
    """Levels of a picture in grey or RGB."""
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _ab_of_whole(ab: Floats, whole: Floats, page: Page) -> Floats:
    """ab of a page that is one picture, less of it near black and near white."""
    kept = rolled_off(whole)
    if kept.min() > 0.98:
        return ab
    rows, columns = (max(side, _side(FINE, page.width)) for side in ab.shape[:2])
    fine = cv2.resize(ab, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine * cv2.resize(kept, (columns, rows), interpolation=cv2.INTER_AREA)[..., None], np.float32)


def _ab_of_prints(picture: Bytes, whole: Floats, prints: list[Print], predict: Predict, page: Page) -> Floats:
    """ab of a page as it lies: one pass of the net for each print."""
    orientation = page.luggage.orientation
    side = wanted_side(predict)
    parts = []
    for one in prints:
        seen = _cut(picture, one, side)
        parts.append(
            (one, upright(predict, seen, orientation) if seen is not None else np.zeros((1, 1, 2), np.float32))
        )
    rows = columns = _side(FINEST, page.width)
    how = cv2.INTER_AREA if rows < len(whole) else cv2.INTER_LINEAR
    light = np.asarray(cv2.resize(whole, (columns, rows), interpolation=how), np.float32)
    return assembled(parts, rows, columns) * rolled_off(light)[..., None]


def _side(wanted: int, width: int) -> int:
    """The side of a map of ab, near `wanted`: of a very wide page it would take too much memory at its width."""
    return max(SMALL, min(wanted, WIDE_BYTES // (8 * width)))


def _cut(picture: Bytes, one: Print, side: int) -> Floats | None:
    """Lightness of one print, squashed to the net's square; None of one without any area."""
    height, width = picture.shape[:2]
    top, bottom = round(one.top * height), round(one.bottom * height)
    left, right = round(one.left * width), round(one.right * width)
    light = lightness(np.ascontiguousarray(picture[top:bottom, left:right]))
    if not light.size:
        return None
    smaller = min(light.shape) >= side
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(light, (side, side), interpolation=how), np.float32)


def _outcome(ab: Floats, prints: list[Print], judgement: Judgement) -> tuple[dict[str, float], bool]:
    """The page's figures with those of the colours that came out, and whether that is next to none."""
    chroma = np.hypot(ab[..., 0], ab[..., 1])
    area = min(1.0, sum(one.area for one in prints)) if prints else 1.0
    mean, share = float(chroma.mean()) / area, float((chroma > COLOURED).mean()) / area
    figures = {"colour": round(mean, 2), "coloured": round(share, 3), "prints": float(len(prints))}
    return judgement.figures | figures, mean < NO_CHROMA or share < NO_SHARE


def _with_tone(ab: Floats, judgement: Judgement, side: int) -> Floats:
    """ab with the tone that the page's own curve and paper gave it, at twice the net's size."""
    if judgement.colours is None:
        return ab
    rows, columns = max(side, ab.shape[0]), max(side, ab.shape[1])
    tone = cv2.resize(ab_of(judgement.colours), (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(ab, (columns, rows), interpolation=cv2.INTER_CUBIC) + tone, np.float32)


def _paint(page: Page, source: Source, chroma: Chroma, bits: int, writer: Leaver, timed: Timed) -> None:
    rows = writer.writer.strip_rows(page.width, strip_rows(page.width))
    decoded = source.passed()
    alpha = decoded.alpha if writer.writer.alpha else None
    painter = (Painter if bits == 8 else DeepPainter)(decoded.pixels, chroma, rows, writer.writer.blue_first)

    def paint(top: int, bottom: int) -> Levels:
        with timed("colour"):
            levels = painter.paint(top, bottom)
            reach("spool-write")
            return levels if alpha is None else np.dstack((levels, alpha[top:bottom]))

    reach("encode")
    with timed("encode"):
        writer.add(page, bits, rows, paint)


def upright(predict: Predict, lying: Floats, orientation: int) -> Floats:
    """ab for pixels as they lie, from a net that sees them upright."""
    flipped, turns = UPRIGHT[orientation]
    seen = lying[:, ::-1] if flipped else lying
    # numpy turns the other way round.
    ab = predict(np.ascontiguousarray(np.rot90(seen, -turns)))
    turned = np.rot90(ab, turns)
    return np.ascontiguousarray(turned[:, ::-1] if flipped else turned)
