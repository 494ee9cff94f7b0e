"""Scans that are left as they are: what stands in the outbox then, and what is said of it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from colorwatch.colour.colorize import colorize
from colorwatch.metadata.imprint import recall
from colorwatch.metadata.provenance import MACHINE_MADE
from colorwatch.protocol import RenderRequest
from colorwatch.scan import Fingerprint, Provenance, Rendering, RenderSettings
from pictures import encoded, glass, grey_of, scene, written_page

TOLD = Provenance("ab" * 32, "album/scan", "0123456789abcdef", "compact", "cd" * 32)
COLOUR, GREY, PAGE = scene(), grey_of(scene(seed=1)), written_page()


def brown(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full((56, 56, 2), (12, 24), np.float32)


def no_colour(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.zeros((56, 56, 2), np.float32)


def rendered(folder: Path, content: bytes, predict: object = brown, **settings: object) -> Rendering:
    (folder / "scan").write_bytes(content)
    (folder / "spool").unlink(missing_ok=True)
    fingerprint = Fingerprint.of(os.stat(folder / "scan"))
    chosen = RenderSettings(**settings)  # type: ignore[arg-type]
    return colorize(
        RenderRequest(1, str(folder), "scan", fingerprint, str(folder / "spool"), 0, chosen, provenance=TOLD), predict
    )


def pixels(folder: Path, name: str = "spool", page: int = 0) -> NDArray[np.uint8]:
    with Image.open(folder / name) as image:
        image.seek(page)
        return np.asarray(image.convert("RGB"))


def tiff(*pages: NDArray[np.uint8], **options: object) -> bytes:
    buffer = io.BytesIO()
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(buffer, "TIFF", save_all=True, append_images=rest, **options)
    return buffer.getvalue()


WEBP = {"lossless": True, "exact": True}
CONTENTS = {
    "jpeg": encoded(COLOUR, "JPEG", dpi=(300, 300)),
    "jpeg, half the colours": encoded(COLOUR, "JPEG", subsampling=2, progressive=True),
    "jpeg, grey text": encoded(PAGE, "JPEG"),
    "png": encoded(COLOUR, "PNG"),
    "png, grey text": encoded(PAGE, "PNG"),
    "webp": encoded(COLOUR, "WEBP", **WEBP),
    "webp, lossy": encoded(COLOUR, "WEBP"),
    "webp, with exif": encoded(COLOUR, "WEBP", exif=Image.Exif().tobytes(), **WEBP),
    "tiff": tiff(COLOUR),
    "tiff, lzw": tiff(COLOUR, compression="tiff_lzw"),
    "tiff, two pages": tiff(COLOUR, PAGE),
    "tiff, big": tiff(COLOUR, big_tiff=True),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_scan_that_is_left_keeps_every_pixel_and_says_where_it_comes_from(tmp_path: Path, kind: str) -> None:
    result = rendered(tmp_path, CONTENTS[kind])
    assert result.as_it_was is not None
    assert np.array_equal(pixels(tmp_path), pixels(tmp_path, "scan"))
    assert recall(str(tmp_path), "spool").provenance == TOLD
    content = (tmp_path / "spool").read_bytes()
    assert MACHINE_MADE.encode() not in content
    assert b"left this picture as it is" in content
    # The coded pixels are the same bytes, wherever they stand.
    middle = CONTENTS[kind][len(CONTENTS[kind]) // 2 :][:2000]
    assert middle in content


def test_what_a_jpeg_says_stays_word_for_word(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271], exif[305] = "Scanner & Sons", "scanimage"
    content = encoded(COLOUR, "JPEG", exif=exif, icc_profile=b"profile" * 20, comment=b"Aunt K\xe4the")
    rendered(tmp_path, content)
    with Image.open(tmp_path / "spool") as image:
        assert dict(image.getexif()) == dict(exif)
        assert image.info["icc_profile"] == b"profile" * 20
        assert image.info["comment"] == b"Aunt K\xe4the"


def test_a_result_that_is_left_again_says_it_once(tmp_path: Path) -> None:
    for kind in ("jpeg", "png", "webp", "tiff"):
        rendered(tmp_path, CONTENTS[kind])
        first = (tmp_path / "spool").read_bytes()
        rendered(tmp_path, first)
        assert (tmp_path / "spool").read_bytes().count(b"SourceDigest>") == 2
        assert np.array_equal(pixels(tmp_path), pixels(tmp_path, "scan"))


def test_pages_are_judged_one_by_one(tmp_path: Path) -> None:
    result = rendered(tmp_path, tiff(COLOUR, GREY, PAGE, COLOUR))
    assert [(each.kind, each.pages, each.left) for each in result.verdicts] == [
        ("colour", "1, 4", True),
        ("grey", "2", False),
        ("text", "3", True),
    ]
    assert result.as_it_was is None
    for page in (0, 2, 3):
        assert np.array_equal(pixels(tmp_path, page=page), pixels(tmp_path, "scan", page))
    red, _, blue = pixels(tmp_path, page=1).astype(int).reshape(-1, 3).mean(axis=0)
    assert red > blue + 10
    assert {flag.word: flag.sentence[:8] for flag in result.flags} == {
        "already in colour": "Page 1, ",
        "text": "Page 3: ",
    }


def test_a_format_that_is_not_written_keeps_its_pixels_in_the_one_that_is(tmp_path: Path) -> None:
    result = rendered(tmp_path, encoded(COLOUR, "BMP"))
    assert result.as_it_was is not None
    assert np.array_equal(pixels(tmp_path), COLOUR)
    content = (tmp_path / "spool").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert MACHINE_MADE.encode() not in content


def test_by_setting_it_is_coloured_all_the_same(tmp_path: Path) -> None:
    assert rendered(tmp_path, CONTENTS["png"], colored="recolor").as_it_was is None
    assert MACHINE_MADE.encode() in (tmp_path / "spool").read_bytes()
    assert rendered(tmp_path, CONTENTS["png, grey text"], text="color").as_it_was is None


def test_a_photograph_without_any_colour_is_flagged_and_published(tmp_path: Path) -> None:
    result = rendered(tmp_path, encoded(GREY, "PNG"), no_colour)
    assert [flag.word for flag in result.flags] == ["no colour"]
    assert (tmp_path / "spool").exists()
    assert rendered(tmp_path, encoded(GREY, "PNG"), brown).flags == ()


def test_where_no_colour_is_wanted_its_absence_is_no_flag(tmp_path: Path) -> None:
    assert rendered(tmp_path, encoded(GREY, "PNG"), no_colour, strength=0.0).flags == ()


def test_the_tone_of_a_sepia_print_goes_or_stays(tmp_path: Path) -> None:
    sepia = np.rint(GREY[..., None] * np.array([1, 0.86, 0.66]) + (8, 4, 0)).clip(0, 255).astype(np.uint8)
    assert rendered(tmp_path, encoded(sepia, "PNG"), no_colour).verdicts[0].kind == "toned"
    neutral = pixels(tmp_path).astype(int)
    assert np.abs(neutral[..., 0] - neutral[..., 2]).max() <= 1
    rendered(tmp_path, encoded(sepia, "PNG"), no_colour, tone="keep")
    assert np.abs(pixels(tmp_path).astype(int) - sepia).mean() < 6


def test_margins_stay_neutral_and_the_print_is_seen_alone(tmp_path: Path) -> None:
    page = np.full((700, 900), 252, np.uint8)
    page[100:460, 200:680] = GREY
    seen = []

    def predict(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(lightness)
        return brown(lightness)

    result = rendered(tmp_path, encoded(page, "PNG"), predict)
    assert result.verdicts[0].figures["prints"] == 1
    assert len(seen) == 1
    assert seen[0].mean() < 75  # the margin, at 99, is not in it
    made = pixels(tmp_path).astype(int)
    spread = np.ptp(made, axis=2)
    outside = np.ones(spread.shape, bool)
    outside[92:468, 192:688] = False
    assert spread[outside].max() <= 2
    assert spread[150:400, 260:620].mean() > 20


@pytest.mark.parametrize(("result", "start"), [("png", b"\x89PNG"), ("tiff", b"II"), ("pdf", b"%PDF")])
def test_what_is_to_become_another_format_becomes_it_with_its_own_pixels(
    tmp_path: Path, result: str, start: bytes
) -> None:
    (tmp_path / "scan").write_bytes(CONTENTS["jpeg"])
    fingerprint = Fingerprint.of(os.stat(tmp_path / "scan"))
    request = RenderRequest(
        1, str(tmp_path), "scan", fingerprint, str(tmp_path / "spool"), provenance=TOLD, result=result
    )
    assert colorize(request, brown).as_it_was == "left as it was: it is in colour already"
    content = (tmp_path / "spool").read_bytes()
    assert content.startswith(start)
    assert MACHINE_MADE.encode() not in content
    assert recall(str(tmp_path), "spool").provenance == TOLD
    if result != "pdf":
        assert np.array_equal(pixels(tmp_path), pixels(tmp_path, "scan"))


def test_another_packing_that_is_asked_for_is_made(tmp_path: Path) -> None:
    rendered(tmp_path, CONTENTS["tiff"], compression="lzw")
    with Image.open(tmp_path / "spool") as image:
        assert image.info["compression"] == "tiff_lzw"
    assert np.array_equal(pixels(tmp_path), COLOUR)


def test_where_several_prints_lie_is_told_as_they_are_read_on_the_upright_page(tmp_path: Path) -> None:
    page = glass()
    found = rendered(tmp_path, encoded(page, "PNG"), brown).prints
    corners = [(round(place.left * 620), round(place.top * 500)) for place in found]
    for corner, wanted in zip(corners, ((30, 20), (340, 30), (25, 270), (350, 260)), strict=True):
        assert np.abs(np.subtract(corner, wanted)).max() <= 4
    exif = Image.Exif()
    exif[0x0112] = 6  # it is turned clockwise to be looked at
    lying = rendered(tmp_path, encoded(np.rot90(page), "JPEG", quality=95, exif=exif), brown).prints
    upright = [(round((1 - place.bottom) * 620), round(place.left * 500)) for place in lying]
    assert np.abs(np.subtract(upright, corners)).max() <= 6


def test_a_single_print_is_the_result_itself_and_prints_in_colour_are_told_too(tmp_path: Path) -> None:
    assert rendered(tmp_path, encoded(glass(count=1), "PNG"), brown).prints == ()
    tinted = np.stack([glass(count=2)] * 3, axis=2)
    tinted[20:200, 30:130, 0] //= 3
    tinted[30:210, 400:500, 2] //= 3
    result = rendered(tmp_path, encoded(tinted, "PNG"), brown)
    assert result.as_it_was
    assert len(result.prints) == 2
