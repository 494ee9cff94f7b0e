from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from bombs import many_scans, tiff_of_pages
from colorwatch.colour.colorize import MAX_PAGES, colorize, probe
from colorwatch.errors import ChangedError, ForbiddenFileError, MemoryShortError, TooLargeError, short_of_memory
from colorwatch.protocol import Incomplete, RenderRequest
from colorwatch.scan import Facts
from pictures import encoded, gradient, written


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = written(str(tmp_path), "x.png", encoded(gradient(), "PNG"))
    os.truncate(path, 10**12)
    began = time.monotonic()
    with pytest.raises(TooLargeError, match=r"1,000,000 MB, more than the 4,000 allowed.*max_megabytes"):
        probe(str(tmp_path), "x.png", 200, 4_000_000_000)
    assert time.monotonic() - began < 1


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    path = written(str(tmp_path), "x.png", encoded(gradient(), "PNG"))
    assert isinstance(probe(str(tmp_path), "x.png", 200, os.path.getsize(path)), Facts)


def test_a_file_of_nothing_but_zeros_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    written(str(tmp_path), "x.png", b"")
    os.truncate(tmp_path / "x.png", 10**12)
    began = time.monotonic()
    assert isinstance(probe(str(tmp_path), "x.png", 200), Incomplete)
    assert time.monotonic() - began < 1


def test_more_pages_than_an_album_has_are_refused(tmp_path: Path) -> None:
    written(str(tmp_path), "x.tif", tiff_of_pages(MAX_PAGES + 1))
    with pytest.raises(TooLargeError, match="1,001 pages"):
        probe(str(tmp_path), "x.tif", 200)


def test_a_jpeg_of_more_scans_than_any_real_one_is_not_decoded(tmp_path: Path) -> None:
    written(str(tmp_path), "x.jpg", many_scans(100, 100, 1000))
    found = probe(str(tmp_path), "x.jpg", 200)
    assert isinstance(found, Incomplete)
    assert "more parts than any real one" in found.reason


def test_a_scan_that_became_a_link_was_changed_and_is_no_fault(tmp_path: Path) -> None:
    path = written(str(tmp_path), "x.png", encoded(gradient(), "PNG"))
    found = probe(str(tmp_path), "x.png", 200)
    assert isinstance(found, Facts)
    os.rename(path, tmp_path / "y.png")
    os.symlink("y.png", path)
    request = RenderRequest(1, str(tmp_path), "x.png", found.fingerprint, str(tmp_path / "spool"))
    with pytest.raises(ChangedError):
        colorize(request, lambda lightness: np.zeros((56, 56, 2), np.float32))
    with pytest.raises(ForbiddenFileError):
        probe(str(tmp_path), "x.png", 200)


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("VipsJpeg: Insufficient memory (case 4)", True),
        ("vips_tracked: out of memory -- size == 2MB", True),
        ("tiff2vips: No space for data buffer at scanline 7", True),
        ("glib: Error creating thread: Resource temporarily unavailable", True),
        ("OpenCV(5.0.0) error: (-4:Insufficient memory) Failed to allocate 3600000 bytes", True),
        ("tiff2vips: Read error at scanline 7; got 12 bytes, expected 40", False),
        ("VipsJpeg: Corrupt JPEG data: premature end of data segment", False),
    ],
)
def test_a_librarys_want_of_memory_is_known_in_its_own_words(said: str, short: bool) -> None:
    assert short_of_memory(RuntimeError(said)) == short


def test_a_want_of_memory_is_known_below_what_wraps_it() -> None:
    wrapped = SystemError("returned a result with an exception set")
    wrapped.__cause__ = MemoryError()
    assert short_of_memory(wrapped)
    assert not short_of_memory(SystemError("x"))
    assert MemoryShortError.retryable
