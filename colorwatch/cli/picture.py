"""`status` as a picture that fits a terminal of any size: what matters most first, the rest as far as there is room."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from colorwatch.asking.history import Entry, Report, in_words
from colorwatch.scan import printable

WIDE = 60  # columns; below, what would stand at the right of a line is left out or gets a line of its own
LEAST_WIDTH = 20
WELL = {"ok", "done", "events"}
PACE_SECONDS = 120.0  # the time over which the pace is taken


class Pace:
    """How many scans a minute are done, seen from report to report."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def seen(self, now: float, done: int) -> float | None:
        """Takes one more look; scans a minute, or None while that is not known. `now` on the monotonic clock."""
        self._seen.append((now, done))
        while now - self._seen[0][0] > PACE_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        return (done - before) * 60 / (now - since) if now - since >= 5 and done > before else None


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    total: int
    rows: list[list[Text]]  # each entry's lines


def page(told: Report, width: int, height: int, now: float, pace: float | None = None) -> list[Text]:
    """At most `height` lines, none wider than `width`; `now` is Unix time, `pace` scans a minute."""
    width = max(LEAST_WIDTH, width)
    lines = [line for text in _head(told, width, now, pace) for line in _wrapped(text, width)]
    sections = [section for section in _sections(told, width, now) if section.rows]
    shown = _share(sections, height - len(lines))
    for section, rows in zip(sections, shown, strict=True):
        if rows:
            hidden = section.total - rows
            title = f"{section.title} ({rows} of {section.total})" if hidden > 0 else section.title
            lines += [Text(), Text(title, style="bold")]
            lines += [line for row in section.rows[:rows] for line in row]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def line(told: Report, now: float) -> str:
    """The same in one line, for what is no terminal."""
    words = ["" if told.daemon is not None else "colorwatch does not run", _counts(told).plain]
    words += [told_pause.plain for told_pause in _pauses(told)]
    words += [f"{entry.file} since {_span(now - entry.when)}" for entry in told.running]
    return f"{_clock(now)}  " + ", ".join(printable(word) for word in words if word)


def _head(told: Report, width: int, now: float, pace: float | None) -> Iterator[Text]:
    runs = told.daemon is not None
    yield _both_ends(
        Text.assemble(("colorwatch", "bold"), (" runs", "green") if runs else (" does not run", "bold red")),
        Text(_clock(now), style="dim"),
        width,
    )
    yield from _pauses(told)
    yield _counts(told)
    words = []
    if told.oldest is not None:
        words.append(f"the oldest waits for {in_words(now - told.oldest.when)}")
    if told.eta_seconds and not told.paused and runs:
        words.append(f"all is done in {in_words(told.eta_seconds)}")
    if pace is not None:
        words.append(f"{pace:.0f} a minute" if pace >= 10 else f"{pace:.1f} a minute")
    if told.asked and not runs:
        words.append(f"{told.asked} requests wait for the next start")
    if words:
        yield Text(", ".join(words), style="dim")


def _pauses(told: Report) -> Iterator[Text]:
    for name, since in told.paused.items():
        where = printable(name) if name else "everything"
        yield Text(f"{where} is paused since {_clock(since)}; to go on: colorwatch resume", style="yellow")
    if told.quiet_until is not None and told.daemon is not None:
        yield Text(f"quiet hours until {_clock(told.quiet_until)[:5]}; scans wait", style="yellow")


def _counts(told: Report) -> Text:
    counts = told.counts
    todo = counts["queued"] + counts["running"] + counts["rendered"] + counts["published"]
    parts = [(counts["done"], "done", "green"), (todo, "to do", "cyan")]
    parts += [(counts["quarantined"], "in quarantine", "red")] if counts["quarantined"] else []
    parts += [(counts["stuck"], "stuck", "yellow")] if counts["stuck"] else []
    parts += [(counts["skipped"], "skipped", "")] if counts["skipped"] else []
    text = Text()
    for number, word, style in parts:
        text.append(", " if text else "").append(f"{number:,}", style=f"bold {style}".strip()).append(f" {word}")
    return text


def _sections(told: Report, width: int, now: float) -> Iterator[_Section]:
    """In the order in which they stand, which is also who gets a line first."""
    counts = told.counts
    running = [[_both_ends(_name(entry), Text(_span(now - entry.when), "cyan"), width)] for entry in told.running]
    yield _Section("In work", max(counts["running"], len(running)), running)
    health = [
        _reason(Text(f"  {printable(one.folder)}: {printable(one.subject)}: {one.state}"), one.reason, width)
        for one in told.health
        if one.state not in WELL
    ]
    yield _Section("Folders", len(health), health)
    last = [[_result(entry, width)] for entry in told.last]
    # Of thousands that were done, nobody asks how many are not shown.
    yield _Section("Last results", 0, last)
    waiting = [_reason(_name(entry), entry.reason, width) for entry in told.waiting]
    yield _Section("Waiting", len(waiting), waiting)
    stuck = [_reason(_name(entry), entry.reason, width) for entry in told.stuck]
    yield _Section("Original stuck", max(counts["stuck"], len(stuck)), stuck)
    quarantine = [_reason(_name(entry), entry.reason, width) for entry in told.quarantine]
    yield _Section("Quarantine", max(counts["quarantined"], len(quarantine)), quarantine)
    grey = [[_result(entry, width)] for entry in told.colourless]
    yield _Section("No colour came out", len(grey), grey)


def _share(sections: list[_Section], room: int) -> list[int]:
    """How many rows of each section are shown: in turn one more of each, as long as there is room."""
    shown = [0] * len(sections)
    grown = True
    while grown:
        grown = False
        for index, section in enumerate(sections):
            if shown[index] == len(section.rows):
                continue
            needed = len(section.rows[shown[index]]) + (2 if shown[index] == 0 else 0)
            if needed <= room:
                room -= needed
                shown[index] += 1
                grown = True
    return shown


def _name(entry: Entry) -> Text:
    return Text(f"  {printable(entry.file)}")


def _result(entry: Entry, width: int) -> Text:
    text = Text.assemble("  ", (_clock(entry.when), "dim"), " ", printable(entry.file))
    if width >= WIDE and entry.place and entry.place != entry.file:
        text.append(f" -> {printable(entry.place)}", style="dim")
    return text


def _reason(name: Text, reason: str, width: int) -> list[Text]:
    """A name and why: in one line where there is room, else on lines of their own, two at most."""
    if not reason:
        return [name]
    said = printable(reason)
    if width >= WIDE and cell_len(name.plain) + 2 + cell_len(said) <= width:
        return [name.append(f"  {said}", style="dim")]
    lines = _wrapped(Text(said, style="dim"), width - 4)
    if len(lines) > 2:
        lines = [lines[0], Text(said[len(lines[0].plain) :].strip(), style="dim")]
    for text in lines:
        text.truncate(width - 4, overflow="ellipsis")
        text.pad_left(4)
    return [name, *lines]


def _both_ends(left: Text, right: Text, width: int) -> Text:
    """Two texts at the two ends of a line; the left one is cut short where it must."""
    room = width - cell_len(right.plain) - 1
    left.truncate(room, overflow="ellipsis", pad=True)
    return left.append(" ").append_text(right)


def _wrapped(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width`, broken between words where it can be."""
    lines, rest = [], text
    while cell_len(rest.plain) > width:
        fits = rest.copy()
        fits.truncate(width)
        cut = len(fits.plain)
        space = rest.plain.rfind(" ", 0, cut + 1)
        cut = space if space > 0 else max(1, cut)
        first, rest = rest.divide([cut])
        first.rstrip()
        lines.append(first)
        while rest.plain.startswith(" "):
            rest = rest[1:]
    return [*lines, rest]


def _clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _span(seconds: float) -> str:
    """`12 s`, `3:05`, `1:02:03`."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
