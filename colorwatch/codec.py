"""Opens JPEG, PNG and TIFF by descriptor, decodes rows, and encodes rows as they are painted.

The only user of libvips, with `streams`. JPEGs are encoded by OpenCV instead (see `jpegstrips`), because a scanner's
usual format ought to be the fastest.

All reading and writing goes through our own calls, so that a fault of the disk comes out as what it is, with its errno,
and never as a damaged picture; and so that nothing maps a file that a share may cut short.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

# Set before libvips starts; it reads it once. A worker's cores are the pool's business.
os.environ["VIPS_CONCURRENCY"] = "1"

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

from colorwatch.carrying import Luggage
from colorwatch.errors import DamagedError, DiskError, ScanError, UnsupportedError, explain_os_error
from colorwatch.jpegstrips import StripError, fitting_rows, write_jpeg
from colorwatch.signatures import SNIFFED, sniff
from colorwatch.streams import Bytes, Paint, Painted, Reader, Writer
from colorwatch.tiffkinds import Kind, kind_of
from colorwatch.tifftags import TiffError, append_carried

DECODED_BYTES = 96 * 1024  # asked of a decoder at once; from 128 kB up, malloc maps fresh pages for every request

# The cache would return the earlier picture for a descriptor number used again.
pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
_LOADERS = {"jpeg": "jpegload_source", "png": "pngload_source", "tiff": "tiffload_source"}
for _name in ("Jpeg", "Png", "Tiff"):
    pyvips.operation_block_set(f"VipsForeignLoad{_name}", False)


class Picture:
    """A scan, opened but not decoded. `width`, `height` in pixels; `colours` is 1 or 3; `alpha` says if it has any."""

    def __init__(self, descriptor: int, format: str, corrections: Mapping[int, bytes] | None = None) -> None:
        self.format = format
        self._reader = Reader(descriptor, corrections)
        self._image = self._load()
        self.width: int = self._image.width
        self.height: int = self._image.height
        self.alpha: bool = self._image.bands in (2, 4)
        self.colours: int = self._image.bands - self.alpha
        self.profile: bytes | None = None
        self.blue_first: bool = format == "jpeg"
        """Whether `save` wants BGR of `paint`, as OpenCV does, or RGB, as libvips does."""

    def strip_rows(self, wanted: int) -> int:
        """The height of the strips that `save` asks for, near `wanted`."""
        return fitting_rows(self.width, wanted) if self.format == "jpeg" else wanted

    def _load(self) -> Any:
        _take_warnings()  # those of an earlier picture
        try:
            image = pyvips.Operation.call(
                _LOADERS[self.format], self._reader.source, access="sequential", fail_on="error"
            )
        except pyvips.Error as error:
            # libvips packs 8-bit Lab in a way of its own, and cannot do so from a stream.
            if "labq" in str(error):
                raise UnsupportedError(f"It is a TIFF in {_SPACES['lab']}; save it as grey or RGB.") from error
            raise self._reader.blame() or _damaged() from error
        _refuse(image, self.format)
        return image

    def decode(self) -> tuple[Bytes, Bytes | None]:
        """All pixels in sRGB, (height, width) grey or (height, width, 3) RGB, and alpha (height, width) or None.

        Sets `profile`, the ICC profile that a result is to carry, or None. Raises DamagedError, DiskError.
        """
        try:
            image, self.profile = _to_srgb(self._image, self.colours)
            return self._rows(image)
        except pyvips.Error as error:
            raise self._reader.blame() or _damaged() from error
        finally:
            # The decoder's own buffers go with it: a large TIFF strip, a progressive JPEG's coefficients.
            self._image = None
            self._reader.close()

    def _rows(self, image: Any) -> tuple[Bytes, Bytes | None]:
        shape = (self.height, self.width) if self.colours == 1 else (self.height, self.width, 3)
        pixels = np.empty(shape, np.uint8)
        alpha = np.empty((self.height, self.width), np.uint8) if self.alpha else None
        region = pyvips.Region.new(image)
        step = max(8, DECODED_BYTES // (self.width * image.bands) // 8 * 8)
        for top in range(0, self.height, step):
            rows = min(step, self.height - top)
            fetched = np.frombuffer(region.fetch(0, top, self.width, rows), np.uint8)
            strip = fetched.reshape(rows, self.width, -1)
            pixels[top : top + rows] = strip[:, :, 0] if self.colours == 1 else strip[:, :, :3]
            if alpha is not None:
                alpha[top : top + rows] = strip[:, :, -1]
        fault = self._reader.blame()
        if fault:
            raise fault
        if self.format == "jpeg" and _LOST.search(_take_warnings()):
            raise _damaged()
        return pixels, alpha


def open_picture(descriptor: int) -> Picture:
    """Open the scan behind `descriptor` by its content, reading the header only.

    Raises NotAPictureError, UnsupportedError (naming the feature), DamagedError, DiskError.
    """
    try:
        start = os.pread(descriptor, SNIFFED, 0)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    format = sniff(start)
    if not format:
        raise DamagedError("The file is empty or holds only its first bytes.")
    kind = kind_of(descriptor) if format == "tiff" else Kind()
    if kind.unsupported:
        raise UnsupportedError(kind.unsupported)
    return Picture(descriptor, format, kind.corrections)


def save(picture: Picture, bands: int, strip_rows: int, paint: Paint, luggage: Luggage, fd: int, quality: int) -> None:
    """Encode what `paint` gives, `strip_rows` at a time and in order, to `fd`, in the format of `picture`.

    `bands` is 3, or 4 with alpha; `strip_rows` is what `picture.strip_rows` gave. `fd` is an empty file, open for
    reading and writing. Raises DiskError if the disk fails, whatever `paint` raises, ScanError if the encoder refuses.
    """
    writer = Writer(fd, luggage.head if picture.format == "png" else None)
    if picture.format != "jpeg":
        _save_by_libvips(picture, Painted(picture.width, picture.height, bands, strip_rows, paint), luggage, writer)
        return
    size = (picture.width, picture.height)
    try:
        write_jpeg(writer.write_all, *size, strip_rows, paint, quality, luggage.head, picture.profile)
    except (OSError, StripError, cv2.error) as error:
        raise writer.blame(error) from error


def _save_by_libvips(picture: Picture, painted: Painted, luggage: Luggage, writer: Writer) -> None:
    try:
        image = pyvips.Operation.call("tiffload_source", painted.source, access="sequential", fail_on="error").copy()
        if picture.profile is not None:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.profile)
        if picture.format == "png":
            image.pngsave_target(writer.target, keep="icc", **_PNG)
        else:
            image.tiffsave_target(writer.target, keep="icc", **_TIFF)
        writer.finish()
        if picture.format == "tiff":
            append_carried(writer.descriptor, luggage.tags)
    except (pyvips.Error, OSError, TiffError) as error:
        raise painted.fault or writer.blame(error) from error
    finally:
        painted.close()
        writer.close()
    if painted.fault or writer.fault:
        raise painted.fault or writer.blame(None)


# Of a coloured 12-megapixel photograph, one thread: PNG level 3, filter "up", 15.3 MB in 0.27 s; level 6, 14.9 MB in
# 0.56 s; level 1 without filter, 21.3 MB in 0.10 s. TIFF deflate level 3, 16.0 MB in 0.27 s; level 6, 15.7 MB in
# 0.50 s; LZW, 18.3 MB in 0.40 s.
_PNG = {"compression": 3, "filter": "up"}
_TIFF = {"compression": "deflate", "level": 3, "predictor": "horizontal"}


# --- what is not read --------------------------------------------------------------------------------------

_DEPTHS = {"ushort": "16 bits a channel", "float": "floating-point numbers", "double": "floating-point numbers"}
_SPACES = {"cmyk": "CMYK colours (made for printing)", "lab": "CIE Lab colours", "labs": "CIE Lab colours"}


def _refuse(image: Any, format: str) -> None:
    name = format.upper()
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if format == "tiff" and pages > 1:
        raise UnsupportedError(f"It is a TIFF of {pages} pages; this version colours one page a file.")
    if image.interpretation in _SPACES:
        raise UnsupportedError(f"It is a {name} in {_SPACES[image.interpretation]}; save it as grey or RGB.")
    if image.format != "uchar":
        depth = _DEPTHS.get(image.format, "numbers of an unusual kind")
        raise UnsupportedError(f"It is a {name} with {depth}; this version reads 8 bits.")
    if image.coding != "none" or image.bands not in (1, 2, 3, 4):
        raise UnsupportedError(f"It is a {name} with {image.bands} channels; this version reads grey and colour.")


def _damaged() -> ScanError:
    return DamagedError("The picture is damaged and does not decode.")


# libjpeg calls it no more than a warning when the picture's own bytes are wrong, or end before its rows do, and makes
# up the rest (jerror.h). Its other warnings are of careless writers, and every row is there.
_LOST = re.compile(r"premature end|bad Huffman code|bad arithmetic code|instead of RST", re.IGNORECASE)


def _take_warnings() -> str:
    """What libvips said since this was last called; a new error takes it all with it."""
    return str(pyvips.Error("").detail)


# --- colour profiles ---------------------------------------------------------------------------------------


def _to_srgb(image: Any, colours: int) -> tuple[Any, bytes | None]:
    """The picture in sRGB, and the profile its result carries: its own if that is sRGB already, else libvips' sRGB.

    A profile that cannot be used is left out, and the numbers are taken as sRGB.
    """
    if not image.get_typeof("icc-profile-data"):
        return image, None
    own = bytes(image.get("icc-profile-data"))
    if _profile_space(own) != ("GRAY" if colours == 1 else "RGB "):
        return image, None
    try:
        table = _through(_grey_ramp() if colours == 1 else _colour_cube(), own)
    except pyvips.Error:
        return image, None
    srgb = bytes(pyvips.Image.profile_load("srgb"))
    if colours == 1:
        lut = np.ascontiguousarray(table[0, :, 1])
        mapped = image[0].maplut(_from_array(lut.reshape(1, 256, 1)))
        return (mapped.bandjoin(image[1]) if image.bands == 2 else mapped), srgb
    if np.abs(table.astype(np.int16) - _colour_cube()).max() <= 1:
        return image, own
    colour = image[:3] if image.bands == 4 else image
    changed = colour.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
    return (changed.bandjoin(image[3]) if image.bands == 4 else changed), srgb


def _profile_space(profile: bytes) -> str:
    """The colour space that an ICC profile describes (ICC.1:2022, 7.2.8)."""
    return profile[16:20].decode("latin-1")


def _grey_ramp() -> Bytes:
    return np.arange(256, dtype=np.uint8).reshape(1, 256, 1)


def _colour_cube() -> Bytes:
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)


def _from_array(array: Bytes) -> Any:
    height, width, bands = array.shape
    # Kept by libvips for as long as the image lives: the bytes are copied here.
    image = pyvips.Image.new_from_memory(array.tobytes(), width, height, bands, "uchar")
    return image.copy(interpretation="b-w" if bands == 1 else "srgb")


def _through(array: Bytes, profile: bytes) -> NDArray[np.uint8]:
    image = _from_array(array)
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    changed = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
    found = np.frombuffer(changed.write_to_memory(), np.uint8)
    return found.reshape(1, array.shape[1], -1)[:, :, :3]
