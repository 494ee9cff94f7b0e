"""Tells people who do not look: a command or a webhook, when something needs a person, and once a day what was done.

Notices are made from the lines of the log and sent by a thread of their own. A server that is slow, broken or absent
costs a notice, never a scan; what comes too often is gathered into one.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colorwatch import log
from colorwatch.scan import printable

if TYPE_CHECKING:
    from colorwatch.config import Notify

SEND_SECONDS = 15.0
MOST_WAITING = 100
MOST_TOKEN_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `kind` is one of those that the config's `on` names; `urgent` ones are marked so."""

    kind: str
    title: str
    text: str
    urgent: bool = False


def _quarantined(line: Mapping[str, Any]) -> Notice:
    name = printable(str(line.get("file", "a scan")))
    return Notice("quarantine", f"{name} could not be coloured", printable(str(line.get("reason", ""))))


def _blind(line: Mapping[str, Any]) -> Notice:
    folder = printable(str(line.get("folder", "")))
    return Notice("blind", f"The inbox of {folder} is not seen", printable(str(line.get("reason", ""))), urgent=True)


def _disk(line: Mapping[str, Any]) -> Notice:
    folder = printable(str(line.get("folder", "")))
    return Notice("disk", f"The disk of {folder} needs attention", printable(str(line.get("reason", ""))), urgent=True)


def _failed(line: Mapping[str, Any]) -> Notice:
    return Notice("failed", "colorwatch has stopped", printable(str(line.get("reason", ""))), urgent=True)


MAKERS: dict[str, Callable[[Mapping[str, Any]], Notice]] = {
    "job.quarantined": _quarantined,
    "folder.unreachable": _blind,
    "folder.blind": _blind,
    "folder.trouble": _disk,
    "folder.full": _disk,
    "service.failed": _failed,
    "worker.start_failed": _failed,
}


class Notices:
    """Listens to the log from `start` to `close`. `send` delivers one notice and may raise OSError or ValueError."""

    def __init__(
        self,
        settings: Notify,
        send: Callable[[Notice], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._send = send or Sender(settings).send
        self._clock = clock
        self._wall = wall
        self._log = log.get("notices")
        self._queue: queue.Queue[Notice | None] = queue.Queue(MOST_WAITING)
        self._sent: list[float] = []
        self._held: dict[str, int] = {}
        self._counts = {"done": 0, "quarantined": 0}
        self._failing = False
        self._next_digest = _next_time(settings.digest_at, wall()) if settings.digest_at else None
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        self._end = log.listen(self.hear)
        self._thread.start()

    def close(self, seconds: float = 2.0) -> None:
        """Ends it; what waits gets `seconds` to leave, and no more."""
        if self._end is not None:
            self._end()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(seconds)

    def hear(self, event: str, line: Mapping[str, Any]) -> None:
        """Takes one line of the log; never waits."""
        if event == "job.done":
            self._counts["done"] += 1
        elif event == "job.quarantined":
            self._counts["quarantined"] += 1
        maker = MAKERS.get(event)
        if maker is not None:
            self.tell(maker(line))

    def tell(self, notice: Notice) -> None:
        if notice.kind not in self._settings.on:
            return
        try:
            self._queue.put_nowait(notice)
        except queue.Full:
            self._held[notice.kind] = self._held.get(notice.kind, 0) + 1

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                notice = self._queue.get(timeout=self._seconds_to_wait())
            except queue.Empty:
                self._digest()
                self._release_held()
                continue
            if notice is None:
                return
            if self._may_send():
                self._deliver(notice)
            else:
                self._held[notice.kind] = self._held.get(notice.kind, 0) + 1

    def _seconds_to_wait(self) -> float:
        if self._next_digest is None:
            return 60.0
        return min(60.0, max(0.05, self._next_digest - self._wall()))

    def _may_send(self) -> bool:
        now = self._clock()
        self._sent = [when for when in self._sent if when > now - 3600]
        return len(self._sent) < self._settings.most_per_hour

    def _release_held(self) -> None:
        """What was held back, as one notice, once there is room for it again."""
        if not self._held or not self._may_send():
            return
        held, self._held = self._held, {}
        words = ", ".join(f"{number} more ({kind})" for kind, number in sorted(held.items()))
        self._deliver(Notice(next(iter(held)), "More has happened", f"{words}; `colorwatch status` shows all of it."))

    def _digest(self) -> None:
        if self._next_digest is None or self._wall() < self._next_digest:
            return
        self._next_digest = _next_time(self._settings.digest_at, self._wall())
        counts, self._counts = self._counts, {"done": 0, "quarantined": 0}
        if any(counts.values()):
            text = f"{counts['done']} coloured, {counts['quarantined']} in quarantine"
            self._deliver(Notice("digest", "What colorwatch did today", text))

    def _deliver(self, notice: Notice) -> None:
        self._sent.append(self._clock())
        try:
            self._send(notice)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            if not self._failing:  # once, until one gets through: this line must not become a notice's cause
                self._log.warning("notice.failed", kind=notice.kind, reason=_reason(error))
            self._failing = True
        else:
            self._failing = False
            self._log.debug("notice.sent", kind=notice.kind)


class Sender:
    """Delivers a notice as the config says. What it raises names no secret."""

    def __init__(self, settings: Notify) -> None:
        self._settings = settings

    def send(self, notice: Notice) -> None:
        """Raises OSError, ValueError or SubprocessError."""
        if self._settings.command:
            self._run(notice, self._settings.command)
        if self._settings.webhook:
            self._post(notice)

    def _run(self, notice: Notice, command: tuple[str, ...]) -> None:
        # By the environment and as arguments, never through a shell: a file's name is in there.
        told = {"COLORWATCH_KIND": notice.kind, "COLORWATCH_TITLE": notice.title, "COLORWATCH_TEXT": notice.text}
        words = {"{kind}": notice.kind, "{title}": notice.title, "{text}": notice.text}
        filled = [words.get(part, part) for part in command]
        subprocess.run(
            filled,
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SEND_SECONDS,
            check=True,
        )

    def _post(self, notice: Notice) -> None:
        request = self.request(notice)
        try:
            # The config takes no address but http and https.
            with urllib.request.urlopen(request, timeout=SEND_SECONDS):  # noqa: S310
                pass  # what it says beyond its status may drip in for ever
        except urllib.error.HTTPError as error:
            raise OSError(f"the server answered {error.code}") from None
        except http.client.HTTPException as error:
            raise OSError(f"the server's answer is none that HTTP knows ({type(error).__name__})") from None

    def request(self, notice: Notice) -> urllib.request.Request:
        """The request for a notice, in the shape that the server takes."""
        shape = self._settings.webhook_shape
        token = _token(self._settings.token_file)
        headers = {"User-Agent": "colorwatch"}
        if shape == "ntfy":
            headers |= {"Title": _header(notice.title), "Priority": "high" if notice.urgent else "default"}
            body = notice.text.encode("utf-8")
        else:
            headers["Content-Type"] = "application/json"
            body = json.dumps(_json_of(shape, notice)).encode("ascii")
        if token:
            headers["X-Gotify-Key" if shape == "gotify" else "Authorization"] = (
                token if shape == "gotify" else f"Bearer {token}"
            )
        return urllib.request.Request(self._settings.webhook, body, headers, method="POST")  # noqa: S310


def _json_of(shape: str, notice: Notice) -> dict[str, Any]:
    if shape == "gotify":
        return {"title": notice.title, "message": notice.text, "priority": 8 if notice.urgent else 4}
    if shape == "apprise":
        return {"title": notice.title, "body": notice.text, "type": "warning" if notice.urgent else "info"}
    return {"kind": notice.kind, "title": notice.title, "text": notice.text, "urgent": notice.urgent}


def _header(text: str) -> str:
    """A header holds ASCII alone; what is not becomes RFC 2047's encoding, which ntfy reads."""
    if text.isascii():
        return text
    from email.header import Header

    return Header(text, "utf-8", maxlinelen=10_000).encode()


def _token(path: str | None) -> str:
    if path is None:
        return ""
    with open(path, encoding="ascii") as file:
        return file.read(MOST_TOKEN_BYTES).strip()


def _reason(error: Exception) -> str:
    """What went wrong, without the address: it may hold a secret."""
    if isinstance(error, subprocess.TimeoutExpired):
        return "the command took too long"
    if isinstance(error, subprocess.CalledProcessError):
        return f"the command ended with exit code {error.returncode}"
    if isinstance(error, urllib.error.URLError):
        return (
            f"the server cannot be reached: {printable(str(getattr(error.reason, 'strerror', None) or error.reason))}"
        )
    return printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _next_time(clock: str, now: float) -> float:
    """The next moment (Unix time) at which the clock on the wall says HH:MM."""
    hours, minutes = map(int, clock.split(":"))
    day = time.localtime(now)
    for ahead in range(3):
        when = time.mktime((day.tm_year, day.tm_mon, day.tm_mday + ahead, hours, minutes, 0, 0, 0, -1))
        if when > now:
            return when
    raise AssertionError("a day has at most 25 hours")
