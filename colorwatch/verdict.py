"""What the pages of a scan were judged to be, as it goes from the worker to the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What pages were judged to be, before the net saw any of them, and so what was done with them."""

    kind: str  # colour, grey, toned, text, line-art or blank
    left: bool  # as they were, instead of coloured
    reason: str  # a sentence part: "it is in colour already"
    pages: str  # such as "1-3, 7"
    figures: dict[str, float]  # of the first of them


def as_it_was(verdicts: Sequence[Verdict]) -> str | None:
    """That a whole scan was left as it was, and why, as a sentence part; None where any of it was coloured."""
    if not verdicts or not all(verdict.left for verdict in verdicts):
        return None
    return "left as it was: " + "; ".join(dict.fromkeys(verdict.reason for verdict in verdicts))
