"""Figures for Prometheus and a health answer, on the loopback address alone, or as a textfile.

Counted from the lines of the log; what is a level rather than a count (queues, ages, folders) the daemon hands over as
a `Snapshot`, whole, once a tick. The package prometheus-client is loaded only where it is asked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from colorwatch import log
from colorwatch.errors import ConfigError, explain_os_error

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

LOOPBACK = "127.0.0.1"
TEXTFILE_SECONDS = 15.0
STALE_SECONDS = 60.0  # without a tick for so long the daemon is not healthy
_STAGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How things stand at one moment of the daemon's monotonic clock."""

    at: float
    queued: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (folder, state) -> jobs
    oldest_seconds: float = 0.0  # age of the oldest scan that waits
    workers: int = 0
    paused: bool = False
    quiet: bool = False
    full: Collection[str] = ()  # folders whose outbox has too little room
    blind: Mapping[str, str] = field(default_factory=dict)  # folder -> why it is not seen, "" while it is


class Metrics:
    """Listens to the log from `start` to `close`; serves, or writes, what it counted."""

    def __init__(self, port: int, textfile: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError where prometheus-client is not installed."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Histogram
        except ImportError as error:
            fault = "metrics: the package prometheus-client is not installed; pip install prometheus-client"
            raise ConfigError([fault]) from error
        self._clock = clock
        self._port = port
        self._textfile = textfile
        self._log = log.get("metrics")
        self.snapshot = Snapshot(clock())
        self.registry: CollectorRegistry = CollectorRegistry()
        book = self.registry
        self._scans = Counter("colorwatch_scans", "Scans that came to an end.", ["folder", "outcome"], registry=book)
        self._pixels = Counter("colorwatch_megapixels", "Megapixels coloured.", ["folder"], registry=book)
        self._stages = Histogram(
            "colorwatch_stage_seconds", "Seconds of a stage of one scan.", ["stage"], buckets=_STAGES, registry=book
        )
        self._lost = Counter("colorwatch_worker_deaths", "Workers that were killed or hung.", registry=book)
        self._troubles = Counter(
            "colorwatch_troubles", "Steps that a disk or a share refused.", ["folder"], registry=book
        )
        self.registry.register(_Levels(self))
        self._stopping = threading.Event()
        self._server: WSGIServer | None = None
        self._threads: list[threading.Thread] = []
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Raises ConfigError where the port is taken."""
        if self._port:
            try:
                self._server = make_server(LOOPBACK, self._port, self._answer, handler_class=_Quiet)
            except OSError as error:
                why = explain_os_error(error)
                raise ConfigError(
                    [f"metrics.port: port {self._port} of this machine: {why}; write another one"]
                ) from error
            self._threads.append(threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True))
        if self._textfile:
            self._threads.append(threading.Thread(target=self._write_now_and_then, name="metrics file", daemon=True))
        self._end = log.listen(self.hear)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        if self._end is not None:
            self._end()
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        for thread in self._threads:
            thread.join(2.0)

    def expect(self, folders: Iterable[str]) -> None:
        """Each count of these folders begins at 0: one that appears with its first scan shows no increase by it."""
        for folder in folders:
            for outcome in ("done", *_OUTCOMES.values()):
                self._scans.labels(folder, outcome)
            self._pixels.labels(folder)
            self._troubles.labels(folder)

    def hear(self, event: str, line: Mapping[str, Any]) -> None:
        """Takes one line of the log."""
        folder = str(line.get("folder", ""))
        if event == "job.done":
            self._scans.labels(folder, "done").inc()
            self._pixels.labels(folder).inc(float(line.get("megapixels", 0)))
            for stage, seconds in dict(line.get("seconds", {})).items():
                self._stages.labels(str(stage)).observe(float(seconds))
        elif event in _OUTCOMES:
            self._scans.labels(folder, _OUTCOMES[event]).inc()
        elif event == "worker.died":
            self._lost.inc()
        elif event == "folder.trouble":
            self._troubles.labels(folder).inc()

    # --- answers ------------------------------------------------------------------------------------------------

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and what is not."""
        snapshot = self.snapshot
        age = self._clock() - snapshot.at
        blind = {folder: why for folder, why in snapshot.blind.items() if why}
        return age < STALE_SECONDS and not blind, {"seconds_since_tick": round(age, 1), "blind": blind}

    def _answer(self, environ: Mapping[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            start("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [generate_latest(self.registry)]
        if path == "/healthz":
            well, told = self.health()
            start("200 OK" if well else "503 Service Unavailable", [("Content-Type", "application/json")])
            return [json.dumps({"ok": well, **told}).encode("ascii") + b"\n"]
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There are /metrics and /healthz.\n"]

    def _write_now_and_then(self) -> None:
        while True:
            with contextlib.suppress(OSError):  # the next one may succeed; the work goes on
                self._write()
            if self._stopping.wait(TEXTFILE_SECONDS):
                return

    def _write(self) -> None:
        from prometheus_client import generate_latest

        path = str(self._textfile)
        temp = f"{path}.{os.getpid()}"
        with open(temp, "wb") as file:
            file.write(generate_latest(self.registry))
            os.fchmod(file.fileno(), 0o644)
        os.replace(temp, path)


_OUTCOMES = {"job.quarantined": "quarantined", "job.duplicate": "duplicate", "scan.skipped": "skipped"}


class _Levels:
    """What is read from the snapshot when somebody asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        snapshot = self._metrics.snapshot
        queue = GaugeMetricFamily("colorwatch_jobs", "Jobs that are not at their end.", labels=["folder", "state"])
        for (folder, state), jobs in snapshot.queued.items():
            queue.add_metric([folder, state], jobs)
        yield queue
        seen = GaugeMetricFamily("colorwatch_folder_seen", "1 while an inbox can be looked at.", labels=["folder"])
        for folder, why in snapshot.blind.items():
            seen.add_metric([folder], 0 if why else 1)
        yield seen
        full = GaugeMetricFamily("colorwatch_folder_full", "1 while an outbox has too little room.", labels=["folder"])
        for folder in snapshot.blind:
            full.add_metric([folder], int(folder in snapshot.full))
        yield full
        for name, text, value in (
            ("oldest_waiting_seconds", "Age of the oldest scan that waits.", snapshot.oldest_seconds),
            ("workers", "Workers that the daemon plans with.", snapshot.workers),
            ("paused", "1 while it is paused.", int(snapshot.paused)),
            ("quiet", "1 during quiet hours.", int(snapshot.quiet)),
            ("tick_age_seconds", "Seconds since the daemon's last tick.", self._metrics._clock() - snapshot.at),
        ):
            yield GaugeMetricFamily(f"colorwatch_{name}", text, value=value)


class _Quiet(WSGIRequestHandler):
    """Requests are no events of ours."""

    def log_message(self, format: str, *args: Any) -> None:
        pass
