"""A print's file: put in its place, in that of an earlier one, or not at all; asked once or, after a kill, again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from colorwatch.disk.publishing import Publication, Rendered, clean_spool, discard, prepare, print_spool, spool_path
from colorwatch.disk.saving import save_print, withdraw_prints

FIRST, OTHER = "a prints/a 1.jpg", "a prints/a 1.png"


class Desk:
    """An outbox."""

    def __init__(self, root: Path) -> None:
        self.root = root
        prepare(str(root))

    def spool(self, content: bytes) -> tuple[str, Rendered]:
        path = print_spool(str(self.root), 7, 1)
        Path(path).write_bytes(content)
        found = os.stat(path)
        return path, Rendered(found.st_dev, found.st_ino, sha(content))

    def save(self, content: bytes, final: str = FIRST, over: str = "", replaces: bytes = b"") -> Publication:
        """Asked twice, as after a kill, with the same outcome."""
        spool, ours = self.spool(content)
        ends = {save_print(str(self.root), spool, final, ours, over, sha(replaces) if replaces else "") for _ in "12"}
        discard(spool)
        (end,) = ends
        return end

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_new_one_gets_its_name_and_never_a_stranger_s(desk: Desk) -> None:
    assert desk.save(b"one") is Publication.PUBLISHED
    assert desk.save(b"two") is Publication.TAKEN
    assert desk.files() == {FIRST: b"one"}


@pytest.mark.parametrize("final", [FIRST, OTHER])
def test_an_untouched_one_makes_room(desk: Desk, final: str) -> None:
    desk.save(b"one")
    assert desk.save(b"two", final, FIRST, b"one") is Publication.PUBLISHED
    assert desk.files() == {final: b"two"}


@pytest.mark.parametrize("final", [FIRST, OTHER])
def test_one_that_was_edited_moved_or_deleted_stays_so(desk: Desk, final: str) -> None:
    desk.save(b"one")
    place = desk.root / FIRST
    place.write_bytes(b"edited")
    assert desk.save(b"two", final, FIRST, b"one") is Publication.NOTHING
    assert desk.files() == {FIRST: b"edited"}
    place.unlink()
    assert desk.save(b"two", final, FIRST, b"one") is Publication.NOTHING
    place.parent.rmdir()
    assert desk.save(b"two", final, FIRST, b"one") is Publication.NOTHING
    assert os.listdir(desk.root) == [".colorwatch"], "nor is its folder made again"


def test_one_of_another_format_goes_even_after_a_kill_in_between(desk: Desk) -> None:
    desk.save(b"one")
    spool, ours = desk.spool(b"two")
    assert save_print(str(desk.root), spool, OTHER, ours) is Publication.PUBLISHED  # and killed
    assert save_print(str(desk.root), spool, OTHER, ours, FIRST, sha(b"one")) is Publication.PUBLISHED
    discard(spool)
    assert save_print(str(desk.root), spool, OTHER, ours, FIRST, sha(b"one")) is Publication.PUBLISHED
    assert desk.files() == {OTHER: b"two"}


def test_without_its_spool_file_it_is_lost_unless_it_stands(desk: Desk) -> None:
    spool, ours = desk.spool(b"one")
    os.unlink(spool)
    assert save_print(str(desk.root), spool, FIRST, ours) is Publication.LOST
    desk.save(b"one")
    assert save_print(str(desk.root), spool, FIRST, ours) is Publication.PUBLISHED


def test_what_is_forgotten_goes_with_the_folder_that_is_empty_then(desk: Desk) -> None:
    desk.save(b"one")
    desk.save(b"two", "a prints/a 2.jpg")
    desk.save(b"three", "b prints/b 1.jpg")
    (desk.root / "a prints/a 2.jpg").write_bytes(b"edited")
    told = [(FIRST, sha(b"one")), ("a prints/a 2.jpg", sha(b"two")), ("b prints/b 1.jpg", sha(b"three"))]
    for _ in range(2):
        withdraw_prints(str(desk.root), told, "job-7")
        assert desk.files() == {"a prints/a 2.jpg": b"edited"}
        assert not (desk.root / "b prints").exists()


def test_its_spool_file_is_cleared_away_at_a_start_and_by_no_attempt_at_its_scan(desk: Desk) -> None:
    spool, _ = desk.spool(b"one")
    attempt = spool_path(str(desk.root), 7, 5)
    Path(attempt).touch()
    discard(attempt)
    assert os.path.exists(spool)
    assert clean_spool(str(desk.root), {spool}) == 0
    assert clean_spool(str(desk.root), set()) == 1
