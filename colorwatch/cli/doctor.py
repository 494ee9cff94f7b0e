"""`colorwatch doctor`: what is wrong with a set-up, and what to do about it."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer
from rich.text import Text

from colorwatch.cli import models as cli_models
from colorwatch.cli.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, out
from colorwatch.config import load
from colorwatch.doctor import Finding, Level, examine
from colorwatch.errors import Exit
from colorwatch.modelstore import Model, resolve
from colorwatch.scan import printable

_MARKS = {Level.FINE: ("ok  ", "green"), Level.NOTE: ("note", "yellow"), Level.PROBLEM: ("BAD ", "bold red")}


def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    every: Annotated[bool, typer.Option("--all", help="Show also what is fine.")] = False,
) -> None:
    """Look over the whole set-up, as the user that colorwatch runs as, and say what to do.

    Exit code 0: nothing is wrong; 1: something is.
    """
    settings = load(config, check_folders=False)

    def find_model() -> Model:
        return resolve(settings.model, cli_models.shelves_of(config, settings), settings.net_memory)

    findings = []
    for finding in examine(settings, find_model):
        findings.append(finding)
        if not as_json and (every or finding.level is not Level.FINE):
            _print(finding)
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    if as_json:
        out.print_json(json.dumps([dataclasses.asdict(finding) for finding in findings]))
    else:
        fine = sum(finding.level is Level.FINE for finding in findings)
        out.print(f"{problems} wrong, {len(findings) - problems - fine} to know, {fine} fine")
    if problems:
        raise typer.Exit(Exit.FAILED)


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.level]
    out.print(Text(mark, style), Text(printable(f"{finding.about}: {finding.text}")), soft_wrap=True)
    if finding.advice:
        out.print(Text(f"       {printable(finding.advice)}", "dim"), soft_wrap=True)
