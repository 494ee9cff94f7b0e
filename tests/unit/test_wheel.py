"""The wheel carries what a machine without this repository needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.util import find_spec

import pytest

import colorwatch
from colorwatch.modelstore import CATALOGUE

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as pip builds it. With hatchling at hand (the `dev` extra) that needs no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), REPOSITORY]
    if find_spec("hatchling"):
        command[4:4] = ["--no-build-isolation", "--no-index"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    if result.returncode and not find_spec("hatchling") and "No matching distribution" in result.stderr:
        pytest.skip("hatchling is not installed, and the package index cannot be reached")
    assert result.returncode == 0, result.stderr
    (name,) = os.listdir(folder)
    with zipfile.ZipFile(folder / name) as archive:
        yield archive


def metadata_of(wheel, name):
    (path,) = [each for each in wheel.namelist() if each.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


@pytest.mark.parametrize(
    ("inside", "here"),
    [
        ("models/compact.onnx", "models/compact.onnx"),
        ("config.example.yaml", "config.example.yaml"),
        ("systemd/colorwatch.service", "systemd/colorwatch.service"),
        ("systemd/colorwatch@.service", "systemd/colorwatch@.service"),
        ("systemd/colorwatch.service.d/reload.conf", "systemd/colorwatch.service.d/reload.conf"),
        ("systemd/colorwatch.sysusers", "systemd/colorwatch.sysusers"),
    ],
)
def test_the_wheel_carries(wheel, inside, here):
    with open(os.path.join(REPOSITORY, here), "rb") as file:
        assert wheel.read(f"colorwatch/shipped/{inside}") == file.read()


def test_the_wheel_carries_every_module_and_the_type_marker(wheel):
    package = os.path.dirname(colorwatch.__file__)
    modules = {
        os.path.relpath(os.path.join(folder, name), os.path.dirname(package))
        for folder, _, names in os.walk(package)
        for name in names
        if name.endswith(".py") or name == "py.typed"
    }
    assert modules <= set(wheel.namelist())


def test_the_wheel_carries_nothing_but_the_package(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"colorwatch", f"colorwatch-{colorwatch.__version__}.dist-info"}


def test_the_wheel_fits_any_machine_and_names_its_licences(wheel):
    metadata = Parser().parsestr(metadata_of(wheel, "METADATA"))
    assert "Tag: py3-none-any" in metadata_of(wheel, "WHEEL")
    assert metadata["License-Expression"] == "MIT AND Apache-2.0"
    assert metadata.get_all("License-File") == [
        "LICENSE",
        "THIRD-PARTY-NOTICES.md",
        "models/LICENSE-Apache-2.0",
    ]
    assert metadata["Version"] == colorwatch.__version__


def test_the_wheel_brings_the_command(wheel):
    assert "colorwatch = colorwatch.cli:main" in metadata_of(wheel, "entry_points.txt")


def test_every_model_that_needs_a_manifest_finds_it_in_the_wheel(wheel):
    needed = {known.manifest for known in CATALOGUE.values() if known.manifest}
    assert {f"colorwatch/shipped/{path}" for path in needed} <= set(wheel.namelist())
