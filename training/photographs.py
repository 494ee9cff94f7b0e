"""Photographs from folders and tars, decoded once into one file that training reads at random."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

STORED_SIDE = 224
"""Larger photographs are stored with a short side of so many pixels; smaller ones are kept as they are."""

LEAST_CHROMA = 2.5
"""Photographs of a lower mean chroma are black-and-white already, and would teach the net to leave things grey."""

_SUFFIXES = (".jpg", ".jpeg", ".png")
_CLASS = re.compile(r"^train-([A-Z])-")


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph in an album: where its pixels begin, and its size."""

    name: str
    licence: str
    offset: int
    height: int
    width: int

    @property
    def source(self) -> str:
        """The collection that it comes from: what stands before `__` in its name, else its folder."""
        source, parted, _ = self.name.partition("__")
        return source if parted else os.path.dirname(self.name)


class Album:
    """Photographs as 8-bit Lab of OpenCV (L * 255 / 100, a + 128, b + 128), one after another in one file."""

    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "album.json"), encoding="utf-8") as file:
            told = json.load(file)
        self.photographs = [Photograph(*row) for row in told["photographs"]]
        self.left_out: dict[str, int] = told["left_out"]
        self._pixels = np.memmap(os.path.join(folder, "album.lab"), np.uint8, "r")

    def lab(self, photograph: Photograph) -> NDArray[np.uint8]:
        """Its pixels, (height, width, 3)."""
        size = photograph.height * photograph.width * 3
        flat = self._pixels[photograph.offset : photograph.offset + size]
        return np.asarray(flat).reshape(photograph.height, photograph.width, 3)

    def split(self, held_out: int) -> tuple[list[Photograph], list[Photograph]]:
        """Those to train on and `held_out` others, the same ones on every run: the first by the hash of their name."""
        ranked = sorted(self.photographs, key=lambda one: hashlib.sha256(one.name.encode()).digest())
        return sorted(ranked[held_out:], key=lambda one: one.name), ranked[:held_out]


def read(sources: Sequence[str], classes: str) -> Iterator[tuple[str, str, bytes]]:
    """Name, licence class and content of each photograph in the folders and tars `sources`, in order of name.

    A tar named `train-X-...` holds photographs of licence class X, and is passed over unless X is in `classes`. A
    folder is searched for such tars and for photographs; these, and tars of other names, are of class `-`, and
    always taken.
    """
    for source in sources:
        if os.path.isdir(source):
            inside = [os.path.join(at, name) for at, _, names in os.walk(source) for name in names]
        else:
            inside = [source]
        for path in sorted(inside):
            if path.endswith(".tar"):
                yield from _read_tar(path, classes)
            elif path.lower().endswith(_SUFFIXES):
                with open(path, "rb") as file:
                    yield os.path.relpath(path, source), "-", file.read()


def _read_tar(path: str, classes: str) -> Iterator[tuple[str, str, bytes]]:
    match = _CLASS.match(os.path.basename(path))
    licence = match[1] if match else "-"
    if match and licence not in classes:
        return
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.lower().endswith(_SUFFIXES) else None
            if file is not None:
                yield member.name, licence, file.read()


def build(sources: Sequence[str], classes: str, folder: str) -> Album:
    """Decode the photographs into `folder` unless they are there; raises ValueError where there are none."""
    wanted = {"sources": [os.path.realpath(source) for source in sources], "classes": classes, "side": STORED_SIDE}
    listing = os.path.join(folder, "album.json")
    if os.path.exists(listing):
        with open(listing, encoding="utf-8") as file:
            if json.load(file)["wanted"] == wanted:
                return Album(folder)
    os.makedirs(folder, exist_ok=True)
    rows: list[tuple[str, str, int, int, int]] = []
    left_out = {"unreadable": 0, "grey": 0}
    with open(os.path.join(folder, "album.lab"), "wb") as file:
        for name, licence, content in read(sources, classes):
            lab = _decode(content)
            if lab is None:
                left_out["unreadable"] += 1
            elif mean_chroma(lab) < LEAST_CHROMA:
                left_out["grey"] += 1
            else:
                rows.append((name, licence, file.tell(), lab.shape[0], lab.shape[1]))
                file.write(lab.tobytes())
    if not rows:
        raise ValueError(f"There is no photograph in colour of the classes {classes} in {', '.join(sources)}.")
    with open(listing + ".new", "w", encoding="utf-8") as file:
        json.dump({"wanted": wanted, "left_out": left_out, "photographs": rows}, file)
    os.replace(listing + ".new", listing)
    return Album(folder)


def _decode(content: bytes) -> NDArray[np.uint8] | None:
    try:
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if bgr is None or min(bgr.shape[:2]) < 32:
        return None
    scale = STORED_SIDE / min(bgr.shape[:2])
    if scale < 1:
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2Lab), np.uint8)


def mean_chroma(lab: NDArray[np.uint8]) -> float:
    """Mean chroma, in Lab units, of OpenCV's 8-bit Lab (height, width, 3)."""
    ab = lab[::4, ::4, 1:].astype(np.float32) - 128
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean())
