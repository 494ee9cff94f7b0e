"""The entry of the `colorwatch` command: sound standard streams and a quiet Ctrl-C, before anything else is loaded."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Entry point of the `colorwatch` command."""
    _open_what_is_closed()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored:
        # Loading the commands takes some tenths of a second, in which Python would answer Ctrl-C with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from colorwatch.cli.app import main as command

    try:
        if not ignored:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)  # whoever started us learns how we ended


def _open_what_is_closed() -> None:
    """A closed stream's number would go to the next file that is opened, and what is printed into that one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
