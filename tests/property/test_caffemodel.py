"""Whatever bytes come, the reader gives layers or a ModelError, and the published table refuses all but a whole net."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffemodels import caffemodel, field, layer, random_blobs, varint
from colorwatch import caffemodel as reader
from colorwatch import published
from colorwatch.errors import ModelError

TINY = published.table(widths=(2, 3, 4, 5), size=32, classes=7)
WHOLE = caffemodel(random_blobs(TINY))
UNPACKED = caffemodel(random_blobs(TINY), packed=False, shape="legacy")


def accepted(content: bytes) -> bool:
    """Whether `content` is the net; anything but a ModelError is a fault and comes through."""
    try:
        published.check(reader.parse(content), TINY)
    except ModelError:
        return False
    return True


@given(st.binary(max_size=2_000))
def test_any_bytes_are_refused(content: bytes) -> None:
    assert not accepted(content)


@given(st.lists(st.tuples(st.integers(0, 2**21), st.binary(max_size=50)), max_size=20))
def test_any_fields_are_refused(fields: list[tuple[int, bytes]]) -> None:
    assert not accepted(b"".join(field(number, payload) for number, payload in fields))


@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans())
def test_any_blobs_are_refused(blobs: list[bytes], old: bool) -> None:
    assert not accepted(layer("conv1_2", "Convolution", blobs, old=old))


@settings(max_examples=400)
@given(st.sampled_from([WHOLE, UNPACKED]), st.data())
def test_a_changed_net_is_the_net_or_refused(whole: bytes, data: st.DataObject) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        content[start:end] = data.draw(st.binary(max_size=40))
    accepted(bytes(content))


@settings(max_examples=100)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_cut_net_is_refused(end: int) -> None:
    assert not accepted(WHOLE[:end])


@pytest.mark.parametrize("whole", [WHOLE, UNPACKED], ids=["packed", "unpacked"])
def test_two_thousand_damaged_nets_are_read_or_refused(whole: bytes) -> None:
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1_000):
        content = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0, len(content), rng.integers(1, 30))
        content[places] = rng.integers(0, 256, len(places))
        refused += not accepted(content.tobytes())
    assert refused > 100


def test_flipped_lengths_are_refused() -> None:
    lengths = [i for i in range(len(WHOLE) - 1) if WHOLE[i : i + 2] == varint(802)]
    assert len(lengths) >= 26
    for place in lengths:
        for flip in (1, 2, 64, 128):
            content = bytearray(WHOLE)
            content[place + 2] ^= flip
            assert not accepted(bytes(content))
