"""What was kept long enough goes, with its notes: only ours, only below the archive or the quarantine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import JOB, Case, on
from colorwatch.disk.names import SPOOL
from colorwatch.disk.retention import expire
from killing import Disk, killed_at_every_call


def expired(case: Case, where: str = "a/x.jpg", *, known: bool = True) -> str:
    fingerprint = case.fingerprint if known else None
    return expire(str(case.store / where), [str(case.store)], JOB, fingerprint)


class TestExpire:
    def test_an_archived_original_goes_and_the_folder_it_leaves_empty(self, tmp_path: Path, disk: Disk) -> None:
        case = Case(tmp_path, path="a/b/x.jpg")
        on(disk, case.dispose)
        assert on(disk, lambda: expired(case, "a/b/x.jpg")) == ""
        assert os.listdir(case.store) == [SPOOL]
        assert on(disk, lambda: expired(case, "a/b/x.jpg")) == "", "asked again"

    def test_a_quarantined_scan_goes_with_its_notes(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        assert expired(case) == ""
        assert case.files() == []

    def test_what_else_is_in_the_folder_stays(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        (case.store / "a/y.jpg").touch()
        (case.store / "a/x.jpg.txt").touch()
        assert expired(case) == ""
        assert case.files() == ["store/a/x.jpg.txt", "store/a/y.jpg"]

    def test_another_file_in_its_place_stays(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.dispose()
        (case.store / "a/x.jpg").write_bytes(b"edited")
        assert "not the file" in expired(case)
        assert case.files() == ["store/a/x.jpg"]
        assert expired(case, known=False) == ""

    @pytest.mark.parametrize("kind", ["symlink", "folder"])
    def test_so_does_what_is_no_file(self, tmp_path: Path, kind: str) -> None:
        case = Case(tmp_path)
        (case.store / "a").mkdir()
        if kind == "folder":
            (case.store / "a/x.jpg").mkdir()
        else:
            (case.store / "a/x.jpg").symlink_to(case.place())
        assert "not the file" in expired(case, known=False)
        assert case.place().exists()

    def test_nothing_outside_goes(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        for where in ("../inbox/a/x.jpg", "a/../../inbox/a/x.jpg", "../store"):
            assert "neither" in expired(case, where)
        (case.store / "a").symlink_to(case.inbox / "a")
        expired(case)
        assert case.place().exists()

    def test_a_store_that_is_gone_or_bare_is_no_answer(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.dispose()
        os.rename(case.store, tmp_path / "unmounted")
        with pytest.raises(FileNotFoundError):
            expired(case)
        case.store.mkdir()
        assert "mounted" in expired(case)

    def test_one_that_a_person_took_away_is_gone(self, tmp_path: Path) -> None:
        case = Case(tmp_path)
        case.quarantine()
        os.unlink(case.store / "a/x.jpg")
        assert expired(case) == ""
        assert case.files() == []


@pytest.mark.parametrize("put_away", [Case.dispose, Case.quarantine])
def test_a_kill_at_any_point_and_the_same_call_again_leave_nothing(
    tmp_path: Path, disk: Disk, put_away: Callable[[Case], object]
) -> None:
    cases: dict[str, Case] = {}

    def start(name: str) -> Callable[[], object]:
        case = cases[name] = Case(tmp_path / name)
        put_away(case)
        return lambda: expired(case)

    for name in killed_at_every_call(start, disk):
        case = cases[name]
        assert on(disk, lambda case=case: expired(case)) == "", name  # type: ignore[misc]
        assert case.files() == [], name
        assert os.listdir(case.store) == [SPOOL], name
