"""A packet changes only where it is to change, and nothing that a stranger writes into one does harm."""

from __future__ import annotations

import contextlib
import time

import pytest

from colorwatch.metadata import xmp
from colorwatch.metadata.xmp import MAX_PACKET, RDF, Name, XmpError

OURS, DC = "http://ours/", "http://purl.org/dc/elements/1.1/"
PREFIXES = {OURS: "ours"}
RDF_START = f'<rdf:RDF xmlns:rdf="{RDF}">'


def wrapped(inside: str, padding: int = 0, end: str = "w") -> bytes:
    """A packet of these rdf:Descriptions."""
    text = f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">{RDF_START}'
    text += f'{inside}</rdf:RDF></x:xmpmeta>\n{" " * padding}<?xpacket end="{end}"?>'
    return text.encode()


DESCRIPTION = (
    f'<rdf:Description rdf:about="" xmlns:dc="{DC}" dc:format="image/tiff" dc:source = \'a > "b"\'>\n'
    "  <!-- Ada's -->\n"
    "  <dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Grüße &amp; K&#252;sse</rdf:li></rdf:Alt></dc:title>\n"
    "  <dc:type/>\n</rdf:Description>"
)


def ours_dropped(name: Name) -> bool:
    return name[0] == OURS


def put(content: bytes, **values: str) -> bytes:
    added = {(OURS, name): value for name, value in values.items()}
    return xmp.changed(xmp.parse(content), ours_dropped, added, PREFIXES)


def values(content: bytes) -> dict[Name, str]:
    return {each.name: each.value for each in xmp.parse(content).properties}


def test_properties_are_read_in_both_of_their_forms() -> None:
    found = values(wrapped(DESCRIPTION))
    assert found[DC, "format"] == "image/tiff"
    assert found[DC, "source"] == 'a > "b"'
    assert found[DC, "title"].strip() == "Grüße & Küsse"
    assert found[DC, "type"] == ""


def test_what_is_added_stands_behind_and_everything_else_stays_as_it_was() -> None:
    content = wrapped(DESCRIPTION)
    changed = put(content, one="1", two="<ü> & \t\r\n ]]> '\"")
    assert values(changed) == values(content) | {(OURS, "one"): "1", (OURS, "two"): "<ü> & \t\r\n ]]> '\""}
    start, end = content.split(b"</rdf:RDF>")
    assert changed.startswith(start)
    assert changed.endswith(b"</rdf:RDF>" + end)


def test_what_was_added_before_is_replaced_and_leaves_no_trace() -> None:
    content = wrapped(DESCRIPTION)
    assert put(put(content, one="1", two="2"), three="3") == put(content, three="3")


def test_properties_go_that_another_program_has_taken_into_its_own_description() -> None:
    inside = DESCRIPTION.replace("xmlns:dc", f'xmlns:o="{OURS}" o:one="1" xmlns:dc')
    inside = inside.replace("<dc:type/>", "<dc:type/><o:two>2</o:two><o:three rdf:resource='3'/>")
    assert values(wrapped(inside)).keys() >= {(OURS, "one"), (OURS, "two"), (OURS, "three")}
    changed = put(wrapped(inside), four="4")
    assert values(changed) == values(wrapped(DESCRIPTION)) | {(OURS, "four"): "4"}


def test_padding_gives_way_as_far_as_it_goes() -> None:
    small, large = wrapped(DESCRIPTION, padding=2000), wrapped(DESCRIPTION, padding=10)
    assert len(put(small, one="1")) == len(small)
    assert put(large, one="1").endswith(b'</x:xmpmeta> <?xpacket end="w"?>')


def test_a_read_only_packet_and_one_without_its_wrapper_take_properties_too() -> None:
    assert put(wrapped(DESCRIPTION, end="r"), one="1").endswith(b'<?xpacket end="r"?>')
    bare = f"{RDF_START}{DESCRIPTION}</rdf:RDF>".encode()
    assert values(put(bare, one="1"))[OURS, "one"] == "1"


def test_it_is_about_what_the_others_are_about() -> None:
    changed = put(wrapped(DESCRIPTION.replace('about=""', 'about="uuid:&quot;7&quot;"')), one="1")
    assert changed.count(b'uuid:"7"') + changed.count(b"uuid:&quot;7&quot;") == 2
    assert xmp.parse(changed).about == 'uuid:"7"'


def test_a_prefix_that_means_something_else_outside_does_no_harm() -> None:
    inside = DESCRIPTION.replace("dc:", "ours:").replace("xmlns:dc", "xmlns:ours")
    assert values(put(wrapped(inside), one="1")) == values(wrapped(inside)) | {(OURS, "one"): "1"}


def test_zeros_behind_the_end_are_no_part_of_it() -> None:
    assert values(put(wrapped(DESCRIPTION) + bytes(3), one="1"))[OURS, "one"] == "1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        wrapped(DESCRIPTION)[:-200],
        wrapped(DESCRIPTION).decode().encode("utf-16"),
        wrapped(DESCRIPTION).replace("ü".encode(), b"\xfc"),
        wrapped(DESCRIPTION + "</rdf:RDF>" + RDF_START + DESCRIPTION),
        wrapped(DESCRIPTION.replace('about=""', 'about="a"') + DESCRIPTION.replace('about=""', 'about="b"')),
        wrapped(DESCRIPTION) + b" " * MAX_PACKET,
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + wrapped(DESCRIPTION),
    ],
    ids=["empty", "junk", "cut", "UTF-16", "Latin-1", "twice", "about two", "huge", "document type"],
)
def test_what_cannot_be_read_safely_is_refused(content: bytes) -> None:
    with pytest.raises(XmpError):
        xmp.parse(content)


@pytest.mark.parametrize("inside", [b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", f'<rdf:RDF xmlns:rdf="{RDF}"/>'.encode()])
def test_a_packet_without_a_place_for_properties_is_left_alone(inside: bytes) -> None:
    with pytest.raises(XmpError):
        put(inside, one="1")


def test_entities_of_its_own_are_never_expanded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    for number in range(1, 12):
        bomb += f'<!ENTITY a{number} "' + f"&a{number - 1 or ''};" * 10 + '">'
    bomb += "]>"
    start = time.monotonic()
    with pytest.raises(XmpError):
        xmp.parse(bomb.encode() + wrapped(DESCRIPTION.replace("Ada", "&a11;")))
    with pytest.raises(XmpError):
        xmp.parse(wrapped(DESCRIPTION.replace("K&#252;sse", "&anything;")))
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    "inside",
    [
        f'<rdf:Description rdf:about="" xmlns:o="{OURS}">{"<o:a/>" * 150_000}</rdf:Description>',
        f'<rdf:Description rdf:about="" xmlns:o="{OURS}">{" <o:a>" * 70_000}{"</o:a>" * 70_000}</rdf:Description>',
        f'<rdf:Description rdf:about="" xmlns:o="{OURS}"' + "".join(f" o:a{n}=''" for n in range(70_000)) + "/>",
        f'<rdf:Description rdf:about="" xmlns:o="{OURS}" o:a="{" =# " * 200_000}"/>'.replace("#", "'"),
        f'<rdf:Description rdf:about="" xmlns:o="{OURS}"{" " * 900_000}/>',
        "<rdf:Description/>" * 50_000,
    ],
    ids=["many", "deep", "attributes", "quotes", "spaces", "descriptions"],
)
def test_a_packet_made_to_cost_time_costs_little(inside: str) -> None:
    start = time.monotonic()
    with contextlib.suppress(XmpError):
        put(wrapped(inside), one="1")
    assert time.monotonic() - start < 10
