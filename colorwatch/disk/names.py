"""Names that fit: safe ones, numbered ones, cut ones, and one that is free in a folder."""

from __future__ import annotations

import os
import re
import unicodedata

from colorwatch.disk.beneath import stat_at

SPOOL = ".colorwatch"
"""Our own folder at the top of an outbox, an archive or a quarantine, for files that are not yet whole."""

AGAIN = "again"
"""The folder of an outbox into which a person moves a result that is to be made again."""

GALLERY = "gallery"
"""The folder of an outbox in which its gallery is."""

NAME_BYTES = 255
_PRINTS = " prints"
_LONGEST_EXTENSION = 32
_RESERVED = frozenset({AGAIN, GALLERY, "quarantine"})  # at the top of an outbox these are no folders of results
_NUMBER = re.compile(r" \(([1-9]\d{0,17})\)$")
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNFIT = {"Cc", "Cs", "Zl", "Zp"}  # controls, undecodable bytes (lone surrogates), line and paragraph separators


def next_name(path: str, number: int) -> str:
    """`a/x.jpg` and 2 give `a/x (2).jpg`; the last part is cut between characters to at most 255 bytes."""
    folder, name = os.path.split(path)
    stem, extension = _split(name)
    tail = f" ({number}){extension}"
    return os.path.join(folder, cut_name(stem, NAME_BYTES - len(os.fsencode(tail))) + tail)


def print_name(path: str, number: int) -> str:
    """Where the print of that number goes that the result `path` shows: `a/x.jpg` and 2 give `a/x prints/x 2.jpg`."""
    folder, name = os.path.split(path)
    stem, extension = _split(name)
    tail = f" {number}{extension}"
    apart = cut_name(stem, NAME_BYTES - len(_PRINTS)) + _PRINTS
    return os.path.join(folder, apart, cut_name(stem, NAME_BYTES - len(os.fsencode(tail))) + tail)


def parted(path: str) -> tuple[str, int]:
    """`a/x (3).jpg` gives `a/x.jpg` and 3, a name without a number itself and 1."""
    folder, name = os.path.split(path)
    stem, extension = _split(name)
    match = _NUMBER.search(stem)
    return (os.path.join(folder, stem[: match.start()] + extension), int(match[1])) if match else (path, 1)


def cut_name(name: str, most: int) -> str:
    """The first characters of `name` that fit into `most` bytes."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def shortened(name: str, most: int) -> str:
    """`name` in at most `most` bytes, its extension kept."""
    stem, extension = _split(name)
    return cut_name(stem, most - len(os.fsencode(extension))) + extension


def safe_name(path: str) -> str:
    """`path` as a relative path that any disk and screen can take, never leaving its folder.

    Control characters, undecodable bytes and what turns the reading direction become "_"; "." and "..", too, and
    the leading dot of a name that begins like one of ours. The result's folders are those of `path`, except that a
    first one called `again`, `gallery` or `quarantine`, in any case, gets a "_" behind it; else nothing is ever longer.
    """
    parts = [_safe_part(part) for part in path.split("/") if part]
    if len(parts) > 1 and parts[0].casefold() in _RESERVED:
        parts[0] += "_"
    return "/".join(parts) or "_"


def free_name(folder: int, name: str) -> str:
    """`name`, or a numbered form of it, that nothing in an open folder has at this moment.

    The first free one where the numbers have no gaps, by a number of looks that grows with their logarithm.
    """
    if stat_at(folder, name) is None:
        return name
    taken, free = 1, 2
    while stat_at(folder, next_name(name, free)) is not None:
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if stat_at(folder, next_name(name, middle)) is None:
            free = middle
        else:
            taken = middle
    return next_name(name, free)


def numbered(folder: int, name: str) -> list[str]:
    """What an open folder has of `name` and its numbered forms, in their order. Reads the whole folder."""
    found = []
    for entry in os.listdir(folder):
        if entry == name:
            found.append((1, entry))
        elif match := _NUMBER.search(_split(entry)[0]):
            number = int(match[1])
            if number > 1 and next_name(name, number) == entry:
                found.append((number, entry))
    return [entry for _, entry in sorted(found)]


def below(path: str, root: str) -> str | None:
    """The absolute `path` relative to `root`; None where it does not lie beneath it."""
    inside = os.path.normpath(path) == path and path.startswith(root.rstrip("/") + "/")
    return path[len(root.rstrip("/")) + 1 :] if inside else None


def _split(name: str) -> tuple[str, str]:
    stem, extension = os.path.splitext(name)
    return (name, "") if len(os.fsencode(extension)) > _LONGEST_EXTENSION else (stem, extension)


def _safe_part(part: str) -> str:
    part = "".join(
        "_" if unicodedata.category(character) in _UNFIT or character in _BIDI_CONTROLS else character
        for character in part
    )
    if part in (".", ".."):
        return "_" * len(part)
    return f"_{part[1:]}" if part.casefold().startswith(SPOOL) else part
