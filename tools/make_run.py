"""What `make run` does once .venv stands: a config, a first inbox, and the daemon in the foreground.

The daemon gets a process group of its own, and the terminal with it. So Ctrl-C reaches the daemon and not make, which
would otherwise end with an error although all went well. Signals sent to this process are handed on.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from colorwatch.config import Folder, load
from colorwatch.errors import ConfigError
from colorwatch.scan import printable

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFIG = os.path.join(HERE, "config.yaml")
INBOX = os.path.join(HERE, "inbox")
SAMPLES = os.path.join(HERE, "samples")
PICTURES = (".jpg", ".png", ".tif")


def main() -> int:
    if not os.path.exists(CONFIG):
        shutil.copyfile(os.path.join(HERE, "config.example.yaml"), CONFIG)
        print(f"Wrote {CONFIG}, yours to edit.")
    # A config with faults has no folders here; `colorwatch run` will name the faults.
    with suppress(ConfigError):
        for folder in load(CONFIG, check_folders=False).folders:
            prepare(folder)
    sys.stdout.flush()
    return run_in_foreground([os.path.join(HERE, ".venv", "bin", "colorwatch"), "run", "--config", CONFIG])


def prepare(folder: Folder) -> None:
    """Make what the example config names, and say where results appear. Folders elsewhere are left to their owner."""
    for path in (folder.inbox, folder.outbox):
        if os.path.dirname(path) == HERE:
            os.makedirs(path, exist_ok=True)
    if folder.inbox == INBOX and not any(files for _, _, files in os.walk(INBOX)):
        names = sorted(name for name in os.listdir(SAMPLES) if name.endswith(PICTURES))
        for name in names:
            shutil.copyfile(os.path.join(SAMPLES, name), os.path.join(INBOX, name))
        print(f"Put {len(names)} sample scans into the empty inbox.")
    if not sys.stderr.isatty():  # on a terminal, colorwatch says so itself
        print(f"Results appear in {printable(folder.outbox)}")


def run_in_foreground(command: list[str]) -> int:
    # Stopped by Ctrl-Z, the daemon would keep a terminal that nobody can take back from it; what is ignored here
    # stays ignored in the child.
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    child = subprocess.Popen(command, process_group=0)
    last = -math.inf

    def hand_on(number: int, _frame: FrameType | None) -> None:
        # Who signals the whole group of make reaches us twice, for make hands SIGTERM on as well; and to the daemon a
        # second signal means: at once.
        nonlocal last
        if time.monotonic() - last > 1.0:
            child.send_signal(number)
        last = time.monotonic()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    with terminal_lent_to(child.pid):
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def terminal_lent_to(group: int) -> Iterator[None]:
    """Let `group` be the terminal's foreground; without a terminal, or in the background, nothing happens."""
    try:
        lent = os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        lent = False
    if lent:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # tcsetpgrp stops a caller that is no longer in the foreground
        os.tcsetpgrp(0, group)
    try:
        yield
    finally:
        if lent:
            os.tcsetpgrp(0, os.getpgrp())


if __name__ == "__main__":
    sys.exit(main())
