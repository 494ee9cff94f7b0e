"""The oracle itself: a house in which all is well, and each thing that may be wrong in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from torture.ground import Ground
from torture.oracle import Wanted, judge


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Six scans, coloured and archived, and a letter in quarantine."""
    root = os.fspath(tmp_path_factory.mktemp("finished") / "house")
    ground = Ground(root, {"originals": "archive", "archive": os.path.join(root, "archive")})
    ground.drop("roll", 6)
    ground.put("letter.jpg", b"dear aunt, this is no picture\n")
    ground.begin()
    try:
        ground.wait_all(7, 60)
    finally:
        assert ground.end() == 0
    return ground


@pytest.fixture
def ground(finished: Ground, tmp_path: Path) -> Ground:
    """A copy of it, to break."""
    root = os.fspath(tmp_path / "copy")
    shutil.copytree(finished.root, root)
    copy = replace(finished, root=root, settings={**finished.settings, "archive": os.path.join(root, "archive")})
    copy.scans, copy.lives = list(finished.scans), list(finished.lives)
    return copy


WANTED = Wanted(bad=["letter.jpg"], originals="archive")


def test_it_finds_nothing_where_nothing_is_wrong(ground: Ground) -> None:
    assert str(judge(ground, WANTED)) == "clean"


def _result(ground: Ground, number: int) -> str:
    return ground.path("outbox", ground.scans[number].path)


def _swap(ground: Ground) -> None:
    pngs = [scan.path for scan in ground.scans if scan.extension == ".png"]
    one, other = (ground.path("outbox", path) for path in pngs)
    os.rename(one, f"{one}.aside")
    os.rename(other, one)
    os.rename(f"{one}.aside", other)


def _cut(ground: Ground) -> None:
    os.truncate(_result(ground, 1), 400)


def _write(path: str, content: bytes = b"x") -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def _quarantine(ground: Ground) -> None:
    path = ground.scans[2].path
    os.makedirs(ground.path("outbox", "quarantine", "roll"))
    os.rename(ground.path("archive", path), ground.path("outbox", "quarantine", path))


def _reopen(ground: Ground) -> None:
    db = sqlite3.connect(ground.path("state", "ledger.sqlite3"))
    db.execute("UPDATE job SET state = 'queued' WHERE id = 3")
    db.commit()
    db.close()


BREAKAGES: dict[str, tuple[str, Callable[[Ground], object]]] = {
    "a result is gone": ("lost", lambda ground: os.unlink(_result(ground, 0))),
    "an original is gone": ("lost", lambda ground: os.unlink(ground.path("archive", ground.scans[0].path))),
    "an original was changed": ("lost", lambda ground: _write(ground.path("archive", ground.scans[0].path))),
    "a result is there twice": (
        "doubled",
        lambda ground: shutil.copy(_result(ground, 0), f"{_result(ground, 0)}-again{ground.scans[0].extension}"),
    ),
    "an original is in two places": (
        "doubled",
        lambda ground: shutil.copy(ground.path("archive", ground.scans[0].path), ground.path("archive", "again.jpg")),
    ),
    "a result is cut off": ("torn", _cut),
    "two results are exchanged": ("torn", _swap),
    "a spool file is left": ("left_behind", lambda ground: _write(ground.path("outbox", ".colorwatch", "9-1.part"))),
    "an original is left aside": ("left_behind", lambda ground: _write(ground.path("inbox", ".colorwatch-9.aside"))),
    "a good scan is in quarantine": ("quarantined", _quarantine),
    "a job is not at its end": ("unfinished", _reopen),
    "a file is nobody's": ("odd", lambda ground: _write(ground.path("inbox", "who.jpg"))),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_it_finds_what_is_wrong(ground: Ground, name: str) -> None:
    kind, breakage = BREAKAGES[name]
    breakage(ground)
    assert getattr(judge(ground, WANTED), kind), name
