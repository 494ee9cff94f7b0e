"""WebP, AVIF, HEIC, GIF, BMP, PNM and JPEG 2000 as documents of one page.

Each by the codec that is there anyway: libvips (WebP, AVIF, GIF), OpenCV (JPEG 2000), our own hands (BMP, PNM). HEIC
needs pillow-heif, which is installed for it alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pyvips

from colorwatch.codecs import spaces
from colorwatch.codecs.decoding import Picture
from colorwatch.codecs.pages import Levels, Page
from colorwatch.codecs.rasters import bmp_page, bmp_resolution, pnm_page
from colorwatch.errors import (
    DamagedError,
    DiskError,
    MemoryShortError,
    UnsupportedError,
    explain_os_error,
    short_of_memory,
)
from colorwatch.formats.outlines import Outline, missing_codec, outline, result_format
from colorwatch.metadata.carrying import Luggage
from colorwatch.metadata.loose import Loose, of_jp2, of_webp
from colorwatch.metadata.packing import Packing
from colorwatch.scan import Provenance

FORMATS = frozenset({"webp", "avif", "heic", "gif", "bmp", "pnm", "jp2"})
_ROWS_BYTES = 1 << 20


def page_of(descriptor: int, format: str) -> tuple[Page, bool]:
    """The page of a picture of one of FORMATS, and whether it was packed without loss. Raises ScanError."""
    document = Foreign(descriptor, format, None)
    return next(document.pages()), document.result != "jpeg"


class Foreign:
    """A picture of one of FORMATS: a `pages.Document`."""

    count = 1

    def __init__(
        self, descriptor: int, format: str, provenance: Provenance | None, result: str = "", lossy: bool = False
    ) -> None:
        """`result` is the format it is to become, "" for the usual one; with `lossy` nothing is packed without loss.

        Raises UnsupportedError, DamagedError, DiskError.
        """
        self.format = format
        self._descriptor = descriptor
        try:
            self._outline = outline(format, descriptor)
        except OSError as error:
            raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
        unsupported = self._outline.unsupported or missing_codec(format)
        if unsupported:
            raise UnsupportedError(unsupported)
        if self._outline.reason:
            raise DamagedError(self._outline.reason)
        self.result = result or result_format(format, self._outline)
        self.lossy = [lossy or not self._outline.lossless]
        self._packing = Packing(format, self.result, descriptor, provenance, self.lossy[0])

    def pages(self) -> Iterator[Page]:
        """See `pages.Document`."""
        try:
            yield self._page()
        except OSError as error:
            raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error

    def _page(self) -> Page:
        size = os.fstat(self._descriptor).st_size
        match self.format:
            case "bmp":
                loose = Loose(metre=bmp_resolution(self._descriptor))
                return bmp_page(self._descriptor, self._packing.of_loose(loose, 8, False))
            case "pnm":
                luggage = self._packing.of_loose(Loose(), self._outline.bits, False)
                return pnm_page(self._descriptor, luggage)
            case "jp2":
                loose, profile = of_jp2(self._descriptor, size)
                found = self._outline
                luggage = self._packing.of_loose(loose, found.bits, found.bands in (2, 4))
                return _Jp2(self._descriptor, found, luggage, profile)
            case "heic":
                return _Heic(self._descriptor, self._packing)
        page = _Loaded(self._descriptor, self.format, Luggage())
        loose = Loose(page.blob("exif-data"), page.blob("xmp-data"), upright=True)
        if self.format == "webp":
            loose = of_webp(self._descriptor, size)
        page.luggage = self._packing.of_loose(loose, page.depth[0], page.alpha)
        return page


class _Loaded(Picture):
    """A page that libvips loads; of 10 and 12 bits, which it sets high in 16, the lowest are filled."""

    def blob(self, name: str) -> bytes:
        """A part of what the picture carries, or b""."""
        image = self._image
        return bytes(image.get(name)) if image is not None and image.get_typeof(name) else b""

    def _in_srgb(self, image: Any) -> Any:
        bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 16
        if self.bits == 16 and 8 < bits < 16:
            profile = self.blob("icc-profile-data")
            image = image.linear(65_535 / (65_536 - (1 << 16 - bits)), 0.5).cast("ushort")
            image = image.copy(interpretation="grey16" if self.colours == 1 else "rgb16")
            if profile:
                image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        return super()._in_srgb(image)


class _Whole:
    """A page whose decoder gives it whole: a `pages.Page`."""

    def __init__(self, width: int, height: int, bands: int, bits: int, luggage: Luggage, profile: bytes) -> None:
        """`profile` is the picture's own ICC profile, or b""."""
        self.width, self.height = width, height
        self.alpha = bands in (2, 4)
        self.bits = 8 if bits <= 8 else 16
        self.luggage = luggage
        self._bands, self._own = bands, profile
        self._convert = spaces.conversion(self._named(pyvips.Image.black(1, 1)), bands - self.alpha, self.bits)
        self.colours, self.profile = self._convert.colours, self._convert.profile

    def _named(self, image: Any) -> Any:
        """The image with its colour space's name and its profile."""
        names = {(False, 8): "b-w", (True, 8): "srgb", (False, 16): "grey16", (True, 16): "rgb16"}
        image = image.copy(interpretation=names[self._bands > 2, self.bits])
        if self._own:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", self._own)
        return image

    def _decoded(self) -> Levels:
        """(height, width, bands), of the full range of 8 or 16 bits."""
        raise NotImplementedError

    def strips(self) -> Iterator[Levels]:
        """See `pages.Page`."""
        whole = np.ascontiguousarray(self._decoded())
        kind: type[Any] = np.uint8 if self.bits == 8 else np.uint16
        if whole.shape != (self.height, self.width, self._bands) or whole.dtype != kind:
            raise DamagedError("The picture is not what its header says.")
        size, name = (self.width, self.height, self._bands), "uchar" if self.bits == 8 else "ushort"
        try:
            image = self._named(pyvips.Image.new_from_memory(whole.data.cast("B"), *size, name))
            image = self._convert.apply(image)
            region = pyvips.Region.new(image)
            step = max(1, _ROWS_BYTES // (self.width * image.bands * self.bits // 8))
            for top in range(0, self.height, step):
                rows = min(step, self.height - top)
                fetched = np.frombuffer(region.fetch(0, top, self.width, rows), kind).reshape(rows, self.width, -1)
                yield fetched if self._convert.finish is None else self._convert.finish(fetched)
        except pyvips.Error as error:
            if short_of_memory(error):
                raise MemoryShortError from error
            raise DamagedError("The picture's colours cannot be read.") from error


class _Jp2(_Whole):
    def __init__(self, descriptor: int, found: Outline, luggage: Luggage, profile: bytes) -> None:
        super().__init__(found.width, found.height, found.bands, found.bits, luggage, profile)
        self._descriptor, self._depth = descriptor, found.bits

    def _decoded(self) -> Levels:
        size = os.fstat(self._descriptor).st_size
        content = np.frombuffer(os.pread(self._descriptor, size, 0), np.uint8)
        _silence()
        try:
            found = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            if short_of_memory(error):
                raise MemoryShortError from error
            found = None
        if found is None:
            raise DamagedError("The picture is damaged and does not decode.")
        whole: Any = found[:, :, None] if found.ndim == 2 else found
        if whole.shape[2] >= 3:
            whole = whole[:, :, [2, 1, 0, 3][: whole.shape[2]]]
        top, most = (255, (1 << self._depth) - 1) if self._depth <= 8 else (65_535, (1 << self._depth) - 1)
        if most != top:
            kind = whole.dtype
            whole = ((whole.astype(np.uint32) * top + most // 2) // most).astype(kind)
        return np.asarray(whole)


def _silence() -> None:
    """OpenCV writes to standard error of what it finds odd in a JPEG 2000 picture."""
    logging: Any = cv2.utils.logging
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)


class _Heic(_Whole):
    def __init__(self, descriptor: int, packing: Packing) -> None:
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        try:
            self._file = pillow_heif.open_heif(content, convert_hdr_to_8bit=False)
        except (ValueError, RuntimeError, SyntaxError, EOFError) as error:
            raise DamagedError("The picture is damaged and does not decode.") from error
        image = self._image = self._file[self._file.primary_index]
        bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}.get(image.mode.partition(";")[0], 0)
        if not bands:
            raise UnsupportedError(f"It is a HEIC picture of an unusual kind ({image.mode}); save it as JPEG.")
        info: dict[str, Any] = image.info
        loose = Loose(bytes(info.get("exif") or b""), bytes(info.get("xmp") or b""), upright=True)
        bits = 16 if "16" in image.mode else 8
        self._depth = int(info.get("bit_depth", bits))
        luggage = packing.of_loose(loose, self._depth, bands in (2, 4))
        super().__init__(*image.size, bands, bits, luggage, bytes(info.get("icc_profile") or b""))

    def _decoded(self) -> Levels:
        try:
            whole = np.asarray(self._image)
        except (ValueError, RuntimeError, OSError, EOFError, SyntaxError) as error:
            if short_of_memory(error):
                raise MemoryShortError from error
            raise DamagedError("The picture is damaged and does not decode.") from error
        whole = whole[:, :, None] if whole.ndim == 2 else whole
        if self.bits == 16 and 8 < self._depth < 16:
            most = 65_536 - (1 << 16 - self._depth)
            whole = ((whole.astype(np.uint32) * 65_535 + most // 2) // most).astype(np.uint16)
        return whole
