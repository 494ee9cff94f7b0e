"""What the daemon tells the watchdog: that work goes on, and nothing more once it has seen no inbox for long."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from colorwatch.daemon import BLIND_SECONDS, Daemon
from colorwatch.pool import SerialPool
from colorwatch.telling.sdnotify import Notifier
from homes import Home
from waiting import eventually


class Clock:
    """A monotonic clock that goes on when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_watchdog_is_let_go_while_no_inbox_is_seen_and_fed_again_once_one_is(tmp_path: Path) -> None:
    clock = Clock()
    home = Home(str(tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(home.path("notify"))
        manager.setblocking(False)

        def fed() -> bool:
            """Whether the watchdog hears of another look, 100 s after the last one."""
            clock.now += 100
            daemon._look(service)
            words = []
            while True:
                try:
                    words += manager.recv(8192).decode().splitlines()
                except BlockingIOError:
                    return "WATCHDOG=1" in words

        notifier = Notifier({"NOTIFY_SOCKET": home.path("notify"), "WATCHDOG_USEC": "300000000"})
        service = home.make(pool=SerialPool)
        daemon = Daemon(lambda: service._config, lambda _: service, notifier, clock)

        def ticked(until: bool) -> bool:
            service.tick(time.monotonic())
            return bool(service.unreachable) is until

        try:
            service.start()
            eventually(lambda: service.standing.looked_at or ticked(True), 30, "the inbox was looked through")
            assert [fed() for _ in range(3)] == [True] * 3
            os.rename(home.path("inbox"), home.path("away"))
            eventually(lambda: ticked(True), 60, "the inbox is gone")
            looks = [fed() for _ in range(int(BLIND_SECONDS // 100) + 3)]
            assert looks == [True] * (int(BLIND_SECONDS // 100) + 1) + [False] * 2
            os.rename(home.path("away"), home.path("inbox"))
            eventually(lambda: ticked(False), 60, "it is back")
            assert fed()
        finally:
            service.close()
            notifier.close()
