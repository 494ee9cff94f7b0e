"""One page of a JPEG, PNG or TIFF, decoded by libvips in strips.

All reading goes through our own calls, so that a fault of the disk comes out as what it is, with its errno, and never
as a damaged picture; and so that nothing maps a file that a share may cut short.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

# Set before libvips starts; it reads it once. A worker's cores are the pool's business.
os.environ["VIPS_CONCURRENCY"] = "1"

import numpy as np
import pyvips

from colorwatch.codecs import jpegloss, spaces
from colorwatch.codecs.pages import Levels
from colorwatch.codecs.streams import HeadReader, Reader
from colorwatch.errors import (
    DamagedError,
    DiskError,
    MemoryShortError,
    ScanError,
    UnsupportedError,
    explain_os_error,
    short_of_memory,
)
from colorwatch.formats.tiffkinds import TiffPage
from colorwatch.metadata.carrying import Luggage

DECODED_BYTES = 96 * 1024  # asked of a decoder at once; from 128 kB up, malloc maps fresh pages for every request

# The cache would return the earlier picture for a descriptor number used again.
pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
_LOADERS = {"jpeg": "jpegload_source", "png": "pngload_source", "tiff": "tiffload_source"}
_LOADERS |= {"webp": "webpload_source", "avif": "heifload_source", "gif": "gifload_source"}
for _name in ("Jpeg", "Png", "Tiff", "Webp", "Heif", "Nsgif"):
    pyvips.operation_block_set(f"VipsForeignLoad{_name}", False)

_BITS = {"uchar": 8, "ushort": 16, "float": 16}


class Picture:
    """A page, opened but not decoded: a `pages.Page`. `tiff` says which page of a TIFF it is."""

    def __init__(
        self, descriptor: int, format: str, luggage: Luggage, tiff: TiffPage | None = None, shrink: int = 1
    ) -> None:
        self.format = format
        self._options = {"shrink": shrink} if shrink > 1 else {}
        self.luggage = luggage
        self._descriptor, self._tiff = descriptor, tiff
        self._reader, self._image = self._load()
        channels = self._image.bands
        self.width: int = self._image.width
        self.height: int = self._image.height
        inks = self._image.interpretation == "cmyk"
        self.alpha: bool = channels == 5 if inks else channels in (2, 4)
        self.bits: int = _BITS[self._image.format]
        self._convert = self._conversion(channels - self.alpha)
        self.colours: int = self._convert.colours
        self.profile: bytes | None = self._convert.profile

    @property
    def depth(self) -> tuple[int, bool]:
        """Bits a channel as the scan has them, and whether they are floating-point numbers."""
        if self._image.format == "float":
            return 32 if self._tiff is None else self._tiff.bits, True
        told = self._image.get("bits-per-sample") if self._image.get_typeof("bits-per-sample") else self.bits
        return (told if 8 < told < 16 else self.bits), False

    def _load(self) -> tuple[Reader, Any]:
        _take_warnings()  # those of an earlier picture
        size = os.fstat(self._descriptor).st_size
        bite = jpegloss.BITE if self.format == "jpeg" else 0
        corrections = self._tiff.corrections if self._tiff is not None else None
        reader = Reader(self._descriptor, corrections, size - jpegloss.FINE_TAIL, bite)
        try:
            options = {"access": "sequential", "fail_on": "error", **self._options}
            image = pyvips.Operation.call(_LOADERS[self.format], reader.source, **options)
        except pyvips.Error as error:
            raise reader.blame() or _fault_in(error) from error
        _refuse(image, self.format)
        return reader, image

    def reduced(self, side: int) -> Picture:
        """See `pages.Reducing`: libjpeg leaves out work for an eighth, a quarter or half of the size."""
        factors = [factor for factor in (8, 4, 2) if min(self.width, self.height) // factor >= side]
        if self.format != "jpeg" or not factors:
            return self
        return Picture(self._descriptor, self.format, self.luggage, shrink=factors[0])

    def _conversion(self, colours: int) -> spaces.Conversion:
        if self._tiff is not None and self._tiff.lightness:
            largest = self._tiff.lightness
            return spaces.Conversion(1, apply=lambda image: spaces.grey_of_lightness(image, largest))
        try:
            return spaces.conversion(self._image, colours, self.bits)
        except pyvips.Error as error:
            raise self._reader.blame() or _fault_in(error) from error

    def strips(self) -> Iterator[Levels]:
        """See `pages.Page.strips`."""
        if self._image is None:
            self._reader, self._image = self._load()
        reader = self._reader
        try:
            yield from self._fetched(self._in_srgb(self._image))
            fault = reader.blame()
            if fault:
                raise fault
            if self.format == "jpeg":
                self._require_all_data()
        except pyvips.Error as error:
            raise reader.blame() or _fault_in(error) from error
        finally:
            # The decoder's own buffers go with it: a large TIFF strip, a progressive JPEG's coefficients.
            self._image = None
            reader.close()

    def _in_srgb(self, image: Any) -> Any:
        if image.format != "float":
            return self._convert.apply(image)
        image = spaces.whole_numbers(image, self._tiff is not None and self._tiff.inverted)
        image, flags = image[: image.bands - 1], image[image.bands - 1]
        named = image.copy(interpretation="grey16" if image.bands <= 2 else "rgb16")
        return self._convert.apply(named).bandjoin(flags)

    def _fetched(self, image: Any) -> Iterator[Levels]:
        region = pyvips.Region.new(image)
        kind: type[np.unsignedinteger[Any]] = np.uint8 if self.bits == 8 else np.uint16
        finish = self._convert.finish
        bands = image.bands - (self._image.format == "float")
        step = max(8, DECODED_BYTES // (self.width * image.bands * self.bits // 8) // 8 * 8)
        for top in range(0, self.height, step):
            rows = min(step, self.height - top)
            fetched = np.frombuffer(region.fetch(0, top, self.width, rows), kind).reshape(rows, self.width, -1)
            if fetched.shape[2] > bands and not fetched[:, :, -1].all():
                raise UnsupportedError(
                    "It is a TIFF of floating-point numbers that are not all between 0 and 1; save it with 16 bits."
                )
            yield fetched[:, :, :bands] if finish is None else finish(fetched[:, :, :bands])

    def _require_all_data(self) -> None:
        """After the last row of a JPEG: libjpeg makes up what is missing, so what it did is looked at."""
        said = _take_warnings()
        try:
            head, coded_from = jpegloss.plain_head(self._descriptor) or (b"", 0)
            reached, last = self._reader.reached, self._reader.last
            if jpegloss.lost(said) or jpegloss.left_over(self._descriptor, coded_from, reached, last):
                raise _damaged()
            # It tells its first warning alone: one of no importance may hide another.
            if said.strip() and head and jpegloss.out_of_step(self._said_under(head, coded_from)):
                raise _damaged()
        except OSError as error:
            raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error

    def _said_under(self, head: bytes, coded_from: int) -> str:
        """What libjpeg says of the coded data under another header, the rows thrown away."""
        reader = HeadReader(self._descriptor, head, coded_from)
        try:
            image = pyvips.Operation.call(_LOADERS["jpeg"], reader.source, access="sequential", fail_on="error")
            region = pyvips.Region.new(image)
            for top in range(0, image.height, 8):
                region.fetch(0, top, image.width, min(8, image.height - top))
        except pyvips.Error as error:
            return str(error)
        finally:
            reader.close()
        return _take_warnings()


def _refuse(image: Any, format: str) -> None:
    name = format.upper()
    if image.format not in _BITS or (image.format == "float" and format != "tiff"):
        raise UnsupportedError(f"It is a {name} with numbers of an unusual kind; this version reads 8 and 16 bits.")
    most = 5 if image.interpretation == "cmyk" else 4
    if image.coding != "none" or image.bands > most:
        raise UnsupportedError(f"It is a {name} with {image.bands} channels; this version reads grey and colour.")


def _fault_in(error: pyvips.Error) -> ScanError:
    """What a decoder's error means: the picture is damaged, unless there only was no memory for it."""
    return MemoryShortError() if short_of_memory(error) else _damaged()


def _damaged() -> ScanError:
    return DamagedError("The picture is damaged and does not decode.")


def _take_warnings() -> str:
    """What libvips said since this was last called; a new error takes it all with it."""
    return str(pyvips.Error("").detail)
