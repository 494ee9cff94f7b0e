"""Whether an outbox, an archive or a quarantine is the one that was used before, or what a missing disk leaves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from colorwatch.disk.beneath import stat_beneath
from colorwatch.disk.footing import Footing, place
from colorwatch.disk.names import SPOOL
from colorwatch.errors import NotMountedError, explain_os_error

ELSEWHERE = "/ on ext4 /dev/of-a-disk-that-is-not-here"


class Desk:
    """A folder, and what is known of where it lay."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "outbox"
        self.folder.mkdir()
        self.path = str(self.folder)
        self.told: dict[str, str] = {}

    def footing(self, noted: str = "") -> Footing:
        """That of a daemon that was just started."""
        return Footing({self.path: noted} if noted else {}, self.told.__setitem__)

    def stands(self, footing: Footing) -> None:
        """It is used: from now on this is the one."""
        with footing.held(self.path) as name:
            assert os.path.samefile(name, self.path)

    def used(self) -> str:
        """A daemon used it; what that has noted."""
        (self.folder / SPOOL).mkdir(exist_ok=True)
        self.stands(self.footing())
        return self.told[self.path]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class TestAfterAStart:
    def test_a_folder_on_another_disk_without_anything_of_ours_is_refused_with_what_to_do(self, desk: Desk) -> None:
        with pytest.raises(NotMountedError) as caught:
            desk.footing(ELSEWHERE).require(desk.path)
        said = explain_os_error(caught.value)
        assert ELSEWHERE in said
        assert place(desk.path) in said
        assert f"mkdir -p {desk.path}/{SPOOL}" in said

    def test_what_it_says_helps(self, desk: Desk) -> None:
        (desk.folder / SPOOL).mkdir()
        footing = desk.footing(ELSEWHERE)
        footing.require(desk.path)
        desk.stands(footing)
        assert desk.told == {desk.path: place(desk.path)}

    def test_one_that_a_person_has_cleaned_out_is_no_alarm(self, desk: Desk) -> None:
        noted = desk.used()
        (desk.folder / SPOOL).rmdir()
        desk.footing(noted).require(desk.path)

    def test_nor_one_that_was_removed_and_made_anew(self, desk: Desk) -> None:
        noted = desk.used()
        os.rename(desk.folder, desk.folder.with_name("old"))
        desk.folder.mkdir()
        desk.footing(noted).require(desk.path)

    def test_one_of_which_nothing_is_known_is_taken(self, desk: Desk) -> None:
        desk.footing().require(desk.path)

    def test_a_quarantine_may_be_deleted_but_not_made_anew_on_another_disk(self, desk: Desk) -> None:
        noted = desk.used()
        (desk.folder / SPOOL).rmdir()
        desk.folder.rmdir()
        desk.footing(noted).require(desk.path, may_be_new=True)
        with pytest.raises(NotMountedError):
            desk.footing(ELSEWHERE).require(desk.path, may_be_new=True)
        with pytest.raises(FileNotFoundError):
            desk.footing(noted).require(desk.path)


class TestAtWork:
    def test_another_folder_in_its_place_is_refused_until_ours_is_in_it(self, desk: Desk) -> None:
        footing = desk.footing()
        (desk.folder / SPOOL).mkdir()
        desk.stands(footing)
        os.rename(desk.folder, desk.folder.with_name("away"))
        desk.folder.mkdir()
        with pytest.raises(OSError, match="No such file"):
            footing.require(desk.path)
        footing.require(desk.path, may_be_new=True)
        (desk.folder / SPOOL).mkdir()
        footing.require(desk.path)
        (desk.folder / SPOOL).rmdir()
        footing.require(desk.path)  # it is known by now

    def test_where_it_lies_is_told_once(self, desk: Desk) -> None:
        told: list[tuple[str, str]] = []
        footing = Footing({}, lambda path, where: told.append((path, where)))
        for _ in range(3):
            desk.stands(footing)
        assert told == [(desk.path, place(desk.path))]
        with footing.held(desk.path) as name:
            assert os.path.samefile(name, desk.path)
        assert len(told) == 1

    def test_our_own_folder_is_never_made_in_what_came_in_its_place_meanwhile(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its disk goes after it was opened, and before it was looked at."""

        def goes(name: str, path: str) -> os.stat_result | None:
            os.rename(desk.path, desk.path + ".away")
            os.mkdir(desk.path)
            monkeypatch.undo()
            return stat_beneath(name, path)

        monkeypatch.setattr("colorwatch.disk.footing.stat_beneath", goes)
        footing = desk.footing()
        with footing.held(desk.path) as name:
            Path(name, "scan.jpg").touch()
        assert os.listdir(desk.path) == []
        assert sorted(os.listdir(desk.path + ".away")) == [SPOOL, "scan.jpg"]
        with pytest.raises(FileNotFoundError):
            footing.require(desk.path)


class TestPlace:
    def test_it_is_the_same_however_the_disk_is_mounted(self, desk: Desk) -> None:
        other = desk.folder.with_name("mounted")
        other.mkdir()
        if os.geteuid() or subprocess.run(["mount", "--bind", desk.path, other], capture_output=True).returncode:
            pytest.skip("only root can mount")
        try:
            assert place(str(other)) == place(desk.path)
        finally:
            subprocess.run(["umount", "-l", other], check=True)
        assert place(str(other)) != place(desk.path)

    def test_one_that_is_not_there_yet_lies_where_it_would_be_made(self, desk: Desk) -> None:
        before = place(desk.path)
        desk.folder.rmdir()
        assert place(desk.path) == before

    def test_where_the_system_does_not_tell_nothing_is_said(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("colorwatch.watching.mounts.table", list)
        assert place(desk.path) == ""
        desk.footing(ELSEWHERE).require(desk.path)
