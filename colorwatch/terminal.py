"""What every command shares: where it prints, how it shows foreign text, and the option that names the config."""

from __future__ import annotations

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
# Piped into a file or another program, tables need no width of a terminal.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)


def safe(text: str) -> str:
    """`text` fit for a terminal: no control characters, nothing that reads as markup."""
    return printable(text).replace("[", r"\[")
