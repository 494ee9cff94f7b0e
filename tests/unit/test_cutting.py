"""Prints cut out of a result, by the worker's own function, from files of every kind that a result can be."""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from colorwatch.colour.cutting import cut
from colorwatch.disk.publishing import prepare, print_spool
from colorwatch.errors import ChangedError, DamagedError, DiskError, GoneError
from colorwatch.metadata import imprint
from colorwatch.metadata.imprint import recall
from colorwatch.metadata.pieces import jpeg_segment, jpeg_segments
from colorwatch.protocol import CutRequest, Wanted
from colorwatch.scan import Place, Provenance, RenderSettings
from house import digest
from pictures import encoded

ONE, TWO = Place(0.1, 0.2, 0.45, 0.8), Place(0.55, 0.1, 0.9, 0.9)
OURS = Provenance("ab" * 32, "in/glass.jpg", "0123456789abcdef", "compact", "cd" * 32)


def glass() -> Any:
    """200 x 100, white, with a red print on the left and a green one on the right; each darker at its top."""
    page = np.full((100, 200, 3), 250, np.uint8)
    page[20:80, 20:90] = (200, 40, 40)
    page[10:90, 110:180] = (40, 200, 40)
    page[20:30, 20:90] //= 2
    page[10:20, 110:180] //= 2
    return page


def request_for(folder: Path, name: str, *places: Place, **changes: Any) -> CutRequest:
    prepare(str(folder))
    wanted = tuple(Wanted(number, place) for number, place in enumerate(places, 1))
    told = Provenance(digest(str(folder / name)), name, "", "compact", "")
    request = CutRequest(1, str(folder), name, told.digest, 7, wanted, len(places), told)
    return replace(request, **changes)


def opened(folder: Path, number: int) -> Image.Image:
    return Image.open(print_spool(str(folder), 7, number))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_each_is_its_own_rectangle_in_the_result_s_format(tmp_path: Path, kind: str) -> None:
    (tmp_path / "r").write_bytes(encoded(glass(), kind))
    made = cut(request_for(tmp_path, "r", ONE, TWO))
    assert [piece.number for piece in made.pieces] == [1, 2]
    for piece, size, colour in zip(made.pieces, ((70, 60), (70, 80)), ((200, 40, 40), (40, 200, 40)), strict=True):
        path = print_spool(str(tmp_path), 7, piece.number)
        assert (piece.digest, piece.inode) == (digest(path), os.stat(path).st_ino)
        with opened(tmp_path, piece.number) as picture:
            assert (picture.format, picture.size) == (kind, size)
            pixels = np.asarray(picture.convert("RGB"), int)
        off = 0 if kind in ("PNG", "TIFF") else 12
        assert np.abs(pixels[10:] - colour).mean() <= off
        assert np.abs(pixels[:10] - np.array(colour) // 2).mean() <= off, "its own first rows"


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    deep = glass().astype(np.uint16) * 257 + 3
    cv2.imwrite(str(tmp_path / "r.png"), deep[..., ::-1])
    cut(request_for(tmp_path, "r.png", ONE))
    found = cv2.imread(print_spool(str(tmp_path), 7, 1), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert found.dtype == np.uint16
    assert (found[..., ::-1] == deep[20:80, 20:90]).all()


def test_resolution_date_profile_and_orientation_stay(tmp_path: Path) -> None:
    picture = Image.fromarray(glass())
    exif = Image.Exif()
    exif[0x0112], exif[0x0132], exif[0x010F] = 6, "1931:05:01 12:00:00", "Scanner"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = BytesIO()
    picture.save(file, "JPEG", quality=95, dpi=(300, 300), exif=exif, icc_profile=profile)
    (tmp_path / "r.jpg").write_bytes(file.getvalue())
    cut(request_for(tmp_path, "r.jpg", ONE))
    with opened(tmp_path, 1) as made:
        assert made.size == (70, 60)
        assert made.info["dpi"] == (300, 300)
        found = made.getexif()
        assert (found[0x0112], found[0x0132], found[0x010F]) == (6, "1931:05:01 12:00:00", "Scanner")
        assert made.info.get("icc_profile") == profile


def test_it_says_what_it_is_and_is_never_recalled_as_a_result(tmp_path: Path) -> None:
    plain = tmp_path / "plain.jpg"
    plain.write_bytes(encoded(glass(), "JPEG"))
    parts = list[tuple[int, bytes]]()
    imprint.on_jpeg(parts, OURS, False)
    content = plain.read_bytes()
    (tmp_path / "r.jpg").write_bytes(content[:2] + b"".join(jpeg_segment(*part) for part in parts) + content[2:])
    assert recall(str(tmp_path), "r.jpg").provenance == OURS, "the result itself is one"
    cut(request_for(tmp_path, "r.jpg", ONE, TWO))
    spool = os.path.relpath(print_spool(str(tmp_path), 7, 2), str(tmp_path))
    assert recall(str(tmp_path), spool).provenance is None
    with open(tmp_path / spool, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        told = b"".join(body for _, body in jpeg_segments(file.fileno(), size, (0xE1,))).decode(errors="replace")
    assert 'Print="2 of 2"' in told.replace("'", '"') or ">2 of 2<" in told
    assert "SourceDigest" not in told
    assert "compositeWithTrainedAlgorithmicMedia" in told
    assert "cut out of r.jpg" in told


def test_a_result_that_was_changed_taken_away_or_damaged_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "r.png").write_bytes(encoded(glass(), "PNG"))
    request = request_for(tmp_path, "r.png", ONE, TWO)
    with pytest.raises(ChangedError):
        cut(replace(request, digest="00" * 32))
    (tmp_path / "r.png").write_bytes((tmp_path / "r.png").read_bytes()[:300])
    with pytest.raises(DamagedError):
        cut(replace(request, digest=digest(str(tmp_path / "r.png"))))
    (tmp_path / "r.png").unlink()
    with pytest.raises(GoneError):
        cut(request)
    assert os.listdir(tmp_path / ".colorwatch") == []


def test_what_a_dead_worker_left_is_written_anew_and_a_spool_that_is_away_is_the_disk_s_fault(tmp_path: Path) -> None:
    (tmp_path / "r.png").write_bytes(encoded(glass(), "PNG"))
    request = request_for(tmp_path, "r.png", ONE)
    Path(print_spool(str(tmp_path), 7, 1)).write_bytes(b"half")
    assert len(cut(request).pieces) == 1
    Path(print_spool(str(tmp_path), 7, 1)).unlink()
    os.rmdir(tmp_path / ".colorwatch")
    with pytest.raises(DiskError):
        cut(request)


def test_places_out_of_all_bounds_are_at_least_a_pixel(tmp_path: Path) -> None:
    (tmp_path / "r.png").write_bytes(encoded(glass(), "PNG"))
    cut(request_for(tmp_path, "r.png", Place(-3, -1e300, 9, 2), Place(0.5, 0.9999, 0.2, 0.1), Place(5, 5, 6, 6)))
    for number, size in ((1, (200, 100)), (2, (1, 1)), (3, (1, 1))):
        with opened(tmp_path, number) as picture:
            assert picture.size == size


def test_the_time_of_its_file_is_the_result_s_where_that_is_the_scan_s(tmp_path: Path) -> None:
    (tmp_path / "r.jpg").write_bytes(encoded(glass(), "JPEG"))
    os.utime(tmp_path / "r.jpg", ns=(10**18, 10**18))
    cut(request_for(tmp_path, "r.jpg", ONE, keep_time=True, settings=RenderSettings(jpeg_quality=70)))
    assert os.stat(print_spool(str(tmp_path), 7, 1)).st_mtime_ns == 10**18
