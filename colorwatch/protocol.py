"""What the daemon and its workers say to each other: requests and answers. All frozen, all plain.

`wire` makes packets of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from colorwatch.scan import Facts, Fingerprint, Place, Provenance, Rendering, RenderSettings

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The print of that number, from 1 on, which lies there."""

    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class CutRequest:
    """Cut prints out of the result `path` (relative to `root`, the outbox) of a job, each as a new spool file.

    The result must have the sha256 `digest`. It shows `count` prints in all; `provenance` is what is written into each.
    With `keep_time` the time of their files is that of the result's.
    """

    ticket: int
    root: str
    path: str
    digest: str
    job: int
    wanted: tuple[Wanted, ...]
    count: int
    provenance: Provenance
    settings: RenderSettings = field(default_factory=RenderSettings)
    keep_time: bool = False


Request = ProbeRequest | RenderRequest | RecallRequest | PortrayRequest | CutRequest


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The file is not whole yet (`reason`, one sentence); it may still be growing."""

    fingerprint: Fingerprint
    reason: str


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
class Piece:
    """A print in the spool, synced to disk; `digest` is the sha256 of its file in hex."""

    number: int
    digest: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Cut:
    """All prints that were wanted."""

    pieces: tuple[Piece, ...]


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


Answer = Facts | Incomplete | Rendering | Recalled | Portrayed | Cut | Failure
