"""What every command shares: where it prints, how it shows foreign text, and the option that names the config."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from colorwatch.scan import printable

DEFAULT_CONFIG = "/etc/colorwatch/config.yaml"

ConfigOption = Annotated[
    str,
    typer.Option("--config", "-c", envvar="COLORWATCH_CONFIG", metavar="FILE", help="The YAML config to work by."),
]
FileArgument = Annotated[
    str | None,
    typer.Argument(metavar="FILE", help="A file in an inbox, outbox, archive or quarantine, or its name in `status`."),
]
JobOption = Annotated[int | None, typer.Option("--job", metavar="N", help="The scan of this job, instead of a file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]

# Piped into a file or another program, tables need no width of a terminal, unless one is asked for.
out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200)
err = Console(stderr=True, highlight=False)


def safe(text: str) -> str:
    """`text` fit for a terminal: no control characters, nothing that reads as markup."""
    return printable(text).replace("[", r"\[")
