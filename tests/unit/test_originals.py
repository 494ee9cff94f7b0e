"""An original ends in exactly one place, whatever interrupts, and another file is never touched for it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cases import CONTENT, JOB, MTIME_NS, Case, on
from colorwatch.disk import originals
from colorwatch.disk.names import SPOOL
from colorwatch.disk.originals import Disposal, Fate
from colorwatch.scan import Originals
from killing import KILLED, Disk, Faults, failed_at_every_call, in_child, killed_at_every_call, tampered


class TestDispose:
    def test_keep_touches_nothing(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        assert case.dispose(Originals.KEEP) == Disposal(Fate.KEPT)
        assert case.files() == ["inbox/a/x.jpg"]

    def test_delete_removes_the_file(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        assert case.dispose(Originals.DELETE) == Disposal(Fate.DELETED)
        assert case.files() == []
        assert case.dispose(Originals.DELETE) == Disposal(Fate.GONE)

    def test_archive_moves_it_to_the_same_path(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        where = str(case.store / "a/x.jpg")
        assert on(disk, case.dispose) == Disposal(Fate.ARCHIVED, where)
        assert case.files() == ["store/a/x.jpg"]
        assert on(disk, case.dispose) == Disposal(Fate.ARCHIVED, where), "asked again"

    def test_across_filesystems_content_time_and_mode_stay(self, tmp_path: Path, elsewhere: Path, disk: Disk) -> None:
        case = Case(tmp_path, elsewhere)
        assert on(disk, case.dispose).outcome is Fate.ARCHIVED
        assert case.files() == ["store/a/x.jpg"]
        archived = case.store / "a/x.jpg"
        assert archived.read_bytes() == CONTENT
        assert archived.stat().st_mtime_ns == MTIME_NS
        assert stat.S_IMODE(archived.stat().st_mode) == 0o640
        assert on(disk, case.dispose).outcome is Fate.ARCHIVED, "asked again"
        assert case.files() == ["store/a/x.jpg"]

    def test_a_taken_name_in_the_archive_gets_a_number(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        (case.store / "a").mkdir()
        (case.store / "a/x.jpg").write_bytes(b"another")
        assert on(disk, case.dispose).where == str(case.store / "a/x (2).jpg")
        assert (case.store / "a/x.jpg").read_bytes() == b"another"

    def test_a_255_byte_name_and_one_of_any_bytes_can_be_archived(self, tmp_path: Path) -> None:
        for number, path in enumerate(("y" * 251 + ".jpg", os.fsdecode(b"a\n\xff/b\n\xfe.jpg"))):
            case = Case(tmp_path / str(number), path=path)
            case.store.joinpath(path).parent.mkdir(exist_ok=True)
            case.store.joinpath(path).write_bytes(b"taken")
            assert case.dispose().outcome is Fate.ARCHIVED
            assert not case.place().exists()

    @pytest.mark.parametrize("policy", [Originals.ARCHIVE, Originals.DELETE])
    @pytest.mark.parametrize("what", ["content", "time", "inode", "link"])
    def test_a_changed_file_is_left_where_it_is(self, tmp_path: Path, policy: Originals, what: str) -> None:
        case = Case(tmp_path)
        if what == "content":
            case.write(CONTENT + b"more")
        elif what == "time":
            os.utime(case.place(), ns=(1, 1))
        elif what == "inode":
            os.rename(case.place(), tmp_path / "away")
            case.write(CONTENT)
        else:
            os.rename(case.place(), tmp_path / "away")
            case.place().symlink_to(tmp_path / "away")
        before = os.lstat(case.place())
        assert case.dispose(policy) == Disposal(Fate.CHANGED)
        assert os.lstat(case.place()).st_ino == before.st_ino
        assert case.files() == ["inbox/a/x.jpg"]

    def test_a_file_swapped_at_the_last_moment_is_put_back(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        swapped = tmp_path / "new"
        swapped.write_bytes(b"new")
        real = originals.rename_ours

        def swap(source: int, name: str, target: int, new_name: str) -> None:
            os.replace(swapped, case.place())
            real(source, name, target, new_name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(originals, "rename_ours", swap)
            assert on(disk, case.dispose) == Disposal(Fate.CHANGED)
        assert case.place().read_bytes() == b"new"
        assert case.files() == ["inbox/a/x.jpg"]

    def test_put_back_under_the_next_name_if_its_own_is_taken_meanwhile(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        os.rename(case.place(), case.inbox / f"a/{SPOOL}-{JOB}.aside")
        os.utime(case.inbox / f"a/{SPOOL}-{JOB}.aside", ns=(1, 1))
        case.write(b"newer")
        assert on(disk, case.dispose) == Disposal(Fate.CHANGED, str(case.inbox / "a/x (2).jpg"))
        assert case.files() == ["inbox/a/x (2).jpg", "inbox/a/x.jpg"]
        assert case.place().read_bytes() == b"newer"

    def test_a_policy_changed_after_a_kill_gives_the_name_back(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        os.rename(case.place(), case.inbox / f"a/{SPOOL}-{JOB}.aside")
        assert case.dispose(Originals.KEEP) == Disposal(Fate.KEPT)
        assert case.files() == ["inbox/a/x.jpg"]

    def test_a_file_or_folder_that_is_gone_is_gone(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        os.unlink(case.place())
        assert case.dispose() == Disposal(Fate.GONE)
        os.rmdir(case.place().parent)
        assert case.dispose() == Disposal(Fate.GONE)

    def test_a_share_that_is_gone_is_no_answer(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        os.rename(case.store, tmp_path / "unmounted")
        with pytest.raises(FileNotFoundError):
            case.dispose()
        assert case.files() == ["inbox/a/x.jpg"], "and the original is back under its name"
        os.rename(case.inbox, tmp_path / "unmounted too")
        with pytest.raises(FileNotFoundError):
            case.dispose(Originals.DELETE)

    def test_a_share_mounted_anew_has_another_device_number(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.fingerprint = replace(case.fingerprint, device=case.fingerprint.device + 1)
        assert case.dispose().outcome is Fate.ARCHIVED

    def test_a_source_that_grows_while_it_is_copied_goes_back(self, tmp_path: Path, elsewhere: Path) -> None:
        case = Case(tmp_path, elsewhere)
        real = os.fsync
        with open(case.place(), "ab") as growing, pytest.MonkeyPatch.context() as patch:

            def grow(descriptor: int) -> None:
                growing.write(b"more")
                growing.flush()
                real(descriptor)

            patch.setattr(os, "fsync", grow)
            assert case.dispose() == Disposal(Fate.CHANGED)
        assert case.files() == ["inbox/a/x.jpg"]

    @pytest.mark.parametrize("across", [False, True], ids=["same disk", "across"])
    @pytest.mark.parametrize("what", ["archive", "delete", "quarantine"])
    def test_of_a_hard_link_only_the_name_goes(
        self, tmp_path: Path, elsewhere: Path, disk: Disk, what: str, across: bool
    ) -> None:
        case = Case(tmp_path, elsewhere if across else None)
        (tmp_path / "away").mkdir()
        os.link(case.place(), tmp_path / "away/mine.jpg")
        before = os.stat(tmp_path / "away/mine.jpg")
        assert on(disk, lambda: WORK[what](case)).outcome in FATES[what]
        assert not case.place().exists()
        after = os.stat(tmp_path / "away/mine.jpg")
        assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
        assert (tmp_path / "away/mine.jpg").read_bytes() == CONTENT

    @pytest.mark.parametrize("name", ["x (2).jpg", "y.jpg"])
    def test_two_links_to_one_scan_in_the_inbox_are_two_scans(self, tmp_path: Path, disk: Disk, name: str) -> None:
        case = Case(tmp_path)
        os.link(case.place(), case.inbox / "a" / name)
        assert on(disk, case.dispose).outcome is Fate.ARCHIVED
        assert case.files() == [f"inbox/a/{name}", "store/a/x.jpg"]

    def test_archive_folders_that_are_links_are_not_followed(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        (tmp_path / "outside").mkdir()
        (case.store / "a").symlink_to(tmp_path / "outside")
        with pytest.raises(NotADirectoryError):
            case.dispose()
        assert case.place().exists()
        assert list((tmp_path / "outside").iterdir()) == []


WORK: dict[str, Callable[[Case], Disposal]] = {
    "archive": Case.dispose,
    "delete": lambda case: case.dispose(Originals.DELETE),
    "quarantine": Case.quarantine,
}
END = {
    "archive": ["store/a/x.jpg"],
    "delete": [],
    "quarantine": ["store/a/x.jpg", "store/a/x.jpg - why.txt", "store/a/x.jpg.reason.json"],
}
FATES = {
    "archive": {Fate.ARCHIVED},
    "delete": {Fate.DELETED, Fate.GONE},
    "quarantine": {Fate.QUARANTINED},
}


class TestKilled:
    @pytest.mark.parametrize("across", [False, True], ids=["same disk", "across"])
    @pytest.mark.parametrize("what", WORK)
    def test_a_kill_at_any_point_and_the_same_call_again_leave_one_copy(
        self, tmp_path: Path, elsewhere: Path, disk: Disk, what: str, across: bool
    ) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            case = cases[name] = Case(tmp_path / name, elsewhere / name if across else None)
            return lambda: WORK[what](case)

        for name in killed_at_every_call(start, disk):
            case = cases[name]
            assert on(disk, lambda case=case: WORK[what](case)).outcome in FATES[what], name  # type: ignore[misc]
            assert case.files() == END[what], name
            if what != "delete":
                assert (case.store / "a/x.jpg").read_bytes() == CONTENT

    def test_nor_do_two_kills_one_after_the_other(self, tmp_path: Path, elsewhere: Path) -> None:
        for first in range(1, 60):
            ended = True
            for second in range(1, 60):
                case = Case(tmp_path / f"{first}-{second}", elsewhere / f"{first}-{second}")

                def work(case: Case = case) -> Disposal:
                    return case.dispose()

                ended = in_child(work, Faults(first, lambda: os._exit(KILLED))) == 0
                over = in_child(work, Faults(second, lambda: os._exit(KILLED), after=True)) == 0
                assert work().outcome is Fate.ARCHIVED
                assert case.files() == ["store/a/x.jpg"], f"killed at {first}, then at {second}"
                if over:
                    break
            if ended:
                return
        pytest.fail("it never ran through")

    @pytest.mark.parametrize("across", [False, True], ids=["same disk", "across"])
    @pytest.mark.parametrize("what", ["archive", "quarantine"])
    def test_nor_do_two_failing_calls_one_after_the_other(
        self, tmp_path: Path, elsewhere: Path, what: str, across: bool
    ) -> None:
        step = 3 if what == "archive" else 7
        for first in itertools.count(1):
            for second in itertools.count(1 + first % step, step):  # a part of all pairs, each call among them
                name = f"{first}-{second}"
                case = Case(tmp_path / name, elsewhere / name if across else None)
                counts = [fails_at(number, lambda case=case: WORK[what](case)) for number in (first, second)]  # type: ignore[misc]
                assert WORK[what](case).outcome in FATES[what], name
                assert case.files() == END[what], f"failed at {first}, then at {second}"
                if counts[1] < second:
                    break
            if counts[0] < first:
                return

    @pytest.mark.parametrize("across", [False, True], ids=["same disk", "across"])
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
    @pytest.mark.parametrize("what", WORK)
    def test_nor_does_a_failing_call(
        self, tmp_path: Path, elsewhere: Path, disk: Disk, what: str, code: int, across: bool
    ) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            case = cases[name] = Case(tmp_path / name, elsewhere / name if across else None)
            return lambda: WORK[what](case)

        for name, error in failed_at_every_call(start, code, disk):
            case = cases[name]
            if error is not None:
                visible = [path for path in case.files() if SPOOL not in path and not path.endswith((".txt", ".json"))]
                assert visible or what == "delete", f"{name}: nobody sees the original"
            outcome = on(disk, lambda case=case: WORK[what](case)).outcome  # type: ignore[misc]
            assert outcome in FATES[what], name
            assert case.files() == END[what], name


def fails_at(number: int, work: Callable[[], object]) -> int:
    """Does the work with an input/output error at its Nth call; how many calls it made."""

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    faults = Faults(number, fail)
    with tampered(faults), contextlib.suppress(OSError):
        work()
    return faults.count
