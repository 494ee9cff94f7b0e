"""An original that lies aside gets its name back, even when nobody remembers for whom it was put there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cases import CONTENT, JOB, Case, on
from colorwatch.disk.asides import aside_name, old_aside_name, restore_asides
from colorwatch.disk.originals import Fate
from colorwatch.watching.litter import is_litter
from killing import Disk, Faults, in_child, killed_at_every_call


class TestNames:
    @pytest.mark.parametrize("name", ["x.jpg", "y" * 251 + ".jpg", "ä" * 125 + ".jpg", os.fsdecode(b"a\n\xff.jpg")])
    def test_they_fit_are_passed_over_and_keep_the_ending(self, name: str) -> None:
        aside = aside_name(10**9, name)
        assert len(os.fsencode(aside)) <= 255
        assert is_litter(aside)
        assert aside.endswith(".jpg")


class TestRestore:
    def test_every_file_gets_its_own_name(self, tmp_path: Path, disk: Disk) -> None:
        (tmp_path / "a/b").mkdir(parents=True)
        for place in ("x.jpg", "a/y.jpg", "a/b/z.jpg"):
            folder, name = os.path.split(place)
            (tmp_path / folder / aside_name(len(name + folder), name)).write_bytes(place.encode())
        assert on(disk, lambda: restore_asides(str(tmp_path), frozenset())) == 3
        for place in ("x.jpg", "a/y.jpg", "a/b/z.jpg"):
            assert (tmp_path / place).read_bytes() == place.encode()
        assert on(disk, lambda: restore_asides(str(tmp_path), frozenset())) == 0

    def test_those_of_known_jobs_stay(self, tmp_path: Path) -> None:
        for job_id in (1, 2):
            (tmp_path / aside_name(job_id, "x.jpg")).touch()
        assert restore_asides(str(tmp_path), {2}) == 1
        assert sorted(os.listdir(tmp_path)) == [aside_name(2, "x.jpg"), "x.jpg"]

    def test_a_taken_name_is_not_written_over(self, tmp_path: Path, disk: Disk) -> None:
        (tmp_path / "x.jpg").write_bytes(b"newer")
        (tmp_path / aside_name(1, "x.jpg")).write_bytes(b"older")
        on(disk, lambda: restore_asides(str(tmp_path), frozenset()))
        assert (tmp_path / "x.jpg").read_bytes() == b"newer"
        assert (tmp_path / "x (2).jpg").read_bytes() == b"older"

    def test_an_earlier_versions_name_says_at_least_the_job(self, tmp_path: Path) -> None:
        (tmp_path / old_aside_name(17)).write_bytes(CONTENT)
        assert restore_asides(str(tmp_path), frozenset()) == 1
        assert os.listdir(tmp_path) == ["scan 17"]

    def test_other_hidden_files_and_links_stay(self, tmp_path: Path) -> None:
        (tmp_path / ".colorwatch").mkdir()
        for name in (".hidden", ".colorwatch-x.aside", ".colorwatch-1.part", ".colorwatch/" + aside_name(1, "x")):
            (tmp_path / name).touch()
        (tmp_path / aside_name(2, "y")).symlink_to(tmp_path / ".hidden")
        assert restore_asides(str(tmp_path), frozenset()) == 0

    def test_an_inbox_that_is_gone_is_no_answer(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            restore_asides(str(tmp_path / "unmounted"), frozenset())

    def test_a_kill_at_any_point_loses_and_doubles_nothing(self, tmp_path: Path, disk: Disk) -> None:
        def start(name: str) -> Callable[[], object]:
            (tmp_path / name / "a").mkdir(parents=True)
            for number in (1, 2):
                (tmp_path / name / "a" / aside_name(number, "x.jpg")).write_bytes(str(number).encode())
            return lambda: restore_asides(str(tmp_path / name), frozenset())

        for name in killed_at_every_call(start, disk):
            on(disk, lambda name=name: restore_asides(str(tmp_path / name), frozenset()))  # type: ignore[misc]
            there = tmp_path / name / "a"
            assert sorted(os.listdir(there)) == ["x (2).jpg", "x.jpg"], name
            assert {(there / file).read_bytes() for file in os.listdir(there)} == {b"1", b"2"}, name

    def test_an_original_killed_on_its_way_is_found_without_a_ledger(self, tmp_path: Path) -> None:
        for number in range(1, 60):
            case = Case(tmp_path / str(number))
            over = in_child(case.dispose, Faults(number, lambda: os._exit(9), after=True)) == 0
            restore_asides(str(case.inbox), frozenset())
            visible = [path for path in case.files() if "/.colorwatch" not in path]
            assert visible in (["inbox/a/x.jpg"], ["store/a/x.jpg"], ["inbox/a/x.jpg", "store/a/x.jpg"])
            if over:
                return
        pytest.fail("it never ran through")


def test_a_file_that_an_earlier_version_laid_aside_is_taken_on(tmp_path: Path) -> None:
    case = Case(tmp_path)
    os.rename(case.place(), case.inbox / "a" / old_aside_name(JOB))
    assert case.dispose().outcome is Fate.ARCHIVED
    assert case.files() == ["store/a/x.jpg"]
