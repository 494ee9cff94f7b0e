"""The commands `colorwatch models ...`: which models are known and here, and getting them here."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from colorwatch.cli.terminal import DEFAULT_CONFIG, ConfigOption, err, out, safe
from colorwatch.config import Config, load
from colorwatch.errors import Exit
from colorwatch.modelstore import (
    CATALOGUE,
    Form,
    Row,
    Shelves,
    Stored,
    fetch,
    find,
    import_file,
    overview,
    prepare,
    remove,
    verify,
)
from colorwatch.scan import printable

app = typer.Typer(no_args_is_help=True, help="List, fetch, import, check and remove models.")


def shelves_of(config: str, settings: Config) -> Shelves:
    """The folders of models that belong to the config file `config`."""
    return Shelves(state=settings.state, beside=os.path.dirname(os.path.abspath(config)))


@app.command("list")
def list_models(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show the known models, which of them are here, and other model files with whether they are trusted."""
    _, shelves = _open(config)
    rows = overview(shelves)
    if as_json:
        out.print_json(json.dumps([dataclasses.asdict(row) for row in rows]))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("is", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("where, or from", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in _cells(row)))
    out.print(table)
    chosen = find("auto", shelves)
    out.print(f"\nmodel: auto takes {safe(chosen.name)}", soft_wrap=True)


@app.command("fetch")
def fetch_model(
    name: Annotated[str, typer.Argument(help="The model's name, as in the list.")],
    config: ConfigOption = DEFAULT_CONFIG,
    source: Annotated[
        str, typer.Option("--from", metavar="FILE", help="Take this file, fetched elsewhere, instead of the network.")
    ] = "",
) -> None:
    """Get a known model from the network, going on where the last try ended, and make it ready to be used."""
    settings, shelves = _open(config)
    with _progress() as bar:
        task = bar.add_task(f"Fetching {safe(name)}", total=None)
        stored = fetch(name, shelves, lambda come, all_: bar.update(task, completed=come, total=all_), source or None)
    _make_ready(stored, settings, shelves)


@app.command("import")
def import_model(
    path: Annotated[str, typer.Argument(help="A .caffemodel or .onnx file; its manifest, if any, beside it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take it although it is not known: I trust its origin.")
    ] = False,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call an unknown model.")] = "",
) -> None:
    """Copy a model file into the store, recognised by its content, and make it ready to be used."""
    settings, shelves = _open(config)
    _make_ready(import_file(path, shelves, trust=trust, name=name or None), settings, shelves)


@app.command("verify")
def verify_models(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Read every model file and compare it with what it should be. Exit code 6 where one is not."""
    _, shelves = _open(config)
    good, faults = verify(shelves)
    for fault in faults:
        out.print(safe(fault), soft_wrap=True)
    out.print(f"{good} as they should be, {len(faults)} not")
    if faults:
        raise typer.Exit(Exit.MODEL)


@app.command("remove")
def remove_model(
    name: Annotated[str, typer.Argument(help="The model's name, as in the list.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Remove a model and what was made of it from the state folder."""
    for path in remove(name, _open(config)[1]):
        out.print(f"removed {safe(path)}", soft_wrap=True)


def _open(config: str) -> tuple[Config, Shelves]:
    settings = load(config, check_folders=False)
    return settings, shelves_of(config, settings)


def _make_ready(stored: Stored, settings: Config, shelves: Shelves) -> None:
    there = "was here already" if stored.before else "is here now"
    out.print(f"{safe(stored.name)} {there}: {safe(stored.path)}", soft_wrap=True)
    known = CATALOGUE.get(stored.name)
    if known is None or known.form is not Form.EMBEDDED:
        with err.status("Making it ready to be used"):
            prepare(find(stored.name, shelves), shelves, settings.net_memory)
        out.print(f"It can be used: model: {safe(stored.name)}")


def _cells(row: Row) -> tuple[str, ...]:
    size = f"{row.size / 1e6:.1f}" if row.size is not None else "?"
    where = row.path or row.source
    return row.name, row.standing.value, size, row.licence, f"{where} ({row.remark})" if row.remark else where


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
