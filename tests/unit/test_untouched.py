"""A result counts as untouched only while its content is ours and nobody writes to it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colorwatch.disk import untouched
from colorwatch.disk.untouched import is_untouched

CONTENT = b"a result"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "x.jpg").write_bytes(CONTENT)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_content_decides(tmp_path: Path, folder: int) -> None:
    assert is_untouched(folder, "x.jpg", DIGEST)
    (tmp_path / "x.jpg").write_bytes(b"edited")
    assert not is_untouched(folder, "x.jpg", DIGEST)


def test_who_has_it_open_for_writing_may_yet_change_it(tmp_path: Path, folder: int) -> None:
    with open(tmp_path / "x.jpg", "r+b"):
        assert not is_untouched(folder, "x.jpg", DIGEST)
    with open(tmp_path / "x.jpg", "rb"):
        assert is_untouched(folder, "x.jpg", DIGEST), "reading does no harm"


def test_where_leases_always_fail_content_decides(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network share."""
    monkeypatch.setattr(untouched, "_is_written", lambda _: True)
    assert is_untouched(folder, "x.jpg", DIGEST)
    (tmp_path / "x.jpg").write_bytes(b"edited")
    assert not is_untouched(folder, "x.jpg", DIGEST)


@pytest.mark.parametrize("kind", ["nothing", "link", "folder", "fifo"])
def test_what_is_no_file_is_not_ours(tmp_path: Path, folder: int, kind: str) -> None:
    if kind == "link":
        (tmp_path / "y.jpg").symlink_to(tmp_path / "x.jpg")
    elif kind == "folder":
        (tmp_path / "y.jpg").mkdir()
    elif kind == "fifo":
        os.mkfifo(tmp_path / "y.jpg")
    assert not is_untouched(folder, "y.jpg", DIGEST)


def test_who_wants_to_write_waits_while_it_is_read_and_the_daemon_lives(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os; os.open({str(tmp_path / 'x.jpg')!r}, os.O_WRONLY | os.O_NONBLOCK)"
    said: list[str] = []
    real: Any = hashlib.file_digest

    def read(file: object, name: str) -> object:
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        said.append(child.stderr)
        return real(file, name)

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", read)
        assert is_untouched(folder, "x.jpg", DIGEST)
    assert "BlockingIOError" in said[0]
    subprocess.run([sys.executable, "-c", code], check=True)
