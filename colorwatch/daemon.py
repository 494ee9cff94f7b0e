"""The long-lived process around a service: signals, reloads, and word to the service manager, people and programs.

A reload (SIGHUP) reads the whole config first. Only if it has no fault does the running service drain and another one
take its place; if that one cannot start, the old config comes back.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from colorwatch import log
from colorwatch.errors import ColorwatchError, ConfigError
from colorwatch.ledger import UNFINISHED
from colorwatch.scan import State, printable
from colorwatch.telling.metrics import Metrics, Snapshot
from colorwatch.telling.notices import Notices
from colorwatch.telling.sdnotify import Notifier

if TYPE_CHECKING:
    from colorwatch.config import Config
    from colorwatch.service import Service

LOOK_SECONDS = 5.0  # how often status and figures are brought up to date
BLIND_SECONDS = 900.0  # how long no inbox at all may be seen before the watchdog is let go


class Daemon:
    """`run` serves until it is told to stop.

    `read` gives the config or raises ConfigError; `make` gives a service for it, or raises a ColorwatchError.
    """

    def __init__(
        self,
        read: Callable[[], Config],
        make: Callable[[Config], Service],
        notifier: Notifier | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._make = make
        self._notifier = notifier or Notifier()
        self._clock = clock
        self._log = log.get("daemon")
        self._stops = 0
        self._reload = False
        self._refused = False  # what the config says now is not what is worked by
        self._service: Service | None = None
        self._notices: Notices | None = None
        self._metrics: Metrics | None = None
        self._next_look = self._next_alive = 0.0
        self._blind_since: float | None = None

    def run(self, config: Config) -> None:
        """Raises a ColorwatchError where the first service cannot start, or one fails."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_reload)
        service = self._begin(config)
        try:
            while True:
                self._serve(service)
                if self._stops or not self._reload:
                    return
                self._reload = False
                config, service = self._changed(config, service)
        finally:
            self._end()
            self._notifier.close()

    # --- signals --------------------------------------------------------------------------------------------------

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        if self._service is not None:
            self._service.stop()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True
        if self._service is not None:
            self._service.nudge()

    # --- one service after another --------------------------------------------------------------------------------

    def _begin(self, config: Config) -> Service:
        """Starts a service and what listens to it; leaves nothing behind if that fails."""
        service = self._make(config)
        try:
            if config.metrics.port or config.metrics.textfile:
                self._metrics = Metrics(config.metrics.port, config.metrics.textfile, self._clock)
                self._metrics.expect(folder.name for folder in config.folders)
                self._metrics.start()
            if config.notify.command or config.notify.webhook:
                self._notices = Notices(config.notify)
                self._notices.start()
            service.start()
        except BaseException:
            self._service = service
            self._end()
            raise
        self._service = service
        if self._stops:  # it was told to stop while nobody was there to hear it
            service.stop()
        self._notifier.ready(self._words(service))
        return service

    def _serve(self, service: Service) -> None:
        service.run(until=lambda: self._reload and not self._stops, after_tick=lambda: self._look(service))

    def _changed(self, config: Config, service: Service) -> tuple[Config, Service]:
        """The config and the service after a reload: the new ones, or the old."""
        self._notifier.reloading()
        try:
            wanted = self._read()
        except ConfigError as error:
            self._log.error("config.refused", faults=error.faults, reason="the config has faults; the old one stays")
            self._refused = True
            self._notifier.ready(self._words(service))
            return config, service
        self._refused = False
        service.stop()
        service.run(after_tick=lambda: self._look(service))  # what runs comes to its end
        self._end()
        try:
            begun = self._begin(wanted)
        except ColorwatchError as error:
            self._log.error("config.refused", faults=[str(error)], reason="it cannot be worked by; the old one is back")
            self._refused = True
            return config, self._begin(config)
        self._log.info("config.reloaded", folders=[folder.name for folder in wanted.folders])
        return wanted, begun

    def _end(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            if not self._reload:
                self._notifier.stopping("stops")
            service.close()
        notices, self._notices = self._notices, None
        metrics, self._metrics = self._metrics, None
        if notices is not None:
            notices.close()
        if metrics is not None:
            metrics.close()

    # --- after each tick ------------------------------------------------------------------------------------------

    def _look(self, service: Service) -> None:
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._notifier.status(self._words(service))
            if self._metrics is not None:
                self._metrics.snapshot = self._snapshot(service, now)
        if self._notifier.watchdog_seconds and now >= self._next_alive and not self._blind(service, now):
            self._next_alive = now + self._notifier.watchdog_seconds / 3
            self._notifier.alive()

    def _blind(self, service: Service, now: float) -> bool:
        """Whether no inbox at all could be looked at for long: then a fresh start is worth trying."""
        if len(service.unreachable) < len(service.standing.folders):
            self._blind_since = None
            return False
        self._blind_since = now if self._blind_since is None else self._blind_since
        return now - self._blind_since > BLIND_SECONDS

    def _words(self, service: Service) -> str:
        counts = service.ledger.counts()
        parts = [f"{counts[State.DONE]:,} done", f"{sum(counts[state] for state in UNFINISHED):,} to do"]
        if counts[State.QUARANTINED]:
            parts.append(f"{counts[State.QUARANTINED]:,} in quarantine")
        if service.standing.paused:
            parts.append("paused")
        if service.standing.quiet:
            parts.append(f"quiet hours until {service.pacing.quiet_until}")
        if self._refused:
            parts.append("a changed config was refused")
        parts += [f"{printable(name)} cannot be looked at" for name in sorted(service.unreachable)]
        return ", ".join(parts)

    def _snapshot(self, service: Service, now: float) -> Snapshot:
        folders = list(service.standing.folders)
        queued: dict[tuple[str, str], int] = {}
        for name in folders:
            counts = service.ledger.counts([name])
            queued |= {(name, state.value): counts[state] for state in UNFINISHED}
        return Snapshot(
            at=now,
            queued=queued,
            oldest_seconds=service.ledger.waits.oldest_seconds(),
            workers=service.workers,
            paused=bool(service.standing.paused),
            quiet=service.standing.quiet,
            full=frozenset(service.standing.full),
            blind={name: "it cannot be looked at" if name in service.unreachable else "" for name in folders},
        )
