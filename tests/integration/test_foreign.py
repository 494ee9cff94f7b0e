"""Every kind of scan in tests/foreign.py, from the probe to the result; the results are read by Pillow and libvips."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
import pyvips
from PIL import Image

from colorwatch.colour.colorize import colorize, probe
from colorwatch.errors import DamagedError, ScanError, TooLargeError
from colorwatch.metadata.imprint import recall
from colorwatch.protocol import Incomplete, RenderRequest
from colorwatch.scan import Facts, Fingerprint, Provenance, RenderSettings
from colorwatch.targets import target_of
from colorwatch.work.steps import output_names
from foreign import ALPHA, CELLS, COLOUR, GREY, Cell, rendered
from pictures import encoded, written
from tables import PAGE

PROVENANCE = Provenance("a" * 64, "album/scan.bmp", "abcd", "compact", "b" * 64)
READ = [cell for cell in CELLS if not cell.refusal and cell.suffix != ".pdf"]


def brown(seen):
    return np.full((56, 56, 2), (10, 20), np.float32)


def content_of(cell: Cell) -> bytes:
    if cell.suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    return cell.content()


def coloured(folder, content, name="scan", predict=brown):
    """The facts, and the path of the result."""
    written(folder, name, content)
    facts = probe(str(folder), name, 200.0)
    assert isinstance(facts, Facts), facts
    spool = os.path.join(folder, "spool")
    if os.path.exists(spool):
        os.unlink(spool)
    fingerprint = Fingerprint.of(os.stat(os.path.join(folder, name)))
    settings = RenderSettings(jpeg_quality=98, colored="recolor", text="color")
    request = RenderRequest(1, str(folder), name, fingerprint, spool, 200.0, settings, provenance=PROVENANCE)
    colorize(request, predict)
    return facts, spool


def lightness(value):
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    light = light if light.ndim == 2 else light @ (0.2126729, 0.7151522, 0.0721750)
    return np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, light * 24389 / 27)


@pytest.mark.parametrize("cell", READ, ids=lambda cell: cell.kind)
def test_a_scan_keeps_its_lightness_its_depth_and_its_alpha(tmp_path, cell):
    facts, spool = coloured(tmp_path, content_of(cell))
    kind = {".webp": "WEBP", ".jpg": "JPEG", ".png": "PNG"}[facts.extension]
    assert cell.result.replace("WebP", "WEBP").startswith(kind)
    with Image.open(spool) as image:
        assert image.format == kind
        assert image.size == (300, 200)
    pixels = pyvips.Image.new_from_file(spool).numpy()
    assert pixels.dtype == (np.uint16 if cell.bits == 16 else np.uint8)
    grey = lightness((GREY if cell.grey is None else cell.grey) / 255)
    found = lightness(pixels[:, :, :3] / np.iinfo(pixels.dtype).max)
    assert (pixels[:, :, 0].astype(int) >= pixels[:, :, 2].astype(int) - 8).mean() > 0.95
    inside = (grey > 12) & (grey < 85)  # where sRGB has room for the colour
    assert np.abs(found - grey)[inside | (cell.grey is not None and cell.bits == 8)].max() <= cell.most
    assert pixels.shape[2] == 3 + cell.alpha
    if cell.alpha:
        np.testing.assert_array_equal(pixels[:, :, 3], ALPHA)
    assert recall(str(tmp_path), "spool").provenance == PROVENANCE


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.refusal], ids=lambda cell: cell.kind)
def test_what_is_not_read_is_refused_by_name(tmp_path, cell):
    written(tmp_path, "scan", content_of(cell))
    with pytest.raises(ScanError, match=cell.refusal):
        probe(str(tmp_path), "scan", 200.0)


@pytest.mark.parametrize("cell", READ, ids=lambda cell: cell.kind)
def test_a_cut_file_counts_as_unfinished(tmp_path, cell):
    content = content_of(cell)
    # Of a plain PNM's last number nobody knows how long it was.
    for size in (16, 40, len(content) // 2, len(content) - (12 if "plain" in cell.kind else 1)):
        written(tmp_path, "scan", content[:size])
        found = probe(str(tmp_path), "scan", 200.0)
        assert isinstance(found, Incomplete), size
        assert found.reason


def test_the_table_in_the_docs_is_that_of_the_tests():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    assert text == rendered(text), "run: python tests/foreign.py"


@pytest.mark.parametrize(
    ("path", "format", "extension", "expected"),
    [
        ("a/scan.bmp", "bmp", ".png", "a/scan.png"),
        ("scan.HEIC", "heic", ".jpg", "scan.jpg"),
        ("scan.jpeg", "jpeg", ".jpg", "scan.jpeg"),
        ("scan.jpg", "bmp", ".png", "scan.png"),
        ("SCAN.PDF", "pdf", ".pdf", "SCAN.PDF"),
        ("scan", "webp", ".webp", "scan.webp"),
        ("scan.jp2", "jp2", ".jpg", "scan.jpg"),
    ],
)
def test_a_result_s_name_ends_as_its_format_does(path, format, extension, expected):
    facts = Facts(Fingerprint(1, 2, 3, 4), "d", format, extension, 1, 10, 10, 3, 8)
    assert next(output_names(path, target_of(facts, "same"))) == expected


# --- what is carried ----------------------------------------------------------------------------------------


def exif(orientation=1):
    found = Image.Exif()
    found[0x010F], found[0x0112] = "Maker", orientation
    return found.tobytes()


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="Aunt Ada"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("profile", [True, False])
def test_a_webp_carries_exif_xmp_and_profile(tmp_path, lossless, profile):
    icc = bytes(pyvips.Image.profile_load("srgb")) if profile else None
    options = {"lossless": lossless, "exif": exif(6), "xmp": XMP, "icc_profile": icc}
    seen = []

    def look(picture):
        seen.append(picture)
        return brown(picture)

    _, spool = coloured(tmp_path, encoded(COLOUR, "WEBP", **options), predict=look)
    with Image.open(spool) as image:
        image.load()
        assert (image.getexif()[0x010F], image.getexif()[0x0112]) == ("Maker", 6)
        assert b"Aunt Ada" in image.info["xmp"]
        assert ("icc_profile" in image.info) == profile
        assert image.size == (300, 200)
    # The net sees it upright: what was dark on the left is dark at the top.
    assert seen[0][:20].mean() < seen[0][-20:].mean() - 30


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_a_picture_that_its_decoder_turns_says_no_more_that_it_is_to_be_turned(tmp_path, format):
    if format == "HEIF":
        heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        file = io.BytesIO()
        heif.from_pillow(Image.fromarray(COLOUR)).save(file, quality=95, exif=exif(6), xmp=XMP)
        content = file.getvalue()
    else:
        content = encoded(COLOUR, "AVIF", exif=exif(6), xmp=XMP)
    _, spool = coloured(tmp_path, content)
    with Image.open(spool) as image:
        assert image.size == (200, 300)
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Maker"
        assert b"Aunt Ada" in image.info["xmp"]


def test_a_bmp_s_resolution_is_carried(tmp_path):
    _, spool = coloured(tmp_path, encoded(GREY, "BMP", dpi=(600, 300)))
    with Image.open(spool) as image:
        assert image.info["dpi"] == pytest.approx((600, 300), abs=0.1)


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "JPEG2000"])
def test_a_wide_profile_is_honoured(tmp_path, format):
    wide = bytes(pyvips.Image.profile_load("p3"))
    options = {"lossless": True} if format == "WEBP" else {"quality": 98} if format == "AVIF" else {}
    image = np.dstack([GREY, GREY // 2, GREY // 4])
    content = encoded(image, format, icc_profile=wide, **options)
    if wide not in content:
        pytest.skip("Pillow writes no profile into this format")
    found = []
    for each in (content, encoded(image, "PNG", icc_profile=wide)):
        _, spool = coloured(tmp_path, each)
        found.append(lightness(pyvips.Image.new_from_file(spool).numpy()[:, :, :3] / 255))
    assert np.abs(found[0] - found[1]).mean() < 1


# --- hostile ones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [cell for cell in READ if cell.suffix != ".avif"], ids=lambda cell: cell.kind)
def test_damaged_bytes_bring_nothing_but_a_named_failure(tmp_path, cell):
    content = content_of(cell)
    random = np.random.default_rng(3)
    for _ in range(12):
        broken = bytearray(content)
        for at in random.integers(0, min(len(content), 2000), 1 + int(random.integers(0, 4))):
            broken[at] = random.integers(0, 256)
        try:
            written(tmp_path, "scan", bytes(broken))
            if isinstance(probe(str(tmp_path), "scan", 2.0), Facts):
                coloured(tmp_path, bytes(broken))
        except (ScanError, AssertionError):
            continue


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    huge = b"P5 60000 60000 255\n"
    with open(tmp_path / "scan", "wb") as file:
        file.write(huge)
        file.truncate(len(huge) + 60_000 * 60_000)
    with pytest.raises(TooLargeError, match="megapixels"):
        probe(str(tmp_path), "scan", 200.0)


def test_a_heic_whose_packed_picture_ends_too_early_is_damaged(tmp_path):
    pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    content = bytearray(next(cell for cell in READ if cell.suffix == ".heic").content())
    at = content.index(b"mdat") + 4
    content[at : at + 4] = b"\xff\xff\xff\x7f"  # the length of its first part
    with pytest.raises(DamagedError, match="damaged"):
        coloured(tmp_path, bytes(content))


def test_a_gif_with_an_empty_block_too_many_is_read(tmp_path):
    content = encoded(GREY, "GIF")
    assert content.endswith(b"\0;")
    facts, spool = coloured(tmp_path, content[:-1] + b"\0\0;")
    with Image.open(spool) as image:
        assert image.size == (300, 200)
    assert facts.pages == 1


def test_a_plain_pnm_that_holds_words_is_damaged(tmp_path):
    written(tmp_path, "scan", b"P2\n4 2\n255\n1 2 3 four 5 6 7 8\n")
    with pytest.raises(DamagedError, match="numbers"):
        coloured(tmp_path, b"P2\n4 2\n255\n1 2 3 four 5 6 7 8\n")
