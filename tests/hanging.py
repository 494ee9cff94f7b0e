"""A share that can hang: a small FUSE server, which stops answering when it is told to. Needs root and /dev/fuse.

Message layouts: linux/fuse.h, protocol 7.31. The share is one folder, empty, or with no answer at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import threading

_GETATTR, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 3, 26, 27, 28, 29
_ENOENT, _ENOSYS = 2, 38
_LOOKUP = 1
_FORCE, _DETACH = 1, 2  # umount2(2): the first ends the connection, and every call that waits for an answer fails

_libc = ctypes.CDLL(None, use_errno=True)


class HangingShare:
    """Mounted on `point` from `mount` to `close`. Raises OSError where this user cannot mount it."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.asked = threading.Event()  # something was asked since it hangs
        self._hangs = threading.Event()
        self._device = -1

    def mount(self, kind: str = "fuse.sshfs") -> None:
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        arguments = (b"share", os.fsencode(self.point), kind.encode(), 6, options.encode())
        if _libc.mount(*arguments) != 0:
            code = ctypes.get_errno()
            os.close(self._device)
            self._device = -1
            raise OSError(code, os.strerror(code))
        threading.Thread(target=self._serve, name="share", daemon=True).start()

    def hang(self) -> None:
        """From here on nothing that asks for anything comes back."""
        self._hangs.set()

    def close(self) -> None:
        if self._device < 0:
            return
        for flags in (_FORCE, _DETACH):
            _libc.umount2(os.fsencode(self.point), flags)
        os.close(self._device)
        self._device = -1

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._device, 1 << 20)
            except OSError:
                return
            _, operation, ticket = struct.unpack_from("<IIQ", request)
            if self._hangs.is_set():
                self.asked.set()
                continue
            code, body = self._answer(operation)
            with contextlib.suppress(OSError):  # whoever asked may not wait any more
                os.write(self._device, struct.pack("<IiQ", 16 + len(body), -code, ticket) + body)

    def _answer(self, operation: int) -> tuple[int, bytes]:
        """The error number, and what follows the header."""
        if operation == _INIT:
            return 0, struct.pack("<IIIIHHII36x", 7, 31, 0, 0, 8, 8, 4096, 1)
        if operation == _GETATTR:  # valid for no time: every look asks again
            return 0, struct.pack("<QII", 0, 0, 0) + struct.pack(
                "<QQQQQQIIIIIIIIII", *[1] + [0] * 8, 0o40755, 2, *[0] * 5
            )
        if operation == _OPENDIR:
            return 0, struct.pack("<QII", 1, 0, 0)
        if operation in (_READDIR, _RELEASEDIR):
            return 0, b""
        return (_ENOENT if operation == _LOOKUP else _ENOSYS), b""
