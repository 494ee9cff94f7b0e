"""A service manager for tests: its socket, and everything that was told to it."""

from __future__ import annotations

import socket
import threading


class Manager:
    """Listens all the time, as systemd does: a socket that nobody reads takes ten messages and drops the rest."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._thread = threading.Thread(target=self._listen, name="manager", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while message := self._socket.recv(8192):
            self.lines += message.decode().splitlines()

    def told(self) -> list[str]:
        """What was told so far, line by line and in order."""
        return list(self.lines)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()
