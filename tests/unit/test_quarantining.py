"""A scan goes into quarantine with two notes beside it, and comes back from there, once and whole."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import CONTENT, JOB, MTIME_NS, Case, on
from colorwatch.disk import originals
from colorwatch.disk.names import SPOOL
from colorwatch.disk.originals import Disposal, Fate
from colorwatch.scan import Fingerprint
from killing import Disk, failed_at_every_call, killed_at_every_call

IN_QUARANTINE = ["store/a/x.jpg", "store/a/x.jpg - why.txt", "store/a/x.jpg.reason.json"]


class TestQuarantine:
    def test_the_scan_and_a_note_stand_side_by_side(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        assert on(disk, case.quarantine) == Disposal(Fate.QUARANTINED, str(case.store / "a/x.jpg"))
        assert case.files() == IN_QUARANTINE
        note = (case.store / "a/x.jpg - why.txt").read_text("utf-8")
        for part in ("x.jpg was not coloured", "It is torn.", "a/x.jpg", "beside this note", "What to do:", "job 17"):
            assert part in note

    def test_asking_again_writes_no_second_note(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        first = on(disk, case.quarantine)
        assert on(disk, case.quarantine) == first
        assert case.files() == IN_QUARANTINE

    def test_a_second_scan_of_the_same_name_gets_its_own_note(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        case.write(b"another")
        case.fingerprint = Fingerprint.of(os.stat(case.place()))
        case.quarantine(JOB + 1)
        assert case.files() == [
            "store/a/x (2).jpg",
            "store/a/x (2).jpg - why.txt",
            "store/a/x (2).jpg.reason.json",
            "store/a/x.jpg",
            "store/a/x.jpg - why.txt",
            "store/a/x.jpg.reason.json",
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
        (reason,) = (file for file in os.listdir(case.store) if file.endswith(".reason.json"))
        assert len(os.fsencode(reason)) <= 255
        assert reason.isprintable()
        assert json.loads((case.store / reason).read_text("utf-8"))["scan"] == name

    @pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
    def test_a_scan_that_cannot_be_moved_stays_and_the_note_says_so(self, tmp_path: Path, code: int) -> None:
        case = Case(tmp_path)

        def fail(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(originals, "rename_ours", fail)
            assert case.quarantine() == Disposal(Fate.STAYED)
            assert case.quarantine() == Disposal(Fate.STAYED)
        assert case.files() == ["inbox/a/x.jpg", "store/a/x.jpg - why.txt", "store/a/x.jpg.reason.json"]
        assert "still in the inbox" in (case.store / "a/x.jpg - why.txt").read_text()

    def test_a_changed_or_vanished_scan_gets_no_note(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.write(b"new")
        assert case.quarantine() == Disposal(Fate.CHANGED)
        os.unlink(case.place())
        assert case.quarantine() == Disposal(Fate.GONE)
        assert case.files() == []


class TestNotes:
    def test_the_reason_is_told_to_programs_as_well(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        reason = json.loads((case.store / "a/x.jpg.reason.json").read_text("utf-8"))
        assert reason["versions"].keys() >= {"python", "colorwatch", "pyvips"}
        del reason["versions"], reason["quarantined"]
        assert reason == {
            "written_by": "colorwatch",
            "job": JOB,
            "scan": "a/x.jpg",
            "kind": "damaged",
            "reason": "It is torn.",
            "attempts": 3,
            "sha256": "ab" * 32,
            "size": len(CONTENT),
            "modified": "2020-09-13T12:26:40+00:00",
            "noticed": "2023-11-14T22:13:20+00:00",
            "where": "a/x.jpg",
        }

    def test_a_strangers_files_of_these_names_stay(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        (case.store / "a").mkdir()
        for name in ("x.jpg - why.txt", "x.jpg.reason.json"):
            (case.store / "a" / name).write_text("mine")
        on(disk, case.quarantine)
        on(disk, case.quarantine)
        assert sorted(os.listdir(case.store / "a")) == [
            *("x.jpg", "x.jpg - why (2).txt", "x.jpg - why.txt", "x.jpg.reason (2).json", "x.jpg.reason.json")
        ]
        assert (case.store / "a/x.jpg - why.txt").read_text() == "mine"
        on(disk, case.give_back)
        assert sorted(os.listdir(case.store / "a")) == ["x.jpg - why.txt", "x.jpg.reason.json"]

    def test_a_clock_gone_wrong_is_no_hindrance(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.fingerprint = Fingerprint(*(case.fingerprint.device, case.fingerprint.inode, 5, -(2**63)))
        assert case.quarantine().outcome is Fate.CHANGED

    def test_the_versions_are_known_without_loading_anything(self) -> None:
        code = "import sys; from colorwatch.disk.notes import versions; print(versions()); print('cv2' in sys.modules)"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert "opencv-python-headless" in told
        assert told.endswith("False\n")


class TestGiveBack:
    def test_the_scan_is_back_and_its_notes_are_gone(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        on(disk, case.quarantine)
        back = on(disk, case.give_back)
        assert back == ("a/x.jpg", Fingerprint.of(os.stat(case.place())))
        assert case.files() == ["inbox/a/x.jpg"]
        assert case.place().read_bytes() == CONTENT
        assert on(disk, case.give_back) == back, "asked again"

    def test_across_filesystems(self, tmp_path: Path, elsewhere: Path, disk: Disk) -> None:
        case = Case(tmp_path, elsewhere)
        on(disk, case.quarantine)
        assert on(disk, case.give_back) == ("a/x.jpg", Fingerprint.of(os.stat(case.place())))
        assert case.files() == ["inbox/a/x.jpg"]
        assert os.listdir(case.inbox) == ["a"], "no spool folder stays in the inbox"
        assert case.place().stat().st_mtime_ns == MTIME_NS

    def test_its_folder_in_the_inbox_is_made_again(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        os.rmdir(case.inbox / "a")
        assert case.give_back() is not None
        assert case.files() == ["inbox/a/x.jpg"]

    def test_a_name_that_is_taken_is_not_written_over(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path)
        on(disk, case.quarantine)
        case.write(b"the next one")
        back = on(disk, case.give_back)
        assert back is not None
        assert back[0] == "a/x (2).jpg"
        assert case.place().read_bytes() == b"the next one"

    def test_a_numbered_scan_gets_its_own_name_back(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        (case.store / "a").mkdir()
        (case.store / "a/x.jpg").write_bytes(b"another")
        assert case.quarantine().where == str(case.store / "a/x (2).jpg")
        back = case.give_back("a/x (2).jpg")
        assert back is not None
        assert back[0] == "a/x.jpg"
        assert case.files() == ["inbox/a/x.jpg", "store/a/x.jpg"]

    def test_a_scan_that_was_mended_in_the_quarantine_comes_back_as_it_is(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        (case.store / "a/x.jpg").write_bytes(b"mended")
        assert case.give_back() is not None
        assert case.place().read_bytes() == b"mended"

    def test_one_that_is_gone_is_said_to_be_and_its_notes_go(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        os.unlink(case.store / "a/x.jpg")
        assert case.give_back() is None
        assert case.files() == []

    def test_one_that_stayed_in_the_inbox_loses_its_notes(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        os.rename(case.store / "a/x.jpg", case.place())
        assert case.give_back("") == ("a/x.jpg", case.fingerprint)
        assert case.files() == ["inbox/a/x.jpg"]

    def test_nothing_outside_the_quarantine_is_given_back(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        (tmp_path / "mine.jpg").write_bytes(b"mine")
        for where in ("../mine.jpg", "a/../../mine.jpg"):
            with pytest.raises(OSError, match="another quarantine"):
                case.give_back(where)
        os.unlink(case.place())
        (case.store / "a").symlink_to(tmp_path)
        assert case.give_back("a/mine.jpg") is None
        assert (tmp_path / "mine.jpg").exists()

    def test_a_quarantine_that_is_gone_is_no_answer(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        os.rename(case.store, tmp_path / "unmounted")
        with pytest.raises(FileNotFoundError):
            case.give_back()


class TestKilled:
    @pytest.mark.parametrize("across", [False, True], ids=["same disk", "across"])
    def test_a_kill_at_any_point_and_the_same_call_again_bring_it_back_once(
        self, tmp_path: Path, elsewhere: Path, disk: Disk, across: bool
    ) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            case = cases[name] = Case(tmp_path / name, elsewhere / name if across else None)
            case.quarantine()
            return case.give_back

        for name in killed_at_every_call(start, disk):
            case = cases[name]
            back = on(disk, case.give_back)
            assert back is not None, name
            assert back[0] == "a/x.jpg", name
            assert case.files() == ["inbox/a/x.jpg"], name
            assert case.place().read_bytes() == CONTENT, name

    @pytest.mark.parametrize("across", [False, True], ids=["same disk", "across"])
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
    def test_nor_does_a_failing_call_lose_or_double_it(
        self, tmp_path: Path, elsewhere: Path, disk: Disk, code: int, across: bool
    ) -> None:
        cases: dict[str, Case] = {}

        def start(name: str) -> Callable[[], object]:
            case = cases[name] = Case(tmp_path / name, elsewhere / name if across else None)
            case.quarantine()
            return case.give_back

        for name, error in failed_at_every_call(start, code, disk):
            case = cases[name]
            if error is not None:
                assert [path for path in case.files() if SPOOL not in path and path.endswith(".jpg")], name
            assert on(disk, case.give_back) is not None, name
            assert case.files() == ["inbox/a/x.jpg"], name
