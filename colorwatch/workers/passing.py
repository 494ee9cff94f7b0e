"""Packets with open descriptors beside them, over a Unix socket.

`socket.send_fds` and `recv_fds` would do, but drop their flags (Python 3.11), and what they receive is inheritable.
"""

from __future__ import annotations

import array
import os
import socket

from colorwatch.wire import MAX_BYTES

MAX_DESCRIPTORS = 4


def send(channel: socket.socket, packet: bytes, descriptors: list[int]) -> None:
    """Sends one packet; the other side gets duplicates of `descriptors`. Raises OSError as `sendmsg` does."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    channel.sendmsg([packet], [rights] if descriptors else [], socket.MSG_NOSIGNAL)


def receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """One packet (empty at the end) and its descriptors, now the caller's to close; raises OSError."""
    items = array.array("i")
    space = socket.CMSG_SPACE(MAX_DESCRIPTORS * items.itemsize)
    packet, rights, _, _ = channel.recvmsg(MAX_BYTES + 1, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            items.frombytes(content[: len(content) - len(content) % items.itemsize])
    return packet, list(items)


def close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
