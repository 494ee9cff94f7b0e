"""The picture of `status --watch`: it fits every terminal, and says what matters most."""

from __future__ import annotations

import time
from typing import Any

import pytest
from rich.cells import cell_len

from colorwatch.asking.history import Entry, Report, Standing
from colorwatch.cli.picture import Pace, line, page
from colorwatch.scan import State

NOW = time.mktime((2026, 3, 4, 15, 0, 0, 0, 0, -1))


def entry(file: str, reason: str = "", ago: float = 12.0) -> Entry:
    return Entry(1, "inbox", file, NOW - ago, file, "damaged" if reason else "", reason)


def told(**values: Any) -> Report:
    counts = dict.fromkeys(map(str, State), 0) | values.pop("counts", {"done": 12_345, "queued": 7})
    nothing: dict[str, Any] = {key: [] for key in ("running", "last", "quarantine", "waiting", "stuck", "health")}
    known = {
        "daemon": 41,
        "counts": counts,
        "oldest": None,
        "paused": {},
        "quiet_until": None,
        "colourless": [],
        "asked": 0,
        "eta_seconds": None,
    }
    return Report(**{**nothing, **known, **values})


BUSY = told(
    counts={"done": 12_345, "queued": 7, "running": 2, "quarantined": 40, "skipped": 3, "stuck": 1},
    running=[entry("Großmutter/Hochzeit 1931, zweiter Bogen, Blatt vier.jpg"), entry("b.jpg", ago=3725)],
    last=[entry(f"album/{number}.jpg", ago=number) for number in range(40)],
    waiting=[entry("照片/" + "写" * 40 + ".png", "it ends too early, and may still be growing; it is looked at again")],
    stuck=[entry("s.jpg", "permission denied")],
    quarantine=[entry(f"{number}.tif", "it is packed with Zstandard, which is not read here") for number in range(40)],
    health=[Standing("inbox", "space", "low", "only 3 MB are free on the disk of the outbox", NOW)],
    oldest=entry("old.jpg", ago=7200),
    eta_seconds=4000.0,
)


def shown(report: Report, width: int = 80, height: int = 24, **more: Any) -> list[str]:
    return [text.plain for text in page(report, width, height, NOW, **more)]


@pytest.mark.parametrize("width", [20, 40, 41, 59, 60, 80, 200])
@pytest.mark.parametrize("height", [1, 5, 12, 24, 60])
def test_no_line_is_wider_and_none_is_too_many(width: int, height: int) -> None:
    lines = shown(BUSY, width, height)
    assert len(lines) <= height
    assert [text for text in lines if cell_len(text) > width] == []


def test_on_forty_columns_it_says_what_a_person_asks_for() -> None:
    lines = shown(BUSY, 40, 40)
    assert lines[0] == "colorwatch runs                 15:00:00"
    assert lines[1:3] == ["12,345 done, 9 to do, 40 in quarantine,", "1 stuck, 3 skipped"]
    text = "\n".join(lines)
    for word in ("In work", "12 s", "1:02:05", "Folders", "Last results", "Waiting", "Original stuck", "Quarantine"):
        assert word in text
    assert lines[3:5] == ["the oldest waits for about 2 hours, all", "is done in about 67 minutes"]


def test_results_without_any_colour_are_named() -> None:
    lines = shown(told(colourless=[entry("fog.jpg"), entry("snow.jpg")]))
    assert lines[lines.index("No colour came out") + 1].endswith("fog.jpg")


def test_a_small_terminal_shows_what_runs_before_what_is_long_over() -> None:
    lines = shown(BUSY, 80, 8)
    assert "In work" in "\n".join(lines)
    assert "Quarantine" not in "\n".join(lines)


def test_each_section_gets_its_share_and_says_what_it_leaves_out() -> None:
    text = "\n".join(shown(BUSY, 100, 40))
    assert "Quarantine (" in text
    assert "of 40)" in text
    assert text.count(".tif") >= 4
    assert text.count("album/") >= 4


def test_what_stands_still_is_said_first() -> None:
    assert "does not run" in shown(told(daemon=None))[0]
    assert any("everything is paused" in text for text in shown(told(paused={"": NOW}))[:3])
    assert "quiet hours until 18:00; scans wait" in shown(told(quiet_until=NOW + 3 * 3600))


def test_names_cannot_draw_on_the_terminal() -> None:
    evil = told(last=[entry("a\x1b[2J\u202egpj.exe [red]x[/red].jpg")])
    text = "\n".join(shown(evil))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]x[/red]" in text
    assert "\x1b" not in line(evil, NOW)


def test_the_pace_is_that_of_the_last_two_minutes() -> None:
    pace = Pace()
    assert pace.seen(0.0, 100) is None
    assert pace.seen(60.0, 160) == 60.0
    assert pace.seen(120.0, 160) == 30.0
    assert pace.seen(200.0, 160) is None, "nothing was done since"


def test_one_line_holds_what_counts_for_a_pipe() -> None:
    assert line(told(running=[entry("a.jpg")]), NOW) == "15:00:00  12,345 done, 7 to do, a.jpg since 12 s"
