"""One picture in every format that is read beside JPEG, PNG and TIFF, and what becomes of it; and the table of them.

`python tests/foreign.py` writes the table into docs/formats.md; a test compares it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

import pdfs
import tables
from pictures import encoded, gradient

GREY = gradient(300, 200)
DEEP = GREY.astype(np.uint16) * 257
COLOUR = np.dstack([GREY] * 3)
ALPHA = np.tile(np.arange(300, dtype=np.uint16) * 255 // 299, (200, 1)).astype(np.uint8)
BILEVEL = GREY > 120

BEGIN, END = "<!-- table: python tests/foreign.py -->", "<!-- end of the other table -->"


@dataclass(frozen=True)
class Cell:
    """One kind of scan. `most` is how far its result's lightness may be off, in units of L (0 to 100).

    `result` says in words what it becomes; `refusal` is part of the sentence that refuses it instead.
    """

    kind: str
    suffix: str
    content: Callable[[], bytes]
    result: str = ""
    most: float = 0.25  # half a level of 8 bits, where L is steepest
    bits: int = 8
    grey: NDArray[Any] | None = None
    alpha: bool = False
    refusal: str = ""


def pillow(format: str, array: NDArray[Any] = COLOUR, **options: Any) -> Callable[[], bytes]:
    return lambda: encoded(array, format, **options)


def several(format: str) -> Callable[[], bytes]:
    def content() -> bytes:
        file = io.BytesIO()
        Image.fromarray(COLOUR).save(file, format, save_all=True, append_images=[Image.fromarray(255 - COLOUR)])
        return file.getvalue()

    return content


def avif(bits: int) -> Callable[[], bytes]:
    def content() -> bytes:
        image = pyvips.Image.new_from_array(np.dstack([DEEP] * 3)).copy(interpretation="rgb16")
        return bytes(image.heifsave_buffer(compression="av1", bitdepth=bits, Q=98, subsample_mode="off"))

    return content


def heic() -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(COLOUR)).save(file, quality=98)
    return file.getvalue()


def pnm(kind: int, array: NDArray[Any], most: int) -> Callable[[], bytes]:
    head = f"P{kind}\n# by hand\n{array.shape[1]} {array.shape[0]}\n" + (f"{most}\n" if kind not in (1, 4) else "")
    if kind <= 3:
        body = "\n".join(" ".join(map(str, row.ravel())) for row in array).encode() + b"\n"
    elif kind == 4:
        body = np.packbits(array, axis=1).tobytes()
    else:
        body = array.astype(">u2" if most > 255 else np.uint8).tobytes()
    return lambda: head.encode() + body


def pdf(*drawings: pdfs.Drawing) -> Callable[[], bytes]:
    return lambda: pdfs.saved(pdfs.document(drawings))


def top_down() -> bytes:
    """A BMP whose first row is the highest."""
    head = struct.pack("<2sIHHI", b"BM", 54 + COLOUR.nbytes, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, 300, -200, 1, 24, 0, 0, 11811, 11811, 0, 0) + COLOUR.tobytes()


def jpeg2000(array: NDArray[Any]) -> Callable[[], bytes]:
    def content() -> bytes:
        return bytes(cv2.imencode(".jp2", array, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1])

    return content


def damaged_kind(content: Callable[[], bytes], at: int, put: bytes) -> Callable[[], bytes]:
    return lambda: content()[:at] + put + content()[at + len(put) :]


PHOTO = {"result": "JPEG, 8 bits", "most": 7.0}
CELLS = [
    Cell("WebP, lossless", ".webp", pillow("WEBP", lossless=True), "WebP, lossless"),
    Cell("WebP, lossless, with alpha", ".webp",
         pillow("WEBP", np.dstack([COLOUR, ALPHA]), lossless=True, exact=True), "WebP, lossless, with alpha",
         alpha=True),
    Cell("WebP, lossy", ".webp", pillow("WEBP", quality=95), "WebP, lossy, 4:2:0", most=7),
    Cell("AVIF, 8 bits", ".avif", pillow("AVIF", quality=98), **PHOTO),
    Cell("AVIF, 10 bits", ".avif", avif(10), **PHOTO),
    Cell("AVIF, 12 bits", ".avif", avif(12), **PHOTO),
    Cell("HEIC, 8 bits (with the extra `heic`)", ".heic", heic, **PHOTO),
    Cell("GIF", ".gif", pillow("GIF", GREY), "PNG, 8 bits"),
    Cell("BMP, palette of greys", ".bmp", pillow("BMP", GREY), "PNG, 8 bits"),
    Cell("BMP, 24 bits", ".bmp", pillow("BMP"), "PNG, 8 bits"),
    Cell("BMP, 24 bits, from the top", ".bmp", top_down, "PNG, 8 bits"),
    Cell("BMP, 32 bits", ".bmp", pillow("BMP", np.dstack([COLOUR, ALPHA])), "PNG, 8 bits"),
    Cell("BMP, 1 bit", ".bmp", pillow("BMP", BILEVEL), "PNG, 8 bits", grey=BILEVEL * 255),
    Cell("PBM, plain (P1)", ".pbm", pnm(1, (~BILEVEL).astype(int), 1), "PNG, 8 bits", grey=BILEVEL * 255),
    Cell("PGM, plain (P2)", ".pgm", pnm(2, GREY, 255), "PNG, 8 bits"),
    Cell("PPM, plain (P3)", ".ppm", pnm(3, COLOUR, 255), "PNG, 8 bits"),
    Cell("PBM, raw (P4)", ".pbm", pnm(4, ~BILEVEL, 1), "PNG, 8 bits", grey=BILEVEL * 255),
    Cell("PGM, raw (P5), 8 bits", ".pgm", pnm(5, GREY, 255), "PNG, 8 bits"),
    Cell("PGM, raw (P5), 16 bits", ".pgm", pnm(5, DEEP, 65_535), "PNG, 16 bits", most=0.002, bits=16),
    Cell("PGM, raw (P5), up to 4,095", ".pgm", pnm(5, DEEP >> 4, 4095), "PNG, 16 bits", most=0.002, bits=16,
         grey=(DEEP >> 4).astype(float) * 255 / 4095),
    Cell("PPM, raw (P6), 8 bits", ".ppm", pnm(6, COLOUR, 255), "PNG, 8 bits"),
    Cell("PPM, raw (P6), 16 bits", ".ppm", pnm(6, np.dstack([DEEP] * 3), 65_535), "PNG, 16 bits", most=0.002, bits=16),
    Cell("JPEG 2000, lossless, grey", ".jp2", pillow("JPEG2000", GREY), "PNG, 8 bits"),
    Cell("JPEG 2000, lossless, RGB", ".jp2", pillow("JPEG2000"), "PNG, 8 bits"),
    Cell("JPEG 2000, lossless, with alpha", ".jp2", pillow("JPEG2000", np.dstack([COLOUR, ALPHA])),
         "PNG, 8 bits, with alpha", alpha=True),
    Cell("JPEG 2000, a bare codestream", ".j2k", pillow("JPEG2000", no_jp2=True), "PNG, 8 bits"),
    Cell("JPEG 2000, grey, 16 bits", ".jp2", jpeg2000(DEEP), "PNG, 16 bits", most=0.01, bits=16),
    Cell("JPEG 2000, RGB, 16 bits", ".jp2", jpeg2000(np.dstack([DEEP] * 3)), "PNG, 16 bits", most=0.01, bits=16),
    Cell("JPEG 2000, lossy", ".jp2", pillow("JPEG2000", irreversible=True), **PHOTO),
    Cell("GIF, animated", ".gif", several("GIF"), refusal="animated GIF"),
    Cell("WebP, animated", ".webp", several("WEBP"), refusal="animated WebP"),
    Cell("BMP, run lengths", ".bmp", damaged_kind(pillow("BMP", GREY), 30, b"\1\0\0\0"), refusal="run lengths"),
    Cell("BMP, 16 bits a pixel", ".bmp", damaged_kind(pillow("BMP", GREY), 28, b"\x10\0"), refusal="16 bits a pixel"),
    Cell("PAM (P7)", ".pam", lambda: b"P7\nWIDTH 3\nHEIGHT 3\nDEPTH 1\nMAXVAL 255\nENDHDR\n123456789", refusal="PAM"),
    Cell("JPEG 2000, grey with alpha", ".jp2", pillow("JPEG2000", np.dstack([GREY, ALPHA])), refusal="2 channels"),
    Cell("JPEG XL", ".jxl", lambda: b"\xff\x0a" + bytes(range(60)), refusal="JPEG XL"),
    Cell("PDF, pages that are JPEGs", ".pdf", pdf(pdfs.jpeg(GREY)), "PDF, pages are JPEGs"),
    Cell("PDF, pages without loss, 8 bits", ".pdf", pdf(pdfs.flate(GREY)),
         "PDF, without loss, 8 bits"),
    Cell("PDF, pages without loss, 16 bits", ".pdf", pdf(pdfs.flate(DEEP)),
         "PDF, without loss, 16 bits"),
    Cell("PDF, pages in strips", ".pdf", pdf(*pdfs.strips(GREY, 40)), "PDF, as many strips"),
    Cell("PDF, pages of one bit, CCITT group 4", ".pdf", pdf(pdfs.fax(BILEVEL)),
         "PDF, without loss; left as they are beside pages with shades"),
    Cell("PDF, text and drawings alone", ".pdf", pdf(), refusal="without scanned pages"),
]  # fmt: skip


def table() -> str:
    rows = ["| scan | result | lightness (0 to 100) at most off by |", "|---|---|---|"]
    for cell in CELLS:
        most = "" if cell.refusal or cell.suffix == ".pdf" else f"{cell.most:g}"
        rows.append(f"| {cell.kind} | {cell.result or 'refused by name'} | {most} |")
    return "\n".join(rows)


def rendered(text: str) -> str:
    """The page `text` with today's table in it."""
    return tables.rendered(text, BEGIN, table(), END)


if __name__ == "__main__":
    tables.rewrite(rendered)
