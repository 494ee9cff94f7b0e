"""What a person moves into `again` is told once it lies still, and leaves there only as the service says."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import on
from colorwatch.disk.names import AGAIN
from colorwatch.disk.ownership import Ownership
from colorwatch.folders import again as again_module
from colorwatch.folders.again import Again
from colorwatch.folders.commands import AgainOver
from colorwatch.folders.messages import AgainEnded, AskedAgain
from killing import Disk, killed_at_every_call

CONTENT = b"a result"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Box:
    """An outbox and what is told of its folder `again`."""

    def __init__(self, outbox: Path) -> None:
        self.outbox = outbox
        (outbox / AGAIN).mkdir(parents=True)
        self.troubles: list[str] = []
        self.again = Again(str(outbox), "family", lambda path, _: self.troubles.append(path))

    def put(self, path: str, content: bytes = CONTENT) -> Path:
        place = self.outbox / AGAIN / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def told(self) -> list[str]:
        """The paths told in one look."""
        self.again.look()
        told = []
        while self.again.settled:
            if asked := self.again.next():
                assert asked.digest == digest((self.outbox / AGAIN / asked.path).read_bytes())
                told.append(asked.path)
        return sorted(told)

    def over(self, path: str, action: str = "remove", content: bytes = CONTENT, to: str = "") -> AgainEnded:
        command = AgainOver(path, "remove" if action == "remove" else "back", digest(content), to)
        return self.again.end(command, Ownership())

    def files(self) -> list[str]:
        return sorted(
            os.path.relpath(os.path.join(folder, name), self.outbox)
            for folder, _, names in os.walk(self.outbox)
            for name in names
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "out")


class TestLooking:
    def test_a_file_is_told_after_two_equal_looks_and_once(self, box: Box) -> None:
        box.put("a/x.jpg")
        assert box.told() == []
        assert box.again.unsettled() == 1
        assert box.told() == ["a/x.jpg"]
        assert box.again.unsettled() == 0
        assert box.told() == []

    def test_one_that_grows_waits(self, box: Box) -> None:
        for number in range(4):
            box.put("x.jpg", CONTENT * (number + 1))
            assert box.told() == []
        assert box.told() == ["x.jpg"]

    def test_one_that_changes_or_comes_again_is_told_again(self, box: Box) -> None:
        place = box.put("x.jpg")
        box.told()
        assert box.told() == ["x.jpg"]
        box.put("x.jpg", b"other")
        assert [box.told(), box.told()] == [[], ["x.jpg"]]
        os.unlink(place)
        assert box.told() == []
        box.put("x.jpg", b"other")
        assert [box.told(), box.told()] == [[], ["x.jpg"]]

    def test_one_that_changes_while_it_is_read_is_not_told(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        box.put("x.jpg")
        box.told()
        real = again_module.digest_at

        def read(folder: int, name: str) -> str:
            box.put("x.jpg", b"changed meanwhile")
            return real(folder, name)

        with monkeypatch.context() as patch:
            patch.setattr(again_module, "digest_at", read)
            assert box.told() == []
        assert [box.told(), box.told()] == [[], ["x.jpg"]]

    def test_litter_links_and_folders_are_passed_over(self, box: Box) -> None:
        for name in (".hidden", "x.jpg.part", "Thumbs.db"):
            box.put(name)
        (box.outbox / AGAIN / "link.jpg").symlink_to(box.outbox)
        (box.outbox / AGAIN / "empty").mkdir()
        os.mkfifo(box.outbox / AGAIN / "fifo.jpg")
        assert [box.told(), box.told()] == [[], []]

    def test_without_the_folder_there_is_nothing_to_tell(self, box: Box) -> None:
        os.rmdir(box.outbox / AGAIN)
        assert box.told() == []
        (box.outbox / AGAIN).symlink_to(box.outbox)
        (box.outbox / "x.jpg").write_bytes(CONTENT)
        assert [box.told(), box.told()] == [[], []]
        os.rename(box.outbox, box.outbox.parent / "unmounted")
        with pytest.raises(FileNotFoundError):
            box.told()

    def test_one_that_cannot_be_read_is_troubled_once_and_then_told(
        self, box: Box, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> str:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        box.put("x.jpg")
        with monkeypatch.context() as patch:
            patch.setattr(again_module, "digest_at", refuse)
            for _ in range(4):
                assert box.told() == []
        assert box.troubles == ["x.jpg"]
        assert box.again.unsettled() == 0, "nobody waits for it"
        assert box.told() == ["x.jpg"]

    def test_the_size_is_told(self, box: Box) -> None:
        box.put("x.jpg")
        box.again.look()
        box.again.look()
        assert box.again.next() == AskedAgain("family", "x.jpg", digest(CONTENT), len(CONTENT))


class TestOver:
    def test_an_untouched_result_goes_and_the_folder_it_leaves_empty(self, box: Box, disk: Disk) -> None:
        box.put("a/b/x.jpg")
        assert on(disk, lambda: box.over("a/b/x.jpg")) == AgainEnded("family", "a/b/x.jpg", True)
        assert box.files() == []
        assert os.listdir(box.outbox / AGAIN) == []
        assert on(disk, lambda: box.over("a/b/x.jpg")).removed, "asked again"

    def test_one_that_was_edited_stays_and_is_told_anew(self, box: Box, disk: Disk) -> None:
        box.put("x.jpg", b"edited")
        box.told()
        assert box.told() == ["x.jpg"]
        assert on(disk, lambda: box.over("x.jpg")) == AgainEnded("family", "x.jpg", False)
        assert box.files() == ["again/x.jpg"]
        assert [*box.told(), *box.told()] == ["x.jpg"]

    def test_an_edited_one_goes_back_to_its_place(self, box: Box, disk: Disk) -> None:
        box.put("a/x.jpg")
        assert on(disk, lambda: box.over("a/x.jpg", "back")) == AgainEnded("family", "a/x.jpg", False, "a/x.jpg")
        assert box.files() == ["a/x.jpg"]
        assert on(disk, lambda: box.over("a/x.jpg", "back")).where == "a/x.jpg", "asked again"

    def test_or_to_another_or_to_the_next_free_name(self, box: Box, disk: Disk) -> None:
        box.put("x.jpg")
        (box.outbox / "b").mkdir()
        (box.outbox / "b/x.jpg").write_bytes(b"a stranger's")
        assert on(disk, lambda: box.over("x.jpg", "back", to="b/x.jpg")).where == "b/x (2).jpg"
        assert box.files() == ["b/x (2).jpg", "b/x.jpg"]

    def test_never_into_a_folder_that_is_kept_apart(self, box: Box) -> None:
        box.put("quarantine/x.jpg")
        assert box.over("quarantine/x.jpg", "back").where == "quarantine_/x.jpg"

    def test_nor_out_of_the_outbox(self, box: Box) -> None:
        (box.outbox.parent / "mine.jpg").write_bytes(CONTENT)
        for action, path, to in (("remove", "../../mine.jpg", ""), ("back", "../../mine.jpg", "")):
            with pytest.raises(OSError, match="leaves"):
                box.over(path, action, to=to)
        box.put("x.jpg")
        with pytest.raises(OSError, match="leaves"):
            box.over("x.jpg", "back", to="../x.jpg")
        assert (box.outbox.parent / "mine.jpg").exists()

    @pytest.mark.parametrize("action", ["remove", "back"])
    def test_a_kill_at_any_point_and_the_same_call_again_end_it_once(
        self, tmp_path: Path, disk: Disk, action: str
    ) -> None:
        boxes: dict[str, Box] = {}

        def start(name: str) -> Callable[[], object]:
            box = boxes[name] = Box(tmp_path / name)
            box.put("a/x.jpg")
            return lambda: box.over("a/x.jpg", action)

        for name in killed_at_every_call(start, disk):
            end = on(disk, lambda name=name: boxes[name].over("a/x.jpg", action))  # type: ignore[misc]
            assert end == AgainEnded("family", "a/x.jpg", action == "remove", "a/x.jpg" if action == "back" else None)
            assert boxes[name].files() == (["a/x.jpg"] if action == "back" else []), name
            assert os.listdir(boxes[name].outbox / AGAIN) == [], name
