"""Results have their group and mode whatever the umask; who may not read a scan is told what to do."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cases import on
from colorwatch.disk.ownership import Ownership, describe, describe_removal, group_id, may_give
from colorwatch.disk.publishing import Publication, Rendered, prepare, publish, spool_path
from killing import Disk, killed_at_every_call
from people import NOBODY, as_nobody

GROUP = 4711
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can give files to any group")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["umask 000", "umask 022", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can reach."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o777)
    yield Path(folder)
    shutil.rmtree(folder)


class Result:
    def __init__(self, outbox: Path, ownership: Ownership) -> None:
        outbox.mkdir(parents=True, exist_ok=True)
        self.outbox = outbox
        self.ownership = ownership
        prepare(str(outbox))
        self.spool = spool_path(str(outbox), 1, 1)
        Path(self.spool).write_bytes(b"colour")
        found = os.stat(self.spool)
        self.ours = Rendered(found.st_dev, found.st_ino, "")

    def publish(self) -> Publication:
        return publish(str(self.outbox), self.spool, "a/b/x.jpg", self.ours, self.ownership)

    def of(self, path: str) -> tuple[int, int]:
        found = (self.outbox / path).stat()
        return found.st_gid, stat.S_IMODE(found.st_mode)


class TestResults:
    @pytest.mark.usefixtures("umask")
    @pytest.mark.parametrize(("mode", "folders"), [(0o664, 0o775), (0o640, 0o750), (0o600, 0o700), (0o646, 0o757)])
    def test_mode_is_as_asked_whatever_the_umask(self, tmp_path: Path, mode: int, folders: int) -> None:
        result = Result(tmp_path / "out", Ownership(mode=mode))
        before = (tmp_path / "out").stat().st_mode
        result.publish()
        assert result.of("a/b/x.jpg")[1] == mode
        assert result.of("a")[1] == result.of("a/b")[1] == folders
        assert (tmp_path / "out").stat().st_mode == before, "the outbox itself stays as it was made"

    def test_unless_asked_the_group_may_change_them_and_the_umask_rules_others(
        self, tmp_path: Path, umask: int
    ) -> None:
        result = Result(tmp_path / "out", Ownership())
        result.publish()
        assert result.of("a/b/x.jpg")[1] == 0o666 & ~umask | 0o660
        assert result.of("a")[1] == result.of("a/b")[1] == 0o777 & ~umask | 0o770

    @needs_root
    def test_group_is_as_asked(self, tmp_path: Path, umask: int) -> None:
        result = Result(tmp_path / "out", Ownership(str(GROUP)))
        result.publish()
        assert result.of("a/b/x.jpg") == (GROUP, 0o666 & ~umask | 0o660)
        assert result.of("a") == result.of("a/b") == (GROUP, 0o777 & ~umask | 0o770)

    @needs_root
    @pytest.mark.parametrize("mode", ["auto", 0o664])
    def test_in_a_setgid_outbox_the_group_is_the_outboxs(self, tmp_path: Path, umask: int, mode: Any) -> None:
        (tmp_path / "out").mkdir()
        os.chown(tmp_path / "out", -1, GROUP)
        os.chmod(tmp_path / "out", 0o2770)
        result = Result(tmp_path / "out", Ownership(mode=mode))
        result.publish()
        others = 0 if mode == "auto" and umask == 0o077 else 0o004 if umask == 0o022 or mode != "auto" else 0o006
        assert result.of("a/b/x.jpg") == (GROUP, 0o660 | others)
        assert result.of("a") == result.of("a/b") == (GROUP, 0o2770 | others | others >> 2)

    def test_folders_that_inherit_enough_are_not_touched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The service unit forbids to set setgid bits, those that are there already included."""
        (tmp_path / "out").mkdir()
        os.chmod(tmp_path / "out", 0o2770)
        result = Result(tmp_path / "out", Ownership(warn=pytest.fail))
        changed: list[int] = []
        real = os.fchmod
        monkeypatch.setattr(os, "fchmod", lambda descriptor, mode: (changed.append(mode), real(descriptor, mode)))
        before = os.umask(0o007)
        try:
            result.publish()
        finally:
            os.umask(before)
        assert not [mode for mode in changed if mode & stat.S_ISGID]
        assert result.of("a/b")[1] == 0o2770

    @needs_root
    def test_a_setgid_folder_of_another_group_gives_its_own(self, tmp_path: Path) -> None:
        result = Result(tmp_path / "out", Ownership())
        (tmp_path / "out/a/b").mkdir(parents=True)
        os.chown(tmp_path / "out/a/b", -1, GROUP)
        os.chmod(tmp_path / "out/a/b", 0o2770)
        result.publish()
        assert result.of("a/b/x.jpg")[0] == GROUP

    @needs_root
    def test_folders_that_were_there_stay_as_they_are(self, tmp_path: Path) -> None:
        result = Result(tmp_path / "out", Ownership(str(GROUP), 0o664))
        (tmp_path / "out/a").mkdir(mode=0o700)
        (tmp_path / "out/a/other.jpg").touch()
        result.publish()
        assert result.of("a")[1] == 0o700
        assert result.of("a/b") == (GROUP, 0o775)

    @pytest.mark.usefixtures("umask")
    def test_a_default_acl_is_inherited_and_decides(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        user, group, named, mask, other, nobody = 0x01, 0x04, 0x08, 0x10, 0x20, 0xFFFFFFFF
        entries = [(user, 7, nobody), (group, 5, nobody), (named, 7, GROUP), (mask, 7, nobody), (other, 0, nobody)]
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        try:
            os.setxattr(tmp_path / "out", "system.posix_acl_default", acl)
        except OSError:
            pytest.skip("this disk has no ACLs")
        result = Result(tmp_path / "out", Ownership())
        result.publish()
        assert result.of("a/b/x.jpg")[1] == 0o660, "the group's bits are the mask, others get nothing"
        inherited = os.getxattr(tmp_path / "out/a/b/x.jpg", "system.posix_acl_access")
        assert struct.pack("<HHI", named, 7, GROUP) in inherited
        assert result.of("a/b")[1] == 0o770

    def test_who_may_not_give_the_group_publishes_and_says_so(self, open_folder: Path) -> None:
        told: list[str] = []

        def work() -> None:
            result = Result(open_folder / "out", Ownership("0", 0o664, warn=told.append))
            assert result.publish() is Publication.PUBLISHED
            assert result.of("a/b/x.jpg") == (NOBODY, 0o664)
            assert any("group root" in sentence for sentence in told), told

        as_nobody(work)

    def test_a_setgid_folder_of_a_group_that_is_not_ours_keeps_its_bit(self, open_folder: Path) -> None:
        os.chown(open_folder, -1, GROUP if ROOT else -1)
        os.chmod(open_folder, 0o2777)

        def work() -> None:
            result = Result(open_folder, Ownership())
            assert result.publish() is Publication.PUBLISHED
            gid, mode = result.of("a")
            assert gid == GROUP
            assert mode & stat.S_ISGID

        as_nobody(work)

    def test_an_unknown_group_is_told_and_no_hindrance(self, tmp_path: Path) -> None:
        told: list[str] = []
        result = Result(tmp_path / "out", Ownership("no-such-group", warn=told.append))
        assert result.publish() is Publication.PUBLISHED
        assert "there is no group no-such-group" in told[0]

    def test_a_disk_without_modes_is_no_hindrance(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        told: list[str] = []
        result = Result(tmp_path / "out", Ownership(mode=0o600, warn=told.append))
        monkeypatch.setattr(os, "fchmod", refuse)
        assert result.publish() is Publication.PUBLISHED
        assert "mode 0600" in told[-1]

    @pytest.mark.usefixtures("umask")
    def test_a_kill_at_any_point_and_the_same_call_again_give_the_same(self, tmp_path: Path) -> None:
        disk = Disk()
        results: dict[str, Result] = {}
        group = GROUP if ROOT else os.getegid()

        def start(name: str) -> Callable[[], object]:
            results[name] = Result(tmp_path / name, Ownership(str(group), 0o664))
            return results[name].publish

        for name in killed_at_every_call(start, disk):
            result = results[name]
            if (result.outbox / "a/b/x.jpg").exists():
                assert result.of("a/b/x.jpg") == (group, 0o664), f"{name}: seen before it was given"
            assert on(disk, result.publish) is Publication.PUBLISHED, name
            assert result.of("a/b/x.jpg") == (group, 0o664), name
            assert result.of("a") == result.of("a/b") == (group, 0o775), name


class TestGroups:
    def test_by_name_and_number(self) -> None:
        assert group_id("root") == 0
        assert group_id("4711") == GROUP
        with pytest.raises(ValueError, match="no group"):
            group_id("no-such-group")

    def test_who_may_give_what(self) -> None:
        assert may_give(os.getegid())

        def work() -> None:
            assert may_give(NOBODY)
            assert not may_give(GROUP)

        as_nobody(work)


class TestSentences:
    def test_a_closed_scan_names_owner_mode_and_remedy(self, open_folder: Path) -> None:
        scan = open_folder / "x.jpg"
        scan.touch()
        os.chmod(scan, 0o600)
        os.chown(scan, -1, GROUP if ROOT else -1)

        def work() -> None:
            text = describe(str(scan))
            for part in (
                "user root",
                f"group {GROUP}",
                "mode 0600",
                "user nobody",
                "chmod g+r",
                "usermod -aG",
                "Samba",
            ):
                assert part in text, text

        as_nobody(work)

    def test_a_member_of_the_group_needs_no_usermod(self, open_folder: Path) -> None:
        scan = open_folder / "x.jpg"
        scan.touch()
        os.chmod(scan, 0o600)
        os.chown(scan, -1, NOBODY if ROOT else -1)

        def work() -> None:
            text = describe(str(scan))
            assert "chmod g+r" in text
            assert "usermod" not in text

        as_nobody(work)

    def test_a_closed_folder_is_named_instead(self, open_folder: Path) -> None:
        (open_folder / "a").mkdir(mode=0o700)
        (open_folder / "a/x.jpg").touch()

        def work() -> None:
            text = describe(str(open_folder / "a/x.jpg"))
            assert "may not open the folder" in text
            assert f"chmod o+x {open_folder / 'a'}" in text

        as_nobody(work)

    def test_what_can_be_read_or_is_not_there_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "x\n.jpg").touch()
        assert "can be read now" in describe(str(tmp_path / "x\n.jpg"))
        assert "\n" not in describe(str(tmp_path / "x\n.jpg"))
        assert "no such file" in describe(str(tmp_path / "y.jpg"))
        assert "no regular file" in describe(str(tmp_path))

    def test_an_original_that_cannot_be_removed_names_its_folder_and_a_remedy(self, open_folder: Path) -> None:
        (open_folder / "a").mkdir(mode=0o755)
        error = PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        def work() -> None:
            text = describe_removal(str(open_folder / "a"), error)
            for part in (
                "permission denied",
                "user root",
                "mode 0755",
                "user nobody",
                "chmod o+rwx",
                "originals: keep",
            ):
                assert part in text, text

        as_nobody(work)

    def test_a_busy_one_says_so(self, tmp_path: Path) -> None:
        text = describe_removal(str(tmp_path), OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
        assert "busy" in text
        assert "Close the programs" in text
