"""The two notes beside a scan in quarantine: `NAME - why.txt` for people, `NAME.reason.json` for programs.

Each is written in one piece, once a job, and never over a file that somebody else has put there.
"""

from __future__ import annotations

import errno
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

from colorwatch.disk.beneath import folder_beneath, move_new, open_file, stat_at, sync_folder, unlink_at
from colorwatch.disk.names import NAME_BYTES, SPOOL, cut_name, free_name, numbered, safe_name
from colorwatch.disk.ownership import Ownership
from colorwatch.faultpoint import reach
from colorwatch.scan import Fingerprint, printable

WHY = " - why.txt"
REASON = ".reason.json"
_PACKAGES = ("colorwatch", "opencv-python-headless", "numpy", "pyvips", "pyvips-binary")
_MOST_BYTES = 1 << 16
_TRIES = 100
_NOT_OURS = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EINVAL,
    errno.ELOOP,
    errno.ENXIO,
)  # gone, or no file of ours


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a scan could not be coloured. `noticed` is Unix time, `digest` a sha256 in hex; both may be unknown."""

    job_id: int
    path: str  # relative to the inbox
    fingerprint: Fingerprint
    title: str
    sentence: str
    kind: str = ""
    attempts: int = 0
    digest: str = ""
    noticed: float | None = None


def write_notes(
    store: str, beside: str, reason: Reason, hindrance: str = "", ownership: Ownership | None = None
) -> None:
    """Writes both notes for the scan `beside` (relative to `store`), those that are not there yet.

    With a `hindrance`, a sentence part, the scan is still in the inbox. Raises OSError.
    """
    name = os.path.basename(safe_name(beside))
    notes = (
        (WHY, _text(reason, hindrance), _is_why_of),
        (REASON, _json(reason, None if hindrance else beside), _is_reason_of),
    )
    finish = ownership.folder if ownership else None
    with (
        folder_beneath(store, os.path.dirname(beside), create=True, finish=finish) as target,
        folder_beneath(store, SPOOL, create=True) as spool,
    ):
        temp = f"note-{reason.job_id}.part"
        for ending, text, is_of in notes:
            wanted = cut_name(name, NAME_BYTES - len(ending)) + ending
            if stat_at(target, wanted) is None or not _ours(target, wanted, reason.job_id, is_of):
                _write(spool, temp, text, ownership, target)
                _name(spool, temp, target, wanted)
        unlink_at(spool, temp)  # of an earlier call that was killed with both in their place


def remove_notes(store: str, beside: str, job_id: int) -> None:
    """Removes the notes of that job from beside that path, wherever they are ours. Raises OSError."""
    name = os.path.basename(safe_name(beside))
    try:
        with folder_beneath(store, os.path.dirname(beside)) as target:
            for ending, is_of in ((WHY, _is_why_of), (REASON, _is_reason_of)):
                wanted = cut_name(name, NAME_BYTES - len(ending)) + ending
                # Whichever job wrote it: the first of these names speaks of this very file.
                if stat_at(target, wanted) is not None and is_of(target, wanted, None):
                    unlink_at(target, wanted)
                for note in _ours(target, wanted, job_id, is_of):
                    unlink_at(target, note)
            sync_folder(target)
    except (FileNotFoundError, NotADirectoryError):
        os.stat(store)  # that there is no such folder is fine, that the disk is gone is not


_IsOf = Callable[[int, str, int | None], bool]


def _ours(target: int, wanted: str, job_id: int, is_of: _IsOf) -> list[str]:
    return [note for note in numbered(target, wanted) if is_of(target, note, job_id)]


def _write(spool: int, temp: str, text: str, ownership: Ownership | None, target: int) -> None:
    unlink_at(spool, temp)
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temp, new, 0o666, dir_fd=spool), "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
    if ownership is not None:
        ownership.file(spool, temp, target)


def _name(spool: int, temp: str, target: int, wanted: str) -> None:
    for _ in range(_TRIES):
        reach("noted")
        try:
            move_new(spool, temp, target, free_name(target, wanted))
        except FileExistsError:
            continue
        sync_folder(target)
        unlink_at(spool, temp)
        return


def _text(reason: Reason, hindrance: str) -> str:
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    place = f"still in the inbox, for it could not be moved: {hindrance}" if hindrance else "beside this note"
    advice = (
        "Once the cause is mended, save the scan into the inbox again: it is then treated as a new one. "
        "If it is not wanted, delete it together with this note."
    )
    return (
        f"{reason.title}\n\n"
        f"What happened: {reason.sentence}\n"
        f"Scan: {printable(reason.path)}\n"
        f"When: {now}\n"
        f"Where it is now: {place}\n"
        f"What to do: {advice}\n\n"
        f"{_signed(reason.job_id)}\n"
    )


def _json(reason: Reason, where: str | None) -> str:
    """The same for programs; a name that is no text has lone surrogates, as in Python, and null stands for unknown."""
    values = {
        "written_by": "colorwatch",
        "job": reason.job_id,
        "scan": reason.path,
        "kind": reason.kind or None,
        "reason": reason.sentence,
        "attempts": reason.attempts,
        "sha256": reason.digest or None,
        "size": reason.fingerprint.size,
        "modified": _iso(reason.fingerprint.mtime_ns / 1e9),
        "noticed": _iso(reason.noticed),
        "quarantined": datetime.now(UTC).isoformat(timespec="seconds"),
        "where": where,  # relative to the quarantine; null: still in the inbox
        "versions": {"python": platform.python_version(), **versions()},
    }
    return json.dumps(values, indent=2) + "\n"


def versions() -> dict[str, str]:
    """Of colorwatch and what it reads pictures with, without loading any of it."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _iso(seconds: float | None) -> str | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None  # a clock gone wrong


def _signed(job_id: int) -> str:
    return f"(colorwatch, job {job_id})"


def _is_why_of(folder: int, name: str, job_id: int | None) -> bool:
    last = _read(folder, name).rstrip().rpartition("\n")[2]
    return last.startswith("(colorwatch, job ") if job_id is None else last == _signed(job_id)


def _is_reason_of(folder: int, name: str, job_id: int | None) -> bool:
    try:
        values = json.loads(_read(folder, name))
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(values, dict)
        and values.get("written_by") == "colorwatch"
        and (job_id is None or values.get("job") == job_id)
    )


def _read(folder: int, name: str) -> str:
    try:
        with open(open_file(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise  # the disk fails: whose it is must not be guessed
        return ""
