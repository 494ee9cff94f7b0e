"""What became of a scan's pages, as its rendering tells it: by kind, for a document may have a thousand."""

from __future__ import annotations

from dataclasses import dataclass, field

from colorwatch.colour.onepage import Seen
from colorwatch.scan import Flag, Place
from colorwatch.verdict import Verdict

_WORDS = {"colour": "already in colour", "text": "text", "line-art": "line art", "blank": "blank page"}
NO_COLOUR = "no colour"
MAX_SPANS = 40  # of numbers of pages that are told of one kind


@dataclass(slots=True)
class _Group:
    """Pages of which the same is to be told."""

    seen: Seen
    numbers: list[int] = field(default_factory=list)


class Outcome:
    """Takes one page after the other."""

    def __init__(self, count: int, *, cut: bool = True) -> None:
        """`count`: how many pages the document has; a page may hold several pictures, or none.

        `cut`: prints can be cut out of its result.
        """
        self._cut = cut
        self._count = count
        self._groups: dict[tuple[str, bool], _Group] = {}
        self._without: list[int] = []
        self._losses: dict[str, None] = {}
        self.pages = 0
        self.width = self.height = 0  # of the largest
        self._prints: tuple[Place, ...] = ()

    def add(self, number: int, width: int, height: int, seen: Seen, losses: str = "") -> None:
        """`losses`: what of the page the result has no place for, a part of a sentence."""
        self.pages += 1
        self._prints = seen.prints
        self._losses[losses] = None
        if width * height >= self.width * self.height:
            self.width, self.height = width, height
        group = self._groups.setdefault((seen.kind, seen.left), _Group(seen))
        group.numbers.append(number)
        if seen.no_colour:
            self._without.append(number)

    def lost_nothing(self) -> None:
        """The result is the scan itself."""
        self._losses.clear()

    def prints(self) -> tuple[Place, ...]:
        """Where several prints lie, of a document that is one picture."""
        return self._prints if self._cut and self._count == self.pages == 1 else ()

    def losses(self) -> str:
        return "; ".join(filter(None, self._losses))

    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(
            Verdict(group.seen.kind, group.seen.left, group.seen.reason, spans(group.numbers), group.seen.figures)
            for group in self._groups.values()
        )

    def flags(self) -> tuple[Flag, ...]:
        found = [
            Flag(_WORDS[kind], self._sentence(group.numbers, f"{group.seen.reason}, and was left as it was"))
            for (kind, left), group in self._groups.items()
            if left
        ]
        if self._without:
            text = "no colour came out; another model may do better: colorwatch redo --model NAME"
            found.append(Flag(NO_COLOUR, self._sentence(self._without, text)))
        return tuple(found)

    def _sentence(self, numbers: list[int], text: str) -> str:
        if self._count == 1:
            return text[:1].upper() + text[1:] + "."
        return f"Page {spans(numbers)}: {text}."


def spans(numbers: list[int]) -> str:
    """Numbers in order as people write them: "1-3, 7"."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number in (found[-1][1], found[-1][1] + 1):
            found[-1][1] = number
        else:
            found.append([number, number])
    told = [f"{first}-{last}" if last > first else str(first) for first, last in found[:MAX_SPANS]]
    return ", ".join([*told, "..."] if len(found) > MAX_SPANS else told)
