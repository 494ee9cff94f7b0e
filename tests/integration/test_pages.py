"""TIFFs of many pages: all of them in their order, each with what it carries, or none."""

from __future__ import annotations

import ctypes
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from colorwatch.colour.colorize import colorize, probe
from colorwatch.errors import DamagedError, ScanError, TooLargeError, UnsupportedError
from colorwatch.protocol import RenderRequest
from colorwatch.scan import Facts, Fingerprint, Rendering, RenderSettings, effort_of
from fidelity import grey_of
from pictures import encoded

ANYWAY = RenderSettings(colored="recolor", text="color")
PAGES = 50


def page(number: int) -> NDArray[np.uint16]:
    """Of a size and a lightness of its own."""
    rows, columns = 60 + number, 90 - number
    ramp = np.linspace(number * 1000, 65535 - number * 300, rows * columns)
    return ramp.reshape(rows, columns).astype(np.uint16)


def many(change: Any = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, **options) as writer:
        for number in range(1, PAGES + 1):
            array = page(number)
            tags = [(285, 2, 0, f"page {number}", True), (270, 2, 0, f"of Aunt Ada's album, {number}", True)]
            writer.write(
                change(number, array) if change else array,
                photometric="minisblack",
                resolution=(300 + number, 600),
                resolutionunit=2,
                compression="zlib",
                extratags=tags,
                metadata=None,
            )
    return buffer.getvalue()


def no_colour(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full((56, 56, 2), (9, 14), np.float32)


_MMAP_THRESHOLD = -3  # mallopt(3)


def coloured(folder: Path, content: bytes, predict: Any = no_colour, megapixels: float = 0) -> Rendering:
    (folder / "scan").write_bytes(content)
    fingerprint = Fingerprint.of(os.stat(folder / "scan"))
    request = RenderRequest(1, os.fspath(folder), "scan", fingerprint, os.fspath(folder / "spool"), megapixels, ANYWAY)
    return colorize(request, predict)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}], ids=["little", "BigTIFF", "big"])
def test_fifty_deep_pages_stay_in_their_order_with_their_sizes_and_tags(tmp_path: Path, options: Any) -> None:
    result = coloured(tmp_path, many(**options))
    facts = probe(os.fspath(tmp_path), "scan", 0)
    assert isinstance(facts, Facts)
    assert (facts.pages, facts.bits) == (PAGES, 16)
    assert facts.effort == effort_of(page(number).size for number in range(1, PAGES + 1))
    assert (facts.width, facts.height) == (result.width, result.height)
    with tifffile.TiffFile(tmp_path / "spool") as file:
        assert len(file.pages) == PAGES
        assert file.is_bigtiff == bool(options.get("bigtiff"))
        for number, found in enumerate(file.pages, 1):
            assert isinstance(found, tifffile.TiffPage)
            pixels, scan = found.asarray(), page(number)
            assert pixels.shape == (*scan.shape, 3)
            assert pixels.dtype == np.uint16
            assert np.abs(grey_of(pixels / 65535) * 65535 - scan).max() <= 1
            assert found.tags[285].value == f"page {number}"
            assert found.tags[270].value == f"of Aunt Ada's album, {number}"
            assert found.tags[282].value == (300 + number, 1)
            assert found.tags[283].value == (600, 1)


def test_the_net_sees_every_page(tmp_path: Path) -> None:
    seen = []

    def watching(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(float(lightness.min()))
        return no_colour(lightness)

    coloured(tmp_path, many(), watching)
    assert len(seen) == PAGES
    assert seen == sorted(seen)


def test_a_damaged_page_fails_the_file_and_is_named(tmp_path: Path) -> None:
    content = bytearray(many())
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        damaged = file.pages[29]
        assert isinstance(damaged, tifffile.TiffPage)
        start, length = damaged.dataoffsets[0], damaged.databytecounts[0]
    content[start + 20 : start + length - 20] = bytes(length - 40)
    with pytest.raises(DamagedError, match=r"^On page 30 of 50: The picture is damaged and does not decode\.$"):
        coloured(tmp_path, bytes(content))
    assert sorted(os.listdir(tmp_path)) == ["scan"]


def test_a_page_of_a_kind_that_is_not_read_fails_the_file_and_is_named(tmp_path: Path) -> None:
    content = many(lambda number, array: array.astype(np.uint32) if number == 30 else array)
    with pytest.raises(UnsupportedError, match=r"^On page 30 of 50: It is a TIFF with 32 bits a channel"):
        coloured(tmp_path, content)
    with pytest.raises(UnsupportedError, match=r"^On page 30 of 50: "):
        probe(os.fspath(tmp_path), "scan", 0)
    assert sorted(os.listdir(tmp_path)) == ["scan"]


def test_a_page_that_is_too_large_fails_the_file_and_is_named(tmp_path: Path) -> None:
    content = many(lambda number, array: np.tile(array, (9, 9)) if number == 30 else array)
    with pytest.raises(TooLargeError, match=r"^On page 30 of 50: It has 0\.4 megapixels"):
        coloured(tmp_path, content, megapixels=0.2)
    assert sorted(os.listdir(tmp_path)) == ["scan"]


def test_a_net_that_fails_on_one_page_leaves_nothing(tmp_path: Path) -> None:
    calls = []

    def failing(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(1)
        if len(calls) == 30:
            raise RuntimeError("broken")
        return no_colour(lightness)

    with pytest.raises(RuntimeError):
        coloured(tmp_path, many(), failing)
    assert sorted(os.listdir(tmp_path)) == ["scan"]


def test_many_pages_take_no_more_memory_than_one(tmp_path: Path) -> None:
    def large(pages: int) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(
            buffer, np.full((pages, 1500, 2000), 99, np.uint8), photometric="minisblack", compression="zlib"
        )
        return buffer.getvalue()

    # A process that has freed large blocks, as after loading a net, keeps all later ones on its heap; a worker, whose
    # net is its parent's, does not.
    ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 128 << 10)
    coloured(tmp_path, large(12))
    more = []
    for _ in range(3):
        peaks = []
        for count in (1, 12):
            os.unlink(tmp_path / "spool")
            peaks.append(coloured(tmp_path, large(count)).peak_bytes)
        more.append(peaks[1] - peaks[0])
    # Eleven pages more are 33 MB as they are read and 99 MB as they are written. The peak is that of the whole process,
    # of which an allocator may have taken or given back some for its own reasons: not three times in a row.
    assert min(more) < 25e6


@pytest.mark.parametrize(("option", "number"), [(None, 1), ("zlib", 8), ("lzw", 5), ("packbits", 8)])
def test_a_page_is_compressed_as_it_was_where_that_is_sensible(tmp_path: Path, option: str | None, number: int) -> None:
    array = (page(1) // 256).astype(np.uint8)
    names = {None: "raw", "zlib": "tiff_adobe_deflate", "lzw": "tiff_lzw", "packbits": "packbits"}
    coloured(tmp_path, encoded(array, "TIFF", compression=names[option]))
    with tifffile.TiffFile(tmp_path / "spool") as file:
        found = file.pages[0]
        assert isinstance(found, tifffile.TiffPage)
        assert found.compression == number


@pytest.mark.parametrize("options", [{"progressive": True}])
def test_what_takes_too_much_memory_whole_is_refused_unread(
    tmp_path: Path, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorwatch.colour.colorize.MAX_DECODER_BYTES", 10_000)
    (tmp_path / "scan").write_bytes(encoded((page(1) // 256).astype(np.uint8), "JPEG", **options))
    with pytest.raises(ScanError, match=r"^It is a progressive JPEG, which takes .*; save it as a baseline JPEG\.$"):
        probe(os.fspath(tmp_path), "scan", 0)
