import hashlib
import io
import os
import struct
import time
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colorwatch.errors import NotAPictureError, ScanError, UnsupportedError
from colorwatch.formats.structure import Structure, examine
from pictures import encoded, gradient


def look(content: bytes) -> Structure:
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content)
        return examine(descriptor)
    finally:
        os.close(descriptor)


GREY = gradient()
COLOUR = np.dstack([GREY, GREY, GREY[::-1]])


def tiff(array=GREY, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


WHOLE = {
    "jpeg": encoded(GREY, "JPEG"),
    "progressive jpeg": encoded(COLOUR, "JPEG", progressive=True),
    "png": encoded(GREY, "PNG"),
    "colour png": encoded(COLOUR, "PNG"),
    "tiff": encoded(GREY, "TIFF"),
    "lzw tiff": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "big-endian tiff": tiff(byteorder=">"),
    "bigtiff": tiff(bigtiff=True),
    "tiled tiff": tiff(tile=(32, 32)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_described(name):
    content = WHOLE[name]
    found = look(content)
    assert found.complete, found.reason
    assert found.format == name.split()[-1].replace("bigtiff", "tiff")
    assert (found.width, found.height, found.pages, found.bits) == (120, 80, 1, 8)
    assert found.bands == (3 if "colour" in name or "progressive" in name or "lzw" in name else 1)
    assert found.digest == hashlib.sha256(content).hexdigest()
    assert found.size == len(content)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.9, 0.99])
def test_a_file_cut_off_is_incomplete_with_a_reason(name, share):
    content = WHOLE[name]
    found = look(content[: int(len(content) * share)])
    assert not found.complete
    assert found.reason.endswith(".")


@pytest.mark.parametrize("name", [name for name in WHOLE if "tiff" not in name])
def test_a_file_whose_second_half_is_still_zeros_is_incomplete(name):
    content = encoded(gradient(900, 600), "PNG") if name == "png" else WHOLE[name]
    half = len(content) // 2
    found = look(content[:half] + bytes(len(content) - half + 5000))
    assert not found.complete


def test_a_zero_tail_alone_is_no_reason_to_refuse():
    dark = np.zeros((200, 300), np.uint8)
    found = look(tiff(dark, metadata=None))
    assert found.complete
    assert found.zero_tail


@pytest.mark.parametrize("name", ["jpeg", "png", "tiff"])
def test_bytes_after_the_end_are_legal(name):
    assert look(WHOLE[name] + b"a camera's own appendix" * 100).complete


def test_the_end_marker_of_a_thumbnail_is_not_the_end_of_the_picture():
    thumbnail = encoded(GREY[::4, ::4], "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    content = WHOLE["jpeg"][:2] + segment + WHOLE["jpeg"][2:]
    assert look(content).complete
    assert not look(content[: len(segment) + 400]).complete


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"8BPS\0\1" + bytes(40), "Photoshop"),
        (b"AT&TFORM\0\0\0\0DJVM" + bytes(40), "DjVu"),
        (b"\0\0\0\x18ftyphevc\0\0\0\0hevc", "sequence of HEIC"),
        (b"\0\0\0\x1cftypavis\0\0\0\0avis", "sequence of AVIF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JPEG XL"),
        (b"P7\nWIDTH 3\n" + bytes(40), "PAM"),
        (b"<?xml version='1.0'?>\n<svg xmlns=''>", "SVG"),
    ],
)
def test_other_pictures_are_refused_by_name_and_without_the_advice_that_the_note_adds(content, name):
    with pytest.raises(UnsupportedError, match=name) as caught:
        look(content)
    assert "Save it" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"Dear diary,\nthis is no picture. \xc3\xa4", "text"),
        (b"PK\x03\x04" + bytes(40), "ZIP"),
        (b"<!DOCTYPE html><p>", "web page"),
        (os.urandom(1) * 0 + b"\x91\x02\x83\x00" * 30, "no picture format"),
    ],
)
def test_what_is_no_picture_is_named(content, name):
    with pytest.raises(NotAPictureError, match=name):
        look(content)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\x89PN", b"II", b"%PD", b"RIFF\1", b"\0\0\0\x18fty", b"BM", bytes(10_000)]
)
def test_too_few_bytes_to_tell_wait(content):
    found = look(content)
    assert not found.complete
    assert found.format == ""


@pytest.mark.parametrize(
    ("content", "feature"),
    [
        (tiff(GREY.astype(np.uint32), photometric="minisblack"), "32 bits"),
        (tiff(GREY.astype(np.int16), photometric="minisblack"), "signed"),
        (tiff(GREY.astype(np.float64)), "floating"),
        (b"\xff\xd8\xff\xc9" + struct.pack(">HBHHB", 11, 8, 9, 9, 1) + b"\1\x11\0\xff\xda\0\2.\xff\xd9", "arithmetic"),
    ],
)
def test_features_that_are_not_read_are_named(content, feature):
    with pytest.raises(UnsupportedError, match=feature):
        look(content)


def test_the_facts_of_several_pages_are_those_of_the_largest():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for pixels in (GREY[:9], COLOUR.astype(np.uint16), GREY[:, :9]):
            writer.write(pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    found = look(buffer.getvalue())
    assert (found.pages, found.width, found.height, found.bands, found.bits) == (3, 120, 80, 3, 16)


@pytest.mark.parametrize(
    ("array", "subsampling", "per_pixel"), [(GREY, -1, 2), (COLOUR, 0, 6), (COLOUR, 1, 4), (COLOUR, 2, 3)]
)
def test_a_progressive_jpeg_tells_what_its_decoder_must_hold(array, subsampling, per_pixel):
    options = {} if subsampling < 0 else {"subsampling": subsampling}
    assert look(encoded(array, "JPEG", progressive=True, **options)).decoder_bytes == 120 * 80 * per_pixel
    assert look(encoded(array, "JPEG", **options)).decoder_bytes == 0


def test_directories_in_a_circle_are_refused():
    content = bytearray(tiff(metadata=None))
    first = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, first + 2 + 12 * count, first)
    assert "circle" in look(bytes(content)).reason


def test_a_wrong_checksum_in_a_png_is_seen():
    content = bytearray(WHOLE["png"])
    content[len(content) // 2] ^= 1
    assert "checksum" in look(bytes(content)).reason


def test_a_hostile_file_costs_bounded_time():
    start = time.monotonic()
    look(b"\xff\xd8\xff\xe0\0\2" + b"\xff\xda\0\2" * 1_000_000)
    look(WHOLE["png"][:33] + (struct.pack(">I4s", 0, b"tEXt") + struct.pack(">I", zlib.crc32(b"tEXt"))) * 400_000)
    # Directories that overlap, each two bytes after the one before, each with many entries.
    chain = b"".join(struct.pack("<HH", 4096, 4096) for _ in range(40_000))
    look(b"II*\0\x08\0\0\0" + chain)
    assert time.monotonic() - start < 20


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(WHOLE)),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.binary(min_size=1, max_size=6)), max_size=8),
    near=st.booleans(),
)
def test_no_damage_raises_anything_but_a_scan_error(name, cut, changes, near):
    content = bytearray(WHOLE[name])
    for place, replacement in changes:
        span = min(len(content), 400) if near else len(content)
        at = int(place * span)
        content[at : at + len(replacement)] = replacement
    try:
        found = look(bytes(content[: int(cut * len(content)) if cut < 0.8 else None]))
        assert found.complete or found.reason
    except ScanError:
        pass


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_a_png_that_moves_is_refused_by_name(tmp_path, frames):
    plain = encoded(gradient(), "PNG")
    chunk = b"acTL" + struct.pack(">II", frames, 0)
    content = plain[:33] + struct.pack(">I", 8) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
    (tmp_path / "scan").write_bytes(content)
    descriptor = os.open(tmp_path / "scan", os.O_RDONLY)
    try:
        if frames < 2:
            assert examine(descriptor).complete
        else:
            with pytest.raises(UnsupportedError, match="animated PNG"):
                examine(descriptor)
    finally:
        os.close(descriptor)
