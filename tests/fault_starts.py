"""A worker program that never becomes ready."""

from __future__ import annotations

import sys

from colorwatch.protocol import WorkerSetup


def server(setup: WorkerSetup) -> None:
    """What a zygote calls."""
    _give_up()


def _give_up() -> None:
    print("there is no net here", file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    _give_up()
