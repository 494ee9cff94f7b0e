"""systemd's files for a config: they name its folders, systemd accepts them, and nothing else is let in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from colorwatch.config import Config, Folder, Metrics, Notify, load
from colorwatch.units import DROP_IN, SYSUSERS, UNIT, UnitError, remove_units, units, write_units
from house import House

CONFIG = "/etc/colorwatch/config.yaml"


def config(**settings: object) -> Config:
    folder = Folder(inbox="/srv/scans/in", outbox="/srv/scans/out 1", quarantine="/srv/scans/out 1/quarantine")
    return Config.model_validate({"folders": (folder,), **settings})


def drop_in(wanted: Config, path: str = CONFIG) -> str:
    return dict(units(wanted, path))[DROP_IN]


def test_each_folder_is_named_once_and_quoted_where_it_must_be() -> None:
    lines = [line for line in drop_in(config()).splitlines() if line.startswith("ReadWritePaths")]
    assert lines == ["ReadWritePaths=-/srv/scans/in", 'ReadWritePaths=-"/srv/scans/out 1"']


def test_the_network_stays_shut_unless_the_config_needs_it() -> None:
    assert "PrivateNetwork" not in drop_in(config())
    assert "PrivateNetwork=no" in drop_in(config(notify=Notify(webhook="https://ntfy.sh/x")))
    assert "PrivateNetwork=no" in drop_in(config(metrics=Metrics(port=9107)))


def test_folders_below_home_are_let_in() -> None:
    folder = Folder(inbox="/home/oma/in", outbox="/home/oma/out", quarantine="/home/oma/out/quarantine")
    assert "ProtectHome=no" in drop_in(config(folders=(folder,)))


def test_a_name_that_a_unit_cannot_hold_is_refused() -> None:
    folder = Folder(inbox="/srv/a\nExecStart=/bin/sh", outbox="/srv/b", quarantine="/srv/b/quarantine")
    with pytest.raises(UnitError, match="cannot hold"):
        drop_in(config(folders=(folder,)))


def test_a_percent_sign_means_itself() -> None:
    folder = Folder(inbox="/srv/100%h", outbox="/srv/b", quarantine="/srv/b/quarantine")
    assert "ReadWritePaths=-/srv/100%%h" in drop_in(config(folders=(folder,)))


def test_what_is_written_can_be_removed_and_the_rest_is_named(tmp_path: Path) -> None:
    written = [path for path, _ in write_units(config(), CONFIG, str(tmp_path), dry_run=False)]
    assert sorted(written) == sorted(str(tmp_path / name) for name in (UNIT, DROP_IN, SYSUSERS))
    removed, left = remove_units(str(tmp_path))
    assert sorted(removed) == sorted(written)
    assert any("/etc/colorwatch/config.yaml" in line for line in left)
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
    assert remove_units(str(tmp_path))[0] == []


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    assert len(list(write_units(config(), CONFIG, str(tmp_path), dry_run=True))) == 3
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit_with_its_drop_in(tmp_path: Path) -> None:
    list(write_units(config(), CONFIG, str(tmp_path), dry_run=False))
    unit = tmp_path / UNIT
    unit.write_text(
        "\n".join(
            "ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in unit.read_text().split("\n")
        )
    )
    ended = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert [line for line in ended.stderr.splitlines() if "colorwatch" in line] == []
    assert ended.returncode == 0


class TestCommands:
    def test_init_writes_a_config_that_works_and_never_replaces_one(self, tmp_path: Path) -> None:
        house = House(str(tmp_path))
        os.unlink(house.path("config.yaml"))
        options = ("--inbox", "./in", "--outbox", "./out", "--originals", "archive", "--state", "./state")
        ended = house.call("init", *options)
        assert ended.returncode == 0, ended.stderr
        found = load(house.path("config.yaml"))
        assert found.folders[0].archive == house.path("archive")
        again = house.call("init", *options)
        assert (again.returncode, "is there already" in again.stderr) == (2, True)
        assert house.call("check-config").returncode == 0

    def test_a_dry_run_of_install_service_shows_the_files(self, tmp_path: Path) -> None:
        ended = House(str(tmp_path)).call("install-service", "--dry-run")
        assert ended.returncode == 0, ended.stderr
        assert "ReadWritePaths=-" in ended.stdout
        assert "ExecStart=" in ended.stdout
