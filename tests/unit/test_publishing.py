"""A result gets its final name once, whole, and never in place of another file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from colorwatch.disk import publishing
from colorwatch.disk.names import SPOOL
from colorwatch.disk.publishing import Publication, Rendered, clean_spool, discard, prepare, publish, spool_path
from killing import Disk, Faults, failed_at_every_call, killed_at_every_call, tampered

CONTENT = b"a coloured picture" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Result:
    """A rendered file in the spool of an outbox of its own."""

    def __init__(self, outbox: Path, final: str = "x.jpg") -> None:
        outbox.mkdir(parents=True, exist_ok=True)
        self.outbox = str(outbox)
        self.final = final
        prepare(self.outbox)
        self.spool = spool_path(self.outbox, 1, 1)
        Path(self.spool).write_bytes(CONTENT)
        found = os.stat(self.spool)
        self.device, self.inode = found.st_dev, found.st_ino

    def publish(self) -> Publication:
        return publish(self.outbox, self.spool, self.final, Rendered(self.device, self.inode, DIGEST))

    def place(self) -> Path:
        return Path(self.outbox, self.final)

    def files(self) -> list[str]:
        """What a person sees in the outbox."""
        found = []
        for folder, folders, names in os.walk(self.outbox):
            folders[:] = [name for name in folders if name != SPOOL]
            found += [os.path.relpath(os.path.join(folder, name), self.outbox) for name in names]
        return sorted(found)


NO_LINKS = Disk(links=False)


@pytest.fixture(params=[Disk(), NO_LINKS], ids=["links", "no links"])
def disk(request: pytest.FixtureRequest) -> Disk:
    assert isinstance(request.param, Disk)
    return request.param


def on(disk: Disk, work: Callable[[], Publication]) -> Publication:
    with tampered(Faults(0, lambda: None), disk):
        return work()


class TestPublish:
    def test_the_result_stands_under_its_name(self, tmp_path: Path, disk: Disk) -> None:
        result = Result(tmp_path)
        assert on(disk, result.publish) is Publication.PUBLISHED
        assert result.place().read_bytes() == CONTENT
        assert result.files() == ["x.jpg"]

    def test_asking_again_changes_nothing(self, tmp_path: Path, disk: Disk) -> None:
        result = Result(tmp_path, "a/b/x.jpg")
        for _ in range(3):
            assert on(disk, result.publish) is Publication.PUBLISHED
        discard(result.spool)
        assert on(disk, result.publish) is Publication.PUBLISHED
        assert result.files() == ["a/b/x.jpg"]

    def test_a_strangers_file_is_never_replaced(self, tmp_path: Path, disk: Disk) -> None:
        result = Result(tmp_path)
        result.place().write_bytes(b"mine")
        assert on(disk, result.publish) is Publication.TAKEN
        assert result.place().read_bytes() == b"mine"
        assert os.path.exists(result.spool)

    @pytest.mark.parametrize("kind", ["symlink", "dangling", "folder", "fifo"])
    def test_nor_is_anything_else_of_that_name(self, tmp_path: Path, kind: str) -> None:
        result = Result(tmp_path / "out")
        make_odd(result.place(), kind, tmp_path)
        assert result.publish() is Publication.TAKEN
        assert not (tmp_path / "elsewhere").exists()

    def test_the_same_content_under_another_inode_is_ours(self, tmp_path: Path) -> None:
        result = Result(tmp_path)
        result.place().write_bytes(CONTENT)
        assert result.publish() is Publication.PUBLISHED

    def test_a_spool_file_that_was_copied_is_still_ours(self, tmp_path: Path) -> None:
        result = Result(tmp_path)
        result.inode += 1
        assert result.publish() is Publication.PUBLISHED

    def test_another_spool_file_is_not_published(self, tmp_path: Path) -> None:
        result = Result(tmp_path)
        os.unlink(result.spool)
        Path(result.spool).write_bytes(b"half")
        result.inode = os.stat(result.spool).st_ino + 1
        assert result.publish() is Publication.LOST
        assert result.files() == []

    def test_spool_and_result_gone_means_lost(self, tmp_path: Path) -> None:
        result = Result(tmp_path)
        os.unlink(result.spool)
        assert result.publish() is Publication.LOST
        os.rmdir(os.path.dirname(result.spool))
        assert result.publish() is Publication.LOST

    def test_a_reused_inode_under_the_final_name_is_no_result(self, tmp_path: Path) -> None:
        result = Result(tmp_path)
        result.publish()
        discard(result.spool)
        result.place().write_bytes(b"written over in place")
        assert result.publish() is Publication.LOST

    def test_links_on_the_way_are_not_followed(self, tmp_path: Path) -> None:
        result = Result(tmp_path / "out", "a/x.jpg")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotADirectoryError):
            result.publish()
        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("final", ["../x.jpg", "a/../../x.jpg", "/x.jpg"])
    def test_a_name_that_leaves_the_outbox_is_refused(self, tmp_path: Path, final: str) -> None:
        result = Result(tmp_path / "out", final)
        with pytest.raises(OSError, match="leaves"):
            result.publish()

    def test_a_missing_outbox_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            publish(str(tmp_path / "out"), spool_path(str(tmp_path / "out"), 1, 1), "x.jpg", Rendered(1, 1, DIGEST))
        with pytest.raises(FileNotFoundError):
            prepare(str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()

    def test_content_is_only_read_where_the_inode_does_not_decide(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publishing, "digest_at", lambda *_: pytest.fail("read"))
        result = Result(tmp_path)
        assert result.publish() is Publication.PUBLISHED
        assert result.publish() is Publication.PUBLISHED

    def test_a_disk_that_can_neither_link_nor_rename_without_replacing_is_said_so(self, tmp_path: Path) -> None:
        result = Result(tmp_path)
        with pytest.raises(OSError, match="Invalid argument"):
            on(Disk(links=False, rename_new=False), result.publish)
        assert result.files() == []

    def test_new_folders_are_on_disk_before_the_result_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = Result(tmp_path, "a/b/x.jpg")
        order: list[str] = []
        for name in ("mkdir", "link", "fsync"):
            real = getattr(os, name)

            def note(*args: object, name: str = name, real: Callable[..., object] = real, **named: object) -> object:
                order.append(name)
                return real(*args, **named)

            monkeypatch.setattr(os, name, note)
        result.publish()
        assert order == ["mkdir", "fsync", "mkdir", "fsync", "link", "fsync"]


def make_odd(place: Path, kind: str, top: Path) -> None:
    if kind == "symlink":
        (top / "target").write_bytes(b"x")
        place.symlink_to(top / "target")
    elif kind == "dangling":
        place.symlink_to(top / "elsewhere")
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)


class TestKilled:
    def test_a_kill_at_any_point_and_the_same_call_again_publish_once(self, tmp_path: Path, disk: Disk) -> None:
        results: dict[str, Result] = {}

        def start(name: str) -> Callable[[], object]:
            results[name] = Result(tmp_path / name, "a/b/x.jpg")
            return results[name].publish

        for name in killed_at_every_call(start, disk):
            result = results[name]
            assert on(disk, result.publish) is Publication.PUBLISHED, name
            assert result.files() == ["a/b/x.jpg"], name
            assert result.place().read_bytes() == CONTENT, name
            discard(result.spool)
            assert os.listdir(os.path.dirname(result.spool)) == []

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.ESTALE])
    def test_nor_does_a_failing_call_lose_or_double_it(self, tmp_path: Path, code: int, disk: Disk) -> None:
        results: dict[str, Result] = {}

        def start(name: str) -> Callable[[], object]:
            results[name] = Result(tmp_path / name, "a/x.jpg")
            return results[name].publish

        errors = 0
        for name, error in failed_at_every_call(start, code, disk):
            errors += error is not None
            assert on(disk, results[name].publish) is Publication.PUBLISHED, name
            assert results[name].files() == ["a/x.jpg"], name
        assert errors > 5


class TestSpool:
    def test_only_its_own_files_go_and_kept_ones_stay(self, tmp_path: Path) -> None:
        prepare(str(tmp_path))
        kept, gone = (spool_path(str(tmp_path), job, 1) for job in (1, 2))
        strange = os.path.join(str(tmp_path), SPOOL, "notes.txt")
        for path in (kept, gone, strange):
            Path(path).write_bytes(b"x")
        assert clean_spool(str(tmp_path), {kept}) == 1
        assert sorted(os.listdir(os.path.dirname(kept))) == ["1-1.part", "notes.txt"]
        assert clean_spool(str(tmp_path), frozenset({"1-1.part"})) == 0

    def test_no_two_attempts_share_a_name(self) -> None:
        assert len({spool_path("/o", job, attempt) for job in range(1, 30) for attempt in range(1, 30)}) == 29 * 29

    def test_a_link_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "out" / SPOOL).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NotADirectoryError):
            prepare(str(tmp_path / "out"))

    def test_discard_takes_what_earlier_attempts_of_the_job_left(self, tmp_path: Path) -> None:
        prepare(str(tmp_path))
        names = ("7-1.part", "7-2.part", "7-3.part", "7-10.part", "17-1.part", "replaced-7-1.part")
        for name in names:
            (tmp_path / SPOOL / name).touch()
        discard(spool_path(str(tmp_path), 7, 3))
        left = {path.name for path in (tmp_path / SPOOL).iterdir()}
        assert left == {"7-10.part", "17-1.part", "replaced-7-1.part"}

    def test_discard_takes_nothing_outside_of_a_spool(self, tmp_path: Path) -> None:
        (tmp_path / "x.jpg").write_bytes(b"x")
        with pytest.raises(ValueError, match="spool"):
            discard(str(tmp_path / "x.jpg"))
        discard(spool_path(str(tmp_path), 1, 1))


def test_the_mode_of_the_spool_file_is_that_of_the_result(tmp_path: Path) -> None:
    result = Result(tmp_path)
    os.chmod(result.spool, 0o640)
    result.publish()
    assert stat.S_IMODE(result.place().stat().st_mode) == 0o640
