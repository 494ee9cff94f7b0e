"""The contract without processes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from colorwatch.pool.contract import Answered, Event
from colorwatch.protocol import Answer, Request, WorkerSetup


@dataclass(slots=True)
class SerialPool:
    """The same contract in this process: `submit` does the work at once. For debugging and fast tests."""

    setup: WorkerSetup
    program: str = "colorwatch.workers.worker"
    size: int = 1
    _serve: Callable[[Request], Answer] | None = None
    _events: list[Event] = field(default_factory=list)

    def idle(self) -> int:
        return 0 if self._events else 1

    def submit(self, request: Request, deadline: float) -> int:  # noqa: ARG002 - nobody is left to watch the clock
        if self._serve is None:
            self._serve = importlib.import_module(self.program).server(self.setup)
        self._events.append(Answered(request.ticket, self._serve(request), os.getpid()))
        return os.getpid()

    def poll(self, now: float) -> list[Event]:  # noqa: ARG002
        events, self._events = self._events, []
        return events

    def descriptors(self) -> list[int]:
        return []

    def stop(self) -> None:
        self._events.clear()
