"""The rooms of the house: which module may import which, and what the daemon's own process never loads."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

import colorwatch

PACKAGE = os.path.dirname(os.path.abspath(colorwatch.__file__))

# Module (or package) -> what it may import of colorwatch. A module that is not here has no room yet: give it one.
TABLE: dict[str, set[str]] = {
    "errors": set(),
    "scan": set(),
    "litter": set(),
    "beneath": set(),
    "shipped": {"errors"},
    "wire": {"scan"},
    "budget": {"scan"},
    "recipe": {"scan"},
    "log": {"scan"},
    "config": {"errors", "scan"},
    "opening": {"errors"},
    "settle": set(),
    "publishing": {"beneath"},
    "originals": {"beneath", "errors", "publishing", "scan"},
    "messages": {"originals", "scan"},
    "watch": set(),
    "inbox": {"beneath", "errors", "litter", "messages", "scan", "settle", "watch"},
    "folder": {"errors", "inbox", "messages", "originals", "publishing", "scan"},
    "ledger": {"errors", "scan", "wire"},
    "history": {"ledger", "scan"},
    "passing": {"wire"},
    "pool": {"passing", "scan", "wire"},
    "steps": {"ledger", "messages", "originals", "publishing", "scan"},
    "intake": {"ledger", "messages", "pool", "scan", "steps"},
    "claims": {"budget", "ledger", "messages", "pool", "publishing", "scan", "steps"},
    "manifest": {"config", "errors", "scan"},
    # Its child process alone loads the readers of models: see the test of what the daemon loads.
    "modelstore": {
        *("beneath", "budget", "caffemodel", "config", "errors", "manifest", "published", "scan", "shipped"),
    },
    "terminal": {"scan"},
    "cli_models": {"config", "errors", "modelstore", "scan", "terminal"},
    "service": {
        *("budget", "claims", "config", "errors", "folder", "intake", "ledger", "log", "messages", "modelstore"),
        *("pool", "recipe", "scan", "settle", "steps"),
    },
    "cli": {
        *("cli_models", "config", "errors", "history", "log", "manifest", "modelstore", "scan", "service", "terminal"),
    },
    # In workers alone:
    "worker": {"colorize", "errors", "scan", "wire"},
    "zygote": {"errors", "passing", "scan", "wire", "worker"},
    "signatures": {"errors"},
    "tifftags": set(),
    "tiffkinds": {"errors", "tifftags"},
    "structure": {"errors", "signatures", "tiffkinds", "tifftags"},
    "carrying": {"tifftags"},
    "jpegstrips": set(),
    "streams": {"carrying", "errors", "tifftags"},
    "codec": {"carrying", "errors", "jpegstrips", "signatures", "streams", "tiffkinds", "tifftags"},
    "lab": set(),
    "adapting": {"errors", "manifest", "scan"},
    "net": {"adapting", "colorize", "errors", "manifest", "scan"},
    "colorize": {"carrying", "codec", "errors", "lab", "opening", "scan", "structure"},
    # In the child processes that convert models:
    "caffemodel": {"errors", "scan"},
    "published": {"caffemodel", "errors", "scan"},
}
IN_WORKERS = {
    *("worker", "zygote", "signatures", "tifftags", "structure", "carrying", "jpegstrips", "codec", "lab", "adapting"),
    *("streams", "tiffkinds", "net", "colorize", "caffemodel", "published"),
}


def imports() -> dict[str, set[str]]:
    """What each module of the package imports of it, those for type checkers included."""
    found: dict[str, set[str]] = {}
    for parent, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(parent, name)
                room = os.path.relpath(path, PACKAGE).removesuffix(".py").split(os.sep)[0]
                with open(path, encoding="utf-8") as file:
                    found.setdefault(room, set()).update(imported(file.read()))
    found.pop("__init__")
    return {room: others - {room} for room, others in found.items()}


def imported(source: str) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "colorwatch":
            rooms |= {alias.name for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("colorwatch."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("colorwatch.")}
    return rooms


def test_every_module_has_a_room() -> None:
    assert set(imports()) == set(TABLE)


@pytest.mark.parametrize("room", sorted(TABLE))
def test_a_room_imports_what_its_table_row_says(room: str) -> None:
    assert imports()[room] <= TABLE[room]


def test_no_two_rooms_import_each_other() -> None:
    found = imports()
    reached = {room: set(others) for room, others in found.items()}
    for _ in found:
        for others in reached.values():
            others |= {far for near in others for far in reached[near]}
    assert [room for room, others in reached.items() if room in others] == []


def test_the_daemon_loads_nothing_that_reads_pictures() -> None:
    code = "import sys, colorwatch.cli, colorwatch.service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "colorwatch.service" in loaded
    assert not {"cv2", "numpy", "pyvips", *(f"colorwatch.{room}" for room in IN_WORKERS)} & set(loaded)


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    long = {}
    for parent, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                with open(os.path.join(parent, name), encoding="utf-8") as file:
                    lines = len(file.readlines())
                if lines > 400:
                    long[name] = lines
    assert long == {}
