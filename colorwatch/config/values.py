"""What a value of the config may be: paths, times, names, and the sentence parts for what they may not."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from colorwatch.config.faults import nearest, quoted
from colorwatch.scan import printable

MODEL_NAMES = ("auto", "compact", "zhang2016", "zhang2016-onnx", "siggraph17")
"""The models known by name, and `auto`; `colorwatch.modelstore` knows their files, and those that were imported."""

MODEL_ENDINGS = (".onnx", ".caffemodel")

MAX_FOLDERS = 100
MAX_NAME = 64
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Takes:
    """What a key takes, in the words of a fault, and a value to show in the example file."""

    what: str
    example: str


def absolute(path: str, base: str) -> str:
    """`path` as an absolute, normalised path: `~` expanded, relative paths taken from the folder `base`.

    Raises ValueError, with a part of a sentence, for what cannot be a path.
    """
    if not path.strip():
        raise ValueError("is empty")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ValueError("holds a character that no file name can hold") from None
    if "\0" in path:
        raise ValueError("holds a character that no file name can hold")
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise ValueError(f"begins with {quoted(expanded.split('/')[0])}, and there is no such user")
    normal = os.path.normpath(os.path.join(base, expanded))
    return "/" + normal.lstrip("/")  # POSIX lets exactly two leading slashes mean something else; Linux does not


def _absolute(path: str, info: ValidationInfo) -> str:
    base = (info.context or {}).get("base") or os.getcwd()
    try:
        return absolute(path, base)
    except ValueError as error:
        raise PydanticCustomError("path", "{wrong}", {"wrong": str(error)}) from None


def auto_or_whole(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> object:
        if value == "auto" or (isinstance(value, int) and low <= value <= high):
            return value
        try:
            number = int(value) if isinstance(value, str) else None
        except ValueError:
            number = None
        if number is not None and low <= number <= high:
            return number
        raise PydanticCustomError("auto_or_whole", "is neither auto nor a fitting number")

    return BeforeValidator(check)


def mode_of(value: object) -> object:
    if value == "auto" or isinstance(value, int):
        return value
    mode = int(value, 8) if isinstance(value, str) and re.fullmatch("0?[0-7]{3}", value) else 0
    if mode & 0o600 != 0o600 or mode & ~0o666:
        raise PydanticCustomError("mode", "is not the mode of a picture")
    return mode


def model_name(name: str) -> str:
    if name.lower().endswith(MODEL_ENDINGS):
        advice = f"write model: {{path: {printable(name[:60])}, trust: true}} if you trust where it comes from"
        raise PydanticCustomError("model_name", "is a file, not a name; {advice}", {"advice": advice})
    # Whether a model of that name was imported is for those to see who may look at the disk.
    if name in MODEL_NAMES or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        return name
    raise PydanticCustomError("model_name", "{wrong}", {"wrong": unknown_model(name)})


def unknown_model(name: str) -> str:
    """The sentence part for a model name that is not known, with the nearest one that is."""
    guess = nearest(name, MODEL_NAMES)
    advice = f"did you mean {guess}?" if guess else f"write one of: {', '.join(MODEL_NAMES)}"
    return f"{quoted(name)} is not the name of a known model; {advice}"


def model_file(path: str) -> str:
    if not path.lower().endswith(MODEL_ENDINGS):
        raise PydanticCustomError("model_file", "does not end in .onnx or .caffemodel")
    return path


def nothing_is_all_defaults(value: object) -> object:
    # A section whose keys are all commented out stands in the file as None.
    return {} if value is None else value


FolderPath = Annotated[str, AfterValidator(_absolute)]
Seconds = Annotated[float, Field(gt=0, le=DAY, allow_inf_nan=False)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
