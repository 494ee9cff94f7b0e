"""Another net than the daemon's own, for results that a person wants made by it: one worker, started when it is needed.

Its model is found and made ready in a thread, for that may take minutes, and its pool ends when nobody wants it any
more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from colorwatch.errors import ColorwatchError
from colorwatch.pool import Answered, Died, Event, Pool, StartFailed, ZygoteDied
from colorwatch.protocol import Failure, Request, WorkerSetup

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.modelstore import Model

IDLE_SECONDS = 60.0  # how long its worker waits for another scan


class OtherNets:
    """Belongs to the service's thread, but for the finding of a model. One net, and one scan, at a time."""

    def __init__(
        self,
        find: Callable[[str], Model],
        pool: Callable[[int, WorkerSetup], Pool],
        net: str,
        nudge: Callable[[], None],
        log: FilteringBoundLogger,
        memory_limit: int = 0,
        nice: int = 0,
    ) -> None:
        """`find` gives the model of a name, ready to be loaded, or raises ModelError; `nudge` wakes the service.

        `memory_limit`: bytes that the worker may take beyond its net, 0 for no limit; `nice`: how far it steps back.
        """
        self._find = find
        self._make = pool
        self._net = net
        self._nudge = nudge
        self._log = log
        self._memory_limit = memory_limit
        self._nice = nice
        self._finding: set[str] = set()
        self._found: dict[str, Model | str] = {}  # a model, or why there is none
        self._pool: Pool | None = None
        self._name = ""  # of the net that the pool has
        self._request: Request | None = None  # what its worker is to do, or does
        self._seconds = 0.0
        self._submitted = False
        self._idle_since: float | None = None

    @property
    def busy(self) -> bool:
        return self._request is not None

    def model(self, name: str) -> Model | str | None:
        """The model of that name, or why there is none; None while it is looked for."""
        if name in self._found:
            return self._found[name]
        if name not in self._finding:
            self._finding.add(name)
            threading.Thread(target=self._look_for, args=(name,), name="other net", daemon=True).start()
        return None

    def _look_for(self, name: str) -> None:
        try:
            found: Model | str = self._find(name)
        except ColorwatchError as error:
            found = str(error)
        except Exception as error:  # noqa: BLE001 - a person waits for the answer
            found = f"its model cannot be made ready ({type(error).__name__}: {error})"
        self._found[name] = found
        self._finding.discard(name)
        self._nudge()

    def forget(self, name: str) -> None:
        """What was wrong with a model may be mended by the next time that it is wanted."""
        if isinstance(self._found.get(name), str):
            del self._found[name]

    def take(self, request: Request, model: Model, seconds: float) -> None:
        """Has the request done by the net of `model`, in at most `seconds` once its worker is ready."""
        if self._pool is None or self._name != model.name:
            self.stop()
            setup = WorkerSetup(
                os.getpid(),
                model.path,
                self._net,
                small=model.small,
                manifest=model.manifest,
                memory_limit=self._memory_limit,
                nice=self._nice,
            )
            self._pool, self._name = self._make(1, setup), model.name
            self._log.info("othernet.started", model=model.name)
        self._request, self._seconds, self._submitted, self._idle_since = request, seconds, False, None

    def poll(self, now: float) -> list[Event]:
        """What became of the request: an answer, or the death of its worker. Starts and ends the worker as needed."""
        if self._pool is None:
            return []
        events: list[Event] = []
        for event in self._pool.poll(now):
            events += self._on_event(event)
        if self._request is not None and not self._submitted and self._pool.idle():
            self._pool.submit(self._request, now + self._seconds)
            self._submitted = True
        if self._request is None:
            self._idle_since = now if self._idle_since is None else self._idle_since
            if now - self._idle_since > IDLE_SECONDS:
                self.stop()
        return events

    def _on_event(self, event: Event) -> list[Event]:
        match event:
            case Answered() | Died():
                self._request = None
                return [event]
            case StartFailed() if self._request is not None:
                ticket, self._request = self._request.ticket, None
                self.stop()
                return [Answered(ticket, Failure("model", f"its net could not be started: {event.why}", False), 0)]
            case ZygoteDied():
                self._log.warning("zygote.died", pid=event.pid, reason=event.why, last_words=event.last_words)
        return []

    def descriptors(self) -> list[int]:
        """Descriptors that become readable when `poll` has something to say."""
        return self._pool.descriptors() if self._pool is not None else []

    def stop(self) -> None:
        """Ends its worker at once."""
        if self._pool is not None:
            self._pool.stop()
            self._log.info("othernet.stopped", model=self._name)
        self._pool, self._name, self._idle_since = None, "", None
