import contextlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin

from colorwatch.codecs.codec import open_document, writer_for
from colorwatch.colour.rows import Source
from colorwatch.errors import DamagedError, DiskError, NotAPictureError, UnsupportedError
from colorwatch.metadata.carrying import Luggage, pack
from colorwatch.metadata.pieces import png_chunk
from colorwatch.scan import RenderSettings
from pictures import encoded, gradient, opened, written
from tiffs import tiff_by_hand

GREY = gradient()
COLOUR = np.dstack([GREY, GREY[:, ::-1], GREY[::-1]])
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FORMATS = ["JPEG", "PNG", "TIFF"]


def untimed(stage):
    return contextlib.nullcontext()


def first_page(descriptor):
    return next(open_document(descriptor).pages())


def decoded(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        page = first_page(descriptor)
        found = Source(page, page.bits, untimed).passed()
        return (page, page.luggage, found.pixels, found.alpha)
    finally:
        os.close(descriptor)


def saved(path, target, quality=92, strip_rows=8):
    """Through the codec and out again: what a scan becomes where the net gives no colour."""
    descriptor = os.open(path, os.O_RDONLY)
    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        document = open_document(descriptor)
        writer = writer_for(document, fd, RenderSettings(jpeg_quality=quality))
        pages = [saved_page(page, writer, strip_rows) for page in document.pages()]
        writer.finish()
    finally:
        os.close(descriptor)
        os.close(fd)
    return pages[0]


def saved_page(page, writer, strip_rows):
    found = Source(page, page.bits, untimed).passed()
    rgb = found.pixels if found.pixels.ndim == 3 else np.dstack([found.pixels] * 3)
    if found.alpha is not None:
        rgb = np.dstack([rgb, found.alpha])
    given = rgb[..., ::-1] if writer.blue_first else rgb
    rows = writer.strip_rows(page.width, strip_rows)
    writer.add(page, page.bits, rows, lambda top, bottom: given[top:bottom])
    return rgb


def gamma_grey_profile(gamma):
    """A monochrome ICC profile, version 2, with a plain gamma (ICC.1:2001-04, 6.3.1.1)."""
    curve = b"curv" + struct.pack(">IIH2x", 0, 1, round(gamma * 256))
    white = b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061)
    text = b"desc" + struct.pack(">II", 0, 5) + b"test\0" + bytes(78)
    notice = b"text\0\0\0\0none\0"
    tags, body, at = [], b"", 128 + 4 + 12 * 4
    for name, content in ((b"desc", text), (b"cprt", notice), (b"wtpt", white), (b"kTRC", curve)):
        content += bytes(-len(content) % 4)
        tags.append(name + struct.pack(">II", at + len(body), len(content)))
        body += content
    rest = struct.pack(">I", 4) + b"".join(tags) + body
    head = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + rest


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("colours", [1, 3])
def test_pixels_come_in_and_go_out(tmp_path, format, colours):
    array = GREY if colours == 1 else COLOUR
    content = encoded(array, format, **({"subsampling": 0, "quality": 100} if format == "JPEG" else {}))
    path = written(tmp_path, "scan", content)
    picture, _, pixels, alpha = decoded(path)
    assert (picture.width, picture.height, picture.colours, picture.alpha) == (120, 80, colours, False)
    assert pixels.shape == array.shape
    assert alpha is None
    rgb = saved(path, str(tmp_path / "out"), quality=100)
    image = opened(str(tmp_path / "out"))
    assert image.format == format
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - rgb).max() <= (3 if format == "JPEG" else 0)


@pytest.mark.parametrize("rows", [1, 7, 80, 200])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_the_height_of_the_strips_changes_nothing(tmp_path, rows, format):
    path = written(tmp_path, "scan", encoded(COLOUR, format))
    rgb = saved(path, str(tmp_path / "out"), strip_rows=rows)
    assert (np.asarray(opened(str(tmp_path / "out"))) == rgb).all()


def test_jpeg_is_written_without_halving_the_colour(tmp_path):
    path = written(tmp_path, "scan", encoded(GREY, "JPEG"))
    saved(path, str(tmp_path / "out"))
    assert [layer[1:3] for layer in opened(str(tmp_path / "out")).layer] == [(1, 1)] * 3


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("colours", [1, 3])
def test_alpha_is_kept(tmp_path, format, colours):
    array = np.dstack([GREY if colours == 1 else COLOUR, GREY[::-1, ::-1]])
    path = written(tmp_path, "scan", encoded(array, format))
    saved(path, str(tmp_path / "out"))
    image = opened(str(tmp_path / "out"))
    assert image.mode == "RGBA"
    assert (np.asarray(image)[:, :, 3] == array[:, :, -1]).all()


def test_a_palette_becomes_colours(tmp_path):
    buffer = io.BytesIO()
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(buffer, "PNG")
    _, _, pixels, _ = decoded(written(tmp_path, "scan", buffer.getvalue()))
    assert (pixels == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("format", FORMATS)
def test_no_resolution_is_made_up(tmp_path, format):
    path = written(tmp_path, "scan", encoded(GREY, format))
    saved(path, str(tmp_path / "out"))
    assert opened(path).info.get("dpi") == opened(str(tmp_path / "out")).info.get("dpi")
    if format == "TIFF":
        with tifffile.TiffFile(tmp_path / "out") as file:
            assert not {282, 283, 296} & {tag.code for tag in file.pages[0].tags}


@pytest.mark.parametrize("format", FORMATS)
def test_resolution_is_kept(tmp_path, format):
    path = written(tmp_path, "scan", encoded(GREY, format, dpi=(600, 300)))
    saved(path, str(tmp_path / "out"))
    assert opened(str(tmp_path / "out")).info["dpi"] == pytest.approx((600, 300), abs=0.02)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit", [None, 1, 2, 3])
def test_the_resolution_of_a_tiff_comes_back_as_it_was(tmp_path, order, unit):
    resolution = {282: (5, [300, 1]), 283: (5, [150, 1])} | ({296: (3, [unit])} if unit else {})
    saved(written(tmp_path, "scan", tiff_by_hand(GREY.tobytes(), 120, 80, resolution, order)), str(tmp_path / "out"))
    with tifffile.TiffFile(tmp_path / "out") as file:
        tags = file.pages[0].tags
        assert (tags[282].value, tags[283].value) == ((300, 1), (150, 1))
        assert (tags[296].value if 296 in tags else None) == unit


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", [0, 9])
def test_an_orientation_that_is_none_never_costs_the_scan(tmp_path, order, orientation):
    content = tiff_by_hand(GREY.tobytes(), 120, 80, {274: (3, [orientation])}, order)
    path = written(tmp_path, "scan", content)
    _, luggage, pixels, _ = decoded(path)
    assert (pixels == GREY).all()
    assert luggage.orientation == 1
    saved(path, str(tmp_path / "out"))
    decoded(str(tmp_path / "out"))


def exif_block():
    exif = Image.Exif()
    exif[271], exif[272], exif[274], exif[305] = "Maker", "Model 7", 6, "Scan It"
    exif[306], exif[315] = "1955:05:04 12:00:00", "Grandfather"
    exif.get_ifd(34665).update({36867: "1955:05:04 12:00:00", 33434: TiffImagePlugin.IFDRational(1, 125)})
    exif.get_ifd(34853).update({1: "N", 2: (48.0, 12.0, 30.0)})
    return exif


def tags_of(image):
    exif = image.getexif()
    return (
        {tag: exif.get(tag) for tag in (271, 272, 274, 305, 306, 315)},
        {tag: exif.get_ifd(34665).get(tag) for tag in (36867, 33434)},
        {tag: exif.get_ifd(34853).get(tag) for tag in (1, 2)},
    )


@pytest.mark.parametrize("format", FORMATS)
def test_exif_and_orientation_are_kept_and_pixels_lie_as_they_lay(tmp_path, format):
    path = written(tmp_path, "scan", encoded(GREY, format, exif=exif_block()))
    saved(path, str(tmp_path / "out"))
    # Not loaded: Pillow turns a TIFF upright while it loads it, and takes the tag away.
    with Image.open(path) as before, Image.open(tmp_path / "out") as after:
        assert after.size == before.size
        assert tags_of(after) == tags_of(before)
        assert tags_of(after)[0][274] == 6
    picture, luggage, _, _ = decoded(path)
    assert (picture.width, picture.height, luggage.orientation) == (120, 80, 6)


def test_big_endian_tiff_tags_are_turned(tmp_path):
    path = str(tmp_path / "scan")
    extra = [(271, 2, 0, "Maker", True), (33432, 2, 0, "Rights", True), (700, 7, 9, b"<x:xmpm/>", True)]
    tifffile.imwrite(
        path, GREY, byteorder=">", resolution=(600, 300), resolutionunit=2, software="Scan It", metadata=None,
        datetime="1955:05:04 12:00:00", description="Aunt Ada", extratags=extra,
    )  # fmt: skip
    saved(path, str(tmp_path / "out"))
    with tifffile.TiffFile(tmp_path / "out") as file:
        tags = file.pages[0].tags
        assert len(file.pages) == 1
        assert (tags[271].value, tags[305].value, tags[33432].value) == ("Maker", "Scan It", "Rights")
        assert (tags[306].value, tags[270].value) == ("1955:05:04 12:00:00", "Aunt Ada")
        assert (tags[282].value, tags[283].value, tags[296].value) == ((600, 1), (300, 1), 2)
        assert bytes(tags[700].value) == b"<x:xmpm/>"


@pytest.mark.parametrize("format", FORMATS)
def test_xmp_is_kept(tmp_path, format):
    xmp = b"<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/><?xpacket end='w'?>"
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": info}
    elif format == "TIFF":
        options = {"tiffinfo": {700: xmp}}
    else:
        options = {"xmp": xmp}
    path = written(tmp_path, "scan", encoded(GREY, format, **options))
    saved(path, str(tmp_path / "out"))
    found = opened(str(tmp_path / "out")).info["xmp" if format != "PNG" else "XML:com.adobe.xmp"]
    assert (found.encode() if isinstance(found, str) else bytes(found)) == xmp


def test_iptc_is_kept_and_the_stale_thumbnail_beside_it_goes(tmp_path):
    iptc = b"\x1c\x02\x78\0\x03Ada"
    resources = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    thumbnail = b"8BIM\x04\x0c\0\0" + struct.pack(">I", 40) + b"T" * 40
    body = b"Photoshop 3.0\0" + thumbnail + resources
    plain = encoded(GREY, "JPEG")
    content = plain[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    saved(written(tmp_path, "scan", content), str(tmp_path / "out"))
    out = (tmp_path / "out").read_bytes()
    assert iptc in out
    assert b"T" * 40 not in out


@pytest.mark.parametrize("resource", [1033, 1036])
@pytest.mark.parametrize("with_iptc", [False, True])
def test_the_grey_thumbnail_goes_from_a_tiff_too(tmp_path, resource, with_iptc):
    iptc = b"\x1c\x02\x78\0\x03Ada"
    resources = b"8BIM" + struct.pack(">HHI", resource, 0, 40) + b"T" * 40
    if with_iptc:
        resources += b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    content = tiff_by_hand(GREY.tobytes(), 120, 80, {34377: (7, list(resources))})
    saved(written(tmp_path, "scan", content), str(tmp_path / "out"))
    out = (tmp_path / "out").read_bytes()
    assert (iptc in out) == with_iptc
    assert b"T" * 40 not in out
    with tifffile.TiffFile(tmp_path / "out") as file:
        assert (34377 in file.pages[0].tags) == with_iptc


def test_associated_alpha_is_read_as_straight_colours_and_written_as_such(tmp_path):
    path = str(tmp_path / "scan")
    alpha = np.maximum(GREY, 128)
    times = np.round(COLOUR * (alpha[..., None] / 255)).astype(np.uint8)
    tifffile.imwrite(path, np.dstack([times, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    rgba = saved(path, str(tmp_path / "out"))
    assert np.abs(rgba[..., :3].astype(int) - COLOUR).max() <= 2
    assert (rgba[..., 3] == alpha).all()
    with tifffile.TiffFile(tmp_path / "out") as file:
        assert file.pages[0].extrasamples == (2,)


def test_the_grey_thumbnail_in_exif_goes(tmp_path):
    thumbnail = encoded(GREY[::4, ::4], "JPEG")
    first = struct.pack("<HHHIIIHH", 1, 271, 2, 6, 26, 38, 0, 0)[:14] + struct.pack("<I", 32)
    tiff = b"II*\0" + struct.pack("<I", 8) + first + b"Maker\0"
    second = struct.pack("<HHHIIHHII", 2, 513, 4, 1, 62, 514, 4, 1, len(thumbnail)) + bytes(4)
    tiff += second + thumbnail
    assert tiff[62:64] == b"\xff\xd8"
    body = b"Exif\0\0" + tiff
    plain = encoded(GREY, "JPEG")
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    saved(written(tmp_path, "scan", content), str(tmp_path / "out"))
    out = (tmp_path / "out").read_bytes()
    assert thumbnail[:40] not in out[20:]
    assert opened(str(tmp_path / "out")).getexif().get_ifd(1) == {}


def test_adobes_marker_of_a_grey_jpeg_is_not_carried(tmp_path):
    plain = encoded(GREY, "JPEG")
    content = plain[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0" + plain[2:]
    rgb = saved(written(tmp_path, "scan", content), str(tmp_path / "out"), quality=100)
    assert np.abs(np.asarray(opened(str(tmp_path / "out")).convert("RGB")).astype(int) - rgb).max() <= 3


@pytest.mark.parametrize("format", FORMATS)
def test_a_grey_profile_is_converted_through_and_srgb_written(tmp_path, format):
    path = written(tmp_path, "scan", encoded(GREY, format, icc_profile=gamma_grey_profile(1.8)))
    original = np.asarray(opened(path))
    _, _, pixels, _ = decoded(path)
    linear = (original / 255.0) ** 1.8
    wanted = 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert pixels.ndim == 2
    assert np.abs(pixels - wanted).max() <= 1.5
    saved(path, str(tmp_path / "out"))
    profile = opened(str(tmp_path / "out")).info["icc_profile"]
    assert profile[16:20] == b"RGB "
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))


@pytest.mark.parametrize("format", FORMATS)
def test_an_srgb_profile_and_its_pixels_stay_as_they_are(tmp_path, format):
    path = written(tmp_path, "scan", encoded(COLOUR, format, icc_profile=SRGB))
    _, _, pixels, _ = decoded(path)
    assert np.abs(pixels.astype(int) - np.asarray(opened(path))).max() <= (3 if format == "JPEG" else 0)
    saved(path, str(tmp_path / "out"))
    assert opened(str(tmp_path / "out")).info["icc_profile"] == SRGB


@pytest.mark.parametrize("profile", [b"junk" * 100, b"", SRGB[:200], gamma_grey_profile(2.2)])
def test_a_profile_that_does_not_fit_is_left_out(tmp_path, profile):
    path = written(tmp_path, "scan", encoded(COLOUR, "PNG", icc_profile=profile))
    rgb = saved(path, str(tmp_path / "out"))
    image = opened(str(tmp_path / "out"))
    assert (np.asarray(image) == COLOUR).all()
    assert (rgb == COLOUR).all()
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_without_profile_gets_none(tmp_path, format):
    saved(written(tmp_path, "scan", encoded(GREY, format)), str(tmp_path / "out"))
    assert "icc_profile" not in opened(str(tmp_path / "out")).info


def refusal(tmp_path, array, **options):
    path = str(tmp_path / "scan")
    tifffile.imwrite(path, array, **options)
    with pytest.raises(UnsupportedError) as caught:
        decoded(path)
    return str(caught.value)


def test_what_is_not_read_is_named(tmp_path):
    assert "64 bits" in refusal(tmp_path, GREY.astype(np.float64))
    assert "32 bits" in refusal(tmp_path, GREY.astype(np.uint32), photometric="minisblack")
    assert "signed" in refusal(tmp_path, GREY.astype(np.int16), photometric="minisblack")
    assert "not all between 0 and 1" in refusal(tmp_path, GREY.astype(np.float32))
    assert "one channel each" in refusal(
        tmp_path, np.moveaxis(COLOUR, 2, 0), photometric="rgb", planarconfig="separate", tile=(32, 32)
    )


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x76\x2f\x31\x01" + bytes(99)])
def test_loaders_that_are_not_wanted_cannot_be_reached(tmp_path, content):
    with pytest.raises(UnsupportedError):
        decoded(written(tmp_path, "scan", content))
    import pyvips

    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_buffer(content, "")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_picture_is_damaged(tmp_path, format, share):
    content = encoded(gradient(400, 300), format)
    with pytest.raises(DamagedError):
        decoded(written(tmp_path, "scan", content[: int(len(content) * share)]))


@pytest.mark.parametrize("format", FORMATS)
def test_the_decoders_own_words_stay_inside(tmp_path, format):
    content = bytearray(encoded(GREY, format, **({"compression": "tiff_lzw"} if format == "TIFF" else {})))
    if format == "JPEG":
        content[2:] = b"\xff\xd9"
    else:
        content[100:4000] = bytes(3900)
    with pytest.raises(DamagedError, match=r"^The picture is damaged and does not decode\.$"):
        decoded(written(tmp_path, "scan", bytes(content)))


SEGMENT = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


@pytest.mark.parametrize("how", ["bytes before a marker", "an unknown JFIF", "bytes after the end", "an odd Adobe"])
def test_a_careless_jpeg_whose_rows_are_all_there_is_read(tmp_path, how):
    plain = encoded(COLOUR, "JPEG")
    content = {
        "bytes before a marker": plain[:2] + SEGMENT + bytes(3) + plain[2:],
        "an unknown JFIF": plain[:11] + b"\3" + plain[12:],
        "bytes after the end": plain + b"appendix" * 500,
        "an odd Adobe": plain[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x09" + plain[2:],
    }[how]
    _, _, pixels, _ = decoded(written(tmp_path, "scan", content))
    assert pixels.shape == (80, 120, 3)


def test_what_is_no_picture_is_refused(tmp_path):
    with pytest.raises(NotAPictureError):
        decoded(written(tmp_path, "scan", b"only words\n"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_share_that_fails_while_reading_is_not_damage(tmp_path, format, monkeypatch):
    path = written(tmp_path, "scan", encoded(gradient(900, 700), format))
    real = os.pread

    def failing(descriptor, count, offset):
        if offset > 20_000:
            raise OSError(5, "Input/output error")
        return real(descriptor, count, offset)

    descriptor = os.open(path, os.O_RDONLY)
    try:
        monkeypatch.setattr("colorwatch.codecs.codec.os.pread", failing)
        with pytest.raises(DiskError, match="input/output"):
            Source(first_page(descriptor), 8, untimed)
    finally:
        monkeypatch.undo()
        os.close(descriptor)


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_is_not_damage(tmp_path, format):
    path = written(tmp_path, "scan", encoded(gradient(300, 200), format))
    descriptor, fd = os.open(path, os.O_RDONLY), os.open("/dev/full", os.O_RDWR)
    try:
        document = open_document(descriptor)
        writer = writer_for(document, fd, RenderSettings())
        with pytest.raises(DiskError, match="disk is full"):
            saved_page(next(document.pages()), writer, 16)
    finally:
        os.close(descriptor)
        os.close(fd)


@pytest.mark.parametrize("format", FORMATS)
def test_what_painting_raises_comes_out(tmp_path, format):
    path = written(tmp_path, "scan", encoded(GREY, format))

    def paint(top, bottom):
        raise MemoryError("no room")

    descriptor, fd = os.open(path, os.O_RDONLY), os.open(str(tmp_path / "out"), os.O_RDWR | os.O_CREAT)
    try:
        document = open_document(descriptor)
        writer = writer_for(document, fd, RenderSettings())
        with pytest.raises(MemoryError):
            writer.add(next(document.pages()), 8, 16, paint)
    finally:
        os.close(descriptor)
        os.close(fd)


def test_a_descriptor_used_again_gives_the_new_picture(tmp_path):
    for level in (10, 200):
        path = written(tmp_path, "scan", encoded(np.full((40, 40), level, np.uint8), "PNG"))
        _, _, pixels, _ = decoded(path)
        assert (pixels == level).all()


def test_damaged_metadata_never_costs_the_scan(tmp_path):
    rng = np.random.default_rng(0)
    for format in FORMATS:
        content = encoded(GREY, format, exif=exif_block())
        for _ in range(60):
            damaged = bytearray(content)
            for at in rng.integers(20, 400, 12):
                damaged[at] = rng.integers(0, 256)
            descriptor = os.open(written(tmp_path, "scan", bytes(damaged)), os.O_RDONLY)
            assert isinstance(pack(format.lower(), descriptor, len(damaged)), Luggage)
            os.close(descriptor)


@pytest.mark.parametrize(("kind", "body"), [(b"pHYs", b""), (b"pHYs", bytes(8)), (b"tIME", b""), (b"tIME", bytes(6))])
def test_a_part_of_a_png_that_is_not_as_long_as_it_must_be_is_left_behind(tmp_path, kind, body):
    plain = encoded(GREY, "PNG")
    saved(written(tmp_path, "scan", plain[:33] + png_chunk(kind, body) + plain[33:]), tmp_path / "result")
    content = (tmp_path / "result").read_bytes()
    assert kind not in content
    assert opened(tmp_path / "result").size == (120, 80)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
@pytest.mark.parametrize(("size", "carried"), [(1 << 20, True), ((1 << 20) + 1, False), (50 << 20, False), (-1, False)])
def test_a_text_that_unpacks_without_end_is_left_behind(tmp_path, kind, size, carried):
    packed = zlib.compress(b" " * size) if size > 0 else b"no zlib"
    body = b"Comment\0" + (b"\0" if kind == b"zTXt" else b"\1\0\0\0") + packed
    plain = encoded(GREY, "PNG")
    saved(written(tmp_path, "scan", plain[:33] + png_chunk(kind, body) + plain[33:]), tmp_path / "result")
    assert (packed in (tmp_path / "result").read_bytes()) == carried
