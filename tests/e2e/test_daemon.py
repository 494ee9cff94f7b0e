"""The daemon and those who manage it: readiness, reloads, the watchdog, figures and notices, on a real process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch.ledger import Ledger
from house import House
from managers import Manager
from pictures import encoded, gradient, written
from waiting import eventually


def drop(house: House, name: str, folder: str = "inbox") -> None:
    written(house.path(folder), name, encoded(gradient(), "JPEG"))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(str(tmp_path))


@pytest.fixture
def manager(house: House) -> Iterator[Manager]:
    made = Manager(house.path("notify"))
    yield made
    made.close()


@pytest.fixture
def daemon(house: House, manager: Manager) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "600000"}
    with open(house.path("log"), "ab") as log:
        process = subprocess.Popen(
            house.command("run"), stdout=log, stderr=log, start_new_session=True, env=environment
        )
    house.daemon = process
    eventually(lambda: "READY=1" in manager.told(), 60, "it is ready")
    yield process
    if process.poll() is None:
        process.kill()
        process.wait(30)


def events(house: House, name: str) -> list[dict[str, object]]:
    return [line for line in house.log() if line["event"] == name]


def test_it_tells_when_it_is_ready_how_it_does_and_when_it_stops(
    house: House, manager: Manager, daemon: subprocess.Popen[bytes]
) -> None:
    drop(house, "a.jpg")
    house.wait_done(1, 60)
    eventually(lambda: "STATUS=1 done, 0 to do" in manager.told(), 30, "the status")
    eventually(lambda: manager.told().count("WATCHDOG=1") >= 3, 30, "the watchdog is fed")
    assert house.stop() == 0
    assert "STOPPING=1" in manager.told()
    assert manager.lines.index("READY=1") < manager.lines.index("STOPPING=1")


@pytest.fixture
def large_ledger(house: House) -> None:
    """One that no daemon has closed, and that takes a while to be looked through."""
    os.makedirs(house.path("state"))
    path = house.path("state", "ledger.sqlite3")
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("INSERT INTO setting VALUES ('ballast', hex(zeroblob(34000000)))")
    db.commit()
    db.close()


def test_while_a_large_ledger_is_looked_through_the_manager_is_asked_for_time(
    house: House, manager: Manager, large_ledger: None, daemon: subprocess.Popen[bytes]
) -> None:
    told = manager.told()
    assert "EXTEND_TIMEOUT_USEC=128000000" in told
    assert told.index("STATUS=looks through the ledger of 68 MB") < told.index("READY=1")
    assert events(house, "ledger.checking")
    assert house.stop() == 0
    house.start()
    eventually(lambda: len(events(house, "service.started")) == 2, 60, "started again")
    assert len(events(house, "ledger.checking")) == 1, "it was closed in good order"
    assert house.stop() == 0


def test_a_config_with_faults_is_refused_whole_and_the_old_one_stays(
    house: House, manager: Manager, daemon: subprocess.Popen[bytes]
) -> None:
    shutil.copy(house.path("config.yaml"), house.path("kept.yaml"))
    Path(house.path("config.yaml")).write_text("folders: []\nworkers: many\n")
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: events(house, "config.refused"), 30, "it is refused")
    (line,) = events(house, "config.refused")
    assert len(line["faults"]) == 2  # type: ignore[arg-type]
    eventually(lambda: manager.told().count("READY=1") == 2, 30, "it is ready again")
    words = [word for word in manager.told() if word in ("READY=1", "RELOADING=1")]
    assert words == ["READY=1", "RELOADING=1", "READY=1"]
    assert any("a changed config was refused" in line for line in manager.told())
    shutil.copy(house.path("kept.yaml"), house.path("config.yaml"))
    drop(house, "after.jpg")
    house.wait_done(1, 60)
    assert house.stop() == 0


def test_a_good_config_takes_the_place_of_the_old_one_and_nothing_is_lost(
    house: House, manager: Manager, daemon: subprocess.Popen[bytes]
) -> None:
    for number in range(5):
        drop(house, f"{number}.jpg")
    os.makedirs(house.path("second"))
    os.makedirs(house.path("second-out"))
    with open(house.path("config.yaml"), encoding="utf-8") as file:
        config = json.load(file)
    config["folders"].append({"inbox": "./second", "outbox": "./second-out", "settle_seconds": 0.5})
    Path(house.path("config.yaml")).write_text(json.dumps(config))
    drop(house, "new.jpg", "second")
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: events(house, "config.reloaded"), 60, "it is taken")
    house.wait_done(6, 60)
    assert os.path.exists(house.path("second-out", "new.jpg"))
    assert sorted(house.results()) == [f"{number}.jpg" for number in range(5)]
    assert manager.told().count("READY=1") == 2
    assert daemon.poll() is None
    assert house.stop() == 0


def test_a_config_that_cannot_be_worked_by_gives_way_to_the_old_one(
    house: House, manager: Manager, daemon: subprocess.Popen[bytes]
) -> None:
    with open(house.path("config.yaml"), encoding="utf-8") as file:
        config = json.load(file)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config["metrics"] = {"port": taken.getsockname()[1]}
        Path(house.path("config.yaml")).write_text(json.dumps(config))
        daemon.send_signal(signal.SIGHUP)
        eventually(lambda: events(house, "config.refused"), 60, "it is refused")
        eventually(lambda: manager.told().count("READY=1") == 2, 60, "the old one is back")
    drop(house, "after.jpg")
    house.wait_done(1, 60)
    assert house.stop() == 0


def niceness(daemon: subprocess.Popen[bytes]) -> set[int]:
    """That of the daemon's children, without its own."""
    own = os.getpriority(os.PRIO_PROCESS, daemon.pid)
    found = set()
    for task in os.listdir(f"/proc/{daemon.pid}/task"):
        children = Path(f"/proc/{daemon.pid}/task/{task}/children").read_text().split()
        found |= {os.getpriority(os.PRIO_PROCESS, int(child)) - own for child in children}
    return found


def test_quiet_hours_and_niceness_come_and_go_with_a_reload(
    house: House, manager: Manager, daemon: subprocess.Popen[bytes]
) -> None:
    hour = time.localtime().tm_hour
    house.top = {"work": {"quiet_hours": f"{hour:02}:00-{(hour + 2) % 24:02}:00", "nice": 7}}
    house.write_config()
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: events(house, "work.quiet"), 60, "it is quiet")
    drop(house, "a.jpg")
    eventually(lambda: house.counts() == {"queued": 1}, 30, "the scan is taken up")
    eventually(lambda: any("quiet hours until" in line for line in manager.told()), 30, "systemd is told")
    eventually(lambda: niceness(daemon) == {7}, 30, "workers step back")
    ends = f"{(hour + 2) % 24:02}:00"
    assert f"Quiet hours until {ends}; scans wait" in house.call("status").stdout
    assert f"the end of the quiet hours, at {ends}" in house.call("explain", "a.jpg").stdout
    assert house.counts() == {"queued": 1}
    house.top = {}
    house.write_config()
    daemon.send_signal(signal.SIGHUP)
    house.wait_done(1, 60)
    assert niceness(daemon) == {0}
    assert "Quiet" not in house.call("status").stdout
    assert house.stop() == 0


def test_whoever_asks_for_once_does_not_mean_later(house: House) -> None:
    hour = time.localtime().tm_hour
    house.top = {"work": {"quiet_hours": f"{hour:02}:00-{(hour + 2) % 24:02}:00"}}
    house.write_config()
    drop(house, "a.jpg")
    assert "1 coloured" in house.call("once").stdout


def test_work_goes_on_whatever_the_server_of_notices_does(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def talk() -> None:
            for _ in range(3):
                held.append(server.accept()[0])
                if len(held) == 1:
                    held[0].sendall(b"no word of HTTP\r\n\r\n")
                elif len(held) == 2:
                    held[1].close()

        threading.Thread(target=talk, daemon=True).start()
        house.top = {"notify": {"webhook": f"http://127.0.0.1:{server.getsockname()[1]}/"}}
        house.write_config()
        house.start()
        for number in range(3):
            drop(house, f"{number}.jpg")
            Path(house.path("inbox", f"bad {number}.jpg")).write_bytes(b"this is no picture at all, only words " * 10)
        house.wait_done(3, 60)
        eventually(lambda: house.counts().get("quarantined") == 3, 30, "the bad ones are in quarantine")
        eventually(lambda: len(held) == 3, 30, "nonsense, a slammed door, silence: each was met")
        begun = time.monotonic()
        assert house.stop() == 0
        assert time.monotonic() - begun < 12, "a server that is silent does not keep it from ending"
        for connection in held:
            connection.close()
    assert "Traceback" not in Path(house.path("log")).read_text()
    assert len(events(house, "notice.failed")) == 1


def test_figures_and_notices_follow_the_work(house: House) -> None:
    pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    told = house.path("told")
    script = "import os, sys; open(sys.argv[1], 'a').write(os.environ['COLORWATCH_TITLE'] + '\\n')"
    house.top = {"metrics": {"port": port}, "notify": {"command": [sys.executable, "-c", script, told]}}
    house.write_config()
    house.start()
    try:
        drop(house, "good.jpg")
        Path(house.path("inbox", "bad.jpg")).write_bytes(b"this is no picture at all, only words " * 10)
        house.wait_done(1, 60)
        eventually(lambda: os.path.exists(told) and "bad.jpg" in Path(told).read_text(), 30, "a notice")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'colorwatch_scans_total{folder="inbox",outcome="done"} 1.0' in text
        assert 'colorwatch_scans_total{folder="inbox",outcome="quarantined"} 1.0' in text
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert json.load(answer)["ok"]
    finally:
        assert house.stop() == 0
