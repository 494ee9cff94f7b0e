"""The commands that only look: `status`, `history` and `explain`."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from colorwatch.asking import story
from colorwatch.asking.history import Entry, Report, in_words, last_ended, report
from colorwatch.asking.pointing import Target, point, point_at_job
from colorwatch.cli import live
from colorwatch.cli.terminal import DEFAULT_CONFIG, ConfigOption, FileArgument, JobOption, JsonOption, out
from colorwatch.config import Config, load
from colorwatch.errors import AskError
from colorwatch.ledger.files import connect_to_read
from colorwatch.scan import printable

LEDGER = "ledger.sqlite3"
_WELL = {"ok", "done"}
NARROW = 100  # columns; below, a scan takes several lines instead of one row of a table


def status(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on showing it, until Ctrl-C; piped, a line for each change.")
    ] = False,
) -> None:
    """Show what was done, what runs, what waits and how long, and what is in quarantine and why."""
    settings = load(config, check_folders=False)
    if watch:
        live.show(lambda rows: report(settings.state, ledger_of(settings), rows), as_json)
        return
    told = report(settings.state, ledger_of(settings))
    if as_json:
        print_json(dataclasses.asdict(told))
    else:
        _print_report(told)


def history(
    file: FileArgument = None,
    job: JobOption = None,
    last: Annotated[int, typer.Option("--last", min=1, metavar="N", help="How many scans to list.")] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """List the scans that ended last, or all that is known of one."""
    if file is not None or job is not None:
        explain(file, job, config, as_json)
        return
    settings = load(config, check_folders=False)
    db = connect_to_read(ledger_of(settings))
    try:
        entries = last_ended(db, last)
    finally:
        db.close()
    if as_json:
        print_json([dataclasses.asdict(entry) for entry in entries])
    elif entries:
        _print_entries(f"The last {len(entries)}", entries, "where it is", kind=True)
    else:
        out.print("Nothing was done yet.")


def explain(
    file: FileArgument = None,
    job: JobOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Tell one scan's whole story: what became of it, what it waits for, and what can be done."""
    settings = load(config, check_folders=False)
    roots = {folder.name: story.Roots(folder.inbox, folder.outbox) for folder in settings.folders}
    db = connect_to_read(ledger_of(settings))
    try:
        told = story.tell(db, meant(db, settings, file, job), roots)
    finally:
        db.close()
    if as_json:
        print_json(story.plain(told))
    else:
        _print_story(told)


def ledger_of(settings: Config) -> str:
    return os.path.join(settings.state, LEDGER)


def meant(db: story.Db, settings: Config, file: str | None, job: int | None) -> Target:
    """The scan that FILE or --job names; raises AskError where it is not exactly one."""
    if (file is None) == (job is None):
        raise AskError("name one scan: by its file, or by --job and its number")
    return point(db, settings.folders, file) if file is not None else point_at_job(db, job or 0)


def print_json(plain: object) -> None:
    out.print_json(json.dumps(plain))


def _print_report(told: Report) -> None:
    runs = f"colorwatch runs (process {told.daemon})" if told.daemon is not None else "colorwatch does not run"
    out.print(runs)
    counts = told.counts
    waiting = counts["queued"] + counts["running"] + counts["rendered"] + counts["published"]
    line = f"{counts['done']} done, {waiting} to do, {counts['quarantined']} in quarantine, {counts['skipped']} skipped"
    out.print(line + (f", {counts['stuck']} stuck" if counts["stuck"] else ""))
    for name, since in told.paused.items():
        where = f"{printable(name)} is paused" if name else "Everything is paused"
        _print_line(f"{where} since {_when(since)}; to go on: colorwatch resume")
    if told.quiet_until is not None and told.daemon is not None:
        _print_line(f"Quiet hours until {time.strftime('%H:%M', time.localtime(told.quiet_until))}; scans wait")
    if told.oldest is not None:
        _print_line(f"{counts['queued']} queued, the oldest for {in_words(time.time() - told.oldest.when)}")
        if told.eta_seconds is not None and not told.paused and told.daemon is not None:
            _print_line(f"All is done in {in_words(told.eta_seconds)}")
    if told.asked and told.daemon is None:
        _print_line(f"{told.asked} requests wait for the next start")
    out.print()
    _print_health(told)
    _print_entries("Running", told.running, "result")
    _print_entries("Last results", told.last, "result")
    _print_entries("Waiting", told.waiting, None)
    _print_entries("Published, but the original is stuck", told.stuck, "result")
    _print_entries("No colour came out (another model may do better: redo --model)", told.colourless, "result")
    _print_entries("Quarantine", told.quarantine, "where it is now")


def _print_health(told: Report) -> None:
    worth_saying = [one for one in told.health if one.state not in _WELL]
    if not worth_saying:
        return
    out.print("[bold]Folders[/]")
    for one in worth_saying:
        reason = f": {one.reason}" if one.reason else ""
        _print_line(f"{one.folder}: {one.subject}: {one.state}{reason}", indent=2)
    out.print()


def _print_line(text: str, indent: int = 0) -> None:
    out.print(" " * indent, Text(printable(text)), sep="")


def _print_entries(title: str, entries: list[Entry], place: str | None, *, kind: bool = False) -> None:
    if not entries:
        return
    if out.width < NARROW:
        _print_narrow(title, entries, place)
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("when", no_wrap=True)
    table.add_column("folder")
    table.add_column("file", overflow="fold")
    if kind:
        table.add_column("end")
    if place:
        table.add_column(place, overflow="fold")
    table.add_column("why" if any(entry.reason for entry in entries) else "", overflow="fold")
    for entry in entries:
        cells = [_when(entry.when), entry.folder, entry.file, *([entry.kind] if kind else [])]
        cells += [*([entry.place] if place else []), entry.reason]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    out.print(table)
    out.print()


def _print_narrow(title: str, entries: list[Entry], place: str | None) -> None:
    out.print(f"[bold]{title}[/]")
    for entry in entries:
        _print_line(f"{entry.file} ({entry.folder})")
        for text in (_when(entry.when), entry.place if place and entry.place != entry.file else "", entry.reason):
            if text:
                _print_line(text, indent=2)
    out.print()


_OF_A_PRINT = {"saved": "", "new": " (not saved yet)", "left": " (edited, moved or deleted, so it is not made again)"}


def _print_story(told: story.Story) -> None:
    job = f", job {told.job}" if told.job is not None else ""
    _print_line(f"{told.file} (folder {told.folder}{job}): {told.state}")
    since = f", since {_when(told.since)}" if told.since is not None else ""
    _print_line(f"{told.now.removesuffix('.')}{since}.")
    if told.todo:
        _print_line(told.todo)
    out.print()
    picture = told.picture
    lines = {
        "original": told.original,
        "result": told.result,
        "prints": "; ".join(one["file"] + _OF_A_PRINT[one["state"]] for one in told.prints),
        "picture": f"{picture['format']}, {picture['width']} x {picture['height']}, {picture['bits']} bits"
        if {"format", "width", "height", "bits"} <= picture.keys()
        else "",
        "judged": "; ".join(_judged(verdict, told.picture.get("pages", 1)) for verdict in told.judged),
        "made with": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.recipe.items()),
        "attempts": _attempts(told),
        "sha256": told.digest,
    }
    for name, text in lines.items():
        if text:
            _print_line(f"{name}: {text}")
    out.print()
    for event in told.events:
        _print_line(f"{_when(event.when)}  {event.what}")


def _judged(verdict: dict[str, Any], pages: int) -> str:
    where = f"page {verdict['pages']}: " if pages > 1 else ""
    figures = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in verdict["figures"].items())
    left = ", left as it was" if verdict["left"] else ""
    return f"{where}{verdict['reason']}{left} ({figures})"


def _attempts(told: story.Story) -> str:
    words = [str(told.attempts)] if told.attempts else []
    words += [f"{told.failures} that met a passing fault"] if told.failures else []
    words += [f"{told.worker_deaths} that cost a worker"] if told.worker_deaths else []
    words += [f"{told.daemon_deaths} ended with colorwatch itself"] if told.daemon_deaths else []
    return ", ".join(words)


def _when(time_: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_))
