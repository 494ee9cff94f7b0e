"""The log: structlog set up once, for reading on a terminal and as JSON lines otherwise.

Events are named by dotted words (`job.done`); everything else is a key of its own. File names may hold newlines and
escape sequences: every text is made printable before it is written. And a log that cannot be written, because the
disk is full or the reader has gone, is lost without a word: the work goes on.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from colorwatch.scan import printable

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

_FIRST = ("timestamp", "level", "event")


def configure(level: Level = "info", format: Format = "auto", stream: TextIO | None = None) -> None:
    """Set the log up, or set it up anew. `stream`: standard error by default, whatever that is at the time of a line.

    `auto` is `console` where the stream is a terminal, else `json`. Python's own log, and that of the libraries
    which use it, is routed here from WARNING on.
    """
    lines = _Lines(stream)
    _least.level = logging.getLevelNamesMapping()[level.upper()]
    console = format == "console" or (format == "auto" and lines.isatty())
    structlog.configure(
        processors=[
            _tell_listeners,
            _drop_quiet,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _plain,
            _console(colors=lines.isatty()) if console else _json(ensure_ascii=not lines.takes_all_letters()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, lines)),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging()


def get(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `source: name`. May be called before `configure`, as at the top of a module."""
    if not structlog.is_configured():
        configure()
    return cast(FilteringBoundLogger, structlog.get_logger(source=name))


Listener = Callable[[str, Mapping[str, Any]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """Calls `listener(event, values)` with every line from now on, whatever its level; the answer ends that.

    It is called in the thread that logs, so it must be quick; what it raises is lost.
    """
    _listeners.append(listener)

    def end() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return end


def _tell_listeners(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for listener in tuple(_listeners):
        with contextlib.suppress(Exception):  # the work goes on, whoever listens
            listener(str(event.get("event", "")), event)
    return event


_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


class _Least:
    """The lowest level that is written."""

    level = logging.INFO


_least = _Least()


def _drop_quiet(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if _LEVELS.get(method, logging.ERROR) < _least.level:
        raise structlog.DropEvent
    return event


class _Lines:
    """A text stream that takes every line and never raises."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def _open(self) -> TextIO | None:
        return self._stream if self._stream is not None else sys.stderr

    def isatty(self) -> bool:
        stream = self._open()
        try:
            return stream is not None and stream.isatty()
        except (OSError, ValueError):
            return False

    def takes_all_letters(self) -> bool:
        return (getattr(self._open(), "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"

    def write(self, text: str) -> int:
        stream = self._open()
        try:
            if stream is not None:
                stream.write(_encodable(text, stream))
        except (OSError, ValueError):  # ValueError: the stream is closed
            pass
        return len(text)

    def flush(self) -> None:
        stream = self._open()
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _console(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colors, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )


def _json(*, ensure_ascii: bool) -> structlog.processors.JSONRenderer:
    return structlog.processors.JSONRenderer(ensure_ascii=ensure_ascii)


def _plain(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The line's values as plain, printable ones, time, level and event first."""
    trace = event.pop("exception", None)
    ordered = {key: event[key] for key in _FIRST if key in event} | {**event}
    line: dict[str, Any] = {printable(key): _printable(value) for key, value in ordered.items()}
    if trace is not None:
        # A traceback keeps its lines; the bar keeps any of them from passing for a line of the log.
        line["exception"] = "\n".join(f"  | {printable(part)}" for part in str(trace).splitlines())
    return line


def _printable(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return printable(os.fsdecode(value))
    if isinstance(value, Mapping):
        return {printable(str(key)): _printable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_printable(inner) for inner in value]
    return printable(str(value))


class _FromStandardLogging(logging.Handler):
    """Hands the records of Python's own log on."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a library's format string does not fit its values
            message = str(record.msg)
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.ERROR)
        get(record.name).log(level, "library.message", message=message, exc_info=record.exc_info or None)


def _route_standard_logging() -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _FromStandardLogging)]:
        root.removeHandler(handler)
    root.addHandler(_FromStandardLogging(logging.WARNING))
    root.setLevel(logging.WARNING)
