"""Files and folders that turn into links while they are opened: another process swaps them thousands of times."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from colorwatch.errors import ForbiddenFileError, GoneError, ScanError
from colorwatch.formats.opening import open_regular
from swapping import Swapping

SECONDS = 2.0


def tries(root: str, path: str) -> tuple[set[bytes], dict[type[ScanError], int], int]:
    """Opens `path` for some seconds: what was read, how often it was refused, how often it was opened."""
    read, refused, opened = set(), dict[type[ScanError], int](), 0
    before = len(os.listdir("/proc/self/fd"))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            descriptor = open_regular(root, path)
        except ScanError as error:
            refused[type(error)] = refused.get(type(error), 0) + 1
            continue
        opened += 1
        read.add(os.read(descriptor, 100))
        os.close(descriptor)
    assert len(os.listdir("/proc/self/fd")) == before
    return read, refused, opened


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """An inbox, and a folder outside of it with a secret."""
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    inbox.mkdir()
    outside.mkdir()
    (outside / "scan.png").write_bytes(b"secret")
    return inbox, outside


def test_a_file_swapped_for_a_link_is_never_followed(places: tuple[Path, Path]) -> None:
    inbox, outside = places
    (inbox / "scan.png").write_bytes(b"a scan")
    (inbox / "link").symlink_to(outside / "scan.png")
    swapping = Swapping(str(inbox / "scan.png"), str(inbox / "link"))
    read, refused, opened = tries(str(inbox), "scan.png")
    assert swapping.stop() > 1000
    assert read == {b"a scan"}
    assert opened > 100
    assert refused.keys() <= {ForbiddenFileError, GoneError}
    assert refused[ForbiddenFileError] > 100


@pytest.mark.parametrize("path", ["album/scan.png", "album/deep/scan.png"])
def test_a_folder_swapped_for_a_link_in_the_middle_of_the_path_is_never_followed(
    places: tuple[Path, Path], path: str
) -> None:
    inbox, outside = places
    (outside / "deep").mkdir()
    (outside / "deep" / "scan.png").write_bytes(b"secret")
    (inbox / "album" / "deep").mkdir(parents=True)
    for found in (inbox / "album", inbox / "album" / "deep"):
        (found / "scan.png").write_bytes(b"a scan")
    (inbox / "link").symlink_to(outside)
    swapping = Swapping(str(inbox / "album"), str(inbox / "link"))
    read, refused, opened = tries(str(inbox), path)
    assert swapping.stop() > 1000
    assert read == {b"a scan"}
    assert opened > 100
    assert refused.keys() <= {ForbiddenFileError, GoneError}


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_file_swapped_for_something_that_blocks_or_acts_never_does(places: tuple[Path, Path], kind: str) -> None:
    inbox, _ = places
    (inbox / "scan.png").write_bytes(b"a scan")
    other = str(inbox / "other")
    if kind == "fifo":
        os.mkfifo(other)
    else:
        try:
            os.mknod(other, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
        except PermissionError:
            pytest.skip("no device may be made here")
    swapping = Swapping(str(inbox / "scan.png"), other)
    read, refused, opened = tries(str(inbox), "scan.png")
    assert swapping.stop() > 1000
    assert read == {b"a scan"}
    assert opened > 100
    assert refused.keys() <= {ForbiddenFileError, GoneError}
