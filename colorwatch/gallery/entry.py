"""One picture of the gallery, as the page's script reads it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

from colorwatch.scan import Flag

FORMAT = 2
"""Raised whenever rows, chunks or the index change their shape: a gallery of another format is made anew."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a card shows. `result` and `original` are links relative to the gallery ("" for none)."""

    job: int
    when: int  # its scan was noticed, Unix time
    made: int  # its result was, Unix time: later where it was made again
    folder: str  # of the scan below its inbox, "" for none; fit for a screen, as the name
    name: str
    result: str
    original: str
    model: str
    flags: tuple[Flag, ...]
    pages: int
    width: int
    height: int
    thumb: str  # the picture of both, before left, after right; "" for none
    thumb_width: int = 0  # of one half
    thumb_height: int = 0
    view: str = ""  # the same, to fill a window, of a result that no browser shows
    view_width: int = 0
    view_height: int = 0

    def to_row(self) -> list[Any]:
        row = [getattr(self, field.name) for field in fields(self)]
        return [[[flag.word, flag.sentence] for flag in item] if isinstance(item, tuple) else item for item in row]

    @classmethod
    def from_row(cls, row: object) -> Entry | None:
        """None for anything that `to_row` would not have made: people may edit what lies in their folders."""
        kinds = [str(field.type) for field in fields(cls)]
        if not isinstance(row, list) or len(row) != len(kinds):
            return None
        if not all(_is(item, kind) for item, kind in zip(row, kinds, strict=True)):
            return None
        values: list[Any] = [tuple(Flag(*flag) for flag in item) if isinstance(item, list) else item for item in row]
        return cls(*values)


def _is(item: object, kind: str) -> bool:
    if kind.startswith("tuple"):
        return isinstance(item, list) and all(map(_is_flag, item))
    return type(item).__name__ == kind


def _is_flag(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(type(text) is str for text in item)


def link(gallery: str, path: str) -> str:
    """`path` as a link relative to the folder `gallery` (both absolute); any name a disk can hold comes out safe."""
    relative = os.path.relpath(path, gallery)
    return quote(os.fsencode(relative), safe="/")


def link_nearby(gallery: str, path: str) -> str:
    """The same, "" for what lies too far away: on the share that shows the outbox it would lead nowhere."""
    outbox = os.path.dirname(gallery)
    beside = os.path.dirname(outbox)
    if beside in ("/", "") or os.path.commonpath((beside, path)) != beside:
        return ""
    return link(gallery, path)


def script(call: str, content: object) -> str:
    """`content` as a call of the page's function `call`; no byte of it can end a string or a script."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return f"{call}({text.replace('<', chr(92) + 'u003c')});\n"


def content_of(text: str, call: str) -> Any:
    """What `script` wrote; raises ValueError for anything else."""
    start, end = f"{call}(", ");"
    stripped = text.strip()
    if not (stripped.startswith(start) and stripped.endswith(end)):
        raise ValueError("not ours")
    return json.loads(stripped[len(start) : -len(end)])
