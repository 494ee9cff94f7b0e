"""The torture bench in small: every section, in minutes. `make torture` runs them at full size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from colorwatch.faultpoint import POINTS
from torture import crowds, disks, kills, soak
from torture.rows import Table

pytestmark = [pytest.mark.torture, pytest.mark.timeout(240)]

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.py")
CHUNKS = 6


@pytest.fixture
def root(tmp_path: Path) -> str:
    return os.fspath(tmp_path)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(os.fspath(tmp_path / "results"))


def demand(table: Table) -> None:
    assert table.rows
    for row in table.rows:
        assert row.clean, f"{row.case}: {row.note} {row.verdict}"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_nothing_is_lost_doubled_or_torn_by_a_kill_at_any_point(table: Table, root: str, chunk: int) -> None:
    kills.at_points(table, root, 20, sorted(POINTS)[chunk::CHUNKS], victim="kill")
    demand(table)


def test_nothing_is_lost_when_all_processes_are_killed_at_once(table: Table, root: str) -> None:
    points = ["forward", "spool-sync", "rendered", "linked", "published", "set-aside", "copied", "done"]
    kills.at_points(table, root, 20, points, victim="killgroup")
    demand(table)


def test_nothing_is_lost_by_kills_at_random_under_load(table: Table, root: str) -> None:
    kills.at_random(table, root, 20, seed=os.getpid())
    demand(table)
    assert table.rows[0].recovery_p95 is not None
    assert table.rows[0].recovery_p95 < 5


def test_workers_that_are_killed_again_and_again_cost_no_scan_and_leak_nothing(table: Table, root: str) -> None:
    kills.workers(table, root, 10, seed=os.getpid())
    demand(table)


def test_it_ends_gently_in_any_phase_and_at_once_when_told_twice(table: Table, root: str) -> None:
    kills.gentle_ends(table, root, 6, ["probe-opened", "spool-write", "link", "committed"])
    demand(table)


def test_a_system_call_that_fails_is_waited_out(table: Table, root: str) -> None:
    cases = [case for case in disks.CASES if case.place not in ("state", "start")]
    disks.calls(table, root, ["ENOSPC"], cases, in_a_row=(1,))
    demand(table)


def test_a_ledger_that_cannot_be_written_ends_the_daemon_and_loses_nothing(table: Table, root: str) -> None:
    cases = [case for case in disks.CASES if case.place in ("state", "start")]
    disks.calls(table, root, ["EIO"], cases, in_a_row=(1,), step=9)
    demand(table)


@pytest.mark.parametrize("section", ["full", "away"])
def test_a_disk_that_is_full_or_away_is_waited_for(root: str, section: str) -> None:
    """In a process of its own, which makes itself mounts of its own."""
    results = os.path.join(root, "results")
    subprocess.run(
        [sys.executable, RUN, section, "--files", "30", "--root", os.path.join(root, "work"), "--results", results],
        check=False,
        timeout=200,
        capture_output=True,
    )
    with open(os.path.join(results, f"{section}.json"), encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    if all(row["skipped"] for row in rows):
        pytest.skip(rows[0]["skipped"])
    for row in rows:
        wrong = {name: value for name, value in (row["verdict"] or {}).items() if isinstance(value, list) and value}
        assert not wrong, f"{row['case']}: {wrong}"
        assert not row["note"].startswith("!"), f"{row['case']}: {row['note']}"


def test_a_long_queue_is_worked_off_once_across_restarts(table: Table, root: str) -> None:
    crowds.queue(table, root, 300, 6)
    demand(table)


def test_a_stranger_who_takes_the_names_of_results_loses_nothing_and_gets_nothing(table: Table, root: str) -> None:
    crowds.race(table, root, 100, seed=os.getpid())
    demand(table)


def test_poison_goes_to_quarantine_and_every_good_scan_is_done(table: Table, root: str) -> None:
    crowds.poison(table, root, 100, kills=1)
    demand(table)


def test_a_ledger_that_is_gone_or_broken_makes_nothing_twice(table: Table, root: str) -> None:
    crowds.ledgers(table, root, 40)
    demand(table)


def test_everything_at_once_for_a_short_while(table: Table, root: str) -> None:
    soak.soak(table, os.path.join(root, "ground"), 0.4, os.getpid(), os.path.join(root, "results"))
    demand(table)
