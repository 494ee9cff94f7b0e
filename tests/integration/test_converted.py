"""Every kind of scan in every format of tests/converted.py: pixels, pages and what is carried, read by others."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pypdfium2
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, IptcImagePlugin, TiffImagePlugin

from colorwatch.colour.colorize import colorize, probe
from colorwatch.metadata.imprint import recall
from colorwatch.metadata.pieces import APP13, COMMENT, jpeg_segment, png_chunk, riff_chunk
from colorwatch.protocol import RenderRequest
from colorwatch.scan import Facts, Fingerprint, Provenance, Rendering, RenderSettings
from colorwatch.targets import Target, target_of
from converted import CELLS, WISHES, Cell, rendered
from fidelity import ALPHA, COLOUR, GREY, GREY16, grey_of
from foreign import avif
from pictures import encoded, written
from tables import PAGE

PROVENANCE = Provenance("a" * 64, "album/scan.png", "abcd", "compact", "b" * 64)


def strong(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours strong enough to leave sRGB in the lights and the darks."""
    return np.random.default_rng(9).uniform(-60, 60, (56, 56, 2)).astype(np.float32)


def weak(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full((56, 56, 2), (5, 10), np.float32)


def made(
    folder: Path, content: bytes, wish: str, compression: str = "same", predict: Any = weak
) -> tuple[Path, Target, Rendering]:
    written(str(folder), "scan", content)
    facts = probe(str(folder), "scan", 0)
    assert isinstance(facts, Facts), facts
    target = target_of(facts, wish)
    result = folder / f"result{target.extensions[0]}"
    result.unlink(missing_ok=True)
    settings = RenderSettings(98, colored="recolor", text="color", format=wish, compression=compression)
    request = RenderRequest(
        1,
        str(folder),
        "scan",
        Fingerprint.of(os.stat(folder / "scan")),
        str(result),
        0,
        settings,
        provenance=PROVENANCE,
        result=target.format,
    )
    return result, target, colorize(request, predict)


def read_back(path: Path) -> tuple[NDArray[Any], int]:
    """The first page, (height, width, 3 or 4), by another library, and the number of pages."""
    match path.suffix:
        case ".tif":
            with tifffile.TiffFile(path) as file:
                return np.asarray(file.pages[0].asarray()), len(file.pages)
        case ".png":
            read = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
            assert read is not None
            return np.asarray(read[..., [2, 1, 0, 3][: read.shape[2]]]), 1
        case ".pdf":
            return picture_in(path)
        case _:
            with Image.open(path) as image:
                return np.asarray(image), getattr(image, "n_frames", 1)


def first_image(pdf: pikepdf.Pdf) -> Any:
    return next(iter(pdf.pages[0].obj.Resources.XObject.values()))


def picture_in(path: Path) -> tuple[NDArray[Any], int]:
    with pikepdf.open(path) as pdf:
        assert pdf.check_pdf_syntax() == []
        image = first_image(pdf)
        if image.Filter == "/DCTDecode":
            return np.asarray(Image.open(io.BytesIO(image.read_raw_bytes()))), len(pdf.pages)
        kind = ">u2" if image.BitsPerComponent == 16 else ">u1"
        pixels = np.frombuffer(image.read_bytes(), kind).reshape(int(image.Height), int(image.Width), 3)
        return pixels.astype(kind[1:]), len(pdf.pages)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.name}, {cell.kind.bits}")
def test_a_scan_in_another_format_keeps_what_that_can_hold(cell: Cell, tmp_path: Path) -> None:
    result, target, rendering = made(tmp_path, cell.kind.content(), cell.wish, "same", weak if cell.lossy else strong)
    assert (target.format, bool(target.why)) == (cell.format, cell.stays)
    pixels, pages = read_back(result)
    assert pages == cell.kind.pages
    assert pixels.dtype == (np.uint16 if cell.bits == 16 else np.uint8)
    assert pixels.shape == (*cell.kind.grey.shape, 3 + cell.alpha)
    top = (1 << cell.bits) - 1
    grey = grey_of(pixels[..., :3] / top)
    # What is packed with loss leaves its range at the ends.
    fair = (grey > 0.1) & (grey < 0.9) if cell.lossy and cell.kind.bits > 1 else np.ones(grey.shape, bool)
    assert np.abs(grey - cell.kind.grey)[fair].max() <= cell.steps / top + cell.kind.off / 255
    if cell.alpha and cell.kind.alpha is not None:
        assert np.abs(pixels[..., 3] / top - cell.kind.alpha).max() * top <= 0.5
    told = recall(str(tmp_path), result.name)
    assert told.provenance == PROVENANCE
    assert ("became" in rendering.losses, "transparency" in rendering.losses) == (cell.loses_depth, cell.loses_alpha)
    note = f"Losses>{rendering.losses}</".encode()
    assert (note in result.read_bytes()) == bool(rendering.losses)


def test_the_table_in_the_docs_is_that_of_the_tests() -> None:
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    assert text == rendered(text), "run: python tests/converted.py"


# --- how it is packed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wish", "number"), [("none", 1), ("lzw", 5), ("deflate", 8), ("jpeg", 7)])
@pytest.mark.parametrize("scan", ["jpeg", "tiff"])
def test_a_tiff_is_packed_as_the_config_says(scan: str, wish: str, number: int, tmp_path: Path) -> None:
    content = encoded(COLOUR, "JPEG") if scan == "jpeg" else encoded(COLOUR, "TIFF", compression="packbits")
    result, _, _ = made(tmp_path, content, "tiff", wish)
    with Image.open(result) as image:
        assert image.tag_v2[259] == number  # type: ignore[attr-defined]
        before = Image.open(io.BytesIO(content)).convert("RGB")
        grey, found = (grey_of(np.asarray(each.convert("RGB")) / 255) for each in (before, image))
    inside = (grey > 0.1) & (grey < 0.9)
    assert np.abs(grey - found)[inside].max() * 255 <= (6 if wish == "jpeg" else 1)


def test_jpegs_in_a_tiff_keep_all_of_their_colour_and_their_pages(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=True) as writer:
        for page in (GREY, np.tile(GREY, (7, 3)), GREY16, np.dstack([COLOUR, ALPHA])):
            options: dict[str, Any] = {"extrasamples": ["unassalpha"]} if page.ndim == 3 else {}
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None, **options)
    result, _, _ = made(tmp_path, buffer.getvalue(), "same", "jpeg")
    with tifffile.TiffFile(result) as file:
        assert file.is_bigtiff
        kinds = [(page.compression, page.shape[:2], page.bitspersample) for page in file.pages]
        assert kinds == [(7, (80, 120), 8), (7, (560, 360), 8), (8, (80, 120), 16), (8, (80, 120), 8)]
        assert file.pages[1].tags[530].value == (1, 1)
    with Image.open(result) as image:
        for number, grey in enumerate((GREY, np.tile(GREY, (7, 3)))):
            image.seek(number)
            found = grey_of(np.asarray(image.convert("RGB")) / 255) * 255
            assert np.abs(found - grey)[(grey > 30) & (grey < 225)].max() <= 6


@pytest.mark.parametrize(("wish", "compression", "kind"), [("webp", "same", b"VP8L"), ("webp", "jpeg", b"VP8 ")])
def test_a_webp_loses_nothing_unless_it_was_lost_or_asked_for(
    wish: str, compression: str, kind: bytes, tmp_path: Path
) -> None:
    result, _, _ = made(tmp_path, encoded(GREY, "PNG"), wish, compression)
    assert kind in result.read_bytes()[:4096]


def test_a_pdf_of_a_lossless_scan_is_small_where_that_is_asked_for(tmp_path: Path) -> None:
    result, _, rendering = made(tmp_path, encoded(GREY16, "PNG"), "pdf", "jpeg")
    with pikepdf.open(result) as pdf:
        assert first_image(pdf).Filter == "/DCTDecode"
    assert rendering.losses == "16 bits a channel became 8"


# --- pages of a PDF -----------------------------------------------------------------------------------------


def test_pages_of_a_tiff_become_pages_of_a_pdf_as_large_as_they_were(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GREY, photometric="minisblack", metadata=None, resolution=(60, 40), resolutionunit=2)
        writer.write(GREY16.T.copy(), photometric="minisblack", metadata=None, resolution=(10, 10), resolutionunit=3)
        writer.write(GREY, photometric="minisblack", metadata=None, extratags=[(274, 3, 1, 6, True)])
    result, target, _ = made(tmp_path, buffer.getvalue(), "pdf")
    assert (target.format, target.why) == ("pdf", "")
    with pypdfium2.PdfDocument(result) as pdf:
        sizes = [page.get_size() for page in pdf]
        points = [(144, 144), (80 / 25.4 * 72, 120 / 25.4 * 72), (80 * 0.24, 120 * 0.24)]
        np.testing.assert_allclose(sizes, points, atol=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_on_its_page(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    blocks = np.zeros((80, 120), np.uint8)
    blocks[:40, :60], blocks[:40, 60:], blocks[40:, :60] = 250, 180, 90
    result, _, _ = made(tmp_path, encoded(blocks, "JPEG", exif=exif.tobytes(), dpi=(72, 72)), "pdf")
    with Image.open(tmp_path / "scan") as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("L"), float)
    with pypdfium2.PdfDocument(result) as pdf:
        shown = np.asarray(pdf[0].render(scale=1).to_pil().convert("L"), float)
    assert shown.shape == upright.shape
    assert np.abs(shown - upright)[8:-8, 8:-8].mean() < 3


def test_a_page_too_large_for_points_counts_in_larger_ones(tmp_path: Path) -> None:
    wide = np.zeros((8, 50_000), np.uint8)
    result, _, _ = made(tmp_path, encoded(wide, "PNG", dpi=(72, 72)), "pdf")
    with pikepdf.open(result) as pdf:
        page = pdf.pages[0]
        assert float(page.mediabox[2]) * float(page.obj.UserUnit) == pytest.approx(50_000, rel=1e-3)
        assert float(page.mediabox[2]) <= 14_400


# --- what is carried ----------------------------------------------------------------------------------------

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="Aunt Ada"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x00\x00\x02\x00\x04" + b"\x1c\x02\x19\x00\x06Attics"
RESOURCE = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)


def exif() -> bytes:
    found = Image.Exif()
    found[0x010F], found[0x0112], found[0x010E] = "Maker", 6, "The attic"
    found[0x011A], found[0x011B], found[0x0128] = 600.0, 300.0, 2
    found.get_ifd(0x8769)[36867] = "1955:05:04 12:00:00"
    found.get_ifd(0x8825)[1] = "N"
    return found.tobytes()


def carrying(format: str) -> bytes:
    """A scan with EXIF, XMP, a resolution of 600 by 300 and, where there is a place for it, IPTC and a comment."""
    if format == "jpeg":
        plain = encoded(GREY, "JPEG", exif=exif(), xmp=XMP, dpi=(600, 300), comment="found in the attic")
        return plain[:2] + jpeg_segment(APP13, b"Photoshop 3.0\0" + RESOURCE) + plain[2:]
    if format == "png":
        plain = encoded(GREY, "PNG", exif=exif(), dpi=(600, 300))
        packet = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        text = png_chunk(b"tEXt", b"Raw profile type iptc\0\niptc\n      %d\n%s\n" % (len(IPTC), IPTC.hex().encode()))
        return plain[:33] + packet + text + png_chunk(b"tEXt", b"Comment\0found in the attic") + plain[33:]
    if format == "webp":
        return encoded(GREY, "WEBP", lossless=True, exif=exif(), xmp=XMP)
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2()
    tags[271], tags[274], tags[270], tags[700], tags[33723], tags[34377] = "Maker", 6, "The attic", XMP, IPTC, RESOURCE
    tags[282], tags[283], tags[296] = 600.0, 300.0, 2
    tags[0x8769], tags[0x8825] = {36867: "1955:05:04 12:00:00"}, {1: "N"}
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp"])
def test_what_a_scan_carries_its_result_carries_in_its_own_way(format: str, wish: str, tmp_path: Path) -> None:
    result, _, _ = made(tmp_path, carrying(format), wish)
    content = result.read_bytes()
    assert b"Aunt Ada" in content
    if wish == "pdf":
        with pikepdf.open(result) as pdf:
            assert (str(pdf.docinfo.Title), str(pdf.docinfo.CreationDate)) == ("The attic", "D:19550504120000")
            assert [float(each) for each in pdf.pages[0].mediabox[2:]] == pytest.approx([19.2, 14.4], abs=0.01)
        return
    with Image.open(result) as image:
        found = image.getexif()
        assert (found[0x010F], found[0x0112], found[0x010E]) == ("Maker", 6, "The attic")
        assert (float(found[0x011A]), float(found[0x011B]), found[0x0128]) == (600.0, 300.0, 2)
        assert found.get_ifd(0x8769)[36867] == "1955:05:04 12:00:00"
        assert found.get_ifd(0x8825)[1] == "N"
        if wish != "webp":
            assert image.info["dpi"] == pytest.approx((600, 300), abs=0.02)
        if wish in ("jpeg", "tiff") and format != "webp":
            iptc = IptcImagePlugin.getiptcinfo(image)
            assert (iptc or {})[(2, 25)] == b"Attics"
        if wish == "png" and format != "webp":
            assert IPTC.hex() in image.info["Raw profile type iptc"].replace("\n", "")
        if wish in ("jpeg", "png") and format in ("jpeg", "png"):
            assert "found in the attic" in str(image.info.get("comment") or image.info.get("Comment"))


@pytest.mark.parametrize("wish", ["jpeg", "tiff", "webp"])
def test_texts_of_a_png_become_tags(wish: str, tmp_path: Path) -> None:
    plain = encoded(GREY, "PNG")
    texts = [(b"Author", b"Ada"), (b"Description", b"The attic"), (b"Software", b"Scanner 7")]
    chunks = b"".join(png_chunk(b"tEXt", keyword + b"\0" + text) for keyword, text in texts)
    result, _, _ = made(tmp_path, plain[:33] + chunks + plain[33:], wish)
    with Image.open(result) as image:
        found = image.getexif()
        assert (found[315], found[270], found[305]) == ("Ada", "The attic", "Scanner 7")


@pytest.mark.parametrize("wish", WISHES)
def test_a_thumbnail_that_shows_the_grey_picture_goes(wish: str, tmp_path: Path) -> None:
    thumbnail = encoded(GREY[:8, :8], "JPEG")
    block = struct.pack("<2sHIH", b"II", 42, 8, 1) + struct.pack("<HHI4s", 271, 2, 4, b"Mak\0") + struct.pack("<I", 26)
    second = struct.pack("<HHHIIHHIII", 2, 513, 4, 1, 56, 514, 4, 1, len(thumbnail), 0)
    block += second + thumbnail
    result, _, _ = made(tmp_path, encoded(GREY, "JPEG", exif=b"Exif\0\0" + block), wish)
    assert thumbnail[20:80] in (tmp_path / "scan").read_bytes()
    assert thumbnail[20:80] not in result.read_bytes()


@pytest.mark.parametrize("wish", WISHES)
def test_a_result_names_its_profile_where_its_scan_did(wish: str, tmp_path: Path) -> None:
    from profiles import ADOBE_RGB

    result, _, _ = made(tmp_path, encoded(COLOUR, "JPEG", icc_profile=ADOBE_RGB), wish)
    if wish == "pdf":
        with pikepdf.open(result) as pdf:
            space = first_image(pdf).ColorSpace
            assert (space[0], space[1].N) == ("/ICCBased", 3)
            assert bytes(space[1].read_bytes()[36:40]) == b"acsp"
        return
    with Image.open(result) as image:
        profile = image.info["icc_profile"]
    assert profile[36:40] == b"acsp"
    assert profile != ADOBE_RGB


@pytest.mark.parametrize("wish", [wish for wish in WISHES if wish != "webp"])
def test_exiftool_finds_no_fault_in_a_result(wish: str, tmp_path: Path) -> None:
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is not installed")
    for format in ("jpeg", "png", "tiff", "webp"):
        result, _, _ = made(tmp_path, carrying(format), wish)
        command = ["exiftool", "-json", "-G1", "-n", "-validate", "-warning", "-a", "-Make", "-Title", "-Creator"]
        command += ["-Orientation", "-XResolution", "-Keywords", "-DigitalSourceType", os.fspath(result)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)[0]
        # Missing parts of EXIF that the scan has not had either are of no importance.
        faults = {value for key, value in told.items() if "Warning" in key and "[minor]" not in str(value)}
        assert not {fault for fault in faults if "Missing required" not in str(fault)}, (format, told)
        assert any(str(value).endswith("compositeWithTrainedAlgorithmicMedia") for value in told.values()), told
        if wish != "pdf":
            assert told["IFD0:Make"] == "Maker"
            assert told["IFD0:Orientation"] == 6
            assert told["IFD0:XResolution"] == 600
            if format != "webp":
                assert told["IPTC:Keywords"] == "Attics"


def test_damaged_parts_are_left_behind_and_the_picture_is_made(tmp_path: Path) -> None:
    plain = encoded(GREY, "PNG")
    bad = png_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff") + png_chunk(b"zTXt", b"Comment\0\0\xff\xff")
    bad += png_chunk(b"tEXt", b"Raw profile type iptc\0no") + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0")
    content = plain[:33] + bad + plain[33:]
    for wish in WISHES:
        made(tmp_path, content, wish)
    jpeg = encoded(GREY, "JPEG")
    segments = jpeg_segment(APP13, b"Photoshop 3.0\x008BIM\x04\x04\xff\xff") + jpeg_segment(COMMENT, b"")
    segments += jpeg_segment(0xE0, b"JFIF\0\1\1\1\0\0\0\0\0\0")
    for wish in WISHES:
        made(tmp_path, jpeg[:2] + segments + jpeg[2:], wish)
    webp = encoded(GREY, "WEBP") + riff_chunk(b"EXIF", b"MM\0*\0\0\0\x08\0\x01")
    for wish in WISHES:
        made(tmp_path, webp, wish)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_bits_that_the_usual_format_has_no_place_for_are_told(bits: int, tmp_path: Path) -> None:
    result, target, rendering = made(tmp_path, avif(bits)(), "same")
    assert target == Target("jpeg")
    told = f"{bits} bits a channel became 8" if bits > 8 else ""
    assert rendering.losses == told
    assert (b"Losses>" in result.read_bytes()) == bool(told)


def test_a_palette_and_few_bits_are_no_loss(tmp_path: Path) -> None:
    for image in (Image.fromarray(COLOUR).quantize(16), Image.fromarray(GREY > 100)):
        file = io.BytesIO()
        image.save(file, "PNG")
        assert made(tmp_path, file.getvalue(), "jpeg")[2].losses == ""


def test_a_heic_of_ten_bits_tells_its_loss(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    deep = np.dstack([GREY16] * 3)
    file = io.BytesIO()
    heif.encode("RGB;16", (120, 80), deep.tobytes(), file, quality=90)
    assert made(tmp_path, file.getvalue(), "same")[2].losses in (
        "10 bits a channel became 8",
        "12 bits a channel became 8",
    )
