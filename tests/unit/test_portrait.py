"""Small pictures for the gallery, from files of every kind that can be coloured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from colorwatch.colour.portrait import THUMB, portray
from colorwatch.errors import DamagedError
from colorwatch.protocol import Lying, Portrayed, PortrayRequest
from pictures import encoded, gradient, written


def coloured(width: int = 1200, height: int = 800) -> Any:
    """Red above, green below; darker to the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, :, 0] = picture[height // 2 :, :, 1] = np.linspace(230, 120, width, dtype=np.uint8)
    return picture


def portrayed(folder: Path, result: str, original: str = "", **changes: Any) -> tuple[Portrayed, Any, Any]:
    """The answer, and before and after as RGB; `original` is a file that lies beside the result."""
    lying = None
    if original:
        found = os.stat(folder / original)
        known = {"size": found.st_size, "mtime_ns": found.st_mtime_ns, **changes}
        lying = Lying(str(folder), original, **known)
    spool = folder / "spool"
    answer = portray(PortrayRequest(1, str(folder), result, str(spool), original=lying))
    both = cv2.cvtColor(cv2.imread(str(spool)), cv2.COLOR_BGR2RGB)
    return answer, both[:, : answer.thumb_width].astype(int), both[:, answer.thumb_width :].astype(int)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_result_stands_beside_its_own_grey(tmp_path: Path, kind: str) -> None:
    written(str(tmp_path), "r", encoded(coloured(), kind))
    answer, before, after = portrayed(tmp_path, "r")
    assert answer == Portrayed(1200, 800, THUMB, 267)
    assert before.shape == after.shape == (267, THUMB, 3)
    assert np.ptp(before, axis=2).max() <= 12
    red, green = after[40, 40], after[-40, 40]
    assert red[0] > red[1] + 100
    assert green[1] > green[0] + 100


def test_before_is_the_original_if_it_is_still_the_one_that_was_read(tmp_path: Path) -> None:
    written(str(tmp_path), "r.png", encoded(coloured(), "PNG"))
    written(str(tmp_path), "o.bmp", encoded(np.full((400, 600, 3), (120, 90, 60), np.uint8), "BMP"))
    before = portrayed(tmp_path, "r.png", "o.bmp")[1]
    assert abs(before.mean(axis=(0, 1)) - (120, 90, 60)).max() < 3
    for changed in ({"size": 5}, {"mtime_ns": 5}):
        assert np.ptp(portrayed(tmp_path, "r.png", "o.bmp", **changed)[1], axis=2).max() <= 12


@pytest.mark.parametrize("content", [b"", b"no picture", encoded(gradient(300, 900), "PNG")])
def test_an_original_that_cannot_be_shown_leaves_the_grey(tmp_path: Path, content: bytes) -> None:
    written(str(tmp_path), "r.png", encoded(coloured(), "PNG"))
    written(str(tmp_path), "o", content)
    before = portrayed(tmp_path, "r.png", "o")[1]
    assert before[:120].mean() < before[-120:].mean() - 40, "red is darker than green"


def test_a_picture_that_lies_is_shown_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is on the right
    written(str(tmp_path), "r.jpg", encoded(coloured(), "JPEG", exif=exif))
    answer, _, after = portrayed(tmp_path, "r.jpg")
    assert (answer.width, answer.height) == (800, 1200)
    assert after.shape == (THUMB, 267, 3)
    right, left = after[40, -40], after[40, 40]
    assert right[0] > right[1] + 100
    assert left[1] > left[0] + 100


def test_sixteen_bits_and_what_is_transparent_are_shown_on_white(tmp_path: Path) -> None:
    deep = np.dstack((coloured(900, 600).astype(np.uint16) * 257, np.full((600, 900), 65_535, np.uint16)))
    deep[:, 450:, 3] = 0
    cv2.imwrite(str(tmp_path / "r.png"), cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))
    after = portrayed(tmp_path, "r.png")[2]
    assert after[40, 40, 0] > after[40, 40, 1] + 100
    assert after[:, -100:].min() > 250


def test_a_view_is_larger_and_as_large_as_the_picture_at_most(tmp_path: Path) -> None:
    written(str(tmp_path), "r.tif", encoded(coloured(), "TIFF"))
    spools = [str(tmp_path / name) for name in ("thumb", "view")]
    answer = portray(PortrayRequest(1, str(tmp_path), "r.tif", *spools))
    assert answer == Portrayed(1200, 800, THUMB, 267, 1200, 800)
    shapes = [picture.shape for spool in spools if (picture := cv2.imread(spool)) is not None]
    assert shapes == [(267, 2 * THUMB, 3), (800, 2400, 3)]


def test_a_large_picture_is_averaged_not_sampled(tmp_path: Path) -> None:
    fine = np.zeros((2400, 3600), np.uint8)
    fine[::2, ::2] = fine[1::2, 1::2] = 200
    written(str(tmp_path), "r.png", encoded(fine, "PNG"))
    after = portrayed(tmp_path, "r.png")[2]
    assert np.abs(after - 100).max() < 4


def test_a_result_that_is_cut_short_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    whole = encoded(coloured(), "PNG")
    written(str(tmp_path), "r.png", whole[: len(whole) // 2])
    with pytest.raises(DamagedError):
        portrayed(tmp_path, "r.png")
    assert os.listdir(tmp_path) == ["r.png"]


def test_what_a_worker_left_that_died_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    written(str(tmp_path), "r.jpg", encoded(coloured(), "JPEG"))
    (tmp_path / "mine").write_text("mine")
    os.symlink("mine", tmp_path / "spool")
    portrayed(tmp_path, "r.jpg")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "spool").is_symlink()
