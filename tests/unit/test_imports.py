"""The rooms of the house: which module may import which, and what the daemon's own process never loads."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys

import pytest

import colorwatch

PACKAGE = os.path.dirname(os.path.abspath(colorwatch.__file__))

# Module (or package) -> what it may import of colorwatch. A module that is not here has no room yet: give it one.
TABLE: dict[str, set[str]] = {
    "faultpoint": set(),
    "errors": set(),
    "scan": {"verdict"},
    "verdict": set(),
    "litter": set(),
    "beneath": set(),
    "shipped": {"errors"},
    "protocol": {"scan"},
    "wire": {"protocol", "scan"},
    "budget": {"scan"},
    "recipe": {"scan"},
    "targets": {"scan"},
    "log": {"scan"},
    "hours": set(),
    "config": {"errors", "hours", "ownership", "scan"},
    "opening": {"errors"},
    "settle": set(),
    "names": {"beneath"},
    "ownership": {"beneath", "scan"},
    "untouched": {"beneath"},
    "publishing": {"beneath", "names", "ownership"},
    "saving": {"beneath", "ownership", "publishing", "replacing", "untouched"},
    "replacing": {"beneath", "names", "ownership", "publishing", "untouched"},
    "asides": {"beneath", "litter", "names"},
    "originals": {"asides", "beneath", "names", "scan"},
    "notes": {"beneath", "names", "ownership", "scan"},
    "quarantining": {"asides", "beneath", "errors", "names", "notes", "originals", "ownership", "scan"},
    "retention": {"beneath", "names", "notes", "originals", "scan"},
    "commands": {"scan"},
    "messages": {"originals", "scan"},
    "gallery": {"beneath", "commands", "messages", "names", "ownership", "scan"},
    "watch": set(),
    "mounts": set(),
    "sdnotify": set(),
    "notices": {"config", "log", "scan"},
    "metrics": {"errors", "log"},
    "disks": set(),
    "doubts": set(),
    "lookout": {"beneath", "errors", "messages", "mounts", "scan", "watch"},
    "inbox": {"asides", "beneath", "disks", "doubts", "errors", "litter", "lookout", "messages", "scan", "settle"},
    "again": {"beneath", "commands", "litter", "messages", "names", "ownership", "replacing", "retention"},
    "outbox": {"again", "commands", "errors", "messages", "names", "ownership", "scan"},
    "footing": {"beneath", "errors", "mounts", "names", "scan"},
    "errands": {
        *("asides", "commands", "errors", "footing", "gallery", "messages", "names", "notes", "originals"),
        "ownership",
        *("publishing", "quarantining", "replacing", "results", "retention", "saving", "scan"),
    },
    "folder": {"beneath", "commands", "errands", "inbox", "messages", "originals", "outbox", "scan"},
    "ledger": {"protocol", "errors", "scan", "wire"},
    "history": {"hours", "ledger", "scan"},
    "pointing": {"config", "errors", "scan"},
    "story": {"history", "ledger", "pointing"},
    "outdated": {"config", "errors", "history", "ledger", "recipe", "scan"},
    "redoing": {"commands", "ledger", "messages", "patience", "recipe", "scan", "targets"},
    "othernets": {"protocol", "errors", "modelstore", "pool"},
    "petitions": {"commands", "ledger", "messages", "othernets", "redoing", "scan", "standing"},
    "passing": {"wire"},
    "pool": {"protocol", "passing", "scan", "wire"},
    "patience": set(),
    "keeping": {"commands", "ledger", "messages", "scan"},
    "results": {"beneath", "messages", "names"},
    "steps": {"commands", "ledger", "messages", "names", "originals", "patience", "redoing", "scan", "targets"},
    "identity": {"commands", "ledger", "messages", "scan", "steps", "targets"},
    "intake": {
        "protocol",
        "commands",
        "identity",
        "ledger",
        "messages",
        "patience",
        "pool",
        "scan",
        "standing",
        "steps",
    },
    "claims": {
        "protocol",
        *("budget", "commands", "ledger", "messages", "modelstore", "othernets", "patience", "pool", "publishing"),
        *("recipe", "redoing", "scan", "standing", "steps", "targets"),
    },
    "recall": {"protocol", "commands", "ledger", "messages", "patience", "pool", "scan", "standing"},
    "portraits": {
        "protocol",
        *("commands", "gallery", "ledger", "messages", "names", "patience", "pool", "publishing", "redoing", "scan"),
        "standing",
    },
    "apart": {
        "protocol",
        *("commands", "ledger", "messages", "names", "patience", "pool", "publishing", "recipe", "redoing", "scan"),
        *("standing", "targets"),
    },
    "leisure": {
        "protocol",
        *("apart", "commands", "ledger", "log", "messages", "pool", "portraits", "recipe", "standing"),
    },
    "lock": {"errors"},
    "standing": {"patience"},
    "pacing": {"hours", "ledger", "standing"},
    "handing": {
        "protocol",
        "claims",
        "intake",
        "ledger",
        "othernets",
        "pacing",
        "leisure",
        "pool",
        "recall",
        "scan",
        "standing",
    },
    "hearing": {
        *("claims", "errors", "identity", "intake", "keeping", "ledger", "messages", "petitions", "pool", "recall"),
        *("standing", "steps"),
        *("leisure", "scan"),
    },
    "manifest": {"config", "errors", "scan"},
    # Its child process alone loads the readers of models: see the test of what the daemon loads.
    "modelstore": {
        *("beneath", "budget", "caffemodel", "config", "errors", "manifest", "published", "scan", "shipped"),
    },
    "cli.terminal": {"scan"},
    # Its trial of the net runs in a process of its own.
    "doctor": {
        "protocol",
        *("beneath", "budget", "config", "errors", "history", "modelstore", "mounts", "net", "watch"),
    },
    "units": {"config", "errors", "shipped"},
    "cli.setup": {"config", "errors", "scan", "cli.terminal", "units"},
    "cli.doctor": {"cli.models", "config", "doctor", "errors", "modelstore", "scan", "cli.terminal"},
    "cli.models": {"config", "errors", "modelstore", "scan", "cli.terminal"},
    "service": {
        "protocol",
        *(
            "budget",
            "claims",
            "commands",
            "config",
            "errors",
            "folder",
            "handing",
            "hearing",
            "identity",
            "intake",
            "ledger",
        ),
        *("keeping", "lock", "log", "messages", "modelstore", "othernets", "petitions", "pool", "recall", "recipe"),
        *("pacing", "redoing"),
        *("scan", "settle", "standing", "steps"),
        "leisure",
    },
    "daemon": {
        *("config", "errors", "ledger", "log", "metrics", "notices", "scan", "sdnotify", "service"),
    },
    "cli.run": {
        *("cli.models", "config", "daemon", "errors", "log", "modelstore", "scan", "sdnotify", "service"),
        "cli.terminal",
    },
    "cli.picture": {"history", "scan"},
    "cli.live": {"cli.picture", "cli.terminal", "errors", "history"},
    "cli.status": {"config", "errors", "history", "ledger", "pointing", "scan", "story", "cli.live", "cli.terminal"},
    "cli.ask": {
        *("cli.models", "cli.status", "config", "errors", "history", "ledger", "modelstore", "outdated", "pointing"),
        *("scan", "cli.terminal"),
    },
    "cli.app": {
        *("cli.ask", "cli.doctor", "cli.models", "cli.run", "cli.setup", "cli.status", "errors", "log", "manifest"),
        *("scan", "cli.terminal"),
    },
    "cli": {"cli.app"},
    # In workers alone:
    "confining": set(),
    "worker": {"protocol", "cutting", "portrait", "colorize", "confining", "onepage", "errors", "imprint", "wire"},
    "zygote": {"protocol", "confining", "errors", "passing", "wire", "worker"},
    "signatures": {"errors"},
    "outlines": set(),
    "rasters": {"carrying", "errors", "outlines", "pages"},
    "loose": {"imprint", "pieces", "tiffout", "tifftags"},
    "packing": {"carrying", "imprint", "loose", "pieces", "scan", "targets", "tifftags"},
    "foreign": {"carrying", "decoding", "errors", "loose", "outlines", "packing", "pages", "rasters", "scan", "spaces"},
    "webpout": {"errors", "pages", "pieces", "streams", "writing"},
    "pdffile": {"errors", "xmp"},
    "pdf": {
        *("carrying", "decoding", "errors", "foreign", "jpegstrips", "outlines", "pages", "pdffile", "pieces"),
        *("pdfout", "provenance", "scan", "tiffkinds", "writing", "xmp"),
    },
    "pdfout": {"carrying", "errors", "jpegstrips", "pages", "streams", "writing"},
    "tifftags": set(),
    "tiffkinds": {"errors", "tifftags"},
    "tiffout": {"tifftags"},
    "structure": {"errors", "outlines", "pdf", "scan", "signatures", "tiffkinds", "tifftags"},
    "portrait": {"protocol", "codec", "onepage", "errors", "opening", "pages"},
    "cutting": {
        "protocol",
        *("beneath", "codec", "errors", "leaving", "names", "opening", "pages", "pieces", "publishing", "scan"),
    },
    "pieces": set(),
    "xmp": set(),
    "provenance": {"scan", "xmp"},
    "imprint": {
        "protocol",
        "errors",
        "opening",
        "pdffile",
        "pieces",
        "provenance",
        "scan",
        "signatures",
        "tifftags",
        "xmp",
    },
    "carrying": {"imprint", "pieces", "scan", "tifftags"},
    "jpegstrips": set(),
    "jpegloss": set(),
    "pages": {"carrying"},
    "rows": {"budget", "lab", "pages"},
    "icc": set(),
    "spaces": {"errors", "icc"},
    "streams": {"carrying", "errors", "pages", "tiffout"},
    "decoding": {"carrying", "errors", "jpegloss", "pages", "spaces", "streams", "tiffkinds"},
    "writing": {"jpegstrips", "pages", "streams", "tifftags"},
    "tiffwriting": {"jpegstrips", "pages", "streams", "tiffout", "tifftags", "writing"},
    "codec": {
        *("carrying", "decoding", "errors", "foreign", "packing", "pages", "pdf", "pdfout", "scan", "signatures"),
        *("tiffkinds", "tiffwriting", "webpout", "writing"),
    },
    "lab": set(),
    "deep": {"lab"},
    "adapting": {"errors", "manifest", "scan"},
    "net": {"protocol", "adapting", "errors", "manifest", "onepage", "scan"},
    "judge": set(),
    "glance": {"lab"},
    "copying": {"carrying", "imprint", "pieces", "scan", "tifftags"},
    "leaving": {"copying", "errors", "lab", "pages", "rows", "scan"},
    "onepage": {"deep", "glance", "judge", "lab", "leaving", "pages", "rows", "scan"},
    "outcome": {"onepage", "scan", "verdict"},
    "colorize": {
        "protocol",
        *("codec", "errors", "leaving", "onepage", "opening", "outcome", "pages", "pieces", "scan", "structure"),
        "tiffkinds",
    },
    # In the child processes that convert models:
    "caffemodel": {"errors", "scan"},
    "published": {"caffemodel", "errors", "scan"},
}
# Packages whose modules are rooms of their own, under their own names (those of `cli` as `cli.NAME`); the modules of
# any other package share one room.
FLAT = {
    "disk",
    "watching",
    "folders",
    "work",
    "asking",
    "formats",
    "metadata",
    "codecs",
    "colour",
    "workers",
    "telling",
    "cli",
}
EVERYWHERE = {"faultpoint"}  # nothing at all, where faults are not wanted
IN_WORKERS = {
    *("worker", "zygote", "signatures", "tifftags", "structure", "carrying", "jpegstrips", "codec", "lab", "adapting"),
    *("deep", "decoding", "icc", "pages", "rows", "spaces", "tiffout", "writing"),
    *("streams", "tiffkinds", "net", "colorize", "caffemodel", "published"),
    *(
        "pieces",
        "xmp",
        "provenance",
        "imprint",
        "copying",
        "cutting",
        "glance",
        "judge",
        "leaving",
        "onepage",
        "outcome",
    ),
    *("foreign", "loose", "outlines", "packing", "pdf", "pdffile", "pdfout", "rasters", "tiffwriting", "webpout"),
}


def room_of(place: list[str]) -> str:
    """The room of a module by where it lies below the package."""
    if place[0] == "cli":
        inside = place[1] if place[1:] else "__init__"
        is_room = not inside.startswith("__") and os.path.exists(os.path.join(PACKAGE, "cli", f"{inside}.py"))
        return f"cli.{inside}" if is_room else "cli"
    if place[0] in FLAT:
        return place[1] if place[1:] and place[1] != "__init__" else place[0]
    return place[0]


@functools.cache
@functools.cache
def imports() -> dict[str, set[str]]:
    """What each module of the package imports of it, those for type checkers included."""
    found: dict[str, set[str]] = {}
    for parent, _, names in os.walk(PACKAGE):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(parent, name)
                room = room_of(os.path.relpath(path, PACKAGE).removesuffix(".py").split(os.sep))
                with open(path, encoding="utf-8") as file:
                    found.setdefault(room, set()).update(imported(file.read()))
    for nobody in ("__init__", *(FLAT - {"cli"})):
        found.pop(nobody, None)
    return {room: others - {room} - EVERYWHERE for room, others in found.items()}


def imported(source: str) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "colorwatch":
            rooms |= {alias.name for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("colorwatch."):
            place = node.module.split(".")[1:]
            if len(place) == 1 and place[0] in FLAT:
                rooms |= {room_of([*place, alias.name]) for alias in node.names}
            else:
                rooms.add(room_of(place))
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("colorwatch.")]
            rooms |= {room_of(name.split(".")[1:]) for name in names}
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
    code = "import sys, colorwatch.cli.app, colorwatch.service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "colorwatch.service" in loaded
    rooms = {room_of(name.split(".")[1:]) for name in loaded if name.startswith("colorwatch.")}
    assert not {"cv2", "numpy", "pikepdf", "pyvips", *IN_WORKERS} & {*loaded, *rooms}


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
