"""When workers get something to do, and how soon the next thing: quiet hours, and a share of their time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from colorwatch.hours import Hours
from colorwatch.ledger.settings import QUIET, SHARE

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.ledger import Ledger
    from colorwatch.work.standing import Standing

LOOK_SECONDS = 1.0  # how often the clock on the wall is looked at


class Pacing:
    """Belongs to the service's thread, and works inside its batch. Times are on the monotonic clock, but for `wall`."""

    def __init__(
        self,
        quiet_hours: str,
        cpu_share: int,
        ledger: Ledger,
        standing: Standing,
        log: FilteringBoundLogger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._hours = Hours(quiet_hours)
        self._share = cpu_share / 100
        self._ledger = ledger
        self._standing = standing
        self._log = log
        self._wall = wall
        self._next_look = 0.0
        self._begun: dict[int, float] = {}  # ticket -> since when a worker is busy with it
        self._rests: list[float] = []  # until when a worker that was busy gets nothing

    def introduce(self) -> None:
        """At a start: notes what those who ask beside the daemon need to know of it."""
        self._ledger.health.set(SHARE, str(self._share) if self._share < 1 else None)
        self._note(since=None)

    def look(self, now: float) -> None:
        """Whether it is quiet; said when that changes."""
        if not self._hours or now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        wall = self._wall()
        quiet = self._hours.quiet(wall)
        if quiet == self._standing.quiet:
            return
        self._standing.quiet = quiet
        self._note(since=wall if quiet else None)
        if quiet:
            self._log.info("work.quiet", until=clock(self._hours.until(wall)), reason="quiet hours; scans wait")
        else:
            self._log.info("work.goes_on", reason="the quiet hours are over")

    @property
    def quiet_until(self) -> str:
        """The time of the day at which quiet hours end; empty outside of them."""
        return clock(self._hours.until(self._wall())) if self._standing.quiet else ""

    def _note(self, since: float | None) -> None:
        told = {"hours": self._hours.text, "since": since}
        self._ledger.health.set(QUIET, json.dumps(told) if self._hours else None)

    # --- a share of the time --------------------------------------------------------------------------------------

    def begun(self, ticket: int, now: float) -> None:
        if self._share < 1:
            self._begun[ticket] = now

    def ended(self, ticket: int, now: float) -> None:
        """A worker is done with it, or gone: its place rests in proportion to what that took."""
        since = self._begun.pop(ticket, None)
        if since is not None:
            self._rests.append(now + (now - since) * (1 / self._share - 1))

    def free(self, idle: int, now: float) -> int:
        """How many of the idle workers may get something now."""
        self._rests = [until for until in self._rests if until > now]
        return max(0, idle - len(self._rests))

    def next_due(self) -> float | None:
        return min(self._rests, default=None)


def clock(when: float) -> str:
    return time.strftime("%H:%M", time.localtime(when))
