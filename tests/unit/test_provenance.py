"""What a packet says of a result comes back exactly as it was, or not at all."""

from __future__ import annotations

import dataclasses
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorwatch.metadata import provenance, xmp
from colorwatch.metadata.provenance import MACHINE_MADE, MAX_PATH, NAMESPACE, added_to, packet, read
from colorwatch.scan import Provenance
from colorwatch.wire import to_plain

TOLD = Provenance("ab" * 32, "1955/Tante Käthe.jpg", "0123456789abcdef", "compact", "cd" * 32)
NAMES = st.binary(min_size=1, max_size=60).map(lambda raw: raw.replace(b"\0", b"\1"))
PATHS = NAMES.map(os.fsdecode).filter(lambda path: not {"", ".", ".."} & set(path.split("/")))
SCANS_OWN = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/'
    '2008-02-29/" xmp:Rating="5" {}/></rdf:RDF></x:xmpmeta>'
)


def scans_own(attributes: str = "") -> bytes:
    return SCANS_OWN.format(attributes).encode()


@settings(deadline=None, max_examples=300)
@given(PATHS, st.sampled_from([packet, added_to]))
def test_any_path_comes_back_exactly_and_in_ascii(path: str, how: object) -> None:
    told = dataclasses.replace(TOLD, path=path)
    made = packet(told, False) if how is packet else added_to(scans_own(), told, False)
    assert read(made) == told
    assert made.removeprefix(b'<?xpacket begin="\xef\xbb\xbf"').isascii()


@pytest.mark.parametrize(
    "path", [" a ", "a%20b", "\udcff\udc80.jpg", "<&>'\"]]>", "\t\r\n\x01\x7f\x85\u2028\ufffe\U0001f600", "é" * 200]
)
def test_odd_names_come_back(path: str) -> None:
    told = dataclasses.replace(TOLD, path=path)
    assert read(packet(told, True)) == told


def test_a_path_too_long_for_any_system_call_is_left_out_and_the_digest_stays() -> None:
    told = dataclasses.replace(TOLD, path="\udcff" * (MAX_PATH + 1))
    assert read(packet(told, True)) == dataclasses.replace(TOLD, path="")
    whole = dataclasses.replace(TOLD, path="\udcff" * MAX_PATH)
    assert read(packet(whole, True)) == whole
    assert len(packet(whole, True)) < 20_000


@settings(deadline=None)
@given(st.text(min_size=1, max_size=400))
def test_any_name_of_a_model_can_be_written_and_is_fit_to_be_shown(name: str) -> None:
    found = read(packet(dataclasses.replace(TOLD, model=name), True))
    assert found is not None
    assert found.model.isprintable()
    if name.isprintable() and len(name) <= 300:
        assert found.model == name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("digest", ""),
        ("digest", "AB" * 32),
        ("digest", "ab" * 33),
        ("model_digest", "?" * 64),
        ("recipe", ""),
        ("recipe", "0" * 65),
        ("model", ""),
        ("path", "/etc/passwd"),
        ("path", "../x"),
        ("path", "a/../../x"),
        ("path", "a//b"),
        ("path", "a\0b"),
    ],
)
def test_what_is_not_as_we_write_it_is_not_believed(field: str, value: str) -> None:
    plain = to_plain(dataclasses.replace(TOLD, **{field: value}))
    names = {"digest": "SourceDigest", "path": "SourcePath", "recipe": "Recipe", "model": "Model"}
    values = {(NAMESPACE, names.get(key, "ModelDigest")): text.replace("\0", "%00") for key, text in plain.items()}
    assert read(xmp.new(values, {NAMESPACE: "c"})) is None


@pytest.mark.parametrize("model", ["%0Aa", "%ED%A0%80", "%FF", "a" * 301])
def test_a_models_name_that_is_no_plain_text_is_not_believed(model: str) -> None:
    assert read(packet(TOLD, True).replace(b">compact<", f">{model}<".encode())) is None


def test_a_strangers_packet_says_nothing() -> None:
    assert read(scans_own()) is None
    assert read(b"") is None


def test_programs_are_told_that_the_colours_are_machine_made_and_people_too() -> None:
    found = xmp.parse(packet(TOLD, True))
    assert found.value((xmp.IPTC_EXT, "DigitalSourceType")) == MACHINE_MADE
    note = found.value((NAMESPACE, "Note"))
    assert note is not None
    assert "machine-made" in note
    assert "compact" in note


def test_the_type_of_the_scan_gives_way_and_is_kept_through_generations() -> None:
    printed = "http://cv.iptc.org/newscodes/digitalsourcetype/print"
    content = scans_own(f'i:DigitalSourceType="{printed}"')
    for _ in range(3):
        content = added_to(content, TOLD, False)
        found = xmp.parse(content)
        assert [each.value for each in found.properties if each.name[1] == "DigitalSourceType"] == [MACHINE_MADE]
        assert [each.value for each in found.properties if each.name[1] == "ScanSourceType"] == [printed]
        assert found.value((xmp.XMP, "Rating")) == "5"


def test_a_result_used_as_a_scan_tells_of_itself_alone() -> None:
    once = added_to(scans_own(), TOLD, False)
    other = Provenance("12" * 32, "again.jpg", "ff", "zhang2016", "34" * 32)
    assert added_to(once, other, False) == added_to(scans_own(), other, False)
    assert read(added_to(once, other, False)) == other


@pytest.mark.parametrize("known", ["in the packet", "elsewhere", "an earlier colorwatch", "nowhere"])
def test_the_tool_that_made_the_scan_stays_its_maker(known: str) -> None:
    tool = {"in the packet": 'xmp:CreatorTool="VueScan"', "an earlier colorwatch": 'xmp:CreatorTool="colorwatch 0.0.1"'}
    made = added_to(scans_own(tool.get(known, "")), TOLD, known == "elsewhere")
    tools = [each.value for each in xmp.parse(made).properties if each.name == (xmp.XMP, "CreatorTool")]
    assert tools == {"in the packet": ["VueScan"], "elsewhere": []}.get(known, [provenance.SOFTWARE])


def test_a_thumbnail_of_the_grey_scan_goes() -> None:
    content = scans_own().replace(b"/></rdf:RDF>", b"><xmp:Thumbnails>abc</xmp:Thumbnails></rdf:Description></rdf:RDF>")
    assert xmp.parse(content).value((xmp.XMP, "Thumbnails")) == "abc"
    assert xmp.parse(added_to(content, TOLD, False)).value((xmp.XMP, "Thumbnails")) is None
