"""What the page has to know of a chunk before it loads it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from colorwatch.gallery.entry import Entry

_KEYS = {"n", "newest", "made", "bytes", "folders", "models", "flags", "days"}


def facets(entries: Sequence[Entry], size: int) -> dict[str, Any]:
    """How many pictures there are, of which days, and what they can be filtered by; `size` is the chunk's in bytes."""
    return {
        "n": len(entries),
        "newest": max(entry.when for entry in entries),
        "made": max(entry.made for entry in entries),
        "bytes": size,
        "folders": sorted({entry.folder for entry in entries}),
        "models": sorted({entry.model for entry in entries}),
        "flags": sorted({flag.word for entry in entries for flag in entry.flags}),
        "days": dict(Counter(time.strftime("%Y-%m-%d", time.localtime(entry.when)) for entry in entries)),
    }


def is_facets(value: object) -> bool:
    """Whether a person left it as `facets` made it, as far as its keys tell."""
    return isinstance(value, dict) and value.keys() == _KEYS and type(value["bytes"]) is int
