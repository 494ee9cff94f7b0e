"""Every kind of scan that is read, and every one that is refused: a small file of each, and what must come of it.

`python tests/fidelity.py` writes the table of them into docs/formats.md; test_fidelity.py colours each.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

import tables
from pictures import encoded, gradient
from profiles import ADOBE_RGB, DOT_GAIN, GAMMA_18, PROPHOTO, dot_gain, power
from tiffs import tiff_by_hand

Floats = NDArray[np.float64]

GREY = gradient(120, 80)
COLOUR = np.dstack([GREY, GREY[:, ::-1], GREY[::-1]])
ALPHA = np.ascontiguousarray(GREY[::-1, ::-1])
_FINE = np.random.default_rng(5).integers(0, 257, GREY.shape)
GREY16 = (GREY.astype(np.uint32) * 256 + _FINE).clip(0, 65535).astype(np.uint16)
COLOUR16 = np.dstack([GREY16, GREY16[:, ::-1], GREY16[::-1]])
ALPHA16 = np.ascontiguousarray(GREY16[::-1, ::-1])
BILEVEL = GREY > 100


def grey_of(rgb: NDArray[Any]) -> Floats:
    """The grey level, 0..1 and not rounded, that is as light as an sRGB colour of 0..1."""
    value = np.asarray(rgb, np.float64)
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    light = light @ np.array([0.2126729, 0.7151522, 0.0721750]) if value.ndim == 3 else light
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-12) ** (1 / 2.4) - 0.055)


def grey_of_light(light: NDArray[Any]) -> Floats:
    """The sRGB grey, 0..1, of linear light."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-12) ** (1 / 2.4) - 0.055)


def grey_of_lightness(lightness: NDArray[Any]) -> Floats:
    """The sRGB grey, 0..1, of CIE L."""
    return grey_of_light(np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness * 27 / 24389))


@dataclass(frozen=True)
class Cell:
    """One kind of scan. `grey` is what the result's lightness must be, as sRGB grey of 0..1; `steps` how far off.

    `refusal` is part of the sentence that refuses it instead.
    """

    format: str
    kind: str
    content: Callable[[], bytes]
    bits: int = 8
    grey: Floats | None = None
    alpha: Floats | None = None
    steps: float = 1.0
    profile: bytes | None = None
    refusal: str = ""
    pages: int = 1

    @property
    def name(self) -> str:
        return f"{self.format}, {self.kind}"


# --- how the files are made ----------------------------------------------------------------------------------


def tiff(array: NDArray[Any], **options: Any) -> Callable[[], bytes]:
    def content() -> bytes:
        buffer = io.BytesIO()
        big = options.pop("bigtiff", False)
        order = options.pop("byteorder", "<")
        with tifffile.TiffWriter(buffer, bigtiff=big, byteorder=order) as writer:
            writer.write(array, metadata=None, **options)
        return buffer.getvalue()

    kept = dict(options)

    def again() -> bytes:
        options.clear()
        options.update(kept)
        return content()

    return again


TAGGED: dict[str, Any] = {
    "resolution": (600, 300),
    "resolutionunit": 2,
    "extratags": [(271, 2, 0, "Maker", True), (272, 2, 0, "Model 7", True), (274, 3, 1, 6, True)],
}


def pillow(image: Image.Image, format: str = "TIFF", **options: Any) -> Callable[[], bytes]:
    def content() -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format, **options)
        return buffer.getvalue()

    return content


def jpeg(array: NDArray[Any], **options: Any) -> Callable[[], bytes]:
    return lambda: encoded(array, "JPEG", **({"quality": 97, "subsampling": 0} | options))


def decoded_grey(content: Callable[[], bytes]) -> Floats:
    """The lightness of a file as Pillow decodes it, as sRGB grey of 0..1."""
    return grey_of(np.asarray(Image.open(io.BytesIO(content()))) / 255)


def packed(levels: NDArray[Any], bits: int, tags: dict[int, Any] | None = None) -> Callable[[], bytes]:
    """An uncompressed TIFF of 1, 2 or 4 bits a sample."""
    height, width = levels.shape
    spread = (levels[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(spread.reshape(height, width * bits).astype(np.uint8), axis=1)
    return lambda: tiff_by_hand(rows.tobytes(), width, height, {258: (3, [bits]), **(tags or {})})


def png(width: int, height: int, bits: int, colour: int, rows: bytes, extra: bytes = b"", interlaced: int = 0) -> bytes:
    import zlib

    from colorwatch.metadata.pieces import png_chunk

    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def png_of(array: NDArray[Any], bits: int = 0, interlaced: bool = False, extra: bytes = b"") -> Callable[[], bytes]:
    """A PNG written by hand: any depth, and Adam7."""
    depth = bits or array.dtype.itemsize * 8
    bands = 1 if array.ndim == 2 else array.shape[2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[bands]

    def lines(part: NDArray[Any]) -> bytes:
        if not part.size:
            return b""
        if depth < 8:
            spread = (part[..., None] >> np.arange(depth - 1, -1, -1)) & 1
            rows = np.packbits(spread.reshape(len(part), -1).astype(np.uint8), axis=1)
        else:
            rows = np.frombuffer(part.astype(">u2" if depth == 16 else "u1").tobytes(), np.uint8).reshape(len(part), -1)
        return b"".join(b"\0" + row.tobytes() for row in rows)

    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b"".join(lines(array[y::dy, x::dx]) for y, x, dy, dx in passes) if interlaced else lines(array)
    return lambda: png(array.shape[1], array.shape[0], depth, colour, rows, extra, int(interlaced))


def with_profile(content: Callable[[], bytes], profile: bytes) -> Callable[[], bytes]:
    """The same TIFF with an ICC profile, or the same PNG."""

    def changed() -> bytes:
        plain = content()
        if plain[:4] == b"\x89PNG":
            import zlib

            from colorwatch.metadata.pieces import png_chunk

            return plain[:33] + png_chunk(b"iCCP", b"x\0\0" + zlib.compress(profile)) + plain[33:]
        raise AssertionError("give TIFFs theirs as a tag")

    return changed


def icc_tag(profile: bytes) -> dict[str, Any]:
    return {"iccprofile": profile}


# --- the cells -----------------------------------------------------------------------------------------------


def _plain() -> list[Cell]:
    cells = []
    for bits, grey, colour, alpha in ((8, GREY, COLOUR, ALPHA), (16, GREY16, COLOUR16, ALPHA16)):
        top = (1 << bits) - 1
        for kind, array in (
            ("grey", grey),
            ("grey and alpha", np.dstack([grey, alpha])),
            ("RGB", colour),
            ("RGB and alpha", np.dstack([colour, alpha])),
        ):
            light = grey_of(array[..., :3] / top if array.ndim == 3 and array.shape[2] > 2 else grey / top)
            clear = alpha / top if "alpha" in kind else None
            options: dict[str, Any] = {"photometric": "rgb" if "RGB" in kind else "minisblack"}
            if clear is not None:
                options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
            cells.append(Cell("TIFF", f"{kind}, {bits} bits", tiff(array, **options), bits, light, clear))
            cells.append(Cell("PNG", f"{kind}, {bits} bits", png_of(array), bits, light, clear))
    # The result is encoded anew, with a quality of 98.
    for kind, content in (
        ("grey", jpeg(GREY)),
        ("RGB as YCbCr, 4:4:4", jpeg(COLOUR)),
        ("RGB as YCbCr, 4:2:0", jpeg(COLOUR, subsampling=2)),
        ("progressive", jpeg(GREY, progressive=True)),
    ):
        cells.append(Cell("JPEG", kind, content, 8, decoded_grey(content), steps=6))
    inks = Image.fromarray(np.dstack([GREY] * 3)).convert("CMYK")
    cells.append(Cell("JPEG", "CMYK, made for printing", pillow(inks, "JPEG", quality=97), 8))
    return cells


def _tiffs() -> list[Cell]:
    g8, c8 = grey_of(GREY / 255), grey_of(COLOUR / 255)
    two = BILEVEL.astype(np.float64)
    cells = []
    for name, option in (
        *(("not compressed", "raw"), ("PackBits", "packbits"), ("CCITT group 3", "group3")),
        *(("CCITT group 4", "group4"), ("LZW", "tiff_lzw"), ("deflate", "tiff_adobe_deflate")),
    ):
        cells.append(Cell("TIFF", f"bilevel, {name}", pillow(Image.fromarray(BILEVEL), compression=option), grey=two))
    zero_is_white = {262: (3, [0])}
    cells.append(Cell("TIFF", "bilevel, 0 is white", packed(BILEVEL.astype(np.uint8), 1, zero_is_white), grey=1 - two))
    for bits in (2, 4):
        few = GREY >> (8 - bits)
        cells.append(Cell("TIFF", f"grey, {bits} bits", packed(few, bits), grey=few / ((1 << bits) - 1)))
    cells.append(Cell("TIFF", "grey, 0 is white, 8 bits", tiff(255 - GREY, photometric="miniswhite"), grey=g8))
    inverted = tiff(65535 - GREY16, photometric="miniswhite")
    cells.append(Cell("TIFF", "grey, 0 is white, 16 bits", inverted, 16, GREY16 / 65535))
    palette = Image.fromarray(COLOUR).quantize(256)
    seen = grey_of(np.asarray(palette.convert("RGB")) / 255)
    cells.append(Cell("TIFF", "palette", pillow(palette), grey=seen))
    for name, option in (("LZW", "tiff_lzw"), ("deflate", "tiff_adobe_deflate"), ("PackBits", "packbits")):
        cells.append(Cell("TIFF", f"RGB, {name}", pillow(Image.fromarray(COLOUR), compression=option), grey=c8))
    for name, array in (("RGB", COLOUR), ("grey", GREY)):
        inside = pillow(Image.fromarray(array), compression="jpeg")
        cells.append(Cell("TIFF", f"{name}, JPEG", inside, grey=decoded_grey(inside), steps=2))
    deep = pillow(Image.fromarray(GREY16), compression="tiff_lzw")
    cells.append(Cell("TIFF", "grey, LZW, 16 bits", deep, 16, GREY16 / 65535))
    for bits, array, grey in ((8, COLOUR, c8), (16, COLOUR16, grey_of(COLOUR16 / 65535))):
        planes = np.ascontiguousarray(np.moveaxis(array, 2, 0))
        rgb = {"photometric": "rgb"}
        cells += [
            Cell("TIFF", f"planar, {bits} bits", tiff(planes, planarconfig="separate", **rgb), bits, grey),
            Cell("TIFF", f"tiled, {bits} bits", tiff(array, tile=(32, 48), **rgb), bits, grey),
            Cell(
                "TIFF",
                f"one strip, deflate, {bits} bits",
                tiff(array, compression="zlib", rowsperstrip=80, **rgb),
                bits,
                grey,
            ),
            Cell("TIFF", f"BigTIFF, {bits} bits", tiff(array, bigtiff=True, **TAGGED, **rgb), bits, grey),
            Cell("TIFF", f"big-endian, {bits} bits", tiff(array, byteorder=">", **rgb), bits, grey),
        ]
    return cells


def _unusual() -> list[Cell]:
    cells = []
    for kind in (np.float32, np.float16):
        grey, colour = (GREY / 255).astype(kind), (COLOUR / 255).astype(kind)
        bits = grey.dtype.itemsize * 8
        name = f"of floating-point numbers, 0 to 1, {bits} bits"
        cells.append(Cell("TIFF", f"grey {name}", tiff(grey, photometric="minisblack"), 16, grey.astype(float)))
        cells.append(Cell("TIFF", f"RGB {name}", tiff(colour, photometric="rgb"), 16, grey_of(colour.astype(float))))
    white = tiff((1 - GREY / 255).astype(np.float32), photometric="miniswhite")
    cells.append(Cell("TIFF", "grey of floating-point numbers, 0 is white", white, 16, GREY / 255))
    for bits, grey, colour in ((8, GREY, COLOUR), (16, GREY16, COLOUR16)):
        top = (1 << bits) - 1
        lab = np.dstack([grey, colour[..., 1], colour[..., 2]])
        cells.append(
            Cell(
                "TIFF",
                f"CIE Lab, {bits} bits",
                tiff(lab, photometric="cielab"),
                bits,
                grey_of_lightness(grey / top * 100),
            )
        )
        of_icc = grey_of_lightness(np.minimum(grey / (255 if bits == 8 else 0xFF00), 1) * 100)
        cells.append(Cell("TIFF", f"ICC Lab, {bits} bits", tiff(lab, photometric="icclab"), bits, of_icc))
        inks = np.dstack([top - colour, np.zeros_like(grey)])
        cells.append(Cell("TIFF", f"CMYK, {bits} bits", tiff(inks, photometric="separated"), bits))
        five = np.dstack([inks, grey])
        alpha = {"extrasamples": ["unassalpha"], "photometric": "separated"}
        cells.append(Cell("TIFF", f"CMYK and alpha, {bits} bits", tiff(five, **alpha), bits, None, grey / top))
        clear = np.maximum(grey, top // 2 + 1)
        times = np.rint(colour * (clear[..., None] / top)).astype(grey.dtype)
        options = {"photometric": "rgb", "extrasamples": ["assocalpha"]}
        stacked = np.dstack([times, clear])
        cells.append(
            Cell(
                "TIFF",
                f"alpha multiplied in, {bits} bits",
                tiff(stacked, **options),
                bits,
                grey_of(colour / top),
                clear / top,
                2.5,
            )
        )
    return cells


def _pngs() -> list[Cell]:
    cells = []
    for bits in (1, 2, 4):
        few = GREY >> (8 - bits)
        cells.append(
            Cell("PNG", f"grey, {bits} bit{'s' * (bits > 1)}", png_of(few, bits), grey=few / ((1 << bits) - 1))
        )
    palette = Image.fromarray(COLOUR).quantize(200)
    cells.append(Cell("PNG", "palette", pillow(palette, "PNG"), grey=grey_of(np.asarray(palette.convert("RGB")) / 255)))
    for bits, array in ((8, COLOUR), (16, COLOUR16)):
        grey = grey_of(array / ((1 << bits) - 1))
        cells.append(Cell("PNG", f"interlaced, {bits} bits", png_of(array, interlaced=True), bits, grey))
    return cells


def _profiles() -> list[Cell]:
    cells = []
    for bits, grey in ((8, GREY), (16, GREY16)):
        top = (1 << bits) - 1
        value = grey / top
        same = np.dstack([grey] * 3)
        for name, profile, light in (
            ("grey, gamma 1.8", GAMMA_18, power(value, 1.8)),
            ("grey, dot gain 20 %", DOT_GAIN, dot_gain(value)),
            ("Adobe RGB", ADOBE_RGB, power(value, 563 / 256)),
            ("ProPhoto RGB", PROPHOTO, power(value, 1.8)),
        ):
            array = grey if "grey" in name else same
            wanted = grey_of_light(light)
            rgb = {"photometric": "minisblack" if "grey" in name else "rgb"}
            cells.append(
                Cell(
                    "TIFF",
                    f"{name} profile, {bits} bits",
                    tiff(array, iccprofile=profile, **rgb),
                    bits,
                    wanted,
                    None,
                    1,
                    profile,
                )
            )
            cells.append(
                Cell(
                    "PNG",
                    f"{name} profile, {bits} bits",
                    with_profile(png_of(array), profile),
                    bits,
                    wanted,
                    None,
                    1,
                    profile,
                )
            )
    return cells


def _several() -> list[Cell]:
    def content() -> bytes:
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(GREY, photometric="minisblack", metadata=None)
            writer.write(COLOUR16, photometric="rgb", metadata=None)
            writer.write(BILEVEL[:50, :33], photometric="minisblack", metadata=None)
        return buffer.getvalue()

    def previewed() -> bytes:
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(GREY, photometric="minisblack", metadata=None)
            writer.write(GREY[::4, ::4], photometric="minisblack", subfiletype=1, metadata=None)
        return buffer.getvalue()

    return [
        Cell("TIFF", "pages of different sizes and depths", content, 8, grey_of(GREY / 255), pages=3),
        Cell("TIFF", "a preview beside the page (left out)", previewed, 8, grey_of(GREY / 255)),
    ]


def _refused() -> list[Cell]:
    def named(number: int) -> Callable[[], bytes]:
        return lambda: tiff_by_hand(GREY.tobytes(), 120, 80, {259: (3, [number])})

    ycbcr = {258: (3, [8, 8, 8]), 262: (3, [6]), 277: (3, [3]), 530: (3, [1, 1])}
    planes = np.ascontiguousarray(np.moveaxis(COLOUR, 2, 0))
    tiles = {"photometric": "rgb", "planarconfig": "separate", "tile": (32, 32)}
    twelve = {258: (3, [12]), 277: (3, [1])}
    float_range = (GREY / 100).astype(np.float32)
    refusals = [
        ("Zstandard", named(50000), "(Zstandard)"),
        ("LZMA", named(34925), "(LZMA)"),
        ("old-style JPEG", named(6), "(old-style JPEG)"),
        ("JBIG", named(34661), "(JBIG)"),
        ("LERC", named(34887), "(LERC)"),
        ("12 bits", lambda: tiff_by_hand(bytes(180 * 80), 120, 80, twelve), "12 bits a channel"),
        ("32 bits", tiff(GREY.astype(np.uint32), photometric="minisblack"), "32 bits a channel"),
        ("signed numbers", tiff(GREY.astype(np.int16), photometric="minisblack"), "signed or complex"),
        ("floating-point numbers of 64 bits", tiff(GREY / 255, photometric="minisblack"), "of 64 bits"),
        ("floating-point numbers beyond 1", tiff(float_range, photometric="minisblack"), "not all between 0 and 1"),
        ("YCbCr without JPEG", lambda: tiff_by_hand(COLOUR.tobytes(), 120, 80, ycbcr), "YCbCr"),
        ("tiles of one channel each", tiff(planes, **tiles), "one channel each"),
        (
            "without a word on what its numbers stand for",
            lambda: tiff_by_hand(GREY.tobytes(), 120, 80, {262: None}),
            "numbers stand for",
        ),
        ("six channels", tiff(np.dstack([COLOUR, COLOUR]), photometric="rgb", extrasamples=[0, 0, 0]), "6 channels"),
    ]
    return [Cell("TIFF", kind, content, refusal=refusal) for kind, content, refusal in refusals]


CELLS = [*_plain(), *_pngs(), *_tiffs(), *_unusual(), *_several(), *_profiles(), *_refused()]


# --- the table -----------------------------------------------------------------------------------------------

BEGIN, END = "<!-- table: python tests/fidelity.py -->", "<!-- end of table -->"


def table() -> str:
    lines = ["| scan | result | lightness at most off by |", "|---|---|---|"]
    for cell in sorted(CELLS, key=lambda cell: (bool(cell.refusal), cell.format)):
        if cell.refusal:
            lines.append(f"| {cell.name} | refused by name | |")
            continue
        channels = "RGB and alpha" if cell.alpha is not None else "RGB"
        pages = f", {cell.pages} pages" if cell.pages > 1 else ""
        off = (
            "(through the profile for printing)" if cell.grey is None else f"{cell.steps:g} of {(1 << cell.bits) - 1:,}"
        )
        lines.append(f"| {cell.name} | {cell.format}, {channels}, {cell.bits} bits{pages} | {off} |")
    return "\n".join(lines)


def rendered(text: str) -> str:
    """The page `text` with today's table in it."""
    return tables.rendered(text, BEGIN, table(), END)


if __name__ == "__main__":
    tables.rewrite(rendered)
