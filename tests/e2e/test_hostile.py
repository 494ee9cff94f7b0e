"""An inbox full of traps, and a real daemon: nothing is followed, nothing blocks, nothing leaves its tree."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from house import Drop, House, audit, digest, files, is_of, make_drop, photographs
from swapping import Swapping
from waiting import eventually

LONG = "n" * 251 + ".png"
NAMES = [
    "line\nbreak.png",
    "carriage\rreturn.png",
    "bell\aand\x1b[31mred\x1b]0;title\x07.png",
    "\x9b31m c1.png",
    "not utf-8 \udcff\udc80.png",
    "\u202egnp.exe \u2066isolate.png",
    "zero\u200bwidth \ufeff.png",
    "-rf.png",
    "--config=x.png",
    "spaces  at the end .png",
    "'quotes\" and $(commands) `too` ; & | < >.png",
    "%s %n {0} {reason}.png",
    "<script>alert(1)<br>.png",
    "back\\slash.png",
    "ünïcödé 写真 📷.png",
    LONG,
]
HIDDEN = ["..png.png", "...dots.png", ".hidden.png"]  # a dot at the front: made by programs, for themselves
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(str(tmp_path / "house"), {"settle_seconds": 0.2, "rescan_seconds": 1, "incomplete_seconds": 2})
    yield house
    if house.daemon is not None and house.daemon.poll() is None:
        house.kill()


def tree(folder: Path) -> dict[str, str]:
    return {name: digest(path) for name, path in files(str(folder)).items()}


def wait_for(house: House, drops: dict[str, Drop], seconds: float = 60) -> None:
    eventually(lambda: set(drops) <= set(house.results()), seconds, f"all of {len(drops)} results")


def unsafe(text: str) -> set[str]:
    """Characters that steer a terminal or turn a line round."""
    return {character for character in text if not character.isprintable() and character != "\n"}


def test_names_of_all_kinds_are_kept_and_never_reach_a_terminal_as_they_are(house: House) -> None:
    drops = {}
    for name, picture in zip(NAMES, photographs(len(NAMES), side=80), strict=True):
        drops[UNFIT.sub("_", name)] = make_drop(house.path("inbox", name), picture)
    for name in HIDDEN:
        make_drop(house.path("inbox", name), photographs(1, side=70)[0])
    deep = "line\nbreak folder/\udcfe/"
    os.makedirs(house.path("inbox", deep))
    drops["line_break folder/_/x.png"] = make_drop(house.path("inbox", deep, "x.png"), photographs(1, side=90)[0])
    bad = ["broken \x1b[2J\n\u202e.png", "b" * 251 + ".png"]
    for name in bad:
        with open(house.path("inbox", name), "wb") as file:
            file.write(b"no picture " * 9)
    house.start()
    wait_for(house, drops)
    quarantine = house.path("outbox", "quarantine")
    eventually(lambda: sum(name.endswith("why.txt") for name in files(quarantine)) == 2, 30)
    told = house.call("status")
    assert unsafe(told.stdout + told.stderr) == set()
    assert house.stop() == 0
    found = audit(house, drops)
    assert (found.lost, found.torn, found.left_behind) == ([], [], [])
    # What could not be coloured keeps its name: it is still the person's own file.
    assert not any(UNFIT.search(name) for name in house.results() if not name.startswith("quarantine/"))
    assert {name for name in house.results() if not name.startswith("quarantine/")} == set(drops)
    with open(house.path("log"), "rb") as file:
        log = file.read()
    assert unsafe(log.decode("utf-8")) == set()
    assert b"Traceback" not in log
    for name, path in files(house.path("outbox", "quarantine")).items():
        if name.endswith("why.txt"):
            with open(path, encoding="utf-8") as note:
                assert unsafe(note.read()) == set()


def test_what_is_no_file_is_never_followed_and_never_blocks(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = photographs(2, side=96)
    make_drop(str(outside / "secret.png"), secret[0])
    foreign = make_drop(str(outside / "foreign.png"), secret[1])
    before = tree(outside)
    inbox = house.path("inbox")
    os.symlink(outside / "secret.png", os.path.join(inbox, "link.png"))
    os.symlink("../../outside/secret.png", os.path.join(inbox, "relative.png"))
    os.symlink(outside, os.path.join(inbox, "folder"))
    os.symlink("loop.png", os.path.join(inbox, "loop.png"))
    os.symlink("/dev/zero", os.path.join(inbox, "zero.png"))
    os.symlink("/proc/self/environ", os.path.join(inbox, "environ.png"))
    os.mkfifo(os.path.join(inbox, "fifo.png"))
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(inbox)  # the path of a socket may have a hundred bytes only
        listener.bind("socket.png")
        listener.listen()
        if os.geteuid() == 0:
            with contextlib.suppress(PermissionError):
                os.mknod(os.path.join(inbox, "device.png"), stat.S_IFCHR | 0o600, os.makedev(1, 5))
        os.mkdir(os.path.join(inbox, "a folder.png"))
        os.link(outside / "foreign.png", os.path.join(inbox, "hard link.png"))
        traps = set(os.listdir(inbox))
        house.start()
        eventually(lambda: os.path.exists(house.path("state", "ledger.sqlite3")), 20)
        drops = {"good.png": make_drop(os.path.join(inbox, "good.png"), photographs(1, side=100)[0])}
        drops["hard link.png"] = foreign
        wait_for(house, drops)
        # And once more after a rescan: everything was looked at.
        drops["last.png"] = make_drop(os.path.join(inbox, "last.png"), photographs(1, side=104)[0])
        wait_for(house, drops)
        assert house.stop() == 0
    assert set(house.results()) == set(drops)
    assert set(os.listdir(inbox)) == traps | set(drops)
    assert tree(outside) == before
    assert not audit(house, drops).torn


def test_folders_swapped_for_links_while_results_are_published_let_nothing_out(house: House, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "x.png").write_bytes(b"not yours")
    before = tree(outside)
    pictures = photographs(24, side=64)
    for box in ("inbox", "outbox"):
        os.makedirs(house.path(box, "album", "deep"))
        os.symlink(outside, house.path(box, "link"))
    swaps = [Swapping(house.path(box, "album"), house.path(box, "link")) for box in ("inbox", "outbox")]
    house.start()
    count = 0
    for number, picture in enumerate(pictures):
        # Into the folder itself, wherever it is at this moment: a writer that holds it open is not fooled.
        source = tmp_path / f"scan-{number}.png"
        make_drop(str(source), picture)
        for name in ("album", "link"):
            place = house.path("inbox", name)
            try:
                folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError:
                continue
            shutil.copyfile(source, f"/proc/self/fd/{folder}/scan-{number}.png")
            os.close(folder)
            count += 1
            break
    assert count > 0
    good = {"good.png": make_drop(house.path("inbox", "good.png"), photographs(1, side=100)[0])}
    wait_for(house, good)
    done = house.counts().get("done", 0)
    eventually(lambda: house.counts().get("done", 0) > done or done > count, 20, "some get through between the swaps")
    assert all(swap.stop() > 1000 for swap in swaps)
    # Now that the folders stand still, and the links are moved away, what is left comes through.
    links = [house.path(box, name) for box in ("inbox", "outbox") for name in ("album", "link")]
    links = [path for path in links if os.path.islink(path)]
    assert len(links) == 2
    for link in links:
        os.unlink(link)

    def results() -> dict[str, str]:
        found = {name: path for name, path in house.results().items() if "scan-" in name}
        assert not any(name.startswith("quarantine/") for name in found), found
        return found

    eventually(
        lambda: len({os.path.basename(name) for name in results()}) == count,
        90,
        "all results, under one name of the folder or the other",
    )
    assert house.stop() == 0
    assert tree(outside) == before
    assert os.listdir(outside / "deep") == []
    for name, path in results().items():
        assert is_of(path, pictures[int(name.rpartition("scan-")[2].partition(".")[0].split()[0])])
