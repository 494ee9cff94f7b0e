"""Prints that lay on one glass, saved apart by a real service: each once, in its place, and never against a person."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from colorwatch.folders import outbox
from colorwatch.work import patience
from homes import Home, ticks
from house import digest, files
from pictures import encoded, glass

FOUR = [f"1931/glass prints/glass {number}.jpg" for number in (1, 2, 3, 4)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(patience, "BACKOFF_SECONDS", (0.2, 0.4))
    monkeypatch.setattr(outbox, "LOOK_SECONDS", 0.3)
    return Home(str(tmp_path), {"prints": "apart"})


def standing(home: Home) -> dict[str, str]:
    """Digest by name of all in the outbox."""
    return {name: digest(path) for name, path in files(home.path("outbox")).items()}


def test_each_is_saved_once_and_what_a_person_did_to_it_is_never_undone(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    page = glass()
    home.drop("1931/glass.jpg", encoded(page, "JPEG", quality=95))
    home.drop("one.jpg")
    home.folder["prints"] = "together"
    assert home.run().counts["done"] == 2
    assert home.outbox() == ["1931/glass.jpg", "one.jpg"]

    home.folder["prints"] = "apart"  # what is there already is looked after
    whole = digest(home.path("outbox", "1931/glass.jpg"))
    home.run()
    assert home.outbox() == sorted(["1931/glass.jpg", *FOUR, "one.jpg"])
    assert capfd.readouterr().err.count('"prints.saved"') == 1
    assert digest(home.path("outbox", "1931/glass.jpg")) == whole
    for name, (top, left) in zip(FOUR, ((20, 30), (30, 340), (270, 25), (260, 350)), strict=True):
        made = cv2.imread(home.path("outbox", name), cv2.IMREAD_GRAYSCALE)
        assert made is not None
        assert abs(made.shape[0] - 180) <= 4
        assert abs(made.shape[1] - 240) <= 4
        part = cv2.resize(made, (240, 180)).astype(int)
        assert np.abs(part - page[top : top + 180, left : left + 240]).mean() < 12, name

    os.unlink(home.path("outbox", FOUR[0]))
    with open(home.path("outbox", FOUR[1]), "ab") as file:
        file.write(b"edited")
    os.makedirs(home.path("outbox", "again"))
    os.rename(home.path("outbox", FOUR[2]), home.path("outbox", "again", "mine.jpg"))
    before = standing(home)
    home.run()
    assert standing(home) == before
    assert "again.left" in capfd.readouterr().err

    shutil.rmtree(home.path("state"))  # the ledger is lost
    assert home.run().counts["done"] == 2
    assert standing(home) == before


def test_hostile_names_and_places_lead_nowhere_else_and_over_nothing(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    content = encoded(glass(count=2), "PNG")
    outside = home.path("outside")
    os.makedirs(outside)
    os.symlink(outside, home.path("outbox", "evil prints"))
    os.makedirs(home.path("outbox", "taken prints"))
    stranger = Path(home.path("outbox", "taken prints", "taken 1.png"))
    stranger.write_bytes(b"a stranger's")
    long = "x" * 251 + ".png"
    for name in ("evil.png", "taken.png", "again.png", long, "a\nb \u202e.png"):
        home.drop(name, content)
    service = home.make()
    try:
        service.start()
        ticks(service, lambda: sum("prints/" in path for path in files(home.path("outbox"))) == 9)
        told = capfd.readouterr().err
        assert "prints.waiting" in told
        assert "evil prints" in told
        assert os.listdir(outside) == []
        os.unlink(home.path("outbox", "evil prints"))
        ticks(service, lambda: service.idle() and os.path.isdir(home.path("outbox", "evil prints")))
        ticks(service, service.idle)
    finally:
        service.close()
    assert stranger.read_bytes() == b"a stranger's"
    tail = "x" * (255 - len(" 1.png"))
    assert {name for name in home.outbox() if "prints/" in name} == {
        *(f"evil prints/evil {number}.png" for number in (1, 2)),
        *("taken prints/taken 1.png", "taken prints/taken 1 (2).png", "taken prints/taken 2.png"),
        *(f"again prints/again {number}.png" for number in (1, 2)),
        *(f"{'x' * 248} prints/{tail} {number}.png" for number in (1, 2)),
        *(f"a_b _ prints/a_b _ {number}.png" for number in (1, 2)),
    }


def test_they_wait_while_the_outbox_is_away(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    home.folder["prints"] = "together"
    home.drop("a.png", encoded(glass(count=2), "PNG"))
    home.run()
    home.folder["prints"] = "apart"
    service = home.make()
    try:
        service.start()
        ticks(service, lambda: service.standing.clean)
        if not os.path.exists(home.path("outbox", "a prints")):
            os.rename(home.path("outbox"), home.path("away"))
            os.mkdir(home.path("outbox"))
            ticks(service, lambda: "prints.waiting" in capfd.readouterr().err)
            assert os.listdir(home.path("outbox")) == []
            os.rmdir(home.path("outbox"))
            os.rename(home.path("away"), home.path("outbox"))
        ticks(service, lambda: service.idle() and len(files(home.path("outbox", "a prints"))) == 2)
    finally:
        service.close()
    assert home.outbox() == ["a prints/a 1.png", "a prints/a 2.png", "a.png"]
