"""Memory and cores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from colorwatch import budget
from colorwatch.budget import MIB, auto_budget, auto_workers, cost, net_bytes
from colorwatch.scan import Facts, Fingerprint


def facts(width: int, height: int, bands: int = 1) -> Facts:
    return Facts(Fingerprint(1, 2, 3, 4), "aa" * 32, "jpeg", ".jpg", 1, width, height, bands, 8)


def test_the_cost_of_a_scan_grows_with_its_pixels_and_its_colours() -> None:
    small, large, colour = cost(facts(1000, 1000)), cost(facts(7000, 5000)), cost(facts(7000, 5000, bands=3))
    assert small < large < colour
    assert large >= 35e6 + 40e6  # what a 35-megapixel scan was seen to need
    # As wide, 37 times as high: it is not held, and what it was seen to take is less.
    assert 184e6 < cost(facts(37_417, 26_726, bands=1)) == cost(facts(37_417, 26_726 * 37)) < 350e6


def test_a_small_machine_has_one_worker_and_a_large_one_a_worker_a_core() -> None:
    assert auto_workers(4, 600 * MIB) == 1
    assert auto_workers(1, 64_000 * MIB) == 1
    assert auto_workers(4, 64_000 * MIB) == 4
    assert auto_workers(16, 4_000 * MIB) < 16


def test_the_budget_of_all_scans_stays_within_the_memory() -> None:
    for megabytes in (100, 500, 2000, 16000):
        assert auto_budget(megabytes * MIB, 1) <= max(megabytes * MIB * 3 // 4, budget.SCAN_BYTES)


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cgroup tree in which this process is at the root's child of its real name."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        own = next((line[3:].strip() for line in file if line.startswith("0::")), "/")
    monkeypatch.setattr(budget, "CGROUP", os.fspath(tmp_path))
    folder = tmp_path / own.strip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_the_limits_of_the_cgroup_count(cgroup: Path) -> None:
    (cgroup / "memory.max").write_text("268435456\n")
    (cgroup / "cpu.max").write_text("100000 100000\n")
    assert budget.usable_memory() == 256 * MIB
    assert budget.usable_cores() == 1


def test_a_cgroup_without_limits_leaves_the_machine(cgroup: Path) -> None:
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert budget.usable_cores() == len(os.sched_getaffinity(0))
    assert budget.usable_memory() > 0


def test_a_net_takes_more_than_its_file(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    with open(model, "wb") as file:
        file.truncate(129_000_000)
    fast, small = net_bytes(str(model), small=False), net_bytes(str(model), small=True)
    assert fast > 1_500_000_000 > small > 300_000_000
    with open(model, "wb") as file:
        file.truncate(650_000_000)
    assert 1_500_000_000 < net_bytes(str(model), small=False) < 1_800_000_000
    assert net_bytes(str(tmp_path / "none"), small=False) == 0
