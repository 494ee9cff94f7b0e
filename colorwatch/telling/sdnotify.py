"""What is told to the service manager: sd_notify(3), a datagram of lines to the socket that it names.

Without a NOTIFY_SOCKET nothing is told. Nothing here ever fails or waits: whoever does not listen misses it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The service manager, seen from the daemon. `environment` is taken at the start and left as it is."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._status = ""
        self.watchdog_seconds = _watchdog(environment)
        """How often at least the manager wants word, in seconds; 0 where it asks for none."""
        self._channel: socket.socket | None = None
        if self._address[:1] in ("/", "@"):
            self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._channel.setblocking(False)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def ready(self, status: str) -> None:
        """The service works, for the first time or after a reload."""
        self._status = status
        self._tell("READY=1", f"STATUS={_line(status)}")

    def extend(self, seconds: float, status: str) -> None:
        """The start takes so much longer from now on, and is no fault."""
        self._status = status
        self._tell(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}", f"STATUS={_line(status)}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it. systemd from version 253 on wants the time with it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        self._tell("STOPPING=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`, told when it changes."""
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Work goes on: the watchdog's time begins anew."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if self._channel is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError):
            self._channel.sendto("\n".join(lines).encode("utf-8", "replace"), address)


def _watchdog(environment: Mapping[str, str]) -> float:
    """sd_watchdog_enabled(3): meant for this process alone where a pid is named."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(microseconds) / 1e6


def _line(text: str) -> str:
    return " ".join(text.split())
