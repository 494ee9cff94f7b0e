"""Value types: what is known of a scan and of what is made of it. All frozen, all plain.

Paths are `str` decoded by the filesystem encoding with surrogate escapes, so that any name a disk can hold survives.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from colorwatch.verdict import Verdict, as_it_was

EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "pdf": (".pdf",),
}
"""The formats that results take, and the endings that fit them; the first is the one given where a name has none."""


class State(StrEnum):
    """Where a job stands in the ledger, in the order of operations."""

    QUEUED = "queued"
    RUNNING = "running"
    RENDERED = "rendered"
    PUBLISHED = "published"
    STUCK = "stuck"  # the result is published, but the original cannot be cleared for now
    DONE = "done"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"


class Originals(StrEnum):
    """What becomes of the original once its result is published."""

    KEEP = "keep"
    ARCHIVE = "archive"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Which file was read, without reading it again: a changed file differs in at least one of these."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Fingerprint:
        # A clock gone wrong gives times beyond the year 2262: folded into 64 bits, as the ledger holds them, they still
        # tell one file from another.
        mtime_ns = (stat.st_mtime_ns + (1 << 63)) % (1 << 64) - (1 << 63)
        return cls(stat.st_dev, stat.st_ino, stat.st_size, mtime_ns)


@dataclass(frozen=True, slots=True)
class Scan:
    """One file in an inbox at one moment. `path` is relative to the inbox of the folder named `folder`."""

    folder: str
    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """The settings that change what a result is; part of the recipe.

    `strength` (0 to 1) blends the result with the grey scan; `saturation` (0 to 2) scales the colours' chroma. What is
    to become of a page that is in colour already (`colored`: leave or recolor), of text, line art and blank pages
    (`text`: leave or color), and of the tone of a sepia or yellowed print (`tone`: neutral or keep).
    `format` is one of `targets.WISHES`; `compression`, of what can be packed in several ways, one of COMPRESSIONS.
    """

    jpeg_quality: int = 92
    strength: float = 1.0
    saturation: float = 1.0
    colored: str = "leave"
    text: str = "leave"
    tone: str = "neutral"
    format: str = "same"
    compression: str = "same"


COMPRESSIONS = ("same", "none", "lzw", "deflate", "jpeg")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result comes from, as it is written into the result itself: a lost ledger is rebuilt from these."""

    digest: str  # sha256 of the scan's file, in hex
    path: str  # of the scan, relative to its inbox
    recipe: str  # Recipe.key
    model: str  # its name
    model_digest: str  # its file's sha256, in hex
    losses: str = ""  # what of the scan the result has no place for, a part of a sentence; not read back
    left: str = ""  # why all of it was left as it is (a sentence part), "" where it was coloured
    cut: str = ""  # "2 of 4": that print alone, cut out of the result of that digest and path; never recalled


@dataclass(frozen=True, slots=True)
class Facts:
    """What a probe found. `digest` is the sha256 of the whole file in hex; `bits` is bits per sample.

    Sides, `bands` and `bits` are those of the largest page.
    `zero_tail`: the file ends in a long run of zero bytes, as files do whose size was set before their content.
    """

    fingerprint: Fingerprint
    digest: str
    format: str  # as `signatures.sniff` names it
    extension: str  # the one a result of this format takes where the name has none that fits, with its dot
    pages: int
    width: int
    height: int
    bands: int
    bits: int
    zero_tail: bool = False
    decoder_bytes: int = 0  # that a decoder holds at once because of how the file is stored, whatever its size
    effort: int = 0  # `effort_of` its pictures; 0: of one picture

    @property
    def pixels(self) -> int:
        return self.width * self.height * self.pages


PIXELS_A_NET = 1_000_000  # in the time for so many more a net sees any picture, however small


def effort_of(areas: Iterable[int]) -> int:
    """In pixels, by which a deadline is measured: what all pictures of these areas take, one after the other.

    Each beyond the first counts as PIXELS_A_NET at least.
    """
    *others, largest = sorted(areas)
    return largest + sum(max(area, PIXELS_A_NET) for area in others)


@dataclass(frozen=True, slots=True)
class Flag:
    """Something about a result that its owner may want to know: a short `word` to find such results by, and a sentence.

    The same thing always has the same word; the sentence may name pages and numbers.
    """

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a print lies on a page: its upright rectangle, in shares of the page's sides as its pixels lie."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Rendering:
    """A result in the spool, synced to disk. `seconds` maps stage names to wall seconds.

    `losses`: what of the scan it has no place for, a part of a sentence. `prints`: where several of them lie on its one
    page, in the order in which they are read.
    """

    digest: str
    size: int
    device: int
    inode: int
    width: int
    height: int
    peak_bytes: int
    seconds: dict[str, float]
    flags: tuple[Flag, ...] = ()
    losses: str = ""
    verdicts: tuple[Verdict, ...] = ()  # one for each kind of page
    prints: tuple[Place, ...] = ()

    @property
    def as_it_was(self) -> str | None:
        return as_it_was(self.verdicts)


@dataclass(frozen=True, slots=True)
class Redo:
    """How one result is made again, or was made, because a person asked for it.

    `settings` are those of RenderSettings that were chosen for this scan alone; `model` another one than the daemon's.
    `only_over`: not this one was asked for, but all that are outdated; one that is taken away meanwhile stays away.
    """

    settings: dict[str, float | str]
    model: str = ""
    under_way: bool = False
    replaces: str = ""  # sha256 of our present result, in hex; "" where there is none
    output: str = ""  # the name of that one
    again: str = ""  # the file in the outbox's `again/` that asked for it, relative to there
    back: bool = False  # that file is a person's edition: it goes back to its place, instead of away
    only_over: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the ledger, as the service needs it."""

    id: int
    scan: Scan
    state: State
    facts: Facts | None  # None for a file that ended before it was queued
    recipe: str
    output: str | None  # the reserved name, relative to the outbox
    worker_deaths: int = 0
    daemon_deaths: int = 0
    blamed: int = 0  # deaths of the daemon while this scan ran alone, after another one had succeeded
    failures: int = 0
    attempt: int = 0
    spool: str | None = None
    result: Rendering | None = None
    noticed: float = 0.0  # when its file was, as Unix time
    whereabouts: str | None = None  # where the scan's file lies now: None where it lay, "" nowhere
    redo: Redo | None = None


def printable(name: str) -> str:
    """`name` fit for logs, terminals and notes: control characters and undecodable bytes are escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in name
    )
