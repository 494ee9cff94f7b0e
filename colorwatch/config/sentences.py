"""What pydantic finds, said in plain words with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from colorwatch.config.faults import Fault, Key, nearest, quoted
from colorwatch.config.retaining import Retention
from colorwatch.config.schema import Config, Folder, Limits, Logging, ModelPath
from colorwatch.config.telling import Metrics, Notify
from colorwatch.config.values import Takes
from colorwatch.config.working import Work

_SECTIONS: dict[str, type[BaseModel]] = {
    "folders": Folder,
    "limits": Limits,
    "work": Work,
    "retention": Retention,
    "logging": Logging,
    "notify": Notify,
    "metrics": Metrics,
    "model": ModelPath,
}
_SECTION_WORDS = {
    "folders": "in an entry of folders",
    "limits": "under limits",
    "work": "under work",
    "retention": "under retention",
    "logging": "under logging",
    "notify": "under notify",
    "metrics": "under metrics",
    "model": "under model",
}
# The schema says these in full, with what to write instead.
_COMPLETE = {"archive", "trust", "model_name"}


def explain(errors: list[ErrorDetails]) -> list[Fault]:
    """What pydantic found as faults, their lines still open."""
    # A list of faulty entries counts as empty to pydantic; its entries have their own faults.
    return [_explain(error) for error in errors if not (error["type"] == "too_short" and error["input"])]


def _explain(error: ErrorDetails) -> Fault:
    key = _key(error)
    kind = error["type"]
    if kind == "extra_forbidden":
        return Fault(key, _unknown(key))
    if kind in _COMPLETE:
        return Fault(key, error["msg"])
    return Fault(key, f"{_wrong(error)}; write {_instead(key)}")


def _key(error: ErrorDetails) -> Key:
    loc = error["loc"]
    # Between `model` and its keys pydantic names the branch of the union that it took.
    return (*loc[:1], *loc[2:]) if loc[:1] == ("model",) else loc


def _fields(section: Key) -> dict[str, FieldInfo]:
    model = _SECTIONS.get(str(section[0]), Config) if section else Config
    return dict(model.model_fields)


def _instead(key: Key) -> str:
    if len(key) > 1 and isinstance(key[-1], int) and key[0] != "folders":
        key = key[:-1]  # an entry of a list: what the list takes
    field = _fields(key[:-1]).get(str(key[-1])) if key else None
    takes = next((item for item in field.metadata if isinstance(item, Takes)), None) if field else None
    if takes is None:
        return "the keys of a folder: `- inbox: ./inbox`, and below it `outbox: ./outbox`"
    example = takes.example and takes.example not in re.findall(r"[\w./-]+", takes.what)
    return f"{takes.what}, for example {takes.example}" if example else takes.what


def _unknown(key: Key) -> str:
    name = str(key[-1])
    known = _fields(key[:-1])
    if name == "<<":
        return "merging (<<) is not supported; write the keys out"
    for section, model in _SECTIONS.items():
        if name in model.model_fields and section != "model":
            return f"is not known here; write it {_SECTION_WORDS[section]}"
    if name in Config.model_fields:
        return "is not known here; write it at the left margin, outside of any other key"
    if guess := nearest(name, known):
        return f"is not a known key; did you mean {guess}?"
    return f"is not a known key; known are: {', '.join(known)}"


def _wrong(error: ErrorDetails) -> str:
    given = error["input"]
    if error["type"] == "missing":
        return "is missing"
    if given is None:
        return "has no value"
    say = _WORDS.get(error["type"])
    if say is not None:
        return say(_shown(given), error.get("ctx", {}))
    if isinstance(given, list | dict):
        return f"is {_shown(given)}"
    return f"{_shown(given)}: {error['msg'].lower()}"


def _shown(given: object) -> str:
    if isinstance(given, list):
        return "a list"
    if isinstance(given, dict):
        return "a mapping of keys"
    return quoted(str(given))


def _not(what: str) -> Callable[[str, dict[str, Any]], str]:
    return lambda given, _: f"{given} is not {what}"


def _too(size: str) -> Callable[[str, dict[str, Any]], str]:
    return lambda given, _: f"{given} is too {size}"


def _as_said(given: str, context: dict[str, Any]) -> str:
    return str(context.get("wrong", given))


_WORDS: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "string_type": _not("text"),
    "float_type": _not("a number"),
    "float_parsing": _not("a number"),
    "finite_number": _not("a number that can be counted to"),
    "int_type": _not("a whole number"),
    "int_parsing": _not("a whole number"),
    "int_parsing_size": _too("large"),
    "bool_type": _not("true or false"),
    "bool_parsing": _not("true or false"),
    "enum": _not("one of the choices"),
    "literal_error": _not("one of the choices"),
    "tuple_type": _not("a list"),
    "model_type": _not("a group of keys"),
    "too_short": lambda *_: "is an empty list",
    "too_long": lambda _, context: f"has more than {context['max_length']} entries",
    "greater_than": _too("small"),
    "greater_than_equal": _too("small"),
    "less_than_equal": _too("large"),
    "path": _as_said,
    "hours": _as_said,
    "name": _not("a fit name"),
    "mode": _not("the mode of a picture"),
    "string_pattern_mismatch": _not("of that form"),
    "string_too_short": lambda *_: "is empty",
    "auto_or_whole": _not("auto, and not a number in the range"),
    "model_file": lambda given, _: f"{given} does not end in .onnx or .caffemodel",
}
