"""config.example.yaml is what the models say, and works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from colorwatch import shipped
from colorwatch.config import Config, Folder, Limits, Logging, ModelPath, Work, load
from colorwatch.config.example import render

SETTING = re.compile(r"^( *)#( *[a-z_]+:)", re.MULTILINE)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("inbox", "outbox", "archive"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(text: str) -> Config:
    Path("c.yaml").write_text(text)
    return load("c.yaml")


def test_file_in_the_repository_is_the_rendered_one() -> None:
    stale = "stale: run python -m colorwatch.config.example > config.example.yaml"
    assert Path(shipped.find("config.example.yaml")).read_text() == render(), stale


def test_module_prints_it() -> None:
    command = [sys.executable, "-W", "error", "-m", "colorwatch.config.example"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == render()


def test_example_loads_without_a_fault_once_its_folders_exist(home: Path) -> None:
    config = loaded(render())
    paths = {"inbox": str(home / "inbox"), "outbox": str(home / "outbox")}
    assert config.folders == (Folder(**paths, name="inbox", gallery=True),)
    assert config.state == str(home / "state")


@pytest.mark.parametrize("model", [Config, Folder, ModelPath, Limits, Logging, Work])
def test_every_key_is_shown_and_described(model: type[Config]) -> None:
    for name, field in model.model_fields.items():
        assert re.search(rf"^[ #-]*{name}:", render(), re.MULTILINE), name
        assert field.description, name


def test_settings_that_are_commented_out_are_the_defaults(home: Path) -> None:
    plain = loaded(render())
    tried = []
    for found in SETTING.finditer(render()):
        key = found.group(2).strip(" :")
        if key in (
            "archive",
            "model",
            "path",
            "trust",
            "webhook",
            "token_file",
            "digest_at",
            "textfile",
            "quiet_hours",
        ):
            continue
        text = render()[: found.start()] + found.expand(r"\1\2") + render()[found.end() :]
        assert loaded(text) == plain, key
        tried.append(key)
    assert len(tried) > 30


def test_archive_and_model_of_ones_own_work_as_shown(home: Path) -> None:
    (home / "my-model.onnx").write_bytes(b"net")
    head, tail = render().split("#model: auto")
    config = loaded(head + re.sub(r"^#(model|  )", r"\1", tail, flags=re.MULTILINE))
    assert config.model == ModelPath(path=str(home / "my-model.onnx"), trust=True)
    config = loaded(render().replace("#archive:", "archive:").replace("#originals: keep", "originals: archive"))
    assert config.folders[0].archive == str(home / "archive")


def test_lines_are_short_and_without_stray_spaces() -> None:
    for line in render().splitlines():
        assert len(line) <= 90
        assert line == line.rstrip()
