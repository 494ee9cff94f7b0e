"""Scanned PDFs, from the probe to the result, read back by PDFium and pikepdf."""

from __future__ import annotations

import base64
import io
import os
import resource
import zlib

import numpy as np
import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name

from colorwatch.colour.colorize import colorize, probe
from colorwatch.errors import DamagedError, ScanError, TooLargeError, UnsupportedError
from colorwatch.metadata.imprint import recall
from colorwatch.protocol import Incomplete, RenderRequest
from colorwatch.scan import Facts, Fingerprint, Provenance, RenderSettings, effort_of
from pdfs import WHOLE, document, fax, flate, jpeg, predicted, saved, strips
from pictures import encoded, gradient, grey_of, scene, written, written_page

ANYWAY = RenderSettings(colored="recolor", text="color")
GREY = gradient(300, 400)
PROVENANCE = Provenance("a" * 64, "album/scan.pdf", "abcd", "compact", "b" * 64)


def brown(seen):
    return np.full((56, 56, 2), (10, 20), np.float32)


def coloured(folder, content, predict=brown, provenance=PROVENANCE, name="scan.pdf"):
    """The facts and the result's bytes."""
    written(folder, name, content)
    facts = probe(str(folder), name, 200.0)
    assert isinstance(facts, Facts), facts
    spool = os.path.join(folder, "spool")
    fingerprint = Fingerprint.of(os.stat(os.path.join(folder, name)))
    try:
        colorize(RenderRequest(1, str(folder), name, fingerprint, spool, 200.0, ANYWAY, provenance=provenance), predict)
        with open(spool, "rb") as file:
            return facts, file.read()
    finally:
        if os.path.exists(spool):
            os.rename(spool, os.path.join(folder, "result.pdf"))


def shown(content, scale=1.0):
    """What PDFium shows of each page, (height, width, 3)."""
    pages = pypdfium2.PdfDocument(content)
    return [np.asarray(pages[number].render(scale=scale).to_pil().convert("RGB")) for number in range(len(pages))]


def lightness(picture):
    value = picture / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    return np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, light * 24389 / 27)


def differences(before, after):
    """Of the lightness, where sRGB has room for the colour."""
    first, second = lightness(before), lightness(after)
    return np.abs(first - second)[(first > 15) & (first < 85)]


def inverted(array):
    packed, entries, matrix = flate(array)
    return packed, {**entries, "Decode": Array([1, 0])}, matrix


def raw(array):
    entries = flate(array)[1]
    return array.tobytes(), {key: value for key, value in entries.items() if key != "Filter"}, WHOLE


def in_ascii(array):
    packed, entries, matrix = jpeg(array)
    return base64.a85encode(packed) + b"~>", {**entries, "Filter": Array([Name.ASCII85Decode, Name.DCTDecode])}, matrix


def twice_packed(array):
    packed, entries, matrix = jpeg(array)
    return zlib.compress(packed), {**entries, "Filter": Array([Name.FlateDecode, Name.DCTDecode])}, matrix


def with_palette(array):
    levels = bytes(level for grey in (0, 80, 160, 255) for level in (grey, grey, grey))
    return flate(array // 64, ColorSpace=Array([Name.Indexed, Name.DeviceRGB, 3, levels]))


def in_jpeg2000(array):
    return encoded(array, "JPEG2000"), {"Width": 300, "Height": 400, "Filter": Name.JPXDecode}, WHOLE


KINDS = {
    "jpeg": (jpeg(GREY), 8),
    "jpeg, colour": (jpeg(np.dstack([GREY] * 3)), 8),
    "jpeg in ascii": (in_ascii(GREY), 8),
    "jpeg in flate": (twice_packed(GREY), 8),
    "flate": (flate(GREY), 0.3),
    "flate, colour": (flate(np.dstack([GREY] * 3)), 0.3),
    "flate, 16 bits": (flate(GREY.astype(np.uint16) * 257), 0.5),
    "flate, inverted": (inverted(GREY), 0.3),
    "flate, palette": (with_palette(GREY), 0.3),
    "flate, PNG filters": (predicted(GREY), 0.3),
    "raw": (raw(GREY), 0.3),
    "jpeg 2000": (in_jpeg2000(GREY), 0.5),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_keeps_its_lightness_and_gets_colours(tmp_path, kind):
    drawing, most = KINDS[kind]
    content = saved(document([drawing]))
    facts, result = coloured(tmp_path, content)
    assert (facts.format, facts.extension, facts.pages) == ("pdf", ".pdf", 1)
    assert (facts.width, facts.height) == (300, 400)
    (before,), (after,) = shown(content), shown(result)
    assert differences(before, after).max() <= most
    red, _, blue = after.reshape(-1, 3).mean(0)
    assert red > blue + 30


def test_what_was_lossless_stays_so_and_a_jpeg_stays_one(tmp_path):
    deep = flate(GREY.astype(np.uint16) * 257)
    _, result = coloured(tmp_path, saved(document([jpeg(GREY)], [flate(GREY)], [deep])))
    with pikepdf.open(io.BytesIO(result)) as pdf:
        images = [page.obj.Resources.XObject["/Im0"] for page in pdf.pages]
        assert [str(image.Filter) for image in images] == ["/DCTDecode", "/FlateDecode", "/FlateDecode"]
        assert [int(image.BitsPerComponent) for image in images] == [8, 8, 16]
        assert all(str(image.ColorSpace[0]) == "/ICCBased" for image in images)
        frame = images[0].read_raw_bytes()
        at = frame.index(b"\xff\xc0")
        assert frame[at + 11 : at + 19 : 3] == b"\x11\x11\x11"  # 4:4:4


@pytest.mark.parametrize("rows", [7, 80, 399])
@pytest.mark.parametrize("make", [jpeg, flate])
def test_strips_of_one_picture_are_seen_as_one(tmp_path, rows, make):
    seen = []

    def look(picture):
        seen.append(picture)
        # The colour depends on the place: strips that were coloured by themselves would show.
        return np.dstack([np.linspace(-20, 40, 56)[:, None] * np.ones((1, 56)), np.full((56, 56), 5)]).astype(
            np.float32
        )

    _, result = coloured(tmp_path, saved(document(strips(GREY, rows, make))), look)
    _, whole = coloured(tmp_path, saved(document([make(GREY)])), look)
    assert len(seen) == 2
    assert np.abs(seen[0] - seen[1]).max() < 2
    # Blocks of a JPEG that lie elsewhere lose other things.
    most = 4 if make is jpeg and rows % 8 and rows < 8 else 1
    assert np.abs(shown(result)[0].astype(int) - shown(whole)[0]).mean() < most
    with pikepdf.open(io.BytesIO(result)) as pdf:
        assert len(pdf.pages[0].obj.Resources.XObject) == -(-400 // rows)


def test_strips_drawn_from_bottom_to_top_are_put_in_order(tmp_path):
    seen = []

    def look(picture):
        seen.append(picture)
        return brown(picture)

    parts = strips(GREY, 100, flate)
    coloured(tmp_path, saved(document(parts)), look)
    coloured(tmp_path, saved(document(parts[::-1])), look)
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("matrix", "rotate", "turned"),
    [
        (WHOLE, 0, lambda seen: seen),
        (WHOLE, 90, lambda seen: np.rot90(seen, -1)),
        (WHOLE, 180, lambda seen: np.rot90(seen, 2)),
        (WHOLE, 270, lambda seen: np.rot90(seen, 1)),
        ((-300, 0, 0, 400, 300, 0), 0, lambda seen: seen[:, ::-1]),
        ((300, 0, 0, -400, 0, 400), 0, lambda seen: seen[::-1]),
        ((0, 400, -300, 0, 300, 0), 0, lambda seen: np.rot90(seen, 1)),
        ((0, -400, 300, 0, 0, 400), 90, lambda seen: np.rot90(seen, 2)),
    ],
)
def test_the_net_sees_the_page_as_it_is_shown(tmp_path, matrix, rotate, turned):
    seen = []

    def look(picture):
        seen.append(picture)
        return brown(picture)

    for wanted_matrix, wanted_rotation in ((WHOLE, 0), (matrix, rotate)):
        pdf = document([flate(GREY, wanted_matrix)])
        pdf.pages[0].obj.Rotate = wanted_rotation
        content = saved(pdf)
        _, result = coloured(tmp_path, content, look)
        assert differences(shown(content)[0], shown(result)[0]).max() < 6  # PDFium resamples turned pictures
    np.testing.assert_array_equal(seen[1], turned(seen[0]))


def test_everything_but_the_pictures_stays(tmp_path):
    pdf = document([jpeg(GREY)], [flate(GREY)], [], sizes=[(300, 400), (595, 842), (200, 100)])
    pdf.pages[1].obj.Rotate = 270
    with pdf.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem("The second page", 1))
    pdf.attachments["note.txt"] = b"an attachment"
    pdf.docinfo["/Title"] = "Holidays"
    pdf.docinfo["/Producer"] = "A scanner"
    pdf.docinfo["/Creator"] = "Its panel"
    pdf.pages[0].obj.Thumb = pdf.make_stream(b"\0" * 100, Width=10, Height=10, ColorSpace=Name.DeviceGray)
    _, result = coloured(tmp_path, saved(pdf))
    with pikepdf.open(io.BytesIO(result)) as after:
        assert [tuple(map(float, page.mediabox[2:])) for page in after.pages] == [(300, 400), (595, 842), (200, 100)]
        assert int(after.pages[1].obj.Rotate) == 270
        with after.open_outline() as outline:
            assert [item.title for item in outline.root] == ["The second page"]
        assert after.attachments["note.txt"].get_file().read_bytes() == b"an attachment"
        assert {key: str(after.docinfo[key]) for key in ("/Title", "/Producer", "/Creator")} == {
            "/Title": "Holidays", "/Producer": "A scanner", "/Creator": "Its panel",
        }  # fmt: skip
        assert "/Thumb" not in after.pages[0].obj
    read = pypdfium2.PdfDocument(result)
    assert [read[number].get_textpage().get_text_range().strip() for number in range(3)] == [
        "page 1",
        "page 2",
        "page 3",
    ]


def test_a_result_says_where_it_comes_from_and_keeps_the_scan_s_packet(tmp_path):
    pdf = document([jpeg(GREY)])
    with pdf.open_metadata() as metadata:
        metadata["dc:title"] = "Holidays"
    _, result = coloured(tmp_path, saved(pdf))
    assert recall(str(tmp_path), "result.pdf").provenance == PROVENANCE
    with pikepdf.open(io.BytesIO(result)) as after, after.open_metadata() as metadata:
        assert metadata["dc:title"] == "Holidays"
        source = metadata["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
        assert source.endswith("compositeWithTrainedAlgorithmicMedia")


def test_a_packet_that_cannot_be_changed_stays_and_ours_stands_beside_it(tmp_path):
    pdf = document([jpeg(GREY)])
    odd = b"<!DOCTYPE x><x/>"
    pdf.Root.Metadata = pdf.make_stream(odd, Type=Name.Metadata, Subtype=Name.XML)
    _, result = coloured(tmp_path, saved(pdf, preserve_pdfa=False, fix_metadata_version=False))
    assert recall(str(tmp_path), "result.pdf").provenance == PROVENANCE
    with pikepdf.open(io.BytesIO(result)) as after:
        assert after.Root.Metadata.read_bytes() == odd


def test_a_scan_coloured_twice_names_the_second_time_alone(tmp_path):
    _, once = coloured(tmp_path, saved(document([jpeg(GREY)])))
    again = Provenance("c" * 64, "b.pdf", "ef", "other", "d" * 64)
    coloured(tmp_path, once, provenance=again)
    assert recall(str(tmp_path), "result.pdf").provenance == again


def test_one_image_on_many_pages_is_coloured_once(tmp_path):
    seen = []

    def look(picture):
        seen.append(picture)
        return brown(picture)

    pdf = document([jpeg(GREY)], [jpeg(GREY)])
    pdf.pages[1].obj.Resources.XObject["/Im0"] = pdf.pages[0].obj.Resources.XObject["/Im0"]
    _, result = coloured(tmp_path, saved(pdf), look)
    assert len(seen) == 1
    for page in shown(result):
        red, _, blue = page.reshape(-1, 3).mean(0)
        assert red > blue + 30


def test_a_picture_inside_a_form_is_coloured(tmp_path):
    pdf = document([jpeg(GREY, (1, 0, 0, 1, 0, 0))])
    page = pdf.pages[0].obj
    form = pdf.make_stream(b"/Im0 Do", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 1, 1]))
    form.Resources = Dictionary(XObject=page.Resources.XObject)
    page.Resources = Dictionary(XObject=Dictionary(F=form))
    page.Contents = pdf.make_stream(b"300 0 0 400 0 0 cm /F Do")
    _, result = coloured(tmp_path, saved(pdf))
    red, _, blue = shown(result)[0].reshape(-1, 3).mean(0)
    assert red > blue + 30


# --- what is left alone -------------------------------------------------------------------------------------


def test_pages_of_text_in_one_bit_stay_as_they_are_beside_pages_with_shades(tmp_path):
    text = fax(GREY > 120)
    _, result = coloured(tmp_path, saved(document([text], [jpeg(GREY)])))
    with pikepdf.open(io.BytesIO(result)) as pdf:
        assert pdf.pages[0].obj.Resources.XObject["/Im0"].read_raw_bytes() == text[0]
        assert str(pdf.pages[1].obj.Resources.XObject["/Im0"].ColorSpace[0]) == "/ICCBased"


def test_a_document_in_one_bit_alone_is_coloured(tmp_path):
    content = saved(document([fax(GREY > 120)]))
    _, result = coloured(tmp_path, content)
    assert np.abs(shown(content)[0].astype(int) - shown(result)[0]).max() <= 2
    with pikepdf.open(io.BytesIO(result)) as pdf:
        assert int(pdf.pages[0].obj.Resources.XObject["/Im0"].BitsPerComponent) == 8


def test_logos_and_what_has_a_mask_stay_as_they_are(tmp_path):
    logo = jpeg(GREY[:40, :40], (30, 0, 0, 30, 10, 10))
    pdf = document([jpeg(GREY), logo, flate(GREY[:100, :100], (80, 0, 0, 80, 200, 300))])
    images = pdf.pages[0].obj.Resources.XObject
    mask = pdf.make_stream(bytes(100 * 100), Type=Name.XObject, Subtype=Name.Image, Width=100, Height=100)
    mask.ColorSpace, mask.BitsPerComponent = Name.DeviceGray, 8
    images["/Im2"].SMask = mask
    before = [images[name].read_raw_bytes() for name in ("/Im1", "/Im2")]
    _, result = coloured(tmp_path, saved(pdf))
    with pikepdf.open(io.BytesIO(result)) as after:
        found = after.pages[0].obj.Resources.XObject
        assert [found[name].read_raw_bytes() for name in ("/Im1", "/Im2")] == before
        assert str(found["/Im0"].ColorSpace[0]) == "/ICCBased"


def refusal(folder, content, error=UnsupportedError):
    written(folder, "scan.pdf", content)
    with pytest.raises(error) as caught:
        probe(str(folder), "scan.pdf", 200.0)
    return str(caught.value)


def test_what_is_no_scan_is_refused_by_name(tmp_path):
    assert "without scanned pages" in refusal(tmp_path, saved(document([])))
    layered = document([jpeg(GREY), flate(GREY)])
    layered.pages[0].obj.Resources.XObject["/Im1"].ImageMask = True
    assert "in layers" in refusal(tmp_path, saved(layered))


def test_locked_protected_and_signed_documents_are_refused_by_name(tmp_path):
    locked = saved(document([jpeg(GREY)]), encryption=pikepdf.Encryption(owner="o", user="u"))
    assert "password" in refusal(tmp_path, locked)
    guarded = saved(document([jpeg(GREY)]), encryption=pikepdf.Encryption(owner="o", user=""))
    assert "protected" in refusal(tmp_path, guarded)
    pdf = document([jpeg(GREY)])
    field = pdf.make_indirect(Dictionary(FT=Name.Sig, T="s", V=Dictionary(Type=Name.Sig)))
    pdf.Root.AcroForm = Dictionary(SigFlags=3, Fields=Array([Dictionary(T="group", Kids=Array([field]))]))
    assert "signed" in refusal(tmp_path, saved(pdf))


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"Filter": Name.JBIG2Decode, "BitsPerComponent": 1}, "JBIG2"),
        ({"ColorSpace": Name.DeviceCMYK}, "CMYK"),
        ({"ColorSpace": Array([Name.Lab, Dictionary(WhitePoint=Array([1, 1, 1]))])}, "Lab"),
        ({"Decode": Array([0.2, 0.8])}, "Decode"),
    ],
)
def test_a_picture_that_cannot_be_read_is_refused_by_its_page_and_name(tmp_path, entries, word):
    packed, given, matrix = flate(GREY)
    content = saved(document([jpeg(GREY)] if word != "JBIG2" else [], [(packed, {**given, **entries}, matrix)]))
    with pytest.raises(UnsupportedError, match=f"On page 2 of 2: .*{word}"):
        coloured(tmp_path, content)
    assert not os.path.exists(tmp_path / "result.pdf")


# --- many pages ---------------------------------------------------------------------------------------------


def numbered(number):
    """A page's picture that tells which one it is."""
    grey = gradient(300, 400, number)
    grey[:40, : 6 * number] = 200
    return grey


def test_fifty_pages_keep_their_order_and_sizes(tmp_path):
    sizes = [(300, 400), (595, 842), (400, 300)]
    pages = [[(jpeg if number % 2 else flate)(numbered(number), (size[0], 0, 0, size[1], 0, 0))]
             for number in range(50) for size in [sizes[number % 3]]]  # fmt: skip
    content = saved(document(*pages, sizes=sizes))
    facts, result = coloured(tmp_path, content)
    assert facts.pages == 50
    before, after = shown(content, 0.5), shown(result, 0.5)
    assert [page.shape for page in before] == [page.shape for page in after]
    for first, second in zip(before, after, strict=True):
        assert differences(first, second).mean() < 1


def test_each_picture_counts_in_the_time_that_a_page_may_take(tmp_path):
    places = [(140, 0, 0, 90, 5 + 145 * (number % 2), 5 + 95 * (number // 2)) for number in range(8)]
    drawings = [jpeg(numbered(number), place) for number, place in enumerate(places)]
    facts, _ = coloured(tmp_path, saved(document(drawings)))
    assert (facts.pages, facts.effort) == (1, effort_of([300 * 400] * 8))


def test_a_fault_in_page_30_fails_the_document_and_names_it(tmp_path):
    pages = [[jpeg(numbered(number))] for number in range(50)]
    pages[29] = [flate(GREY)]
    pages[29][0] = (pages[29][0][0][:2000], *pages[29][0][1:])
    with pytest.raises(DamagedError, match="On page 30 of 50: "):
        coloured(tmp_path, saved(document(*pages)))
    assert not os.path.exists(tmp_path / "result.pdf")


# --- hostile ones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_document_counts_as_unfinished(tmp_path, share):
    content = saved(document([jpeg(GREY)]))
    written(tmp_path, "scan.pdf", content[: int(share * len(content))])
    found = probe(str(tmp_path), "scan.pdf", 200.0)
    assert isinstance(found, Incomplete)
    assert "PDF" in found.reason


def test_a_wrong_table_of_contents_counts_as_unfinished(tmp_path):
    content = saved(document([jpeg(GREY)]), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    at = content.rindex(b"startxref")
    written(tmp_path, "scan.pdf", content[:at] + b"startxref\n100\n%%EOF\n")
    assert isinstance(probe(str(tmp_path), "scan.pdf", 200.0), Incomplete)


def test_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path):
    packed, entries, matrix = flate(np.zeros((8, 8), np.uint8))
    huge = (packed, {**entries, "Width": 60_000, "Height": 60_000}, matrix)
    assert "megapixels" in refusal(tmp_path, saved(document([huge])), TooLargeError)


def test_a_page_that_unpacks_to_gigabytes_is_refused_early(tmp_path):
    pdf = document([jpeg(GREY)])
    bomb = zlib.compress(b"q Q " * (100 << 20 >> 2), 9)
    pdf.pages[0].obj.Contents = pikepdf.Stream(pdf, bomb, Filter=Name.FlateDecode)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "unpacks" in refusal(tmp_path, saved(pdf), TooLargeError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def with_bomb(kind):
    """Some 200 MB of zeros in 200 kB, at different places of a document."""
    pdf = document([flate(GREY)])
    page, image = pdf.pages[0].obj, pdf.pages[0].obj.Resources.XObject["/Im0"]
    packed = zlib.compress(bytes(200 << 20), 9)
    if kind == "a page, packed twice":
        twice = Array([Name.FlateDecode, Name.FlateDecode])
        page.Contents = pikepdf.Stream(pdf, zlib.compress(packed, 9), Filter=twice)
    elif kind == "a colour profile":
        profile = pdf.make_stream(b"", N=1)
        profile.write(packed, filter=Name.FlateDecode)
        image.ColorSpace = Array([Name.ICCBased, profile])
    elif kind == "an image":
        image.write(packed, filter=Name.FlateDecode)
    content = saved(pdf, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    if kind == "lists in lists":
        return content.replace(b"/Subtype /Image", b"/Subtype /Image /Z " + b"[" * 50_000 + b"]" * 50_000, 1)
    if kind == "the table of contents":
        entries = b"/Type /XRef /Size 3 /W [1 2 1] /Root 2 0 R /Filter /FlateDecode /Length %d" % len(packed)
        start = b"%PDF-1.5\n"
        table = b"1 0 obj\n<< %s >>\nstream\n%s\nendstream\nendobj\n" % (entries, packed)
        return start + table + b"startxref\n%d\n%%%%EOF\n" % len(start)
    return content


BOMBS = ["a page, packed twice", "a colour profile", "an image", "lists in lists", "the table of contents"]


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_takes_little_memory_and_ends_in_a_named_failure_or_in_a_picture(tmp_path, kind):
    content = with_bomb(kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written(tmp_path, "scan.pdf", content)
    failed = None
    try:
        if isinstance(probe(str(tmp_path), "scan.pdf", 200.0), Facts):
            coloured(tmp_path, content)
    except ScanError as error:
        failed = error
    # Of an image no more is unpacked than its size wants, and behind a wrong table the file counts as unfinished.
    assert (failed is not None) == (kind in ("a page, packed twice", "a colour profile"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_forms_that_draw_themselves_end(tmp_path):
    pdf = document([jpeg(GREY)])
    page = pdf.pages[0].obj
    form = pdf.make_indirect(pdf.make_stream(b"/F Do " * 5, Subtype=Name.Form, BBox=Array([0, 0, 1, 1])))
    form.Resources = Dictionary(XObject=Dictionary(F=form))
    page.Resources.XObject["/F"] = form
    page.Contents = pdf.make_stream(b"q 300 0 0 400 0 0 cm /Im0 Do Q /F Do")
    written(tmp_path, "scan.pdf", saved(pdf))
    with pytest.raises(TooLargeError, match="draws more than"):
        probe(str(tmp_path), "scan.pdf", 200.0)


def test_no_damaged_byte_brings_anything_but_a_named_failure(tmp_path):
    content = saved(document([jpeg(GREY[:100, :100])], [flate(GREY[:60, :60])]))
    random = np.random.default_rng(5)
    ends = {"done": 0, "refused": 0, "unfinished": 0}
    for _ in range(150):
        broken = bytearray(content)
        for at in random.integers(0, len(content), 1 + int(random.integers(0, 8))):
            broken[at] = random.integers(0, 256)
        written(tmp_path, "scan.pdf", bytes(broken))
        try:
            facts = probe(str(tmp_path), "scan.pdf", 200.0)
            if isinstance(facts, Incomplete):
                ends["unfinished"] += 1
                continue
            coloured(tmp_path, bytes(broken))
            ends["done"] += 1
        except ScanError:
            ends["refused"] += 1
    assert ends["done"] > 10
    assert ends["unfinished"] > 10


def test_pictures_that_are_left_stay_in_the_document_byte_for_byte(tmp_path):
    colour, grey, page = scene(480, 640), grey_of(scene(480, 640, seed=1)), written_page(480, 640)
    content = saved(document([jpeg(colour)], [jpeg(grey)], [flate(page)]))
    written(tmp_path, "scan.pdf", content)
    fingerprint = Fingerprint.of(os.stat(tmp_path / "scan.pdf"))
    spool = str(tmp_path / "spool")
    request = RenderRequest(1, str(tmp_path), "scan.pdf", fingerprint, spool, 200.0, provenance=PROVENANCE)
    result = colorize(request, brown)
    assert [(each.kind, each.pages, each.left) for each in result.verdicts] == [
        ("colour", "1", True),
        ("grey", "2", False),
        ("text", "3", True),
    ]
    with pikepdf.open(spool) as made, pikepdf.open(tmp_path / "scan.pdf") as before:
        resources = [page.obj.Resources.XObject for pdf in (made, before) for page in pdf.pages]
        raw = [[image.read_raw_bytes() for image in images.values()] for images in resources]
    assert raw[0] == raw[3]
    assert raw[1] != raw[4]
    assert raw[2] == raw[5]


def test_a_pdf_of_which_all_is_left_is_published_and_said_to_be_so(tmp_path):
    written(tmp_path, "scan.pdf", saved(document([flate(written_page(480, 640))])))
    fingerprint = Fingerprint.of(os.stat(tmp_path / "scan.pdf"))
    request = RenderRequest(1, str(tmp_path), "scan.pdf", fingerprint, str(tmp_path / "spool"), 200.0)
    assert colorize(request, brown).as_it_was == "left as it was: it is a page of text"
