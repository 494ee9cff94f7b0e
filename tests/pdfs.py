"""Small scanned PDFs for tests, written by pikepdf: images laid on pages, with a text layer on top."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pikepdf import Dictionary, Name
from PIL import Image

from pictures import encoded

Drawing = tuple[bytes, dict[str, Any], tuple[float, ...]]
"""The packed bytes, the entries of its dictionary, and the matrix that lays it on the page."""

WHOLE = (300, 0, 0, 400, 0, 0)


def jpeg(array: NDArray[Any], matrix: tuple[float, ...] = WHOLE, **entries: Any) -> Drawing:
    return encoded(array, "JPEG"), {**described(array), "Filter": Name.DCTDecode, **entries}, matrix


def flate(array: NDArray[Any], matrix: tuple[float, ...] = WHOLE, **entries: Any) -> Drawing:
    raw = array.astype(f">u{array.itemsize}").tobytes()
    return zlib.compress(raw), {**described(array), "Filter": Name.FlateDecode, **entries}, matrix


def predicted(array: NDArray[Any], matrix: tuple[float, ...] = WHOLE) -> Drawing:
    """With PNG's filters, as img2pdf takes them over."""
    png, at, packed = encoded(array, "PNG"), 8, b""
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + length
    colours = 1 if array.ndim == 2 else 3
    given = Dictionary(Predictor=15, Colors=colours, Columns=array.shape[1], BitsPerComponent=8)
    return packed, {**described(array), "Filter": Name.FlateDecode, "DecodeParms": given}, matrix


def fax(array: NDArray[np.bool_], matrix: tuple[float, ...] = WHOLE, **entries: Any) -> Drawing:
    """CCITT group 4 of a bilevel picture (True is white)."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "TIFF", compression="group4")
    with Image.open(file) as image:
        tags: Any = image.tag_v2
        offset, count, black_is_1 = tags[273][0], tags[279][0], tags[262] == 1
    given = Dictionary(K=-1, Columns=array.shape[1], Rows=array.shape[0], BlackIs1=bool(black_is_1))
    about = {**described(array.astype(np.uint8)), "BitsPerComponent": 1, "Filter": Name.CCITTFaxDecode}
    return file.getvalue()[offset : offset + count], {**about, "DecodeParms": given, **entries}, matrix


def described(array: NDArray[Any]) -> dict[str, Any]:
    space = Name.DeviceGray if array.ndim == 2 else Name.DeviceRGB
    return {
        "Width": array.shape[1],
        "Height": array.shape[0],
        "BitsPerComponent": 8 * array.itemsize,
        "ColorSpace": space,
    }


def strips(array: NDArray[Any], rows: int, make: Any = jpeg) -> list[Drawing]:
    """One picture in several images, one below the other."""
    height = array.shape[0]
    return [
        make(part, (300, 0, 0, len(part) * 400 / height, 0, 400 - (top + len(part)) * 400 / height))
        for top in range(0, height, rows)
        for part in [array[top : top + rows]]
    ]


def document(*pages: Sequence[Drawing], sizes: Sequence[tuple[float, float]] = ((300, 400),)) -> pikepdf.Pdf:
    """A PDF with these drawings on its pages; page N says "page N" in invisible text, as text layers do."""
    pdf = pikepdf.new()
    for number, drawings in enumerate(pages, 1):
        page = pdf.add_blank_page(page_size=sizes[(number - 1) % len(sizes)])
        images, content = Dictionary(), []
        for place, (packed, entries, matrix) in enumerate(drawings):
            image = pikepdf.Stream(pdf, packed, Type=Name.XObject, Subtype=Name.Image, **entries)
            images[f"/Im{place}"] = pdf.make_indirect(image)
            content.append("q {} {} {} {} {} {} cm /Im{} Do Q".format(*(round(each, 6) for each in matrix), place))
        content.append(f"BT /F1 12 Tf 3 Tr 20 20 Td (page {number}) Tj ET")
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        page.obj.Resources = Dictionary(XObject=images, Font=Dictionary(F1=font))
        page.obj.Contents = pikepdf.Stream(pdf, "\n".join(content).encode())
    return pdf


def saved(pdf: pikepdf.Pdf, **options: Any) -> bytes:
    file = io.BytesIO()
    pdf.save(file, **options)
    return file.getvalue()
