"""The seam between formats and colour: what a page gives that is read, and what takes a page that is written.

A format is a `Document`, which opens one page after the other, and a `PageWriter`, which takes them in the same order.
What lies between (the net, its colours, strips, memory) is the same for all: `onepage.colour_page`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from colorwatch.metadata.carrying import Luggage

Levels = NDArray[np.unsignedinteger[Any]]
"""8 or 16 bits a channel."""

Paint = Callable[[int, int], Levels]
"""Gives rows `top` to `bottom` (not included) of the result, (bottom - top, width, bands); valid until called again."""


class Page(Protocol):
    """One page of a scan, opened but not decoded. Sides in pixels; `colours` is 1 or 3; `bits` is 8 or 16."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def colours(self) -> int: ...
    @property
    def alpha(self) -> bool: ...
    @property
    def bits(self) -> int: ...

    @property
    def profile(self) -> bytes | None:
        """The ICC profile that a result is to carry; None where it has none and is sRGB."""

    @property
    def luggage(self) -> Luggage:
        """What the result carries beside its pixels; its orientation says how the net is to see the page."""

    def strips(self) -> Iterator[Levels]:
        """The page in sRGB, decoded anew: arrays (rows, width, colours + alpha) of uint8 or uint16, top to bottom.

        Alpha is straight, never multiplied in. Each array is one of its own, and may be kept. Raises
        DamagedError, DiskError, UnsupportedError, MemoryShortError, at the latest after the last strip.
        """


@runtime_checkable
class Reducing(Protocol):
    """A page that can be decoded smaller in less time."""

    def reduced(self, side: int) -> Page:
        """The page, smaller by a whole number and no less than `side` pixels high and wide; or as large as it is."""


class Document(Protocol):
    """A scan of `count` pages; `format` is as `signatures.sniff` names it, `result` the format it is to become.

    `lossy` says of each page whether it is to be packed with loss, where the format has both ways.
    """

    @property
    def format(self) -> str: ...
    @property
    def result(self) -> str: ...
    @property
    def lossy(self) -> list[bool]: ...
    @property
    def count(self) -> int: ...

    def pages(self) -> Iterator[Page]:
        """Opens one page after the other, reading headers only. Raises as `Page.strips` does."""


class PageWriter(Protocol):
    """Takes the coloured pages of one document, one after the other, and writes them to a file.

    `bits` is the most it can write a channel: of deeper pages it is given 8. With `blue_first` it takes BGR, else RGB;
    alpha comes last, where the page has it and `alpha` says that the writer takes it.
    """

    @property
    def bits(self) -> int: ...
    @property
    def alpha(self) -> bool: ...
    @property
    def blue_first(self) -> bool: ...

    def strip_rows(self, width: int, wanted: int, /) -> int:
        """The height of the strips that `add` asks for, near `wanted`."""

    def add(self, page: Page, bits: int, rows: int, paint: Paint, /) -> None:
        """Write a page of `bits` a channel, asking `paint` for `rows` at a time, in order; the last may be fewer.

        Raises DiskError if the disk fails, whatever `paint` raises, ScanError if the encoder refuses.
        """

    def finish(self) -> None:
        """After the last page."""


Timed = Callable[[str], AbstractContextManager[None]]
"""Charges the time within to a stage: "decode", "judge", "net", "colour", "encode" or "sync"."""
