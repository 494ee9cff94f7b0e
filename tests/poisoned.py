"""A real daemon whose net can be poisoned: run as `python poisoned.py run --config FILE`, as colorwatch is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from house import Drop, House, make_drop, photographs

POISONS = {"segfault": 0, "killed": 128, "hang": 255}


def main() -> None:
    from colorwatch import cli, service

    begin = service.Service.__init__

    def begin_with_poison(self: service.Service, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **{**named, "net": "fault_nets:poison_net"})

    service.Service.__init__ = begin_with_poison  # type: ignore[method-assign]
    sys.argv[0] = "colorwatch"
    cli.main()


@dataclass
class PoisonedHouse(House):
    """A house in which blank pictures take their worker down."""

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, os.path.abspath(__file__), *arguments, "--config", self.path("config.yaml")]


def fill(house: House, good: int) -> tuple[dict[str, Drop], set[str]]:
    """Drops `good` good scans and one of each poison among them; the good ones, and the names of the poison."""
    drops = {}
    for number, picture in enumerate(photographs(good, side=64)):
        name = f"scan-{number:04}.png"
        drops[name] = make_drop(house.path("inbox", name), picture)
    poison = set()
    for number, (kind, level) in enumerate(POISONS.items()):
        name = f"scan-{good * (number + 1) // 4:04}-{kind}.png"
        cv2.imwrite(house.path("inbox", name), np.full((60 + number, 80), level, np.uint8))
        poison.add(name)
    return drops, poison


if __name__ == "__main__":
    main()
