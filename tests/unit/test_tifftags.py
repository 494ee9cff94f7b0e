import os
import struct
import time

import numpy as np
import pytest

from colorwatch.formats.tifftags import EXIF, MAX_ALL_CARRIED, read_carried
from pictures import gradient
from tiffs import tiff_by_hand

GREY = gradient()


def carried(content):
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content)
        return read_carried(descriptor, len(content))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("order", "<>")
def test_values_that_overlap_are_carried_up_to_one_budget(order):
    value = np.arange(2 << 20, dtype=order + "u2").tobytes()
    at = 8 + GREY.size
    directory = struct.pack(order + "H", 200)
    directory += b"".join(struct.pack(order + "HHII", 1000 + n, 3, 2 << 20, at) for n in range(200)) + bytes(4)
    tags = {EXIF: (4, [at + len(value)]), 700: (7, [1] * 100)}
    start = time.monotonic()
    found = carried(tiff_by_hand(GREY.tobytes(), 120, 80, tags, order, value + directory))
    assert time.monotonic() - start < 5
    inner = found.below[EXIF].tags
    assert 24 << 20 < sum(len(content) for _, _, content in inner.values()) <= MAX_ALL_CARRIED
    assert inner[1000] == (3, 2 << 20, np.arange(2 << 20, dtype="<u2").tobytes())


@pytest.mark.parametrize("order", "<>")
def test_values_are_turned_by_their_unit(order):
    tags = {282: (5, [300, 1]), 296: (3, [2]), 700: (7, [1, 2, 3, 4, 5, 6])}
    found = carried(tiff_by_hand(GREY.tobytes(), 120, 80, tags, order)).tags
    assert found[282] == (5, 1, struct.pack("<II", 300, 1))
    assert found[296] == (3, 1, struct.pack("<H", 2))
    assert found[700] == (7, 6, bytes([1, 2, 3, 4, 5, 6]))
