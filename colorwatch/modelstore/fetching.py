"""Fetching one file whose sha256 is known: several addresses, resumed where it broke off, in place only when right.

What has come lies in `TARGET.part` until its size and sha256 are those that were asked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import socket
import ssl
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from colorwatch import __version__
from colorwatch.errors import ModelError, explain_os_error
from colorwatch.modelstore import placing
from colorwatch.scan import printable

SILENCE_SECONDS = 30.0  # a server may be slow, but not silent
PIECE = 1 << 18
_NO_WEB_ADDRESS = "it redirects to something that is no web address"
RESUMES = 20  # at one address, each of them after at least one byte more

Progress = Callable[[int, int | None], None]
"""Told the bytes that are here, and how many there will be (None where nobody knows)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The file to fetch. `size` in bytes where it is known; more than `at_most` bytes are never taken."""

    sha256: str
    size: int | None
    at_most: int
    addresses: Sequence[str]


class _NoGood(Exception):  # noqa: N818 - never leaves this module: the reason why an address was given up
    """Why this address has no use; `unreachable` says that not even a server answered."""

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class _Interrupted(Exception):  # noqa: N818 - never leaves this module
    """It broke off; what has come so far can be kept."""


class _Stale(Exception):  # noqa: N818 - never leaves this module
    """What came earlier does not fit this server's file: begin again from nothing."""


def fetch(wanted: Wanted, target: str, progress: Progress, silence: float = SILENCE_SECONDS) -> None:
    """Fetches the file and puts it at `target`, which must not exist. `silence` in seconds.

    Raises ModelError with one sentence: each address with what was wrong there, or what the disk said.
    """
    placing.make_folder(os.path.dirname(target))
    with _Part(target, wanted) as part:
        if part.digest() == wanted.sha256:  # the last fetch was killed a moment before its end
            part.finish()
            return
        reasons: list[tuple[str, _NoGood]] = []
        for address in wanted.addresses:
            try:
                _from(address, wanted, part, progress, silence)
            except _NoGood as reason:
                reasons.append((address, reason))
                continue
            part.finish()
            return
        raise ModelError(_all_failed(wanted, reasons, part.have))


def _from(address: str, wanted: Wanted, part: _Part, progress: Progress, silence: float) -> None:
    """The whole file from one address, resumed as long as each try brings something. Raises _NoGood."""
    for _ in range(RESUMES):
        before = part.have
        try:
            _receive(address, wanted, part, progress, silence)
        except _Stale as reason:
            if before == 0:
                raise _NoGood(str(reason)) from None
            part.restart()
            continue
        except _Interrupted as reason:
            if part.have <= before:
                raise _NoGood(str(reason)) from None
            continue
        if part.digest() == wanted.sha256:
            return
        part.restart()
        # The beginning may have come from elsewhere: this address deserves a try of its own.
        if before == 0:
            raise _NoGood("it sends another file (the sha256 is wrong)")
    raise _NoGood(f"it broke off {RESUMES} times")


def _receive(address: str, wanted: Wanted, part: _Part, progress: Progress, silence: float) -> None:
    """One request and its body."""
    if wanted.size is not None and part.have == wanted.size:
        return
    headers = {"User-Agent": f"colorwatch/{__version__}", "Accept-Encoding": "identity"}
    if part.have:
        headers["Range"] = f"bytes={part.have}-"
    try:
        # The opener below knows http and https and nothing else.
        request = urllib.request.Request(address, headers=headers)  # noqa: S310
        with _opener().open(request, timeout=silence) as response:
            total = _announced(response, wanted, part)
            part.reserve(total)
            progress(part.have, total)
            _take(response, wanted, part, total, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            raise _Stale("it refuses to send the file (416)") from None
        raise _NoGood(_answered(error)) from None
    except urllib.error.URLError as error:
        raise _unreachable(error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"it broke off ({_said(error)})") from None
    except ValueError:
        raise _NoGood("this is no address") from None


def _take(response: Any, wanted: Wanted, part: _Part, total: int | None, progress: Progress) -> None:
    most = wanted.size or wanted.at_most
    while piece := response.read1(PIECE):
        if part.have + len(piece) > most:
            part.restart()
            raise _NoGood(f"it sends more than the {most:,} bytes that the file can have")
        part.write(piece)
        progress(part.have, total)
    if total is not None and part.have < total:
        raise _Interrupted(f"it broke off after {part.have:,} of {total:,} bytes")


def _announced(response: Any, wanted: Wanted, part: _Part) -> int | None:
    """The size of the whole file as this answer has it; empties `part` where the answer begins at the beginning."""
    if response.status not in (200, 206):
        raise _NoGood(f"it answers {response.status} {printable(response.reason or '')}".rstrip())
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _NoGood("it sends the file packed, although that was not asked for")
    if response.status == 206:
        total = _range_total(response.headers.get("Content-Range", ""), part.have)
    else:
        if part.have:
            part.restart()  # it does not know how to resume
        if response.headers.get_content_type() == "text/html":
            raise _NoGood("it sends a web page, not the file")
        length = response.headers.get("Content-Length", "")
        total = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None
    if total is not None and wanted.size is not None and total != wanted.size:
        raise _NoGood(f"it announces {total:,} bytes instead of {wanted.size:,}")
    if total is not None and total > wanted.at_most:
        raise _NoGood(f"it announces {total:,} bytes, more than the file can have")
    return wanted.size if total is None else total


def _range_total(told: str, have: int) -> int | None:
    match = re.fullmatch(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)", told.strip())
    if match is None or have == 0 or int(match[1]) != have or int(match[2]) < have:
        raise _Stale("it sends another part of the file than it was asked for")
    return None if match[3] == "*" else int(match[3])


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but to http and https alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise _NoGood(_NO_WEB_ADDRESS)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Reads http and https; proxies by the environment. Without the handlers for ftp, file and data addresses."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        _OnlyHttp,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _answered(error: urllib.error.HTTPError) -> str:
    # urllib's own words: the status is that of the redirect it would not follow.
    if "infinite loop" in str(error.reason):
        return "it redirects in a circle"
    if "not allowed" in str(error.reason):
        return _NO_WEB_ADDRESS
    return f"it answers {error.code} {printable(str(error.reason))[:80]}".rstrip()


def _unreachable(reason: object) -> _NoGood:
    if isinstance(reason, ssl.SSLError):
        return _NoGood(f"its certificate or encryption is not in order ({_said(reason)})")
    if isinstance(reason, str):
        return _NoGood(f"this address cannot be used ({printable(reason)[:80]})")
    return _NoGood(_said(reason), unreachable=True)


def _said(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it is silent"
    if isinstance(error, socket.gaierror):
        return "its name is not known here"
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended early"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return printable(str(error) or type(error).__name__)[:120]


def _all_failed(wanted: Wanted, reasons: list[tuple[str, _NoGood]], kept: int) -> str:
    told = "; ".join(f"{address}: {reason}" for address, reason in reasons)
    text = f"It could not be fetched. {told}."
    if reasons and all(reason.unreachable for _, reason in reasons):
        text = f"It could not be fetched: this machine seems to be offline. {told}."
    if kept:
        text += f" The {kept:,} bytes that came are kept; the next fetch goes on from there."
    elsewhere = f"A file that was fetched on another machine can be taken with --from FILE (sha256 {wanted.sha256})."
    return f"{text} {elsewhere}"


class _Part:
    """What has come of the file: `TARGET.part`, locked against a second fetch, with its sha256 so far."""

    def __init__(self, target: str, wanted: Wanted) -> None:
        self._target = target
        self._path = target + placing.UNFINISHED
        self._wanted = wanted
        self._hash = hashlib.sha256()
        self.have = 0

    def __enter__(self) -> _Part:
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._fault(error) from None
        try:
            self._lock_and_read()
        except BaseException:
            os.close(self._fd)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            # An empty rest is no use to anyone.
            if self.have == 0 and os.path.samestat(os.fstat(self._fd), os.stat(self._path)):
                os.unlink(self._path)
        os.close(self._fd)

    def _lock_and_read(self) -> None:
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise ModelError(f"{printable(self._path)} is no regular file; remove it.")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ModelError(f"Another colorwatch fetches {printable(self._target)} already.") from None
        try:
            while piece := os.read(self._fd, PIECE):
                self._hash.update(piece)
                self.have += len(piece)
        except OSError as error:
            raise self._fault(error) from None
        if self.have > (self._wanted.size or self._wanted.at_most):
            self.restart()

    def restart(self) -> None:
        """Forgets everything that has come."""
        try:
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        except OSError as error:
            raise self._fault(error) from None
        self._hash = hashlib.sha256()
        self.have = 0

    def write(self, piece: bytes) -> None:
        try:
            view = memoryview(piece)
            while view:
                written = os.write(self._fd, view)
                self._hash.update(view[:written])
                self.have += written
                view = view[written:]
        except OSError as error:
            raise self._fault(error) from None

    def digest(self) -> str:
        return self._hash.hexdigest()

    def reserve(self, total: int | None) -> None:
        """Raises ModelError where the disk has no room for the rest: better now than after an hour."""
        if total is None:
            return
        try:
            disk = os.fstatvfs(self._fd)
        except OSError:
            return
        free, needed = disk.f_bavail * disk.f_frsize, total - self.have
        if free < needed:
            raise ModelError(
                f"The disk of {printable(os.path.dirname(self._target))} has {free:,} bytes free, and "
                f"{needed:,} are needed; make room and fetch again."
            )

    def finish(self) -> None:
        """Puts the file in its place, on disk when this returns. Raises ModelError."""
        try:
            os.fsync(self._fd)
            placing.place(self._path, self._target)
        except FileExistsError:
            raise ModelError(f"{printable(self._target)} is there already; nothing was written over.") from None
        except OSError as error:
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> ModelError:
        kept = f" The {self.have:,} bytes that came are kept; the next fetch goes on from there." if self.have else ""
        return ModelError(
            f"{printable(self._path)} cannot be written: {explain_os_error(error)}; "
            f"make room or allow it, and fetch again.{kept}"
        )
