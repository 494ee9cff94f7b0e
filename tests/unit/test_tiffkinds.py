import io
import os

import numpy as np
import pytest
import tifffile

from colorwatch.codecs.codec import open_document
from colorwatch.errors import UnsupportedError
from colorwatch.formats.structure import examine
from colorwatch.formats.tiffkinds import pages_of
from pictures import gradient
from tiffs import tiff_by_hand

GREY = gradient()


def both_say(content):
    """What the probe and the decoder say of a file, which must be the same."""
    said = []
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content)
        for ask in (examine, open_document):
            with pytest.raises(UnsupportedError) as caught:
                ask(descriptor)
            said.append(str(caught.value))
    finally:
        os.close(descriptor)
    assert said[0] == said[1]
    return said[0]


def grey_tiff(tags, order="<"):
    return tiff_by_hand(GREY.tobytes(), 120, 80, tags, order)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (6, "old-style JPEG"),
        (34925, "LZMA"),
        (50000, "Zstandard"),
        (34661, "JBIG"),
        (34887, "LERC"),
        (999, "number 999"),
    ],
)
def test_a_compression_that_is_not_read_is_named(number, name):
    assert both_say(grey_tiff({259: (3, [number])})).endswith(f"({name}).")


@pytest.mark.parametrize("compression", [1, 5, 7, 8, 32773, 32946])
def test_a_compression_that_is_read_is_not_refused(compression):
    descriptor = os.memfd_create("scan")
    os.write(descriptor, grey_tiff({259: (3, [compression])}))
    assert len(pages_of(descriptor)[0]) == 1
    os.close(descriptor)


@pytest.mark.parametrize("bits", [3, 5, 6, 7, 10, 12, 14, 24, 32])
def test_samples_of_unusual_bits_are_named(bits):
    assert f"{bits} bits a channel" in both_say(grey_tiff({258: (3, [bits])}))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("subsampling", [[1, 1], [2, 2]])
def test_ycbcr_without_jpeg_is_refused(order, subsampling):
    colour = np.dstack([GREY] * 3).tobytes()
    tags = {258: (3, [8, 8, 8]), 262: (3, [6]), 277: (3, [3]), 530: (3, subsampling)}
    assert both_say(tiff_by_hand(colour, 120, 80, tags, order)) == (
        "It is a TIFF in YCbCr colours; save it as grey or RGB."
    )


@pytest.mark.parametrize("first", ["page", "preview", "mask"])
def test_previews_and_masks_are_no_pages(first):
    buffer = io.BytesIO()
    kinds = {"page": 0, "preview": 1, "mask": 4}
    with tifffile.TiffWriter(buffer) as writer:
        for kind in sorted(kinds, key=lambda kind: kind != first):
            pixels = GREY if kind == "page" else GREY[::4, ::4]
            writer.write(pixels > 99 if kind == "mask" else pixels, subfiletype=kinds[kind])
    descriptor = os.memfd_create("scan")
    os.write(descriptor, buffer.getvalue())
    found = examine(descriptor)
    pages, _ = pages_of(descriptor)
    os.close(descriptor)
    assert (found.pages, found.width, found.height) == (1, 120, 80)
    assert [(page.width, page.height) for page in pages] == [(120, 80)]


def test_what_refuses_one_page_of_several_names_the_page():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for kind in (np.uint8, np.uint8, np.uint32):
            writer.write(GREY.astype(kind), photometric="minisblack")
    assert both_say(buffer.getvalue()).startswith("On page 3 of 3: It is a TIFF with 32 bits a channel")
