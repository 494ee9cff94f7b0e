"""XMP packets: read from untrusted bytes, and changed without touching what is not to be changed.

ISO 16684-1:2019 (the data model as RDF/XML in 7, the packet's wrapper in 7.3). A packet is parsed only to know where
its properties stand; a change cuts and inserts bytes there, and all other bytes stay what they were. Document types,
and with them entities of one's own, are refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_PACKET = 1 << 20  # bytes; larger ones are left alone. Real ones have some kB, or some 100 kB of editing history

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

Name = tuple[str, str]
"""A property's namespace and its name there."""

_SPACE = b" \t\r\n"
_CONTROLS = str.maketrans({"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})  # bare ones are read as something else
_TAG = re.compile(rb"""<[^\s=/>]+((?:\s+[^\s=/>]+\s*=\s*(?:"[^"]*"|'[^']*'))*+)\s*(/?)>""")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_NO_PROPERTIES = {(RDF, "about"), (RDF, "ID"), (RDF, "nodeID"), (RDF, "datatype"), ("", "about"), ("", "ID")}


class XmpError(Exception):
    """The packet is none that can be read, or changed, without a risk to what is in it."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property of the picture: its text (of all that is in it, where it has parts), and where its bytes stand."""

    name: Name
    value: str
    start: int
    end: int
    node: int  # the number of the rdf:Description that it stands in


@dataclass(slots=True)
class Packet:
    """A packet, and where things stand in it."""

    content: bytes
    about: str = ""  # what all of its rdf:Descriptions say they are about
    properties: list[Property] = field(default_factory=list)
    nodes: list[tuple[int, int]] = field(default_factory=list)  # the rdf:Descriptions' bytes
    close: int = -1  # where the end tag of rdf:RDF begins
    trailer: int = -1  # where the wrapper's end begins, behind the padding

    def value(self, name: Name) -> str | None:
        """The text of the first property of that name."""
        return next((each.value for each in self.properties if each.name == name), None)


def parse(content: bytes) -> Packet:
    """The packet of these bytes (UTF-8, with or without its wrapper). Raises XmpError."""
    if len(content) > MAX_PACKET:
        raise XmpError("it is too large")
    # Some writers end it like a string of C.
    return _Walk(content.rstrip(b"\0")).packet


def new(properties: Mapping[Name, str], prefixes: Mapping[str, str], wrapped: bool = True) -> bytes:
    """A packet of these properties, in ASCII; `prefixes` names their namespaces."""
    body = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n<rdf:RDF xmlns:rdf="' + RDF.encode() + b'">\n'
    body += _description("", properties, prefixes) + b"</rdf:RDF>\n</x:xmpmeta>"
    if not wrapped:
        return body
    return b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n' + body + b'\n<?xpacket end="w"?>'


def changed(
    packet: Packet, dropped: Callable[[Name], bool], added: Mapping[Name, str], prefixes: Mapping[str, str]
) -> bytes:
    """The packet without the properties that are `dropped`, and with those in `added`.

    Padding gives way, so that the packet keeps its size as long as it can. Raises XmpError where nothing can be put in
    safely.
    """
    if packet.close < 0:
        raise XmpError("it has no place for a property")
    insert = (packet.close, packet.close, _description(packet.about, added, prefixes))
    edits = sorted([*((start, end, b"") for start, end in _cuts(packet, dropped)), insert])
    growth = sum(len(put) - (end - start) for start, end, put in edits)
    if packet.trailer >= 0:
        edits.append(_padding_cut(packet, growth))
    parts, at = [], 0
    for start, end, put in edits:
        if start < at:
            raise XmpError("its parts overlap")
        parts += [packet.content[at:start], put]
        at = end
    result = b"".join([*parts, packet.content[at:]])
    _require_unharmed(packet, dropped, added, result)
    return result


def _description(about: str, properties: Mapping[Name, str], prefixes: Mapping[str, str]) -> bytes:
    """An rdf:Description that depends on nothing around it; ASCII, so that it fits where it is put."""
    used = {space: prefixes[space] for space, _ in properties}
    names = "".join(f' xmlns:{prefix}="{_escaped(space)}"' for space, prefix in used.items())
    text = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="{_escaped(about)}"{names}>\n'
    for (space, name), value in properties.items():
        text += f"<{prefixes[space]}:{name}>{_escaped(value)}</{prefixes[space]}:{name}>\n"
    return f"{text}</rdf:Description>\n".encode("ascii", "xmlcharrefreplace")


def _escaped(text: str) -> str:
    return html.escape(text).translate(_CONTROLS)


def _cuts(packet: Packet, dropped: Callable[[Name], bool]) -> list[tuple[int, int]]:
    """The bytes that go: properties, and descriptions of which nothing would be left."""
    going, staying = set[int](), set[int]()
    for each in packet.properties:
        (going if dropped(each.name) else staying).add(each.node)
    emptied = going - staying
    # With the line's end that follows ours, and with the white space before an attribute.
    spans = [
        (start, end + packet.content.startswith(b"\n", end)) for start, end in map(packet.nodes.__getitem__, emptied)
    ]
    single = [each for each in packet.properties if dropped(each.name) and each.node not in emptied]
    return spans + [(_behind_text(packet.content, each.start), each.end) for each in single]


def _behind_text(content: bytes, at: int) -> int:
    """Where the white space before `at` begins."""
    while at and content[at - 1] in _SPACE:
        at -= 1
    return at


def _padding_cut(packet: Packet, growth: int) -> tuple[int, int, bytes]:
    """As much of the padding as the packet has grown, but for its last byte, a line's end as a rule."""
    first = _behind_text(packet.content, packet.trailer)
    room = max(packet.trailer - first - 1, 0)
    return (first, first + min(max(growth, 0), room), b"")


def _require_unharmed(
    packet: Packet, dropped: Callable[[Name], bool], added: Mapping[Name, str], result: bytes
) -> None:
    """Read the result again: what was to stay is there byte for byte, and what was added is understood."""
    again = parse(result)
    kept = [packet.content[each.start : each.end] for each in packet.properties if not dropped(each.name)]
    count = len(again.properties) - len(added)
    if [result[each.start : each.end] for each in again.properties[:count]] != kept:
        raise XmpError("something in it would be lost")
    if {each.name: each.value for each in again.properties[count:]} != dict(added):
        raise XmpError("it cannot hold what is to be added")


class _Walk:
    """Notes, while expat reads, where the properties of rdf:RDF's descriptions begin and end."""

    def __init__(self, content: bytes) -> None:
        self.packet = Packet(content)
        self._depth = self._rdf = 0
        self._text: list[str] | None = None
        self._open: dict[int, tuple[Name, int, int, str]] = {}  # by depth: name, start, end if empty, rdf:resource
        self._abouts = set[str]()
        self._parser = parser = expat.ParserCreate("UTF-8", "\n")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.ProcessingInstructionHandler = self._instruction
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, ValueError) as error:
            raise XmpError("it is no XML in UTF-8") from error
        if len(self._abouts) > 1:
            raise XmpError("it is about more than one thing")
        self.packet.about = next(iter(self._abouts), "")

    def _doctype(self, *_: object) -> None:
        raise XmpError("it has a document type")

    def _instruction(self, target: str, text: str) -> None:
        if target == "xpacket" and text.startswith("end"):
            self.packet.trailer = self._parser.CurrentByteIndex

    def _start(self, qualified: str, attributes: list[str]) -> None:
        self._depth += 1
        name, level = _name(qualified), self._depth - self._rdf if self._rdf else 0
        if name == (RDF, "RDF"):
            if self._rdf or self.packet.nodes:
                raise XmpError("it holds more than one description of the picture")
            self._rdf = self._depth
        elif level in (1, 2):
            at = self._parser.CurrentByteIndex
            tag = _TAG.match(self.packet.content, at)
            if tag is None:
                raise XmpError("it is written in an unknown way")
            pairs = [(_name(key), value) for key, value in zip(attributes[::2], attributes[1::2], strict=True)]
            self._open[level] = (name, at, tag.end() if tag[2] else -1, dict(pairs).get((RDF, "resource"), ""))
            if level == 1:
                self.packet.nodes.append((at, at))
                self._note_attributes(pairs, tag)
            else:
                self._text = []

    def _note_attributes(self, pairs: list[tuple[Name, str]], tag: re.Match[bytes]) -> None:
        spans = [
            each.span()
            for each in _ATTRIBUTE.finditer(self.packet.content, *tag.span(1))
            if each[1] != b"xmlns" and not each[1].startswith(b"xmlns:")
        ]
        if len(spans) != len(pairs):
            raise XmpError("it is written in an unknown way")
        for (name, value), (start, end) in zip(pairs, spans, strict=True):
            if name in ((RDF, "about"), ("", "about")):
                self._abouts |= {value} - {""}
            elif name not in _NO_PROPERTIES and not name[0].endswith("/XML/1998/namespace"):
                self.packet.properties.append(Property(name, value, start, end, len(self.packet.nodes) - 1))

    def _end(self, _: str) -> None:
        level = self._depth - self._rdf if self._rdf else -1
        self._depth -= 1
        at = self._parser.CurrentByteIndex
        if level == 0:
            self.packet.close = at if self.packet.content.startswith(b"</", at) else -1
            self._rdf = 0
        elif level in (1, 2):
            name, start, end, resource = self._open.pop(level)
            end = end if end >= 0 else self.packet.content.index(b">", at) + 1
            if level == 1:
                self.packet.nodes[-1] = (start, end)
            else:
                value = "".join(self._text or ()) or resource
                self._text = None
                self.packet.properties.append(Property(name, value, start, end, len(self.packet.nodes) - 1))

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)


def _name(qualified: str) -> Name:
    space, _, name = qualified.rpartition("\n")
    return (space, name)
