"""What a folder's thread tells the service, and the settings it works by. All frozen, all plain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from colorwatch.disk.originals import Fate
from colorwatch.scan import Fingerprint, Originals


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """One inbox and where its scans, results and originals go; all paths absolute, `archive` None unless used."""

    name: str
    inbox: str
    outbox: str
    originals: Originals
    archive: str | None
    quarantine: str
    settle_seconds: float
    rescan_seconds: float
    incomplete_seconds: float
    recursive: bool
    group: str = "auto"  # of results, notes and new folders, by name or number; auto: as the folder gives it
    mode: int | Literal["auto"] = "auto"  # permission bits of results and notes; new folders get x where this has r
    min_free: int = 0  # bytes that are to stay free in the outbox; 0: not looked at
    watch: Literal["auto", "events", "poll"] = "auto"  # how the inbox is watched; auto: as its filesystem allows
    poll_seconds: float = 5.0  # how often it is looked through where it is polled
    gallery: bool = False  # whether the outbox has one
    canary: bool = False  # whether a hidden file is made in it now and then, to see whether events arrive
    format: str = "same"  # of results: one of `targets.WISHES`
    file_times: Literal["now", "scan"] = "now"  # of results
    prints: Literal["together", "apart"] = "together"  # several on one glass


# --- messages: `folder` is the folder's name ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settled:
    """A file has been quiet for its time. `patient`: after the long silence; `lengthened`: after the longer wait."""

    folder: str
    path: str
    fingerprint: Fingerprint
    patient: bool = False
    lengthened: bool = False


@dataclass(frozen=True, slots=True)
class Ignored:
    """No regular file: never opened, and told once. `why` is one sentence."""

    folder: str
    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that was waited for is no longer there."""

    folder: str
    path: str


@dataclass(frozen=True, slots=True)
class Published:
    """The result stands under its final name, on disk."""

    folder: str
    job_id: int
    final: str


@dataclass(frozen=True, slots=True)
class NameTaken:
    """A stranger's file has the final name: reserve the next one."""

    folder: str
    job_id: int


@dataclass(frozen=True, slots=True)
class SpoolLost:
    """The spool file is gone or not the one that was rendered: render again."""

    folder: str
    job_id: int


@dataclass(frozen=True, slots=True)
class ResultGone:
    """The earlier result, over which alone the new one was to be put, was taken away."""

    folder: str
    job_id: int


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Whether our result is gone. If not removed by us, `why` is a sentence: it was edited, or was not there."""

    folder: str
    job_id: int
    removed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class SpoolCleaned:
    """The spool is there and holds nothing but what was to be kept."""

    folder: str
    removed: int


@dataclass(frozen=True, slots=True)
class Stands:
    """The outbox, archive or quarantine `path` is used, and lies at `place`: to be noted for the next start."""

    folder: str
    path: str
    place: str


@dataclass(frozen=True, slots=True)
class Disposed:
    """What became of the original; `where` is its absolute path if it no longer lies where it lay."""

    folder: str
    job_id: int
    outcome: Fate
    where: str | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What became of the scan (QUARANTINED, STAYED, CHANGED or GONE); `where` as in Disposed."""

    folder: str
    job_id: int
    outcome: Fate
    where: str | None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The scan lies in the inbox at `path`; both None if it is neither there nor in the quarantine any more."""

    folder: str
    job_id: int
    path: str | None
    fingerprint: Fingerprint | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Whether the file is gone. If it is left where it lies, `why` is a sentence."""

    folder: str
    job_id: int
    gone: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class OldPathFound:
    """Whether the file is there; None if that cannot be told now, because the inbox is not."""

    folder: str
    token: int
    there: bool | None


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """A person moved a file into `again/`; `path` is relative to there. Told once, until it changes."""

    folder: str
    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class AgainEnded:
    """The file is out of `again/`: deleted, back in the outbox at `where` (relative), or neither: it was changed."""

    folder: str
    path: str
    removed: bool
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """The outbox's disk is nearly full (`low`), or has room again; `free` in bytes. Told on change."""

    folder: str
    low: bool
    free: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Owner, group and mode of the path, and what to do so that it can be read, for a person."""

    folder: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class ResultsFound:
    """Files of the outbox, relative to it, and their sizes in bytes; more will follow until `last`.

    `ours`: our own folder stands there, so that there may be results of ours. `root`: the outbox's device and inode.
    """

    folder: str
    files: tuple[tuple[str, int], ...]
    last: bool
    ours: bool
    root: tuple[int, int]


@dataclass(frozen=True, slots=True)
class AsidesRestored:
    """So many originals have their names back."""

    folder: str
    count: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A step failed on the disk, nothing is lost: ask again later. `errno` 0 is a fault of our own.

    `step` is the command's name in lower case; `path` is that of a command that names no job.
    """

    folder: str
    job_id: int | None
    step: str
    errno: int
    message: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Rescanned:
    """The whole inbox was looked through: files seen, and paths that are not yet settled."""

    folder: str
    files: int
    pending: int


@dataclass(frozen=True, slots=True)
class AsideFound:
    """In a full look at the inbox: an original lies there under the name that it has on its way out, by its job."""

    folder: str
    job_id: int


@dataclass(frozen=True, slots=True)
class Watching:
    """How the inbox is watched from now on: `mode` is "events" or "polling". Told whenever its watch is made anew."""

    folder: str
    mode: str
    reason: str


@dataclass(frozen=True, slots=True)
class Blind:
    """Events did not arrive, or some were lost: the inbox is looked through. Watching follows if it is watched anew."""

    folder: str
    why: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The inbox cannot be looked at; told once, until it is Reachable."""

    folder: str
    why: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The gallery shows the job. `missing`: what it showed before is not in it any more, or not all."""

    folder: str
    job_id: int
    missing: bool = False


@dataclass(frozen=True, slots=True)
class PrintSaved:
    """How that ended: `saved` on disk; `taken`, another name is wanted; `lost`, the spool file is gone.

    `left`: a person has edited, moved or deleted the one that it was to replace.
    """

    folder: str
    job_id: int
    number: int
    end: Literal["saved", "taken", "lost", "left"]


@dataclass(frozen=True, slots=True)
class Reachable:
    """The inbox is back."""

    folder: str


Message = (
    Settled
    | Ignored
    | Vanished
    | Published
    | NameTaken
    | SpoolLost
    | SpoolCleaned
    | Stands
    | ResultGone
    | Unpublished
    | Disposed
    | Quarantined
    | GivenBack
    | Expired
    | OldPathFound
    | AskedAgain
    | AgainEnded
    | Space
    | Access
    | AsideFound
    | AsidesRestored
    | ResultsFound
    | Shown
    | PrintSaved
    | Trouble
    | Rescanned
    | Watching
    | Blind
    | Unreachable
    | Reachable
)
