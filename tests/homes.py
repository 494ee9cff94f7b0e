"""A home to test the daemon in: one inbox and outbox, a service on them whose ticks run in the test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from colorwatch.asking.history import Report, report
from colorwatch.config import Config, Folder, Limits
from colorwatch.modelstore import Model
from colorwatch.pool import SpawnPool
from colorwatch.service import LEDGER, Service
from house import encode, files
from waiting import eventually


@dataclass
class Home:
    """One inbox and outbox under `root`; makes services on them. `folder`, `limits`, `top`: keys of the config."""

    root: str
    folder: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("inbox", "outbox", "archive"):
            os.makedirs(self.path(name), exist_ok=True)

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    @property
    def ledger(self) -> str:
        return self.path("state", LEDGER)

    def make(self, net: str = "fault_nets:grey_net", pool: Any = SpawnPool, workers: int = 2) -> Service:
        settings = {"inbox": self.path("inbox"), "outbox": self.path("outbox"), "settle_seconds": 0.1, **self.folder}
        config = Config(
            folders=(Folder(**settings),),
            state=self.path("state"),
            workers=workers,
            limits=Limits(**self.limits),
            **self.top,
        )
        return Service(config, Model("none", self.path("model"), "00" * 32), pool=pool, net=net)

    def run(self, until: Callable[[Service], bool] | None = None, timeout: float = 30, **how: Any) -> Report:
        """Runs a fresh service until it is idle, or `until` holds, and closes it; what the ledger says then."""
        service = self.make(**how)
        deadline = time.monotonic() + timeout
        try:
            service.start()
            service.run(lambda: time.monotonic() > deadline or (until(service) if until else service.idle()))
            assert time.monotonic() < deadline, f"not within {timeout} s: {service.ledger.counts()}"
        finally:
            service.close()
        return report(self.path("state"), self.ledger)

    def drop(self, name: str, content: bytes | None = None, value: int = 128) -> str:
        path = self.path("inbox", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(picture(value) if content is None else content)
        return path

    def outbox(self) -> list[str]:
        return sorted(files(self.path("outbox")))


def picture(value: int, extension: str = ".jpg") -> bytes:
    """A grey picture with a little texture; 0 is the black that some fault nets fail over."""
    pixels = np.full((60, 80), value, np.uint8)
    if value:
        pixels[::2] += np.uint8(1)
    return encode(pixels, extension)


def ticks(service: Service, until: Callable[[], object], timeout: float = 30) -> None:
    """Ticks until `until()` holds."""

    def step() -> object:
        service.tick(time.monotonic())
        return until()

    eventually(step, timeout)
