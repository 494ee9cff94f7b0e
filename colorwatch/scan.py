"""Value types: what is known of a scan, and what crosses a process boundary. All frozen, all plain.

Paths are `str` decoded by the filesystem encoding with surrogate escapes, so that any name a disk can hold survives.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
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


DEFAULT_NET = "colorwatch.colour.net:load"


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker is told first. `net` names a function of this setup that returns the predict function."""

    parent: int  # the pid that must stay alive for the worker to stay
    model: str  # the model's file
    net: str = DEFAULT_NET
    threads: int = 1  # OpenCV's own
    small: bool = False  # less memory rather than more speed
    manifest: str = ""  # the file that says what goes into the net and what comes out, where it is not the usual
    memory_limit: int = 0  # bytes that a worker may take beyond what it has once its net is loaded; 0: no limit
    nice: int = 0  # how far it steps back behind other programs


# --- requests to a worker ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Read `path` (relative to `root`) once, without decoding: digest, format, size, completeness."""

    ticket: int
    root: str
    path: str
    max_megapixels: float = 0.0  # 0: no limit
    max_bytes: int = 0  # of the file; a larger one is refused unread. 0: no limit


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Colour `path` (relative to `root`) and write the result as a new file `spool` (an absolute path).

    The file must be the one with `fingerprint`; where `digest` is given, its content decides instead (an archived
    original has another inode). `provenance` is written into the result. `result` is its format, "" for the scan's
    own; with `keep_time` its file's time is that of the scan's file.
    """

    ticket: int
    root: str
    path: str
    fingerprint: Fingerprint
    spool: str
    max_megapixels: float = 0.0
    settings: RenderSettings = field(default_factory=RenderSettings)
    digest: str = ""
    provenance: Provenance | None = None
    result: str = ""
    keep_time: bool = False


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """Read from the result `path` (relative to `root`) where it comes from."""

    ticket: int
    root: str
    path: str


@dataclass(frozen=True, slots=True)
class Lying:
    """Where a file lies: `path`, relative to `root`. It is the one that is meant if size and time are these."""

    root: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class PortrayRequest:
    """Make a thumbnail of the result `path` (relative to `root`), as the new file `spool`, for the gallery.

    `original` shows what it was before, if it is there. With `view`, another new file, the same is made large: for
    results that no browser shows.
    """

    ticket: int
    root: str
    path: str
    spool: str
    view: str = ""
    original: Lying | None = None


Request = ProbeRequest | RenderRequest | RecallRequest | PortrayRequest


# --- answers of a worker ----------------------------------------------------------------------------------


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
class Incomplete:
    """The file is not whole yet (`reason`, one sentence); it may still be growing."""

    fingerprint: Fingerprint
    reason: str


@dataclass(frozen=True, slots=True)
class Flag:
    """Something about a result that its owner may want to know: a short `word` to find such results by, and a sentence.

    The same thing always has the same word; the sentence may name pages and numbers.
    """

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Rendering:
    """A result in the spool, synced to disk. `seconds` maps stage names to wall seconds.

    `losses`: what of the scan it has no place for, a part of a sentence.
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

    @property
    def as_it_was(self) -> str | None:
        return as_it_was(self.verdicts)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a file in an outbox says of itself. `provenance` is None where it is no result of ours."""

    fingerprint: Fingerprint
    digest: str  # of the result's own file, sha256 in hex
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Portrayed:
    """Pictures in the spool: size of the result, upright, and of each half of its thumbnail and its view, in pixels."""

    width: int
    height: int
    thumb_width: int
    thumb_height: int
    view_width: int = 0  # 0: none was made
    view_height: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request came to nothing: a stable `kind`, one sentence for a person, whether waiting may help."""

    kind: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded its net and takes requests; the zygote has, and forks."""

    pid: int


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """To the zygote: fork a worker. Its end of the channel and its error file come with the packet."""

    number: int


@dataclass(frozen=True, slots=True)
class Forked:
    """From the zygote: the worker of that request. A pidfd of it comes with the packet."""

    number: int
    pid: int
    threads: int  # of the zygote, at the fork


@dataclass(frozen=True, slots=True)
class NotForked:
    """From the zygote: there is no worker for that request; `why` is a sentence part."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """From the zygote: how that worker ended: its exit code, or the signal's number as a negative one."""

    number: int
    code: int


Answer = Facts | Incomplete | Rendering | Recalled | Portrayed | Failure


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
