"""Every kind of scan in tests/fidelity.py, coloured and read back by other libraries than those that wrote it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from colorwatch.colour.colorize import colorize, probe
from colorwatch.errors import ScanError, UnsupportedError
from colorwatch.protocol import RenderRequest
from colorwatch.scan import Facts, Fingerprint, Rendering, RenderSettings
from fidelity import BILEVEL, CELLS, COLOUR16, GREY, Cell, grey_of, rendered
from tables import PAGE

SUFFIXES = {"TIFF": ".tif", "PNG": ".png", "JPEG": ".jpg"}
Found = dict[str, tuple[Facts | ScanError, Rendering | ScanError]]

TAGS = ["-Make=Maker", "-Model=Model 7", "-DateTimeOriginal=1955:05:04 12:00:00", "-XMP-dc:Title=Aunt Ada"]
TAGS += ["-Orientation#=6", "-XResolution=600", "-YResolution=300", "-ResolutionUnit=inches"]


def brown(lightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours strong enough to leave sRGB in the lights and the darks."""
    return np.random.default_rng(9).uniform(-60, 60, (56, 56, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All scans, with tags put in by exiftool where it is there."""
    folder = tmp_path_factory.mktemp("scans")
    for number, cell in enumerate(CELLS):
        (folder / f"{number}{SUFFIXES[cell.format]}").write_bytes(cell.content())
    if shutil.which("exiftool"):
        tagged = folder / "tagged"
        tagged.mkdir()
        for number, cell in enumerate(CELLS):
            if not cell.refusal:
                shutil.copy(folder / f"{number}{SUFFIXES[cell.format]}", tagged)
        command = ["exiftool", "-q", "-overwrite_original", *TAGS, os.fspath(tagged)]
        # It cannot write BigTIFFs, which have some tags already.
        subprocess.run(command, check=False, capture_output=True, timeout=200)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Found:
    """What the probe said of each scan, and what became of it."""
    found: Found = {}
    for number, cell in enumerate(CELLS):
        name = f"{number}{SUFFIXES[cell.format]}"
        found[cell.name] = (said(folder, name), coloured(folder, name, folder / f"out-{name}"))
        if (folder / "tagged" / name).exists():
            coloured(folder / "tagged", name, folder / "tagged" / f"out-{name}")
    return found


def said(folder: Path, name: str) -> Facts | ScanError:
    try:
        facts = probe(os.fspath(folder), name, 0)
    except ScanError as error:
        return error
    assert isinstance(facts, Facts), facts
    return facts


def coloured(folder: Path, name: str, spool: Path) -> Rendering | ScanError:
    fingerprint = Fingerprint.of(os.stat(folder / name))
    settings = RenderSettings(jpeg_quality=98, colored="recolor", text="color")
    try:
        return colorize(RenderRequest(1, os.fspath(folder), name, fingerprint, os.fspath(spool), 0, settings), brown)
    except ScanError as error:
        return error


def read_back(path: Path) -> NDArray[Any]:
    """(height, width, 3 or 4) of the first page, by tifffile, OpenCV or Pillow."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            if file.pages[0].compression not in (5,):
                return np.asarray(file.pages[0].asarray())
    if path.suffix == ".png":
        read = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
        assert read is not None
        return np.asarray(read[..., [2, 1, 0, 3][: read.shape[2]]])
    return np.asarray(Image.open(path))


GOOD = [cell for cell in CELLS if not cell.refusal]


def result(cell: Cell, folder: Path) -> Path:
    return folder / f"out-{CELLS.index(cell)}{SUFFIXES[cell.format]}"


@pytest.mark.parametrize("cell", GOOD, ids=lambda cell: cell.name)
def test_the_lightness_and_the_alpha_of_a_scan_are_its_results(cell: Cell, folder: Path, found: Found) -> None:
    facts, rendering = found[cell.name]
    assert isinstance(facts, Facts), facts
    assert isinstance(rendering, Rendering), rendering
    assert facts.pages == cell.pages
    pixels = read_back(result(cell, folder))
    top = (1 << cell.bits) - 1
    assert pixels.dtype == (np.uint8 if cell.bits == 8 else np.uint16)
    assert pixels.shape == (80, 120, 3 if cell.alpha is None else 4)
    if cell.grey is not None:
        assert np.abs(grey_of(pixels[..., :3] / top) - cell.grey).max() * top <= cell.steps
    if cell.alpha is not None:
        assert np.abs(pixels[..., 3] / top - cell.alpha).max() * top <= 0.5


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.refusal], ids=lambda cell: cell.name)
def test_what_is_not_read_is_refused_by_name(cell: Cell, folder: Path, found: Found) -> None:
    facts, rendering = found[cell.name]
    assert isinstance(rendering, UnsupportedError), rendering
    assert cell.refusal in str(rendering)
    if isinstance(facts, ScanError):
        assert str(facts) == str(rendering)
    assert not result(cell, folder).exists()


@pytest.fixture(scope="module")
def tags(folder: Path, found: Found) -> dict[str, dict[str, Any]]:
    """What exiftool reads in each tagged scan and its result, by file name."""
    if not shutil.which("exiftool"):
        pytest.skip("exiftool is not installed")
    command = ["exiftool", "-json", "-G1", "-n", "-q", os.fspath(folder / "tagged")]
    told = subprocess.run(command, check=True, capture_output=True, timeout=200).stdout
    return {os.path.basename(each["SourceFile"]): each for each in json.loads(told)}


KEPT = ["IFD0:Make", "IFD0:Model", "ExifIFD:DateTimeOriginal", "XMP-dc:Title", "IFD0:Orientation"]
KEPT += ["IFD0:XResolution", "IFD0:YResolution"]


@pytest.mark.parametrize("cell", GOOD, ids=lambda cell: cell.name)
def test_what_a_scan_says_of_itself_its_result_says_too(cell: Cell, tags: dict[str, dict[str, Any]]) -> None:
    name = f"{CELLS.index(cell)}{SUFFIXES[cell.format]}"
    before, after = tags[name], tags[f"out-{name}"]
    for tag in KEPT:
        assert before.get(tag) == after.get(tag), tag
    assert before["IFD0:Orientation"] == 6
    assert sum(tag in before for tag in KEPT) >= 5
    colours = after.get("ICC-header:ColorSpaceData")
    assert colours == ("RGB " if cell.profile or "CMYK" in cell.kind else None)


def test_pages_of_different_kinds_stay_in_their_order(folder: Path, found: Found) -> None:
    cell = next(cell for cell in CELLS if cell.pages == 3)
    assert isinstance(found[cell.name][1], Rendering)
    with tifffile.TiffFile(result(cell, folder)) as file:
        pages = [page.asarray() for page in file.pages]
    assert [(page.shape, page.dtype) for page in pages] == [
        ((80, 120, 3), np.uint8),
        ((80, 120, 3), np.uint16),
        ((50, 33, 3), np.uint8),
    ]
    assert np.abs(grey_of(pages[0] / 255) * 255 - GREY).max() <= 1
    assert np.abs(grey_of(pages[1] / 65535) - grey_of(COLOUR16 / 65535)).max() * 65535 <= 1
    assert np.abs(grey_of(pages[2] / 255) - BILEVEL[:50, :33]).max() * 255 <= 1


def test_the_table_in_the_docs_is_this_one() -> None:
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    assert text == rendered(text), "run: python tests/fidelity.py"
