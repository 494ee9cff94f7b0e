"""The pictures here are whole to libjpeg's eye, or nearly: each test is a loss that it is silent about."""

from __future__ import annotations

import os

import numpy as np
import pytest

from colorwatch.codecs.jpegloss import left_over, lost, out_of_step, plain_head
from damaged import odd
from pictures import encoded, gradient

GREY = encoded(gradient(), "JPEG")
CODED = GREY.index(b"\xff\xda") + 10  # one component: the header of its scan has ten bytes


@pytest.mark.parametrize(
    ("said", "means_loss"),
    [
        ("VipsJpeg: Corrupt JPEG data: premature end of data segment", True),
        ("VipsJpeg: Premature end of JPEG file", True),
        ("Corrupt JPEG data: bad Huffman code", True),
        ("Corrupt JPEG data: found marker 0xd2 instead of RST1", True),
        ("Unknown Adobe color transform code 9", False),
        ("Corrupt JPEG data: 7 extraneous bytes before marker 0xc4", False),
        ("", False),
    ],
)
def test_a_warning_that_means_loss_is_known(said: str, means_loss: bool) -> None:
    assert lost(said) == means_loss


@pytest.mark.parametrize(
    ("said", "means_loss"),
    [
        ("Corrupt JPEG data: bad Huffman code", True),
        ("Corrupt JPEG data: 7 extraneous bytes before marker 0xd3", True),
        ("Corrupt JPEG data: 7 extraneous bytes before marker 0xd9", False),
        ("Corrupt JPEG data: 700 extraneous bytes before marker 0xd9", True),
        ("Invalid SOS parameters for sequential JPEG", False),
    ],
)
def test_bytes_that_nobody_asked_for_mean_loss_in_the_coded_data(said: str, means_loss: bool) -> None:
    assert out_of_step(said) == means_loss


def tail(coded: bytes, reached: int, last: int) -> bool:
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, b"\xff\xd8\xff\xda\0\x02" + coded)
        return left_over(descriptor, 6, 6 + reached, last)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("coded", "reached", "left"),
    [
        (b"abcdefgh\xff\xd9", 10, False),
        (b"abcdefgh\xff\xd9", 9, False),  # the marker begins in what was read
        (b"abcdefgh\xff\xd9", 8, False),  # and here just after it
        (b"abcdefgh" + b"rest of the picture" + b"\xff\xd9", 8, True),
        (b"abcdefgh" + b"rest of the picture" * 9000 + b"\xff\xd9", 8, True),
        (b"abcdefgh" + bytes(100) + b"\xff\xd9", 8, False),  # filled up
        (b"abcdefgh" + b"\xff" * 100 + b"\xff\xd9", 8, False),
        (b"abcdefgh" + bytes(100) + b"1" + b"\xff\xd9", 8, True),
        (b"abcdefgh\xff\xd9" + b"appended" * 100, 8, False),
        (b"abcdefgh\xff\0\xff\xd3more\xff\xd9", 8, True),  # neither a stuffed byte nor a restart is an end
        (b"abcdefgh", 8, False),
    ],
)
def test_coded_data_that_the_decoder_did_not_take_are_noticed(coded: bytes, reached: int, left: bool) -> None:
    assert tail(coded, reached, 4) == left


def head_of(content: bytes) -> tuple[bytes, int] | None:
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content)
        return plain_head(descriptor)
    finally:
        os.close(descriptor)


def test_a_plain_head_has_what_a_decoder_needs_and_nothing_to_wonder_at() -> None:
    found = head_of(odd(GREY)[:20] + b"\xff\xfe\0\x08a note" + GREY[20:])
    assert found is not None
    head, coded_from = found
    assert coded_from == CODED + 10
    assert b"JFIF" not in head
    assert np.array_equal(read(head + GREY[CODED:]), read(GREY))


def read(content: bytes) -> object:
    import cv2

    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("content", [b"", GREY[:100], b"\xff\xd8" * 50, b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xc4\0\0"])
def test_without_a_scan_there_is_no_head(content: bytes) -> None:
    assert head_of(content) is None
