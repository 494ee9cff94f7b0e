"""The command line: the only place that prints and exits."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from colorwatch import __version__, cli_models, log
from colorwatch.config import Config, load
from colorwatch.errors import ColorwatchError, ConfigError, Exit
from colorwatch.history import Entry, Report, report
from colorwatch.manifest import ManifestError
from colorwatch.modelstore import find, resolve
from colorwatch.scan import State, printable
from colorwatch.service import LEDGER, Service
from colorwatch.terminal import DEFAULT_CONFIG, ConfigOption, err, out
from colorwatch.terminal import safe as _safe

app = typer.Typer(
    name="colorwatch",
    help="Watches folders for black-and-white scans and puts coloured copies into an outbox.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_models.app, name="models")


def main() -> None:
    """Entry point of the `colorwatch` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without umlauts still tells the name, escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ColorwatchError as error:
        _fail(error)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user; the log keeps it in one line
        log.get("cli").error("service.failed", reason=str(error), details=traceback.format_exc())
        err.print(
            Text(printable(f"colorwatch has a fault of its own: {type(error).__name__}: {error}")), soft_wrap=True
        )
        err.print("No scan is lost by it. Please report it, with the log line above.")
        sys.exit(Exit.INTERNAL)


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Watches folders for black-and-white scans and puts coloured copies into an outbox."""
    if version:
        out.print(f"colorwatch {__version__}")
        raise typer.Exit


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Watch the inboxes and colour what arrives, until Ctrl-C or SIGTERM."""
    settings = _load(config)
    service = _service(config, settings)
    if err.is_terminal:
        for folder in settings.folders:
            inbox, outbox = _safe(folder.inbox), _safe(folder.outbox)
            err.print(f"Drop scans into [bold]{inbox}[/], find them coloured in [bold]{outbox}[/].", soft_wrap=True)
        err.print("Ctrl-C ends it after the scans in work; a second one ends it at once. Nothing is lost either way.")
    _run(service, None)


@app.command()
def once(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Colour everything that is in the inboxes now, then exit.

    Exit code 0: all went well; 1: something is in quarantine; 5: something waits and was left for later.
    """
    service = _service(config, _load(config))
    with _progress() as progress:
        bar = progress.add_task("Colouring", total=None)

        def finished() -> bool:
            ended = sum(service.steps.ended.values())
            progress.update(bar, completed=ended, total=ended + service.to_do())
            return service.idle()

        stopped, waiting = _run(service, finished)
    ended = service.steps.ended
    words = [f"{ended[State.DONE]} coloured", f"{ended[State.QUARANTINED]} in quarantine"]
    words += [f"{ended[State.SKIPPED]} skipped"] if ended[State.SKIPPED] else []
    words += [f"{waiting} waiting"] if waiting else []
    out.print(", ".join(words) + (" (stopped before the end)" if stopped else ""))
    if ended[State.QUARANTINED]:
        raise typer.Exit(Exit.FAILED)
    for name in service.unreachable:
        err.print(f"the inbox of {_safe(name)} could not be looked at")
    if waiting or stopped or service.unreachable:
        raise typer.Exit(Exit.WAITING)


@app.command()
def check_config(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Say what is wrong with the config, all at once, or what it means."""
    settings = _load(config)
    model = find(settings.model, cli_models.shelves_of(config, settings))
    out.print(f"{_safe(config)}: no faults", soft_wrap=True)
    for folder in settings.folders:
        inbox, outbox = _safe(folder.inbox), _safe(folder.outbox)
        out.print(f"  {_safe(folder.name)}: {inbox} -> {outbox}, originals: {folder.originals}", soft_wrap=True)
    out.print(f"  model: {_safe(model.name)} ({_safe(model.why or model.path)})", soft_wrap=True)
    out.print(f"  state: {_safe(settings.state)}", soft_wrap=True)


@app.command()
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what was done, what runs, what waits, and what is in quarantine and why."""
    settings = load(config, check_folders=False)
    told = report(settings.state, os.path.join(settings.state, LEDGER))
    if as_json:
        out.print_json(json.dumps(dataclasses.asdict(told)))
    else:
        _print_report(told)


def _load(config: str) -> Config:
    settings = load(config)
    log.configure(settings.logging.level, settings.logging.format)
    return settings


def _service(config: str, settings: Config) -> Service:
    return Service(settings, resolve(settings.model, cli_models.shelves_of(config, settings), settings.net_memory))


def _run(service: Service, until: Callable[[], bool] | None) -> tuple[bool, int]:
    """Runs to the end with signals wired up; whether it was stopped, and how much was left waiting."""
    signals = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        service.start()
        service.run(until)
        return signals > 0, service.left_waiting()
    finally:
        service.close()


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def _print_report(told: Report) -> None:
    out.print(f"colorwatch runs (process {told.daemon})" if told.daemon is not None else "colorwatch does not run")
    counts = told.counts
    waiting = counts["queued"] + counts["running"] + counts["rendered"] + counts["published"]
    out.print(
        f"{counts['done']} done, {waiting} to do, {counts['quarantined']} in quarantine, {counts['skipped']} skipped\n"
    )
    _print_table("Running", told.running, "result")
    _print_table("Last results", told.last, "result")
    _print_table("Waiting", told.waiting, None)
    _print_table("Quarantine", told.quarantine, "where it is now")


def _print_table(title: str, entries: list[Entry], place: str | None) -> None:
    if not entries:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("when", no_wrap=True)
    table.add_column("folder")
    table.add_column("file", overflow="fold")
    if place:
        table.add_column(place, overflow="fold")
    table.add_column("why" if any(entry.reason for entry in entries) else "", overflow="fold")
    for entry in entries:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.when))
        cells = [when, entry.folder, entry.file, *([entry.place] if place else []), entry.reason]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    out.print(table)
    out.print()


def _fail(error: ColorwatchError) -> NoReturn:
    lines = error.faults if isinstance(error, ConfigError | ManifestError) else [str(error)]
    for line in lines:
        err.print(Text(printable(line)), soft_wrap=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
