import io
import os

import numpy as np
import pytest
import tifffile

from colorwatch.codec import open_picture
from colorwatch.errors import UnsupportedError
from colorwatch.structure import examine
from pictures import gradient
from tiffs import tiff_by_hand

GREY = gradient()


def both_say(content):
    """What the probe and the decoder say of a file, which must be the same."""
    said = []
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content)
        for ask in (examine, open_picture):
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
    from colorwatch.tiffkinds import kind_of

    descriptor = os.memfd_create("scan")
    os.write(descriptor, grey_tiff({259: (3, [compression])}))
    assert kind_of(descriptor).unsupported == ""
    os.close(descriptor)


@pytest.mark.parametrize("bits", [3, 5, 6, 7, 10, 12, 16])
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


@pytest.mark.parametrize("first", ["page", "preview"])
def test_a_preview_beside_the_page_is_refused_in_the_same_words(first):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for kind in ("page", "preview") if first == "page" else ("preview", "page"):
            writer.write(GREY if kind == "page" else GREY[::4, ::4], subfiletype=int(kind == "preview"))
    assert "preview" in both_say(buffer.getvalue())


def test_several_pages_are_counted_in_the_same_words():
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.stack([GREY] * 3), photometric="minisblack")
    assert "3 pages" in both_say(buffer.getvalue())
