"""The doctor on set-ups that tests broke: each found, named, and with something to do about it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colorwatch.config import load
from colorwatch.doctor import Finding, Level, disks, events, examine, machine
from colorwatch.errors import ModelError
from colorwatch.modelstore import Model, resolve
from colorwatch.watching import mounts
from house import House

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user or mount something")


@pytest.fixture
def house(tmp_path: Path) -> House:
    os.chmod(tmp_path, 0o755)
    house = House(str(tmp_path))
    os.makedirs(house.path("state"))
    return house


@pytest.fixture
def open_house() -> Iterator[House]:
    """One that other users can reach: pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield House(folder)


def findings(house: House, model: Callable[[], Model] | None = None) -> list[Finding]:
    config = load(house.path("config.yaml"), check_folders=False)
    return list(examine(config, model or (lambda: resolve("compact"))))


def found(told: list[Finding], check: str, level: Level = Level.PROBLEM) -> Finding:
    fitting = [finding for finding in told if (finding.check, finding.level) == (check, level)]
    assert fitting, told
    assert fitting[0].advice
    return fitting[0]


def test_a_good_set_up_has_nothing_wrong_and_nothing_of_the_trials_stays(house: House) -> None:
    told = findings(house)
    assert [finding for finding in told if finding.level is Level.PROBLEM] == []
    assert {"events", "steps", "net", "memory", "inotify", "space"} <= {finding.check for finding in told}
    assert [name for name in os.listdir(house.path("inbox")) if name.startswith(disks.TRIAL)] == []


def test_a_missing_inbox_is_named_with_the_way_to_make_it(house: House) -> None:
    os.rmdir(house.path("inbox"))
    assert "mkdir -p" in found(findings(house), "folder").advice


def test_a_file_in_place_of_the_outbox_is_named(house: House) -> None:
    os.rmdir(house.path("outbox"))
    Path(house.path("outbox")).write_text("x")
    assert "a file, not a folder" in found(findings(house), "folder").text


def test_an_inbox_behind_a_link_is_named_with_where_it_leads(house: House) -> None:
    os.rename(house.path("inbox"), house.path("real"))
    os.symlink(house.path("real"), house.path("inbox"))
    assert house.path("real") in found(findings(house), "link", Level.NOTE).text


def test_a_state_folder_on_a_share_is_wrong(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "of_number", lambda *_: mounts.Mount(1, "/", "cifs"))
    told = findings(house)
    assert "cifs" in found(told, "filesystem").text
    assert "poll_seconds" in found(told, "filesystem", Level.NOTE).advice


def test_an_inbox_from_which_no_event_comes_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(events.Watch):
        def __init__(self, *arguments: object) -> None:
            super().__init__(house.path("outbox"), False, lambda _: None, lambda _: None)

    monkeypatch.setattr(events, "Watch", Deaf)
    monkeypatch.setattr(events, "EVENT_SECONDS", 0.2)
    assert "watch: poll" in found(findings(house), "events").advice


def test_used_up_inotify_watches_are_named_with_who_holds_them(tmp_path: Path) -> None:
    process = tmp_path / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fdinfo").mkdir()
    (process / "comm").write_text("hoarder\n")
    os.symlink("anon_inode:inotify", process / "fd" / "5")
    limit = events._number("/proc/sys/fs/inotify/max_user_watches")
    (process / "fdinfo" / "5").write_text("".join(f"inotify wd:{n} ino:1\n" for n in range(min(limit, 1000))))
    watches, instances = events.holders(os.stat(process).st_uid, str(tmp_path))
    assert (watches["hoarder"], instances["hoarder"]) == (min(limit, 1000), 1)
    (process / "fdinfo" / "5").write_text("inotify wd:1 ino:1\n" * limit if limit <= 1 << 20 else "")
    if limit <= 1 << 20:
        told = list(events.examine_limits(os.stat(process).st_uid, str(tmp_path)))
        assert "hoarder" in found(told, "inotify").text


def test_a_model_that_is_not_there_is_named(house: House) -> None:
    def missing() -> Model:
        raise ModelError("the model of that name is not here")

    assert "not here" in found(findings(house, missing), "net").text


def test_a_damaged_model_does_not_run(house: House) -> None:
    path = house.path("broken.onnx")
    Path(path).write_bytes(b"\x08\x07no net" * 50)
    told = findings(house, lambda: Model("broken", path, "0" * 64))
    assert "does not run" in found(told, "net").text


def test_too_little_memory_is_named_with_what_to_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_memory", lambda: 200 << 20)
    assert "net_memory: small" in found(findings(house), "memory").advice


def test_a_file_server_with_a_wrong_clock_is_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "_skew", lambda *_: 7200.0)
    assert "+7,200 s" in found(findings(house), "clock", Level.NOTE).text


def _as_nobody(house: House) -> list[str]:
    """What it says when another user asks; that user is taken on after the imports, which it may not be able to do."""
    script = (
        "import os, sys; from colorwatch.doctor import disks\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "for role in ('inbox', 'outbox'):\n"
        "    for finding in disks.examine_folder(role, sys.argv[1] + '/' + role, 0):\n"
        "        print(finding.check, finding.level, finding.text, '|', finding.advice)\n"
    )
    command = [sys.executable, "-c", script, house.root]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@as_root
def test_an_outbox_that_the_user_may_not_write_is_named(open_house: House) -> None:
    house = open_house
    os.chmod(house.path("outbox"), 0o755)
    os.chmod(house.path("inbox"), 0o777)
    lines = _as_nobody(house)
    assert any(line.startswith("steps problem in the outbox") and "chgrp" in line for line in lines)


@as_root
def test_scans_that_the_user_cannot_read_are_counted_and_explained(open_house: House) -> None:
    house = open_house
    scan = Path(house.path("inbox", "private.jpg"))
    scan.write_bytes(b"x")
    os.chmod(scan, 0o600)
    assert any("readable problem 1 of 1 files" in line and "create mask" in line for line in _as_nobody(house))


@as_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
@pytest.mark.parametrize(("options", "words"), [("size=64k", "too little"), ("size=8m,ro", "read-only")])
def test_a_full_or_read_only_disk_is_named(house: House, options: str, words: str) -> None:
    script = (
        "import sys; from colorwatch.doctor import disks\n"
        "for finding in disks.examine_folder('outbox', sys.argv[1], 1 << 20):\n"
        "    print(finding.level, finding.text, '|', finding.advice)\n"
    )
    path = house.path("outbox")
    command = f'mount -t tmpfs -o {options} tmpfs "$1" && exec "$2" -c "$3" "$1"'
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", command, "sh", path, sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "mount:" in ended.stderr or "unshare:" in ended.stderr:
        pytest.skip(f"nothing can be mounted here: {ended.stderr.strip()}")
    assert any(line.startswith("problem") and words in line for line in ended.stdout.splitlines()), ended
