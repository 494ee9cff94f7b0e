"""systemd's files for a config: they name its folders, systemd accepts them, and nothing else is let in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from colorwatch.config import Config, Folder, Metrics, Notify, load
from colorwatch.units import (
    DROP_IN,
    RELOAD,
    SYSUSERS,
    TEMPLATE,
    TEMPLATE_RELOAD,
    UNIT,
    UnitError,
    drop_in_of,
    remove_units,
    units,
    write_units,
)
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
    metrics = drop_in(config(metrics=Metrics(port=9107)))
    assert "PrivateNetwork=no" in metrics
    assert "IPAddressAllow=localhost" in metrics, "IPAddressDeny=any of the unit stays"


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


class TestInstances:
    STATE = "/var/lib/colorwatch/photos"

    def written(self, root: Path, instance: str, path: str = "/etc/colorwatch/photos.yaml") -> dict[str, str]:
        wanted = config(state=f"/var/lib/colorwatch/{instance}")
        made = write_units(wanted, path, str(root), dry_run=False, instance=instance, reload=True)
        return {os.path.relpath(path, root): text for path, text in made}

    def test_one_has_a_template_and_a_drop_in_of_its_own(self, tmp_path: Path) -> None:
        files = self.written(tmp_path, "photos")
        assert set(files) == {TEMPLATE, drop_in_of("photos"), TEMPLATE_RELOAD, SYSUSERS}
        assert "--config /etc/colorwatch/%i.yaml" in files[TEMPLATE]
        assert "StateDirectory=colorwatch/%i" in files[TEMPLATE]
        assert self.STATE not in files[drop_in_of("photos")], "its state folder is the template's affair"
        assert "ExecStart" not in files[drop_in_of("photos")]

    def test_a_config_that_lies_elsewhere_is_named_in_the_drop_in(self, tmp_path: Path) -> None:
        drop_in = self.written(tmp_path, "photos", "/home/oma/colorwatch.yaml")[drop_in_of("photos")]
        assert "ExecStart=\nExecStart=/" in drop_in
        assert "--config /home/oma/colorwatch.yaml" in drop_in

    def test_without_a_state_of_its_own_it_is_refused(self) -> None:
        with pytest.raises(UnitError, match=f"write state: {self.STATE}"):
            list(units(config(), "/etc/colorwatch/photos.yaml", "photos"))

    @pytest.mark.parametrize("name", ["a/b", "a b", "%i", "a\n", "x" * 65])
    def test_a_name_that_a_unit_cannot_have_is_refused(self, name: str) -> None:
        with pytest.raises(UnitError, match="called by letters"):
            list(units(config(state=self.STATE), CONFIG, name))

    def test_what_they_share_goes_with_the_last_of_them(self, tmp_path: Path) -> None:
        self.written(tmp_path, "photos")
        self.written(tmp_path, "letters")
        list(write_units(config(), CONFIG, str(tmp_path), dry_run=False, reload=True))

        def removed(instance: str) -> set[str]:
            return {os.path.relpath(path, tmp_path) for path in remove_units(str(tmp_path), instance)[0]}

        assert removed("photos") == {drop_in_of("photos")}
        assert removed("") == {UNIT, DROP_IN, RELOAD}
        assert removed("letters") == {drop_in_of("letters"), TEMPLATE, TEMPLATE_RELOAD, SYSUSERS}
        assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


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
        assert found.folders[0].gallery
        again = house.call("init", *options)
        assert (again.returncode, "is there already" in again.stderr) == (2, True)
        assert house.call("check-config").returncode == 0

    def test_a_dry_run_of_install_service_shows_the_files(self, tmp_path: Path) -> None:
        ended = House(str(tmp_path)).call("install-service", "--dry-run")
        assert ended.returncode == 0, ended.stderr
        assert "ReadWritePaths=-" in ended.stdout
        assert "ExecStart=" in ended.stdout
