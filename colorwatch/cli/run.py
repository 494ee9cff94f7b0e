"""The commands that do the work: `run`, `once`, and `check-config`, which says what they would do."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from colorwatch import log
from colorwatch.cli import models as cli_models
from colorwatch.cli.terminal import DEFAULT_CONFIG, ConfigOption, err, out, safe
from colorwatch.config import Config, load, load_to_run
from colorwatch.daemon import Daemon
from colorwatch.errors import Exit
from colorwatch.modelstore import find, resolve
from colorwatch.scan import State
from colorwatch.service import Service
from colorwatch.telling.sdnotify import Notifier


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Watch the inboxes and colour what arrives, until Ctrl-C or SIGTERM."""

    def read() -> Config:
        settings, waited_for = load_to_run(config)
        log.configure(settings.logging.level, settings.logging.format)
        for line in waited_for:
            log.get("service").warning("folder.missing", reason=line)
        return settings

    settings = read()
    notifier = Notifier()
    daemon = Daemon(read, lambda settings: _service(config, settings, notifier.extend), notifier)
    if err.is_terminal:
        for folder in settings.folders:
            inbox, outbox = safe(folder.inbox), safe(folder.outbox)
            err.print(f"Drop scans into [bold]{inbox}[/], find them coloured in [bold]{outbox}[/].", soft_wrap=True)
        err.print("Ctrl-C ends it after the scans in work; a second one ends it at once. Nothing is lost either way.")
    daemon.run(settings)


def once(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Colour everything that is in the inboxes now, then exit.

    Exit code 0: all went well; 1: something is in quarantine; 5: something waits and was left for later.
    """
    settings = _load(config)
    # Whoever asks for it does not mean later.
    work = settings.work.model_copy(update={"quiet_hours": ""})
    service = _service(config, settings.model_copy(update={"work": work}))
    with _progress() as progress:
        bar = progress.add_task("Colouring", total=None)

        def finished() -> bool:
            ended = sum(service.steps.ended.values())
            progress.update(bar, completed=ended, total=ended + service.to_do())
            return service.idle()

        stopped, waiting = _run(service, finished)
    ended = service.steps.ended
    words = [f"{ended[State.DONE] + service.redoing.finished} coloured", f"{ended[State.QUARANTINED]} in quarantine"]
    words += [f"{ended[State.SKIPPED]} skipped"] if ended[State.SKIPPED] else []
    words += [f"{waiting} waiting"] if waiting else []
    out.print(", ".join(words) + (" (stopped before the end)" if stopped else ""))
    if ended[State.QUARANTINED]:
        raise typer.Exit(Exit.FAILED)
    for name in service.unreachable:
        err.print(f"the inbox of {safe(name)} could not be looked at")
    for name in sorted(service.standing.paused):
        err.print(f"{safe(name)} is paused; to go on: colorwatch resume")
    if waiting or stopped or service.unreachable:
        raise typer.Exit(Exit.WAITING)


def check_config(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Say what is wrong with the config, all at once, or what it means."""
    settings = _load(config)
    model = find(settings.model, cli_models.shelves_of(config, settings))
    out.print(f"{safe(config)}: no faults", soft_wrap=True)
    for folder in settings.folders:
        inbox, outbox = safe(folder.inbox), safe(folder.outbox)
        out.print(f"  {safe(folder.name)}: {inbox} -> {outbox}, originals: {folder.originals}", soft_wrap=True)
    out.print(f"  model: {safe(model.name)} ({safe(model.why or model.path)})", soft_wrap=True)
    out.print(f"  state: {safe(settings.state)}", soft_wrap=True)
    if settings.work.quiet_hours:
        out.print(f"  quiet hours: {safe(settings.work.quiet_hours)}", soft_wrap=True)


def _load(config: str) -> Config:
    settings = load(config)
    log.configure(settings.logging.level, settings.logging.format)
    return settings


def _service(config: str, settings: Config, patience: Callable[[float, str], None] | None = None) -> Service:
    shelves = cli_models.shelves_of(config, settings)
    model = resolve(settings.model, shelves, settings.net_memory)
    # Another net is loaded beside the first one, for a scan now and then: as little of it as can be.
    return Service(settings, model, find_model=lambda name: resolve(name, shelves, "small"), patience=patience)


def _run(service: Service, until: Callable[[], bool]) -> tuple[bool, int]:
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
        service.run(until, longest=0.1)
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
