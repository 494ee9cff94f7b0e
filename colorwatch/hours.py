"""Quiet hours: spans of the day by the clock on the wall, past midnight too, in which nothing new is begun. Pure.

Asked is always the clock that people see, so where it is put forward or back the span begins and ends when it shows
its times.
"""

from __future__ import annotations

import re
import time

DAY = 24 * 60
LOOK_AHEAD = 14 * DAY  # minutes; beyond, how long something takes is a guess in any case
_SPAN = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-4]):([0-5][0-9])")


class Hours:
    """What `text` says: `22:00-07:00`, or several spans with commas between; nothing at all is never quiet."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with a part of a sentence."""
        self.text = text
        self._quiet = [False] * DAY
        for part in filter(None, (part.strip() for part in text.split(","))):
            for minute in _minutes(part):
                self._quiet[minute] = True
        if all(self._quiet):
            raise ValueError("leaves no time for work")

    def __bool__(self) -> bool:
        return any(self._quiet)

    def quiet(self, now: float) -> bool:
        """Whether it is quiet at `now` (Unix time)."""
        clock = time.localtime(now)
        return self._quiet[clock.tm_hour * 60 + clock.tm_min]

    def until(self, now: float) -> float:
        """When that ends; `now` where it is not quiet."""
        while self.quiet(now):
            now = _next_minute(now)
        return now

    def stretched(self, seconds: float, now: float) -> float:
        """How long work of that many seconds takes from `now` on, with the quiet hours in between."""
        if not self:
            return seconds
        at, left = now, seconds
        for _ in range(LOOK_AHEAD):
            after = _next_minute(at)
            if not self.quiet(at):
                if left <= after - at:
                    break
                left -= after - at
            at = after
        return at + left - now


def _minutes(span: str) -> list[int]:
    """The minutes of the day from the first time to the second."""
    found = _SPAN.fullmatch(span)
    first, last = (_minute(*found.group(1, 2)), _minute(*found.group(3, 4))) if found else (0, 0)
    if found is None or last > DAY or first == last % DAY:
        raise ValueError("is not a span from one time of the day to another")
    return [minute % DAY for minute in range(first, last if last > first else last + DAY)]


def _minute(hour: str, minute: str) -> int:
    return int(hour) * 60 + int(minute)


def _next_minute(now: float) -> float:
    return (now // 60 + 1) * 60
