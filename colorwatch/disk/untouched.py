"""Whether a file is still what we wrote, and whether somebody writes to it at this moment."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import signal

from colorwatch.disk.beneath import open_file


def is_untouched(folder: int, name: str, digest: str) -> bool:
    """Whether the regular file `name` in an open folder has that sha256, and nobody has it open for writing.

    The second is known on local disks alone, by a lease (fcntl(2)); elsewhere the content decides.
    """
    try:
        descriptor = open_file(folder, name)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM):
            return False  # gone, no file, or a stranger's: we can read our own
        raise
    with open(descriptor, "rb", buffering=0) as file:
        # While the lease is held, who wants to write waits; so the content is read after it was taken.
        if _is_written(file.fileno()) and _leases_work(folder):
            return False
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


def _is_written(descriptor: int) -> bool:
    """Takes a read lease, which goes with the descriptor; true where that is refused because somebody may write."""
    try:
        # The kernel tells of a writer by a signal: one that does nothing, for SIGIO would end the daemon.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        pass  # the disk has no leases, or the file is not ours to take one on
    return False


def _leases_work(folder: int) -> bool:
    """Whether a file gets one that nobody else can have open: on a network share the answer is always EAGAIN."""
    with contextlib.suppress(OSError):
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(descriptor)
        try:
            return not _is_written(again)
        finally:
            os.close(again)
    return False
