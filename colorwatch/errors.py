"""The package's exceptions: each class carries its exit code, and whether waiting can help.

A failure inside a worker never crosses the process boundary as an exception: `colorwatch.protocol.Failure` carries it.
"""

from __future__ import annotations

import errno
import re
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of the command line, for scripts and for systemd."""

    OK = 0
    FAILED = 1  # at least one scan ended in quarantine, or what was asked cannot be done
    USAGE = 2  # the command line itself was wrong
    CONFIG = 3  # the config has faults, all of them printed
    LOCKED = 4  # another colorwatch works on the same state folder
    WAITING = 5  # `once` left scans for later, or what was asked is carried out at the next start
    MODEL = 6  # the model is missing or cannot be loaded
    STATE = 7  # the state folder or the ledger cannot be used
    INTERNAL = 70  # colorwatch itself has a fault; the log has its details


class ColorwatchError(Exception):
    """Base of all errors with a message for the person who runs colorwatch."""

    exit_code: ClassVar[Exit] = Exit.FAILED


class ConfigError(ColorwatchError):
    """The config cannot be used; `faults` holds every fault, ready to print, one a line."""

    exit_code = Exit.CONFIG

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class LockedError(ColorwatchError):
    """Another process holds the lock on the state folder."""

    exit_code = Exit.LOCKED


class ModelError(ColorwatchError):
    """The model is missing, foreign or damaged."""

    exit_code = Exit.MODEL


class StateError(ColorwatchError):
    """The state folder or the ledger in it cannot be used."""

    exit_code = Exit.STATE


class AskError(ColorwatchError):
    """What a person asked for cannot be done; nothing was changed."""


class ScanError(ColorwatchError):
    """One scan cannot be worked on. `kind` is a short stable word, `retryable` says that waiting may help.

    `path_fault` is left to subclasses; the message is one sentence for a person, without the file's name.
    """

    kind: ClassVar[str] = "failed"
    retryable: ClassVar[bool] = False


class NotAPictureError(ScanError):
    """The content is no picture format known here."""

    kind = "not-a-picture"


class UnsupportedError(ScanError):
    """A picture, but of a kind that this version does not read; the message names the feature."""

    kind = "unsupported"


class DamagedError(ScanError):
    """A picture that ends early or does not decode."""

    kind = "damaged"


class TooLargeError(ScanError):
    """More pixels than the config allows, known from the header before decoding."""

    kind = "too-large"


class ForbiddenFileError(ScanError):
    """A symlink, directory, fifo, socket or device where a scan should be: never followed, never opened."""

    kind = "not-a-file"


class ChangedError(ScanError):
    """The file is no longer the one that was settled; it is looked at afresh."""

    kind = "changed"
    retryable = True


class GoneError(ScanError):
    """The file is no longer there."""

    kind = "gone"


class UnreadableError(ScanError):
    """No permission to read the file."""

    kind = "unreadable"
    retryable = True


class DiskError(ScanError):
    """The disk is full, read-only, over quota or gone: waiting may help, and nothing is the scan's fault."""

    kind = "disk"
    retryable = True


class MemoryShortError(ScanError):
    """The worker came to the limit of its memory, or the machine to its own: of the scan nothing is proven."""

    kind = "memory"
    retryable = True

    def __init__(self) -> None:
        super().__init__("There was not enough memory for it.")


class NotMountedError(OSError):
    """A folder that is not the one that it was, for its disk is away; `why` is a sentence part for a person."""

    def __init__(self, why: str, path: str) -> None:
        super().__init__(errno.ENOENT, why, path)
        self.why = why


TRANSIENT_ERRNOS: dict[int, str] = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the filesystem is read-only",
    errno.EIO: "the disk or the share reports an input/output error",
    errno.ESTALE: "the share was re-mounted or is gone",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted",
    errno.ENOTCONN: "the share is not connected",
    errno.EHOSTDOWN: "the file server is down",
    errno.ETIMEDOUT: "the file server does not answer",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open on this machine",
    errno.EBUSY: "the file is busy",
    errno.ENOENT: "the folder is gone",
    errno.ENOTDIR: "the folder is gone",
}


# OpenCV, libvips, libjpeg, libtiff, libpng and glib, each in words of its own (measured under limits of all sizes).
_SHORT_OF_MEMORY = re.compile(
    r"(out of|insufficient|enough|allocate|allocation of) memory|failed to allocate|bad_alloc|memory allocation"
    r"|no space for|creating thread|start new thread",
    re.IGNORECASE,
)


def short_of_memory(error: BaseException) -> bool:
    """Whether a library's error only says that it got no memory (or no thread, which needs some).

    A function written in C may wrap the MemoryError in a SystemError.
    """
    if isinstance(error, MemoryError) or _SHORT_OF_MEMORY.search(str(error)):
        return True
    return error.__cause__ is not None and short_of_memory(error.__cause__)


def explain_os_error(error: OSError) -> str:
    """A sentence part for a person: what the system said, in plain words where we have them."""
    if isinstance(error, NotMountedError):
        return error.why
    plain = TRANSIENT_ERRNOS.get(error.errno or 0)
    return plain or (error.strerror or str(error)).lower()
