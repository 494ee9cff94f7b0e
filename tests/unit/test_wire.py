"""Messages between parent and worker."""

from __future__ import annotations

import json

import pytest

from colorwatch.protocol import Failure, Incomplete, Lying, Portrayed, PortrayRequest, ProbeRequest, RenderRequest
from colorwatch.scan import Facts, Fingerprint, Flag, Rendering
from colorwatch.wire import WireError, decode, encode

FINGERPRINT = Fingerprint(1, 2**63 + 5, 3, -4)
MESSAGES = [
    ProbeRequest(7, "/in", "a/b\udcff\n.jpg", 200.0),
    RenderRequest(8, "/in", "x.png", FINGERPRINT, "/out/.colorwatch/job-1-1", 12.5),
    Facts(FINGERPRINT, "ab" * 32, "jpeg", ".jpg", 1, 640, 480, 1, 8, zero_tail=True),
    Incomplete(FINGERPRINT, "it ends early"),
    Rendering("cd" * 32, 10, 1, 2, 3, 4, 5, {"decode": 0.5}, (Flag("blank page", "Page 2 is blank: “2”."),)),
    Failure("disk", "the disk is full", True),
    PortrayRequest(9, "/out", "a.tif", "/s/1", "/s/\udcff", Lying("/in", "a\udcff.tif", 5, -4)),
    Portrayed(600, 400, 60, 40, 300, 200),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message: object) -> None:
    assert decode(encode(message)) == message


def changed(field: str, value: object) -> bytes:
    plain = json.loads(encode(MESSAGES[2]))
    plain[field] = value
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80\x04\x95",
        b"[]",
        b'{"type": "Exit"}',
        b'{"type": "Failure"}',
        b'{"type": "Failure", "kind2": 1}',
        b'{"type": ["Failure"]}',
        changed("width", "640"),
        changed("width", True),
        changed("width", None),
        changed("fingerprint", [1, 2, 3, 4]),
        changed("fingerprint", {"device": 1}),
        changed("surplus", 1),
        encode(MESSAGES[4]).replace(b"0.5", b"NaN"),
        encode(MESSAGES[4]).replace(b"0.5", b'"much"'),
        b"[" * 50_000,
        encode(MESSAGES[4]).replace(b"0.5", b"1" * 400),
        changed("width", 1 << 64),
        changed("digest", "half \ud83d"),
        encode(MESSAGES[5]).replace(b"the disk", b"the \\udcff"),
        encode(MESSAGES[4]).replace(b"Page 2", b"Page \\udcff"),
        encode(MESSAGES[4]).replace(b'"word"', b'"w"'),
        encode(MESSAGES[4]).replace(b'"flags": [{', b'"flags": [3, {'),
        encode(MESSAGES[4]).replace(b'"flags": [', b'"flags": {"a": [').replace(b"}]}", b"}]}}"),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError):
        decode(raw)


def test_only_messages_are_sent() -> None:
    with pytest.raises(TypeError):
        encode(FINGERPRINT)
