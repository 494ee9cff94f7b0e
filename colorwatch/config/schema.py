"""The config as frozen models. Descriptions, defaults and examples here are also the text of config.example.yaml."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from colorwatch.config.faults import nearest, quoted
from colorwatch.scan import Originals, printable

MODEL_NAMES = ("auto", "compact", "zhang2016", "zhang2016-onnx", "siggraph17")
"""The models known by name, and `auto`; `colorwatch.modelstore` knows their files, and those that were imported."""

MODEL_ENDINGS = (".onnx", ".caffemodel")

MAX_FOLDERS = 100
MAX_NAME = 64
_DAY = 86_400


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


def _auto_or_whole(low: int, high: int) -> BeforeValidator:
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


def _model_name(name: str) -> str:
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


def _model_file(path: str) -> str:
    if not path.lower().endswith(MODEL_ENDINGS):
        raise PydanticCustomError("model_file", "does not end in .onnx or .caffemodel")
    return path


def _nothing_is_all_defaults(value: object) -> object:
    # A section whose keys are all commented out stands in the file as None.
    return {} if value is None else value


FolderPath = Annotated[str, AfterValidator(_absolute)]
Seconds = Annotated[float, Field(gt=0, le=_DAY, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Folder(_Strict):
    """One inbox, and where its scans, results and originals go. All paths are absolute."""

    inbox: Annotated[FolderPath, Takes("the path of a folder", "./inbox")] = Field(
        description="Where the scans arrive. It must exist, and nothing else than scans should be saved here."
    )
    outbox: Annotated[FolderPath, Takes("the path of a folder", "./outbox")] = Field(
        description="Where the coloured pictures appear. It must exist, outside of the inbox."
    )
    name: Annotated[str, Takes(f"a short name of your own, at most {MAX_NAME} characters", "inbox")] = Field(
        default="", description="What this folder is called in messages. Without one: the last part of the inbox."
    )
    originals: Annotated[Originals, Takes("keep, archive or delete", "keep")] = Field(
        default=Originals.KEEP,
        description="What becomes of a scan once its coloured picture is safely in the outbox. "
        "keep: it stays in the inbox. archive: it moves to the archive. delete: it is deleted.",
    )
    archive: Annotated[FolderPath | None, Takes("the path of a folder", "./archive")] = Field(
        default=None, description="Where originals move. Only with originals: archive; it must exist."
    )
    quarantine: Annotated[FolderPath, Takes("the path of a folder", "./outbox/quarantine")] = Field(
        default="",
        description="Where scans go that cannot be coloured, each with a note that says why. It is made when needed.",
    )
    settle_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "5")] = Field(
        default=5, description="How long a scan must lie unchanged before it is looked at. More for a slow scanner."
    )
    rescan_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "60")] = Field(
        default=60, description="How often the whole inbox is looked through, for scans that arrived unnoticed."
    )
    incomplete_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "3600")] = Field(
        default=3600,
        description="How long a scan may stay incomplete, with nothing added to it, before it goes to quarantine.",
    )
    recursive: Annotated[bool, Takes("true or false", "true")] = Field(
        default=True,
        description="Whether scans in folders inside the inbox count too. The outbox gets the same folders.",
    )
    jpeg_quality: Annotated[int, Takes("a whole number from 50 to 100", "92")] = Field(
        default=92, ge=50, le=100, description="Quality of coloured JPEG files, from 50 (small) to 100 (best)."
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str, info: ValidationInfo) -> str:
        if not name:
            last = printable(os.path.basename(info.data.get("inbox", "")))
            return last[:MAX_NAME] or "folder"
        if printable(name) != name or name != name.strip() or "/" in name or len(name) > MAX_NAME:
            raise PydanticCustomError("name", "is no fit name")
        return name

    @field_validator("archive")
    @classmethod
    def _archive(cls, archive: str | None, info: ValidationInfo) -> str | None:
        originals = info.data.get("originals")  # absent where it has a fault of its own
        if originals is Originals.ARCHIVE and archive is None:
            raise PydanticCustomError(
                "archive", "is missing, but originals is archive; write archive: and the path of a folder"
            )
        if originals in (Originals.KEEP, Originals.DELETE) and archive is not None:
            sentence = "is given, but originals is {originals}; write originals: archive, or remove this line"
            raise PydanticCustomError("archive", sentence, {"originals": originals.value})
        return archive

    @field_validator("quarantine", mode="before")
    @classmethod
    def _quarantine(cls, quarantine: object, info: ValidationInfo) -> object:
        if quarantine == "":
            return os.path.join(info.data.get("outbox", "/"), "quarantine")
        return quarantine


class ModelPath(_Strict):
    """A model file of the user's own. It must be trusted in writing, for native code loads it."""

    path: Annotated[
        str,
        AfterValidator(_absolute),
        AfterValidator(_model_file),
        Takes("the path of an .onnx or .caffemodel file", "./my-model.onnx"),
    ] = Field(
        description="The file: ONNX, with a manifest of the same name ending in .yaml beside it, or a caffemodel of "
        "the published net."
    )
    trust: Annotated[bool, Takes("true, if you trust where the file comes from", "true")] = Field(
        description="Must be true: say so only if you trust where the file comes from, for it is loaded by native code."
    )

    @field_validator("trust")
    @classmethod
    def _trusted(cls, trust: bool) -> bool:
        if not trust:
            sentence = (
                "must be true, for a model file is loaded by native code, which a bad file can abuse; "
                "write trust: true if you trust where it comes from, else model: auto"
            )
            raise PydanticCustomError("trust", sentence)
        return trust


class Limits(_Strict):
    """What a scan may cost, in megapixels, seconds and megabytes (of 1,000,000 bytes)."""

    max_megapixels: Annotated[float, Takes("a number from 1 to 2000", "200")] = Field(
        default=200, ge=1, le=2000, allow_inf_nan=False, description="Larger scans go to quarantine, unread."
    )
    deadline_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "120")] = Field(
        default=120, description="How long the work on one scan may take, whatever its size."
    )
    deadline_seconds_per_megapixel: Annotated[float, Takes("a number of seconds from 0 to 3600", "10")] = Field(
        default=10,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="And how much longer for each million of its pixels.",
    )
    drain_seconds: Annotated[float, Takes("a number of seconds from 0 to 3600", "60")] = Field(
        default=60,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a stop waits for scans that are being worked on.",
    )
    memory_megabytes: Annotated[
        Literal["auto"] | int,
        _auto_or_whole(256, 1_000_000),
        Takes("auto, or a whole number from 256 to 1000000", "auto"),
    ] = Field(default="auto", description="Memory for all workers together. auto: a part of what this machine has.")


class Logging(_Strict):
    """How much is logged, and in which form."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Takes("debug, info, warning or error", "info")] = (
        Field(default="info", description="How much to tell: debug, info, warning or error.")
    )
    format: Annotated[Literal["auto", "console", "json"], Takes("auto, console or json", "auto")] = Field(
        default="auto", description="console is for reading, json for programs. auto: console in a terminal, else json."
    )


def _kind_of_model(value: object) -> str:
    return "file" if isinstance(value, dict | ModelPath) else "name"


ModelChoice = Annotated[
    Annotated[str, AfterValidator(_model_name), Tag("name")] | Annotated[ModelPath, Tag("file")],
    Discriminator(_kind_of_model),
]


class Config(_Strict):
    """A whole config. `folders` holds at least one folder; `load` sees to it that no two have the same name."""

    folders: Annotated[tuple[Folder, ...], Takes("a list of 1 to 100 folders, each beginning with `- inbox:`", "")] = (
        Field(
            min_length=1,
            max_length=MAX_FOLDERS,
            description="The folders to watch, one or more. Each begins with a dash and has an inbox and an outbox; "
            "for a second one, write another such entry below the first.",
        )
    )
    model: Annotated[
        ModelChoice, Takes(f"the name of a model ({', '.join(MODEL_NAMES)}), or a mapping of path and trust", "auto")
    ] = Field(
        default="auto",
        description="What knows the colours. compact comes with colorwatch; zhang2016 is the published net, to be had "
        "by `colorwatch models fetch zhang2016`. auto: zhang2016 where its file is, else compact. Other names are "
        "those of models that were fetched or imported: see `colorwatch models list`.",
    )
    net_memory: Annotated[Literal["auto", "fast", "small"], Takes("auto, fast or small", "auto")] = Field(
        default="auto",
        description="Whether the net may take much memory to be fast. For the published net, fast means 1.1 GB "
        "with OpenCV 4 and 1.6 GB with 5 (all workers share it), small about 350 MB and two to four times the time. "
        "auto: as this machine's memory allows.",
    )
    workers: Annotated[
        Literal["auto"] | int, _auto_or_whole(1, 64), Takes("auto, or a whole number from 1 to 64", "auto")
    ] = Field(
        default="auto", description="How many scans are worked on at once. auto: as many as cores and memory allow."
    )
    state: Annotated[FolderPath, Takes("the path of a folder", "./state")] = Field(
        default="/var/lib/colorwatch",
        description="Where colorwatch remembers what it has done. On a disk of this machine, not on a share; it is "
        "made when needed. Without this line: /var/lib/colorwatch.",
    )
    limits: Annotated[Limits, BeforeValidator(_nothing_is_all_defaults), Takes("the keys below it, indented", "")] = (
        Field(default_factory=Limits, description="Limits that keep one strange scan from stopping all others.")
    )
    logging: Annotated[Logging, BeforeValidator(_nothing_is_all_defaults), Takes("the keys below it, indented", "")] = (
        Field(default_factory=Logging, description="The log.")
    )

    @field_validator("folders")
    @classmethod
    def _unique(cls, folders: tuple[Folder, ...]) -> tuple[Folder, ...]:
        return _with_unique_names(folders)


def _with_unique_names(folders: tuple[Folder, ...]) -> tuple[Folder, ...]:
    """The folders, those without a name of their own numbered where two would be called the same."""
    taken = {folder.name for folder in folders if "name" in folder.model_fields_set}
    named = []
    for folder in folders:
        name, number = folder.name, 1
        while "name" not in folder.model_fields_set and name in taken:
            number += 1
            name = f"{folder.name}-{number}"
        taken.add(name)
        named.append(folder.model_copy(update={"name": name}))
    return tuple(named)
