"""Requests and answers as JSON: nothing that arrives from a worker is trusted to build an object by itself.

A worker reads hostile files, so its answers are read as plain values and checked field by field; pickle would
let a taken-over worker run code in the daemon.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from functools import cache
from typing import Any, TypeVar, Union

from colorwatch.protocol import (
    Cut,
    CutRequest,
    Ended,
    Failure,
    Forked,
    ForkRequest,
    Incomplete,
    NotForked,
    Portrayed,
    PortrayRequest,
    ProbeRequest,
    Ready,
    Recalled,
    RecallRequest,
    RenderRequest,
    WorkerSetup,
)
from colorwatch.scan import Facts, Rendering

MAX_BYTES = 64 * 1024  # a packet larger than this is no answer of ours

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(WorkerSetup, ProbeRequest, RenderRequest, RecallRequest, PortrayRequest, CutRequest, Ready),
        *(Facts, Incomplete, Rendering, Recalled, Portrayed, Cut, Failure),
        *(ForkRequest, Forked, NotForked, Ended),
    )
}

_PATHS = (".path", ".root", ".spool", ".view", ".model", ".manifest")

T = TypeVar("T")


class WireError(Exception):
    """The bytes are not a message of ours."""


def encode(message: object) -> bytes:
    """One message as JSON in ASCII; lone surrogates of odd file names survive as escapes."""
    kind = type(message).__name__
    if _KINDS.get(kind) is not type(message):
        raise TypeError(f"{kind} does not cross process boundaries")
    return json.dumps({"type": kind, **to_plain(message)}).encode("ascii")


def decode(raw: bytes) -> object:
    """The message that `encode` made; raises WireError for anything else."""
    try:
        plain = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WireError("not JSON") from error
    if not isinstance(plain, dict):
        raise WireError("not an object")
    kind = _KINDS.get(str(plain.pop("type", None)))
    if kind is None:
        raise WireError("no known kind")
    return from_plain(kind, plain)


def to_plain(value: object) -> dict[str, Any]:
    """A dataclass of ours as plain values for JSON."""
    return dataclasses.asdict(value)  # type: ignore[call-overload,no-any-return]


def from_plain(kind: type[T], plain: object) -> T:
    """A dataclass from plain values; every field present and of its declared type, nothing besides."""
    if not isinstance(plain, dict):
        raise WireError(f"{kind.__name__} is not an object")
    hints = _hints(typing.cast(Any, kind))
    if unknown := plain.keys() - hints.keys():
        raise WireError(f"{kind.__name__} has no field {min(map(str, unknown))}")
    required = {
        f.name
        for f in dataclasses.fields(kind)  # type: ignore[arg-type]
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if missing := required - plain.keys():
        raise WireError(f"{kind.__name__} lacks {min(missing)}")
    return kind(**{name: _checked(hints[name], item, f"{kind.__name__}.{name}") for name, item in plain.items()})


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _checked(hint: Any, item: Any, where: str) -> Any:
    """`item` if it has the declared type, built up where that is one of our dataclasses."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        if item is None and type(None) in typing.get_args(hint):
            return None
        (hint,) = (choice for choice in typing.get_args(hint) if choice is not type(None))
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type[Any], hint), item)
    if typing.get_origin(hint) is tuple:
        if not isinstance(item, list | tuple):
            raise WireError(f"{where} is not a list")
        (each_hint, _) = typing.get_args(hint)
        return tuple(_checked(each_hint, each, where) for each in item)
    if typing.get_origin(hint) is dict:
        if not isinstance(item, dict):
            raise WireError(f"{where} is not a mapping")
        value_hint = typing.get_args(hint)[1]
        return {str(key): _checked(value_hint, value, where) for key, value in item.items()}
    if type(item) is int and not -(1 << 63) <= item < 1 << 64:
        raise WireError(f"{where} is no number of 64 bits")
    if hint is float and type(item) is int:
        item = float(item)
    if type(item) is not hint or (hint is float and not math.isfinite(item)):
        raise WireError(f"{where} is not a {getattr(hint, '__name__', hint)}")
    if hint is str and not where.endswith(_PATHS) and not item.isascii() and _is_broken(item):
        raise WireError(f"{where} is no text")
    return item


def _is_broken(text: str) -> bool:
    """Whether it holds half of a character: a file's name may, what a worker says may not."""
    return any("\ud800" <= character <= "\udfff" for character in text)
