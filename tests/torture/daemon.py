"""`colorwatch` itself with a net that colours nothing, and short waits: what is measured is the house, not the net.

python tests/torture/daemon.py [--net MODULE:FUNCTION] [--backoff FIRST,LONGEST] COMMAND ... --config CONFIG
"""

from __future__ import annotations

import os
import sys
from functools import partial

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from colorwatch import cli
from colorwatch.cli import run as cli_run
from colorwatch.service import Service
from colorwatch.work import patience


def main() -> None:
    arguments = sys.argv[1:]
    while arguments and arguments[0].startswith("--"):
        option, value, *arguments = arguments
        if option == "--net":
            cli_run.Service = partial(Service, net=value)  # type: ignore[assignment, misc]
        elif option == "--backoff":
            first, longest = value.split(",")
            patience.BACKOFF_SECONDS = (float(first), float(longest))
    sys.argv[1:] = arguments
    cli.main()


if __name__ == "__main__":
    main()
