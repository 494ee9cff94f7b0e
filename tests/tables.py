"""Tables of docs/formats.md that are made from what the tests try: each stands between two marks of its own."""

from __future__ import annotations

import os
from collections.abc import Callable

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "formats.md")


def rendered(text: str, begin: str, table: str, end: str) -> str:
    """The page `text` with today's table between its marks."""
    return text[: text.index(begin) + len(begin)] + "\n" + table + "\n" + text[text.index(end) :]


def rewrite(render: Callable[[str], str]) -> None:
    """Writes the page anew."""
    with open(PAGE, encoding="utf-8") as file:
        before = file.read()
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(render(before))
