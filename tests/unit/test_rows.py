"""Rows of a page: the same whether they are held or decoded as they are asked for."""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from colorwatch.codecs.codec import open_document
from colorwatch.colour.lab import net_lightness
from colorwatch.colour.rows import Source
from colorwatch.errors import DamagedError
from colorwatch.metadata.carrying import Luggage
from pictures import encoded, gradient


class Drawn:
    """A page of random numbers, in strips of random heights; counts how often it is decoded."""

    profile = None
    luggage = Luggage()

    def __init__(self, width: int, height: int, colours: int, alpha: bool, bits: int, seed: int = 0) -> None:
        self.width, self.height, self.colours, self.alpha, self.bits = width, height, colours, alpha, bits
        self._rng = np.random.default_rng(seed)
        self.content = self._rng.integers(0, 1 << bits, (height, width, colours + alpha)).astype(f"u{bits // 8}")
        self.decoded = 0
        self.fault: Exception | None = None

    def strips(self) -> Iterator[NDArray[Any]]:
        self.decoded += 1
        top = 0
        while top < self.height:
            rows = int(self._rng.integers(1, 40))
            yield self.content[top : top + rows]
            top += rows
        if self.fault:
            raise self.fault


def timed(stage: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 30),
    height=st.integers(1, 300),
    colours=st.sampled_from([1, 3]),
    alpha=st.booleans(),
    bits=st.sampled_from([8, 16]),
    rows=st.integers(1, 90),
    seed=st.integers(0, 99),
)
def test_rows_that_flow_are_those_that_are_held(
    width: int, height: int, colours: int, alpha: bool, bits: int, rows: int, seed: int
) -> None:
    page = Drawn(width, height, colours, alpha, bits, seed)
    held, flowing = Source(page, bits, timed).passed(), Source(page, bits, timed, most=0).passed()
    assert held.pixels.shape == flowing.pixels.shape
    assert held.pixels.dtype == flowing.pixels.dtype
    assert (held.alpha is None) == (flowing.alpha is None) == (not alpha)
    for top in range(0, height, rows):
        assert (held.pixels[top : top + rows] == flowing.pixels[top : top + rows]).all()
        if held.alpha is not None and flowing.alpha is not None:
            assert (held.alpha[top : top + rows] == flowing.alpha[top : top + rows]).all()


@pytest.mark.parametrize("colours", [1, 3])
def test_the_net_sees_the_same_of_both(colours: int) -> None:
    page = Drawn(50, 1000, colours, False, 8)
    held, flowing = Source(page, 8, timed), Source(page, 8, timed, most=0)
    assert (net_lightness(held.passed().pixels) == net_lightness(flowing.passed().pixels)).all()
    assert page.decoded == 2


def test_a_page_that_is_held_is_decoded_once_and_one_that_flows_in_every_pass() -> None:
    page = Drawn(10, 10, 1, False, 8)
    source = Source(page, 8, timed)
    assert source.passed() is source.passed()
    assert page.decoded == 1
    source = Source(page, 8, timed, most=99)
    for _ in range(2):
        source.passed().pixels[0:10]
    assert page.decoded == 3


def test_rows_above_those_asked_for_last_are_gone() -> None:
    rows = Source(Drawn(4, 200, 1, False, 8), 8, timed, most=0).passed().pixels
    rows[100:150]
    with pytest.raises(IndexError, match="row 90 has gone by"):
        rows[90:120]


def test_what_is_wrong_behind_the_last_row_comes_out() -> None:
    page = Drawn(4, 50, 1, False, 8)
    page.fault = DamagedError("The picture is damaged and does not decode.")
    rows = Source(page, 8, timed, most=0).passed().pixels
    with pytest.raises(DamagedError):
        rows[0:50]


def test_a_deep_page_for_a_shallow_writer_is_rounded() -> None:
    page = Drawn(256, 256, 1, False, 16)
    page.content = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    found = Source(page, 8, timed).passed().pixels[0:256]
    assert (found == np.rint(page.content[..., 0] / 257)).all()


def test_a_flowing_page_takes_no_memory_for_its_height() -> None:
    page = Drawn(500, 20_000, 1, False, 8)
    rows = Source(page, 8, timed, most=0).passed().pixels
    tracemalloc.start()
    for top in range(0, 20_000, 100):
        rows[top : top + 100]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_jpeg_is_made_smaller_for_the_net_alone(tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(encoded(gradient(4000, 3000), "JPEG"))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        source = Source(next(open_document(descriptor).pages()), 8, timed, most=0)
        small = source.glanced(224)
        assert small.shape == (1500, 2000)
        whole = source.passed().pixels
        assert whole.shape == (3000, 4000)
        assert np.abs(net_lightness(small) - net_lightness(whole)).max() < 0.5
    finally:
        os.close(descriptor)
