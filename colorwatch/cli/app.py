"""All commands put together, and what becomes of their errors: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from colorwatch import __version__, log
from colorwatch.cli import ask as cli_ask
from colorwatch.cli import doctor as cli_doctor
from colorwatch.cli import models as cli_models
from colorwatch.cli import run as cli_run
from colorwatch.cli import setup as cli_setup
from colorwatch.cli import status as cli_status
from colorwatch.cli.terminal import err, out
from colorwatch.errors import ColorwatchError, ConfigError, Exit, explain_os_error
from colorwatch.manifest import ManifestError
from colorwatch.scan import printable

app = typer.Typer(
    name="colorwatch",
    help="Watches folders for black-and-white scans and puts coloured copies into an outbox.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(cli_run.run, cli_run.once, cli_run.check_config),
    *(cli_status.status, cli_status.history, cli_status.explain),
    *(cli_ask.retry, cli_ask.release, cli_ask.redo, cli_ask.forget, cli_ask.reprocess),
    *(cli_ask.pause, cli_ask.resume),
)
for command in COMMANDS:
    app.command()(command)
for command in (cli_doctor.doctor, cli_setup.init, cli_setup.config_schema):
    app.command()(command)
for command in (cli_setup.install_service, cli_setup.uninstall_service):
    app.command()(command)
app.add_typer(cli_models.app, name="models")

# What a write to a full or broken disk gives; without a file's name it was our own output that met it.
_NO_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG}


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Watches folders for black-and-white scans and puts coloured copies into an outbox."""
    if version:
        out.print(f"colorwatch {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command that the process was started for, and ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without umlauts still tells the name, escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ColorwatchError as error:
        _fail(error)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        _output_to_nowhere()
        sys.exit(Exit.OK)
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user; the log keeps it in one line
        if isinstance(error, OSError) and error.filename is None and error.errno in _NO_OUTPUT:
            _output_to_nowhere()
            with contextlib.suppress(OSError):
                err.print(f"the output cannot be written: {explain_os_error(error)}")
            sys.exit(Exit.FAILED)
        log.get("cli").error("service.failed", reason=str(error), details=traceback.format_exc())
        err.print(
            Text(printable(f"colorwatch has a fault of its own: {type(error).__name__}: {error}")), soft_wrap=True
        )
        err.print("No scan is lost by it. Please report it, with the log line above.")
        sys.exit(Exit.INTERNAL)


def _output_to_nowhere() -> None:
    """Else what is left in the buffer would be tried again at the very end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())


def _fail(error: ColorwatchError) -> NoReturn:
    lines = error.faults if isinstance(error, ConfigError | ManifestError) else [str(error)]
    for line in lines:
        err.print(Text(printable(line)), soft_wrap=True)
    sys.exit(error.exit_code)
