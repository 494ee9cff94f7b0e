"""Scans of every kind in every format that a result can take by setting, and what must come of it; the table of them.

`python tests/converted.py` writes the table into docs/formats.md; test_converted.py makes and reads each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fidelity
import foreign
import pdfs
import tables
from fidelity import ALPHA, ALPHA16, BILEVEL, COLOUR, COLOUR16, GREY, GREY16, grey_of, jpeg, png_of, tiff

WISHES = ("jpeg", "png", "tiff", "webp", "pdf")
BEGIN, END = "<!-- table: python tests/converted.py -->", "<!-- end of the table of outputs -->"
NAMES = {"jpeg": "JPEG", "png": "PNG", "tiff": "TIFF", "webp": "WebP", "pdf": "PDF"}

# Steps of the result's own depth: half a step where a deeper scan was rounded, and one of the colours' arithmetic.
LOSSY, ROUNDED = {"jpeg": 6.0, "pdf": 6.0, "webp": 8.0, "tiff": 6.0}, 1.5


@dataclass(frozen=True)
class Kind:
    """One kind of scan: its lightness as sRGB grey of 0..1, and its alpha; `lossy` is how it was packed.

    `bits` are the scan's own, `off` how far its file is from `grey`, of 255. What has more pages, or text, stays `own`.
    """

    name: str
    content: Callable[[], bytes]
    bits: int
    grey: NDArray[Any]
    alpha: NDArray[Any] | None = None
    lossy: bool = False
    own: str = ""
    pages: int = 1
    off: float = 0.0


@dataclass(frozen=True)
class Cell:
    """What becomes of a scan: the result's format, its bits, and whether a warning tells of a loss."""

    kind: Kind
    wish: str

    @property
    def name(self) -> str:
        return f"{self.kind.name} to {NAMES[self.wish]}"

    @property
    def format(self) -> str:
        if self.kind.own == "pdf" or (self.kind.pages > 1 and self.wish in ("jpeg", "png", "webp")):
            return self.kind.own
        return self.wish

    @property
    def stays(self) -> bool:
        return self.format != self.wish

    @property
    def lossy(self) -> bool:
        return self.format == "jpeg" or (self.kind.lossy and self.format in ("webp", "pdf"))

    @property
    def bits(self) -> int:
        deepest = 8 if self.lossy or self.format == "webp" else 16
        return min(deepest, 16 if self.kind.bits > 8 else 8)

    @property
    def loses_depth(self) -> bool:
        return self.kind.bits > 8 and (self.bits < self.kind.bits)

    @property
    def alpha(self) -> bool:
        return self.kind.alpha is not None and self.format in ("png", "tiff", "webp")

    @property
    def loses_alpha(self) -> bool:
        return self.kind.alpha is not None and not self.alpha

    @property
    def steps(self) -> float:
        """How far off the lightness may be, in steps of the result's own depth."""
        if self.lossy:
            return LOSSY[self.format]
        return ROUNDED if self.loses_depth else 1.0

    def told(self) -> str:
        parts = [f"{self.bits} bits"]
        if self.stays:
            parts.insert(0, f"stays a {NAMES[self.format]}, warned")
        if self.kind.pages > 1:
            parts.append(f"{self.kind.pages} pages")
        if self.kind.alpha is not None:
            parts.append("alpha" if self.alpha else "no alpha, warned")
        if self.loses_depth:
            parts[0] += f" of {self.kind.bits}, warned"
        return f"{', '.join(parts)}; {self.steps:g}"


def _two_pages() -> bytes:
    import io

    import tifffile

    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GREY16, photometric="minisblack", metadata=None)
        writer.write(COLOUR, photometric="rgb", metadata=None)
    return buffer.getvalue()


_UNASSOCIATED: dict[str, Any] = {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
_LIGHT = foreign.GREY / 255
_WEBP = foreign.pillow("WEBP", quality=95)

KINDS = [
    Kind("JPEG, grey", jpeg(GREY), 8, fidelity.decoded_grey(jpeg(GREY)), lossy=True),
    Kind("JPEG, colour", jpeg(COLOUR), 8, fidelity.decoded_grey(jpeg(COLOUR)), lossy=True),
    Kind("PNG, grey", png_of(GREY), 8, GREY / 255),
    Kind("PNG, 1 bit", png_of(BILEVEL.astype(np.uint8), 1), 1, BILEVEL.astype(float)),
    Kind("PNG, RGB and alpha", png_of(np.dstack([COLOUR, ALPHA])), 8, grey_of(COLOUR / 255), ALPHA / 255),
    Kind("PNG, RGB", png_of(COLOUR16), 16, grey_of(COLOUR16 / 65535)),
    Kind("TIFF, grey", tiff(GREY16, photometric="minisblack"), 16, GREY16 / 65535),
    Kind(
        "TIFF, RGB and alpha",
        tiff(np.dstack([COLOUR16, ALPHA16]), photometric="rgb", **_UNASSOCIATED),
        16,
        grey_of(COLOUR16 / 65535),
        ALPHA16 / 65535,
    ),
    Kind("TIFF, floating-point", tiff((GREY / 255).astype(np.float32), photometric="minisblack"), 32, GREY / 255),
    Kind("TIFF, two pages", _two_pages, 16, GREY16 / 65535, own="tiff", pages=2),
    Kind("WebP, lossless", foreign.pillow("WEBP", lossless=True), 8, _LIGHT),
    Kind("WebP, lossy", _WEBP, 8, fidelity.decoded_grey(_WEBP), lossy=True),
    Kind("AVIF", foreign.avif(10), 10, _LIGHT, lossy=True, off=1.5),
    Kind("AVIF", foreign.avif(12), 12, _LIGHT, lossy=True, off=1.5),
    Kind("JPEG 2000, grey", foreign.jpeg2000(foreign.DEEP), 16, _LIGHT),
    Kind("BMP", foreign.pillow("BMP"), 8, _LIGHT),
    Kind("PDF, lossless pages", lambda: pdfs.saved(pdfs.document([pdfs.flate(foreign.DEEP)])), 16, _LIGHT, own="pdf"),
]
CELLS = [Cell(kind, wish) for kind in KINDS for wish in WISHES]


def table() -> str:
    lines = ["| scan | " + " | ".join(NAMES[wish] for wish in WISHES) + " |", "|---" * (len(WISHES) + 1) + "|"]
    for kind in KINDS:
        cells = [cell.told() for cell in CELLS if cell.kind is kind]
        bits = "bit" if kind.bits == 1 else "bits"
        name = kind.name if f"{kind.bits} {bits}" in kind.name else f"{kind.name}, {kind.bits} {bits}"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def rendered(text: str) -> str:
    """The page `text` with today's table in it."""
    return tables.rendered(text, BEGIN, table(), END)


if __name__ == "__main__":
    tables.rewrite(rendered)
