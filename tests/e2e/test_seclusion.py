"""The shipped unit, line by line as it is, lets nothing out and everything that colorwatch does through."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import foreign
import seclusion
from managers import Manager
from pictures import encoded, gradient, opened, written
from waiting import eventually

UNIT = os.path.join(os.path.dirname(__file__), "..", "..", "systemd", "colorwatch.service")
WHY_NOT = seclusion.missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can be tried")

CONFIG = {
    "folders": [
        {
            "inbox": "/srv/scans/inbox",
            "outbox": "/srv/scans/outbox",
            "originals": "archive",
            "archive": "/srv/scans/archive",
            "settle_seconds": 0.5,
            "gallery": True,
        },
    ],
    "metrics": {"textfile": "/var/lib/colorwatch/colorwatch.prom"},
    "work": {"nice": 3},
}


@dataclass
class Server:
    """A machine with the unit on it, as far as the unit can see: its folders lie below `root`."""

    root: str
    settings: seclusion.Settings = field(default_factory=lambda: seclusion.read(UNIT))

    def __post_init__(self) -> None:
        for name in ("scans/inbox", "scans/outbox", "scans/archive", "state", "etc", "run"):
            os.makedirs(self.path(name))
        Path(self.path("etc", "config.yaml")).write_text(json.dumps(CONFIG))
        Path(self.path("passwd")).write_text(
            f"colorwatch:x:{seclusion.UID}:{seclusion.UID}::/var/lib/colorwatch:/bin/sh\n"
        )
        Path(self.path("group")).write_text(f"colorwatch:x:{seclusion.UID}:\n")

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def secluded(self, **environment: str) -> seclusion.Seclusion:
        places = {
            "/srv/scans": self.path("scans"),
            "/var/lib/colorwatch": self.path("state"),
            "/etc/colorwatch": self.path("etc"),
            "/etc/passwd": self.path("passwd"),
            "/etc/group": self.path("group"),
            "/run/manager": self.path("run"),
        }
        return seclusion.Seclusion(self.settings, places, environment)

    def program(self) -> list[str]:
        """ExecStart, with the program that is tested in the place of the one that is installed."""
        (start,) = self.settings["ExecStart"]
        return [os.path.join(os.path.dirname(sys.executable), "colorwatch"), *start.split()[1:]]

    def results(self) -> set[str]:
        return {name for name in os.listdir(self.path("scans", "outbox")) if not name.startswith(".")} - {"gallery"}

    def log(self) -> list[dict[str, object]]:
        with open(self.path("log"), encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, object]]:
        return [line for line in self.log() if line["event"] == name]


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        yield Server(folder)


PROBE = r"""
import ctypes, errno, json, mmap, os, socket, sys
def outcome(act):
    try:
        act()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def make(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
print(json.dumps({
    **{f"write {place}": outcome(lambda: make(place + "/probe")) for place in json.loads(sys.argv[1])},
    "internet": outcome(lambda: socket.socket(socket.AF_INET)),
    "netlink": outcome(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "local": outcome(lambda: socket.socket(socket.AF_UNIX)),
    "code": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "unshare": outcome(lambda: call(272, 0x10000000)),
    "mount": outcome(lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0)),
    "ptrace": outcome(lambda: call(101, 0, 0, 0, 0)),
    "reboot": outcome(lambda: call(169, 0, 0, 0, 0)),
    "clock": outcome(lambda: call(164, 0, 0)),
    "setgid bit": outcome(lambda: os.mkdir("/srv/scans/g", 0o2770)),
    "openat2": outcome(lambda: call(437, 0, 0, 0, 0)),
    "realtime": outcome(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
    "user": os.getuid(),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[-1] < 100,
    "tmp": os.listdir("/tmp"), "home": [name for name in ("/home", "/root") if os.path.exists(name + "/.bashrc")],
    "privileges": open("/proc/self/status").read().split("NoNewPrivs:")[1].split()[0],
    "capabilities": open("/proc/self/status").read().split("CapEff:")[1].split()[0],
}))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the probe's system calls have other numbers here")
def test_nothing_else_is_let_out(server: Server) -> None:
    places = ["/", "/usr", "/etc", "/etc/colorwatch", "/var/lib", "/srv", "/run", os.path.dirname(UNIT)]
    mine = ["/srv/scans/inbox", "/srv/scans/outbox", "/var/lib/colorwatch", "/tmp", "/var/tmp"]
    program = [sys.executable, "-c", PROBE, json.dumps(places + mine)]
    with server.secluded().running(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as (process, _):
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    assert {place: told[f"write {place}"] for place in places} == dict.fromkeys(places, "EROFS")
    assert {place: told[f"write {place}"] for place in mine} == dict.fromkeys(mine, "done")
    refused = ("internet", "netlink", "code", "unshare", "mount", "ptrace", "reboot", "clock", "setgid bit", "openat2")
    assert {name: told[name] for name in refused} == {
        **dict.fromkeys(("internet", "netlink"), "EAFNOSUPPORT"),
        **dict.fromkeys(("code", "unshare", "mount", "ptrace", "reboot", "clock", "setgid bit"), "EPERM"),
        "openat2": "ENOSYS",
    }
    assert (told["local"], told["realtime"], told["user"]) == ("done", "EPERM", seclusion.UID)
    assert (told["tmp"], told["home"], told["processes"]) == (["probe"], [], True)
    assert (told["privileges"], int(told["capabilities"], 16)) == ("1", 0)


def scans() -> dict[str, bytes]:
    """One of each format: the first of each ending that is coloured, and the two that are written by hand."""
    found = {f"scan.{ending}": encoded(gradient(), format) for format, ending in (("JPEG", "jpg"), ("PNG", "png"))}
    found["scan.tif"] = encoded(gradient(), "TIFF", compression="tiff_lzw")
    for cell in foreign.CELLS:
        name = f"from {cell.suffix[1:]}{cell.suffix}"
        if not cell.refusal and name not in found:
            found[name] = cell.content()
    return found


def test_a_scan_of_each_format_is_coloured_a_config_taken_and_the_end_clean(server: Server) -> None:
    watchdog = {"NOTIFY_SOCKET": "/run/manager/notify", "WATCHDOG_USEC": "3000000"}
    files = scans()
    with (
        contextlib.closing(Manager(server.path("run", "notify"))) as manager,
        open(server.path("log"), "wb") as log,
        server.secluded(**watchdog).running(server.program(), stdout=log, stderr=log) as (process, init),
    ):
        eventually(lambda: "READY=1" in manager.told() or process.poll() is not None, 60, "it is ready")
        assert process.poll() is None, Path(server.path("log")).read_text()
        (daemon,) = map(int, Path(f"/proc/{init}/task/{init}/children").read_text().split())
        for name, content in files.items():
            written(server.path("scans", "inbox"), name, content)
        written(server.path("scans", "inbox"), "bad.jpg", b"no picture at all\n" * 9)
        eventually(lambda: len(server.events("job.done")) == len(files), 120, "all are coloured")
        eventually(lambda: server.events("job.quarantined"), 30, "the bad one is in quarantine")
        os.kill(daemon, signal.SIGHUP)
        eventually(lambda: server.events("config.reloaded"), 60, "the config is read again")
        eventually(lambda: manager.told().count("READY=1") == 2, 60, "systemd hears of it")
        eventually(lambda: "WATCHDOG=1" in manager.told(), 60, "the watchdog is fed")
        written(server.path("scans", "inbox"), "after.jpg", encoded(gradient(90, 60), "JPEG"))
        eventually(lambda: "after.jpg" in server.results(), 60, "it goes on with the new one")
        os.kill(daemon, signal.SIGTERM)
        assert process.wait(60) == 0
        assert "STOPPING=1" in manager.told()
    assert sorted(os.listdir(server.path("scans", "inbox"))) == []
    archived = {name for name in os.listdir(server.path("scans", "archive")) if not name.startswith(".")}
    assert archived == {*files, "after.jpg"}
    assert os.path.exists(server.path("scans", "outbox", "quarantine", "bad.jpg"))
    assert os.path.exists(server.path("scans", "outbox", "gallery", "index.html"))
    assert "colorwatch_scans_total" in Path(server.path("state", "colorwatch.prom")).read_text()
    assert opened(server.path("scans", "outbox", "scan.jpg")).mode == "RGB"
    assert os.stat(server.path("scans", "outbox", "scan.jpg")).st_mode & 0o777 == 0o660
    assert [line for line in server.log() if line["level"] == "error"] == []
    assert {line["event"] for line in server.log() if line["level"] == "warning"} == {"job.quarantined"}
    db = sqlite3.connect(server.path("state", "ledger.sqlite3"))
    assert dict(db.execute("SELECT state, COUNT(*) FROM job GROUP BY state")) == {
        "done": len(files) + 1,
        "quarantined": 1,
    }
    db.close()
