"""The config as frozen models. Descriptions, defaults and examples here are also the text of config.example.yaml."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from colorwatch.config.retaining import Retention
from colorwatch.config.telling import Metrics, Notify
from colorwatch.config.values import (
    MAX_FOLDERS,
    MAX_NAME,
    MODEL_NAMES,
    FolderPath,
    Seconds,
    Strict,
    Takes,
    auto_or_whole,
    mode_of,
    model_file,
    model_name,
    nothing_is_all_defaults,
)
from colorwatch.config.working import Work
from colorwatch.scan import Originals, printable


class Folder(Strict):
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
    watch: Annotated[Literal["auto", "events", "poll"], Takes("auto, events or poll", "auto")] = Field(
        default="auto",
        description="How new scans are noticed. events: the system tells at once, which it can do for disks of this "
        "machine. poll: the inbox is looked through every few seconds, which works everywhere. auto: poll on network "
        "shares and the like, else events, and poll where events fail.",
    )
    poll_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "5")] = Field(
        default=5,
        description="How often an inbox is looked through where it is polled. A large one is looked through less "
        "often, so that this takes a tenth of the time at most.",
    )
    gallery: Annotated[bool, Takes("true or false", "false")] = Field(
        default=False,
        description="Whether OUTBOX/gallery shows all results beside what they were made from. Any browser opens its "
        "index.html with a double click.",
    )
    canary: Annotated[bool, Takes("true or false", "false")] = Field(
        default=False,
        description="Whether a hidden file, .colorwatch-canary, is made in the inbox and removed again every minute, "
        "to see whether events arrive. Not needed: a scan that no event told of is noticed anyway.",
    )
    incomplete_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "3600")] = Field(
        default=3600,
        description="How long a scan may stay incomplete, with nothing added to it, before it goes to quarantine.",
    )
    recursive: Annotated[bool, Takes("true or false", "true")] = Field(
        default=True,
        description="Whether scans in folders inside the inbox count too. The outbox gets the same folders.",
    )
    format: Annotated[
        Literal["same", "jpeg", "png", "tiff", "webp", "pdf"], Takes("same, jpeg, png, tiff, webp or pdf", "same")
    ] = Field(
        default="same",
        description="The format of coloured pictures. same: that of the scan. A scan of several pages stays a TIFF "
        "where the format holds one page alone, and a PDF stays a PDF; the log says so.",
    )
    compression: Annotated[
        Literal["same", "none", "lzw", "deflate", "jpeg"], Takes("same, none, lzw, deflate or jpeg", "same")
    ] = Field(
        default="same",
        description="How TIFFs are packed. same: as the scan, or else by deflate. none, lzw and deflate lose nothing; "
        "jpeg makes them small. WebPs, and PDFs of scans that are none, are packed with loss where it is jpeg or the "
        "scan was.",
    )
    jpeg_quality: Annotated[int, Takes("a whole number from 50 to 100", "92")] = Field(
        default=92,
        ge=50,
        le=100,
        description="Quality of all that is packed with loss, JPEGs above all, from 50 (small) to 100 (best).",
    )
    file_times: Annotated[Literal["now", "scan"], Takes("now or scan", "now")] = Field(
        default="now",
        description="Which time the file of a coloured picture shows: scan stands for that of the scan's file, so that "
        "both lie side by side when sorted by time, now for when it was coloured.",
    )
    prints: Annotated[Literal["together", "apart"], Takes("together or apart", "together")] = Field(
        default="together",
        description="What becomes of several prints that were scanned on one glass. together: one coloured picture "
        "shows all of them. apart: each is saved as a file of its own besides, in a folder beside that picture.",
    )
    strength: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), Takes("a number from 0 to 1", "1.0")] = Field(
        default=1.0,
        description="How much colour a picture gets, from 0 (it stays grey) to 1 (all that the model gives).",
    )
    saturation: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False), Takes("a number from 0 to 2", "1.0")] = Field(
        default=1.0,
        description="How strong the colours are; 1.2 is a little more than the model gives. Weak colours are raised "
        "more than strong ones.",
    )
    colored: Annotated[Literal["leave", "recolor"], Takes("leave or recolor", "leave")] = Field(
        default="leave",
        description="What becomes of a page that is in colour already. With leave its result is as it was, with "
        "recolor it is taken for black-and-white.",
    )
    text: Annotated[Literal["leave", "color"], Takes("leave or color", "leave")] = Field(
        default="leave",
        description="What becomes of pages of text, line art and blank ones. With leave their result is as they were, "
        "with color they are coloured. A page of text with a photograph in it counts as a photograph.",
    )
    tone: Annotated[Literal["neutral", "keep"], Takes("neutral or keep", "neutral")] = Field(
        default="neutral",
        description="What becomes of the brown of a sepia print, and of yellowed paper. With neutral it goes, and the "
        "colours are as on a black-and-white print; with keep they are laid over it.",
    )

    group: Annotated[str, Takes("auto, or the name or number of a group", "auto")] = Field(
        default="auto",
        min_length=1,
        description="To which group coloured pictures, notes and new folders belong, so that all of its members may "
        "use them. The user that colorwatch runs as must be a member of it. With auto it is the outbox's own group "
        "where that has the setgid bit (chmod g+s), else that of this user.",
    )
    mode: Annotated[
        Literal["auto"] | int,
        BeforeValidator(mode_of),
        Takes("auto, or who may read (4) and write (2), for owner, group and others, from 0600 to 0666", "auto"),
    ] = Field(
        default="auto",
        description="Who may read and write coloured pictures and notes, as for chmod. auto: the group may do both, "
        "whatever the umask; for others the umask decides. 0664: the group may change them, everybody may look at "
        "them. 0600: nobody but the user that colorwatch runs as. New folders can be entered by who may read.",
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


class ModelPath(Strict):
    """A model file of the user's own. It must be trusted in writing, for native code loads it."""

    path: Annotated[
        FolderPath,
        AfterValidator(model_file),
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


class Limits(Strict):
    """What a scan may cost, in megapixels, seconds and megabytes (of 1,000,000 bytes)."""

    max_megapixels: Annotated[float, Takes("a number from 1 to 2000", "200")] = Field(
        default=200, ge=1, le=2000, allow_inf_nan=False, description="Larger scans go to quarantine, unread."
    )
    max_megabytes: Annotated[int, Takes("a whole number from 1 to 1000000", "4000")] = Field(
        default=4000, ge=1, le=1_000_000, description="Larger files go to quarantine, unread."
    )
    deadline_seconds: Annotated[Seconds, Takes("a number of seconds above 0, at most 86400", "120")] = Field(
        default=120, description="How long the work on one scan may take, whatever its size."
    )
    deadline_seconds_per_megapixel: Annotated[float, Takes("a number of seconds from 0 to 3600", "10")] = Field(
        default=10,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="And how much longer for each million pixels of all its pages.",
    )
    drain_seconds: Annotated[float, Takes("a number of seconds from 0 to 3600", "60")] = Field(
        default=60,
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a stop waits for scans that are being worked on.",
    )
    min_free_megabytes: Annotated[int, Takes("a whole number from 0 to 1000000000", "200")] = Field(
        default=200,
        ge=0,
        le=1_000_000_000,
        description="How much is to stay free on the disk of an outbox: with less, no new scan is begun. 0: never "
        "mind.",
    )
    memory_megabytes: Annotated[
        Literal["auto"] | int,
        auto_or_whole(256, 1_000_000),
        Takes("auto, or a whole number from 256 to 1000000", "auto"),
    ] = Field(default="auto", description="Memory for all workers together. auto: a part of what this machine has.")


class Logging(Strict):
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
    Annotated[str, AfterValidator(model_name), Tag("name")] | Annotated[ModelPath, Tag("file")],
    Discriminator(_kind_of_model),
]


class Config(Strict):
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
        Literal["auto"] | int, auto_or_whole(1, 64), Takes("auto, or a whole number from 1 to 64", "auto")
    ] = Field(
        default="auto", description="How many scans are worked on at once. auto: as many as cores and memory allow."
    )
    state: Annotated[FolderPath, Takes("the path of a folder", "./state")] = Field(
        default="/var/lib/colorwatch",
        description="Where colorwatch remembers what it has done. On a disk of this machine, not on a share; it is "
        "made when needed. Without this line: /var/lib/colorwatch.",
    )
    limits: Annotated[Limits, BeforeValidator(nothing_is_all_defaults), Takes("the keys below it, indented", "")] = (
        Field(default_factory=Limits, description="Limits that keep one strange scan from stopping all others.")
    )
    work: Annotated[Work, BeforeValidator(nothing_is_all_defaults), Takes("the keys below it, indented", "")] = Field(
        default_factory=Work,
        description="When to work, and how much of the machine to take. Always and all of it, without a change.",
    )
    retention: Annotated[
        Retention, BeforeValidator(nothing_is_all_defaults), Takes("the keys below it, indented", "")
    ] = Field(default_factory=Retention, description="How long things are kept. For ever, without a change.")
    logging: Annotated[Logging, BeforeValidator(nothing_is_all_defaults), Takes("the keys below it, indented", "")] = (
        Field(default_factory=Logging, description="The log.")
    )
    notify: Annotated[Notify, BeforeValidator(nothing_is_all_defaults), Takes("the keys below it, indented", "")] = (
        Field(
            default_factory=Notify, description="Who is told when something needs a person. Nobody, without a change."
        )
    )
    metrics: Annotated[Metrics, BeforeValidator(nothing_is_all_defaults), Takes("the keys below it, indented", "")] = (
        Field(default_factory=Metrics, description="Figures for Prometheus; they need `pip install prometheus-client`.")
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
