"""The protocol of sd_notify(3), against a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from colorwatch.telling.sdnotify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = f"@colorwatch-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        listening.settimeout(5)
        yield listening, name


def told(manager: tuple[socket.socket, str]) -> list[str]:
    return manager[0].recv(4096).decode().splitlines()


def test_each_word_arrives_as_the_manual_writes_it(manager: tuple[socket.socket, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    notifier.extend(90.5, "looks through the ledger")
    assert told(manager) == ["EXTEND_TIMEOUT_USEC=90500000", "STATUS=looks through the ledger"]
    notifier.ready("3 done")
    assert told(manager) == ["READY=1", "STATUS=3 done"]
    notifier.status("4 done\nsecond line")
    assert told(manager) == ["STATUS=4 done second line"]
    notifier.alive()
    assert told(manager) == ["WATCHDOG=1"]
    notifier.stopping("the end")
    assert told(manager) == ["STOPPING=1", "STATUS=the end"]
    notifier.close()


def test_a_reload_tells_the_time_at_which_it_began(manager: tuple[socket.socket, str]) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    notifier.reloading()
    first, second = told(manager)
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.close()


def test_the_same_status_is_told_once(manager: tuple[socket.socket, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    notifier.status("one")
    notifier.status("one")
    notifier.status("two")
    assert [told(manager), told(manager)] == [["STATUS=one"], ["STATUS=two"]]
    notifier.close()


@pytest.mark.parametrize("address", ["", "/nobody/listens/here", "vsock:2:1", "@nobody"])
def test_without_a_listener_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("x")
    notifier.alive()
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_the_watchdog_is_meant_for_the_process_that_is_named(environment: dict[str, str], seconds: float) -> None:
    assert Notifier(environment).watchdog_seconds == seconds


def test_a_full_socket_never_makes_the_daemon_wait(manager: tuple[socket.socket, str]) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager[1]})
    for _ in range(5000):
        notifier.alive()
    notifier.close()
