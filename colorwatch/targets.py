"""Which format a result takes: the one that the config asks for, or the scan's own where something would be lost.

Decided from the probe's facts, for the result's name is reserved before anything is decoded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from colorwatch.scan import EXTENSIONS, Facts

SAME = "same"
WISHES = (SAME, *EXTENSIONS)

_BITS = {"jpeg": 8, "png": 16, "tiff": 16, "webp": 8, "pdf": 16}
_CLEAR = {"png", "tiff", "webp"}  # those that have a place for transparency
_SEVERAL = {"tiff", "pdf"}  # and for more than one page
_NAMES = {"jpeg": "JPEG", "png": "PNG", "tiff": "TIFF", "webp": "WebP", "pdf": "PDF"}

WEBP_SIDE = 16_383  # pixels (RFC 9649)
_WEBP_BYTES = 24  # a pixel, that its encoder holds
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Target:
    """A result's format. Where it is not the one that was asked for, `why` is a sentence."""

    format: str
    why: str = ""

    @property
    def extensions(self) -> tuple[str, ...]:
        """The endings that fit; the first is the one given where a name has none."""
        return EXTENSIONS[self.format]


def target_of(facts: Facts, wish: str) -> Target:
    """The format of a scan's result where the config asks for `wish`, one of WISHES."""
    own = next(format for format, endings in EXTENSIONS.items() if facts.extension in endings)
    if wish in (SAME, own):
        return Target(own)
    name, other = _NAMES[own], _NAMES[wish]
    if own == "pdf":
        return Target(own, f"It stays a PDF: as {other} its text, bookmarks and page sizes would be lost.")
    if facts.pages > 1 and wish not in _SEVERAL:
        return Target(own, f"It stays a {name}: it has {facts.pages:,} pages, and a {other} holds one.")
    if wish == "webp" and (max(facts.width, facts.height) > WEBP_SIDE or _webp_bytes(facts) > _MOST_BYTES):
        return Target(own, f"It stays a {name}: it is too large for a WebP ({facts.width} x {facts.height} pixels).")
    return Target(wish)


def format_named(name: str) -> str:
    """The format that a result's name speaks of, or ""."""
    ending = os.path.splitext(name)[1].lower()
    return next((format for format, endings in EXTENSIONS.items() if ending in endings), "")


def encoder_bytes(facts: Facts, wish: str) -> int:
    """What writing the result holds at once because its format cannot be written in strips."""
    made = target_of(facts, wish).format == "webp" and facts.extension not in EXTENSIONS["webp"]
    return _webp_bytes(facts) if made else 0


def _webp_bytes(facts: Facts) -> int:
    return facts.width * facts.height * _WEBP_BYTES


def losses(bits: int, floating: bool, alpha: bool, format: str) -> str:
    """What of a page, of `bits` a channel, a result of that format has no place for: a part of a sentence, or ""."""
    found = []
    if bits > _BITS[format]:
        kind = f"floating-point numbers of {bits} bits" if floating else f"{bits} bits a channel"
        found.append(f"{kind} became {'whole ones of ' * floating}{_BITS[format]}")
    if alpha and format not in _CLEAR:
        found.append("transparency was left out")
    return ", and ".join(found)
