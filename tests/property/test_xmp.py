"""Whatever bytes stand in a packet or around it, reading ends, and what was in a packet is never lost."""

from __future__ import annotations

import contextlib
import os
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colorwatch.formats.tifftags import Carried
from colorwatch.metadata import xmp
from colorwatch.metadata.imprint import on_jpeg, on_png, on_tiff, recall
from colorwatch.metadata.pieces import jpeg_segment, png_chunk
from colorwatch.metadata.provenance import NAMESPACE, added_to, packet, read
from colorwatch.scan import Provenance
from pictures import written
from tiffs import tiff_by_hand

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
TOLD = Provenance("ab" * 32, "scan.jpg", "0123456789abcdef", "compact", "cd" * 32)
OTHER = Provenance("12" * 32, "other.jpg", "ff", "other", "34" * 32)
WHOLE = packet(TOLD, False)

WORDS = [
    "<",
    ">",
    "/>",
    "</",
    "rdf:Description",
    "rdf:RDF",
    "rdf:about=",
    "xmlns:c=",
    NAMESPACE,
    xmp.RDF,
    '"',
    "'",
    " ",
]
WORDS += ["<?xpacket end='w'?>", "<!--", "-->", "<![CDATA[", "]]>", "&amp;", "&#0;", "<!DOCTYPE x>", "é", "\0", "="]
NOISE = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12).map(
    lambda parts: "".join(parts).encode("utf-8", "replace")
)

NAMES = st.sampled_from(["a", "b", "c-1", "d.e", "é"])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=12)
SPACES = st.sampled_from([" ", "\n", "\t ", "  \n"])


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """A well-formed packet of a stranger's, written in one of the many ways."""
    from xml.sax.saxutils import escape, quoteattr

    nodes = ""
    for _ in range(draw(st.integers(0, 3))):
        attributes = draw(st.dictionaries(NAMES, VALUES, max_size=3))
        elements = draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
        space = draw(SPACES)
        own = draw(st.sampled_from(["", f'{space}xmlns:q="{NAMESPACE}"{space}q:Recipe="1"']))
        nodes += f"{space}<rdf:Description{space}rdf:about=''{space}xmlns:d='http://d/'{own}"
        nodes += "".join(f"{space}d:{name}{draw(SPACES)}={quoteattr(value)}" for name, value in attributes.items())
        inner = "".join(f"{space}<d:{name}>{escape(value)}</d:{name}>" for name, value in elements)
        nodes += f">{inner}{space}</rdf:Description>" if inner or draw(st.booleans()) else f"{space}/>"
    text = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='{xmp.RDF}'>{nodes}</rdf:RDF></x:xmpmeta>"
    return draw(st.sampled_from([text, f"\ufeff<?xpacket begin=''?>{text}{' ' * 30}<?xpacket end='r'?>"])).encode()


def strangers(content: bytes) -> list[bytes]:
    """The bytes of all properties but those that we write."""
    found = xmp.parse(content)
    written = {(xmp.IPTC_EXT, "DigitalSourceType"), (xmp.XMP, "CreatorTool")}
    others = [each for each in found.properties if each.name[0] != NAMESPACE and each.name not in written]
    return [content[each.start : each.end] for each in others]


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(packets())
def test_a_strangers_properties_stay_byte_for_byte(content: bytes) -> None:
    once = added_to(content, TOLD, False)
    assert strangers(once) == strangers(content)
    assert read(once) == TOLD
    twice = added_to(once, OTHER, False)
    assert strangers(twice) == strangers(content)
    assert read(twice) == OTHER
    names = [each.name for each in xmp.parse(twice).properties if each.name[0] == NAMESPACE]
    assert len(names) == len(set(names))


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), NOISE), min_size=1, max_size=5))
def test_any_change_to_a_packet_leaves_one_that_is_refused_or_understood(
    changes: list[tuple[float, int, bytes]],
) -> None:
    content = WHOLE
    for place, length, noise in changes:
        at = int(place * len(content))
        content = content[:at] + noise + content[at + length :]
    read(content)
    with contextlib.suppress(xmp.XmpError):
        assert read(added_to(content, OTHER, False)) == OTHER


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(st.lists(st.one_of(st.binary(max_size=60), packets(), NOISE), max_size=3), st.data())
def test_any_metadata_takes_the_imprint_and_gives_it_back(contents: list[bytes], data: st.DataObject) -> None:
    segments = [(data.draw(st.sampled_from([0xE0, 0xE1, 0xFE])), b"") for _ in contents]
    starts = st.sampled_from([b"", b"http://ns.adobe.com/xap/1.0/\0", b"Exif\0\0"])
    segments = [(code, data.draw(starts) + each) for (code, _), each in zip(segments, contents, strict=True)]
    on_jpeg(segments, TOLD, False)
    keys = st.sampled_from([b"", b"Software\0", b"colorwatch\0", b"XML:com.adobe.xmp\0\0\0\0\0"])
    keys |= st.just(b"XML:com.adobe.xmp\0\1\0\0\0")
    chunks = [(data.draw(st.sampled_from([b"tEXt", b"iTXt"])), data.draw(keys) + each) for each in contents]
    on_png(chunks, TOLD, False)
    kind = data.draw(st.sampled_from([1, 2, 7, 4]))
    tags = Carried({700: (kind, len(contents[0]), contents[0])} if contents else {})
    on_tiff(tags, TOLD)
    by_hand = {tag: (7, list(content)) for tag, (_, _, content) in tags.tags.items() if content}
    files = [
        b"\xff\xd8" + b"".join(jpeg_segment(*each) for each in segments) + b"\xff\xda",
        b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in chunks),
        tiff_by_hand(b"\0", 1, 1, dict(by_hand)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for content in files:
            assert recall(*os.path.split(written(folder, "x", content))).provenance == TOLD


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(
    st.sampled_from([b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0", b"MM\0+\0\x08\0\0", b""]),
    st.lists(
        st.binary(max_size=40) | st.sampled_from([WHOLE, b"iTXt", b"XML:com.adobe.xmp\0", b"\x01\0\xbc\x02"]),
        max_size=6,
    ),
)
def test_recall_of_any_bytes_ends_with_an_answer(start: bytes, parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recall(*os.path.split(written(folder, "x", start + b"".join(parts))))
