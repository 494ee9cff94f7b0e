"""An original ends in exactly one place, whatever interrupts, and another file is never touched for it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from colorwatch import originals
from colorwatch.originals import Disposal, Fate, dispose, quarantine
from colorwatch.publishing import SPOOL
from colorwatch.scan import Fingerprint, Originals
from killing import KILLED, Disk, Faults, failed_at_every_call, in_child, killed_at_every_call, tampered

CONTENT = b"a grey picture" * 1000
MTIME_NS = 1_600_000_000_123_456_789
JOB = 17
DISKS = {"all": Disk(), "no links": Disk(links=False), "no rename without replacing": Disk(rename_new=False)}


class Case:
    """An inbox with one scan in a folder, and a store to move it to."""

    def __init__(self, top: Path, store: Path | None = None, path: str = "a/x.jpg") -> None:
        self.inbox = top / "inbox"
        self.store = store or top / "store"
        self.path = path
        self.store.mkdir(parents=True, exist_ok=True)
        self.place().parent.mkdir(parents=True, exist_ok=True)
        self.write(CONTENT)
        self.fingerprint = Fingerprint.of(os.stat(self.place()))

    def place(self) -> Path:
        return self.inbox / self.path

    def write(self, content: bytes) -> None:
        self.place().write_bytes(content)
        os.chmod(self.place(), 0o640)
        os.utime(self.place(), ns=(MTIME_NS, MTIME_NS))

    def dispose(self, policy: Originals = Originals.ARCHIVE) -> Disposal:
        return dispose(str(self.inbox), self.path, self.fingerprint, JOB, policy, str(self.store))

    def quarantine(self) -> Disposal:
        return quarantine(
            str(self.inbox), self.path, self.fingerprint, JOB, str(self.store), "x.jpg was not coloured", "It is torn."
        )

    def files(self) -> list[str]:
        """Every file there is, temporary ones and hidden ones, too."""
        found = []
        for top, name in ((self.inbox, "inbox"), (self.store, "store")):
            for folder, _, names in os.walk(top):
                found += [os.path.join(name, os.path.relpath(folder, top), file) for file in names]
        return sorted(os.path.normpath(path) for path in found)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another filesystem than the tests' own."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev:
        pytest.skip("there is no second filesystem here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest) -> Disk:
    return DISKS[str(request.param)]


def on(disk: Disk, work: Callable[[], Disposal]) -> Disposal:
    with tampered(Faults(0, lambda: None), disk):
        return work()


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
        real = originals._Original._set_aside

        def swap(original: originals._Original, source: int) -> None:
            os.replace(swapped, case.place())
            real(original, source)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(originals._Original, "_set_aside", swap)
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

    def test_archive_folders_that_are_links_are_not_followed(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        (tmp_path / "outside").mkdir()
        (case.store / "a").symlink_to(tmp_path / "outside")
        with pytest.raises(NotADirectoryError):
            case.dispose()
        assert case.place().exists()
        assert list((tmp_path / "outside").iterdir()) == []


class TestQuarantine:
    def test_the_scan_and_a_note_stand_side_by_side(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        assert on(disk, case.quarantine) == Disposal(Fate.QUARANTINED, str(case.store / "a/x.jpg"))
        assert case.files() == ["store/a/x.jpg", "store/a/x.jpg - why.txt"]
        note = (case.store / "a/x.jpg - why.txt").read_text("utf-8")
        for part in ("x.jpg was not coloured", "It is torn.", "a/x.jpg", "beside this note", "What to do:", "job 17"):
            assert part in note

    def test_asking_again_writes_no_second_note(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        first = on(disk, case.quarantine)
        assert on(disk, case.quarantine) == first
        assert case.files() == ["store/a/x.jpg", "store/a/x.jpg - why.txt"]

    def test_a_second_scan_of_the_same_name_gets_its_own_note(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        case.write(b"another")
        case.fingerprint = Fingerprint.of(os.stat(case.place()))
        quarantine(str(case.inbox), case.path, case.fingerprint, JOB + 1, str(case.store), "t", "r")
        assert case.files() == [
            "store/a/x (2).jpg",
            "store/a/x (2).jpg - why.txt",
            "store/a/x.jpg",
            "store/a/x.jpg - why.txt",
        ]

    def test_a_missing_quarantine_is_made(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        os.rmdir(case.store)
        assert case.quarantine().outcome is Fate.QUARANTINED

    @pytest.mark.parametrize("name", ["y" * 251 + ".jpg", "ä" * 125 + ".jpg", os.fsdecode(b"b\n\xfe.jpg")])
    def test_the_note_of_any_name_fits_and_can_be_read(self, tmp_path: Path, name: str) -> None:
        case = Case(tmp_path, path=name)
        assert case.quarantine().outcome is Fate.QUARANTINED
        (note,) = (file for file in os.listdir(case.store) if file.endswith(" - why.txt"))
        assert len(os.fsencode(note)) <= 255
        assert note.isprintable()
        assert "Scan: " in (case.store / note).read_text("utf-8")

    @pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
    def test_a_scan_that_cannot_be_moved_stays_and_the_note_says_so(self, tmp_path: Path, code: int) -> None:
        case = Case(tmp_path)

        def fail(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(originals._Original, "_set_aside", fail)
            assert case.quarantine() == Disposal(Fate.STAYED)
            assert case.quarantine() == Disposal(Fate.STAYED)
        assert case.files() == ["inbox/a/x.jpg", "store/a/x.jpg - why.txt"]
        assert "still in the inbox" in (case.store / "a/x.jpg - why.txt").read_text()

    def test_a_changed_or_vanished_scan_gets_no_note(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.write(b"new")
        assert case.quarantine() == Disposal(Fate.CHANGED)
        os.unlink(case.place())
        assert case.quarantine() == Disposal(Fate.GONE)
        assert case.files() == []


WORK: dict[str, Callable[[Case], Disposal]] = {
    "archive": Case.dispose,
    "delete": lambda case: case.dispose(Originals.DELETE),
    "quarantine": Case.quarantine,
}
END = {
    "archive": ["store/a/x.jpg"],
    "delete": [],
    "quarantine": ["store/a/x.jpg", "store/a/x.jpg - why.txt"],
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
                visible = [path for path in case.files() if SPOOL not in path and "why.txt" not in path]
                assert visible or what == "delete", f"{name}: nobody sees the original"
            outcome = on(disk, lambda case=case: WORK[what](case)).outcome  # type: ignore[misc]
            assert outcome in FATES[what], name
            assert case.files() == END[what], name
