"""Quiet hours by the clock on the wall, past midnight and past the days on which it is put forward and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorwatch.hours import Hours

# Berlin's, put forward on 29 March 2026 at 2:00, back on 25 October at 3:00; on machines without time zones too.
RULE = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", RULE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(month: int, day: int, hour: int, minute: int = 0, second: int = 0, fold: int = -1) -> float:
    moment = time.struct_time((2026, month, day, hour, minute, second, 0, 0, fold))
    return time.mktime(moment)


@pytest.mark.parametrize(
    ("text", "quiet", "loud"),
    [
        ("08:00-18:00", [(8, 0), (12, 0), (17, 59)], [(7, 59), (18, 0), (0, 0)]),
        ("22:00-07:00", [(22, 0), (0, 0), (6, 59)], [(21, 59), (7, 0), (12, 0)]),
        ("8:00 - 9:30, 13:00-14:00", [(8, 0), (9, 29), (13, 30)], [(9, 30), (12, 0), (14, 0)]),
        ("20:00-24:00", [(23, 59)], [(0, 0)]),
        ("", [], [(0, 0), (12, 0)]),
    ],
)
def test_a_span_holds_its_first_minute_and_not_its_last(
    text: str, quiet: list[tuple[int, int]], loud: list[tuple[int, int]]
) -> None:
    hours = Hours(text)
    assert [hours.quiet(at(6, 10, *clock)) for clock in quiet] == [True] * len(quiet)
    assert [hours.quiet(at(6, 10, *clock)) for clock in loud] == [False] * len(loud)


@pytest.mark.parametrize(
    "text", ["night", "22-7", "22:00", "22:00-", "25:00-07:00", "07:00-24:01", "07:60-08:00", "07:00-07:00", "1-2,"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span"):
        Hours(text)


def test_quiet_hours_that_never_end_are_refused() -> None:
    with pytest.raises(ValueError, match="no time for work"):
        Hours("00:00-12:00, 12:00-24:00")


def test_it_ends_at_its_second_time_and_not_before() -> None:
    hours = Hours("22:00-07:00")
    assert hours.until(at(6, 10, 23, 30, 12)) == at(6, 11, 7)
    assert hours.until(at(6, 11, 6, 59, 59)) == at(6, 11, 7)
    assert hours.until(at(6, 11, 7)) == at(6, 11, 7)
    assert Hours("22:00-23:00, 23:00-01:00").until(at(6, 10, 22)) == at(6, 11, 1)


def test_the_night_on_which_the_clock_is_put_forward_is_an_hour_shorter() -> None:
    hours = Hours("22:00-07:00")
    assert hours.until(at(3, 28, 22)) - at(3, 28, 22) == 8 * 3600
    # The clock never shows 2:30 on that night: quiet from the first moment that comes after it.
    assert not Hours("02:30-04:00").quiet(at(3, 29, 1, 59))
    assert Hours("02:30-04:00").quiet(at(3, 29, 3))


def test_the_night_on_which_the_clock_is_put_back_is_an_hour_longer() -> None:
    hours = Hours("22:00-07:00")
    assert hours.until(at(10, 24, 22, fold=1)) - at(10, 24, 22, fold=1) == 10 * 3600
    # The clock shows 2:15 twice on that night.
    twice = [datetime(2026, 10, 25, hour, 15, tzinfo=UTC).timestamp() for hour in (0, 1)]
    assert [Hours("02:00-02:30").quiet(when) for when in twice] == [True, True]
    assert twice[1] - twice[0] == 3600


def test_work_takes_as_long_as_the_quiet_hours_on_its_way_let_it() -> None:
    hours = Hours("22:00-07:00")
    assert hours.stretched(3600, at(6, 10, 12)) == 3600
    assert hours.stretched(3600, at(6, 10, 21, 30)) == 3600 + 9 * 3600
    assert hours.stretched(60, at(6, 10, 23)) == 8 * 3600 + 60
    assert Hours("").stretched(60, at(6, 10, 23)) == 60
    assert hours.stretched(1e7, at(6, 10, 12)) >= 1e7, "weeks ahead it is a guess, and made quickly"


@given(
    spans=st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)), min_size=1, max_size=3),
    now=st.floats(1.75e9, 1.8e9),
)
def test_what_is_over_stays_over_for_a_minute_and_no_quiet_moment_is_left_out(
    spans: list[tuple[int, int]], now: float
) -> None:
    text = ",".join(f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in spans)
    try:
        hours = Hours(text)
    except ValueError:
        return
    ends = hours.until(now)
    assert not hours.quiet(ends)
    assert ends - now <= 25 * 3600
    assert ends == now or hours.quiet(ends - 1)
