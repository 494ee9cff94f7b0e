"""What a fault in a config is, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from colorwatch.scan import printable

Key = tuple[str | int, ...]
"""Where a value stands: `("folders", 0, "outbox")`; the whole file is `()`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `message`: what it is; what to write instead. `line` counts from 1.

    `heals`: it may go away by itself, when a disk is mounted or a file server is up; a daemon can wait for that.
    """

    key: Key
    message: str
    line: int | None = None
    heals: bool = False


def spell(key: Key) -> str:
    """The key as a person writes it: `folders[0].outbox`."""
    spelled = ""
    for part in key:
        if isinstance(part, int):
            spelled += f"[{part}]"
        else:
            spelled += ("." if spelled else "") + printable(part if len(part) <= 60 else f"{part[:57]}...")
    return spelled


def lines(file: str, faults: Iterable[Fault]) -> list[str]:
    """The faults in the order of the file, each as `FILE:LINE: KEY: MESSAGE`, none twice."""
    ordered = sorted(faults, key=lambda fault: (fault.line or 0, [str(part) for part in fault.key]))
    return list(dict.fromkeys(_line(file, fault) for fault in ordered))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    choices = {choice.lower(): choice for choice in known}
    # Longer words than any known one cannot be near, and comparing a megabyte of text would take minutes.
    found = get_close_matches(word.lower(), choices, n=1) if len(word) <= 64 else []
    return choices[found[0]] if found else None


def quoted(text: str) -> str:
    """A value as a message shows it: printable, in double quotes, cut short when it is long."""
    shown = printable(text[:61])
    return f'"{shown[:57]}..."' if len(shown) > 60 else f'"{shown}"'


def _line(file: str, fault: Fault) -> str:
    place = printable(file) + (f":{fault.line}" if fault.line else "")
    return ": ".join(part for part in (place, spell(fault.key), fault.message) if part)
