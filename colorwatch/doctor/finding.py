"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    FINE = "fine"
    NOTE = "note"  # works, and yet somebody should know
    PROBLEM = "problem"  # something does not work, or will not


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a short stable name, `about` what was looked at; `advice` is what to do, "" where nothing is."""

    check: str
    level: Level
    about: str
    text: str
    advice: str = ""


def fine(check: str, about: str, text: str) -> Finding:
    return Finding(check, Level.FINE, about, text)


def note(check: str, about: str, text: str, advice: str = "") -> Finding:
    return Finding(check, Level.NOTE, about, text, advice)


def problem(check: str, about: str, text: str, advice: str) -> Finding:
    return Finding(check, Level.PROBLEM, about, text, advice)
