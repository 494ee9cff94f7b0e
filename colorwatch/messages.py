"""What the service asks of a folder's thread, and what that thread tells the service. All frozen, all plain."""

from __future__ import annotations

from dataclasses import dataclass

from colorwatch.originals import Fate
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


# --- commands: paths are relative to the inbox, spool files absolute ------------------------------------------


@dataclass(frozen=True, slots=True)
class Publish:
    """Give the spool file its final name. Answered by Published, NameTaken, SpoolLost or Trouble."""

    job_id: int
    spool: str
    final: str
    device: int
    inode: int
    digest: str


@dataclass(frozen=True, slots=True)
class Dispose:
    """Deal with the original by the folder's policy. Answered by Disposed or Trouble."""

    job_id: int
    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Move the scan into quarantine, with a note. Answered by Quarantined or Trouble."""

    job_id: int
    path: str
    fingerprint: Fingerprint
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Remove a spool file. Not answered: what is left, the next CleanSpool takes."""

    spool: str


@dataclass(frozen=True, slots=True)
class CleanSpool:
    """Make the spool, and remove what is not in `keep`. Answered by SpoolCleaned, tried again by itself until then."""

    keep: frozenset[str]


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Settle the path once more in `seconds`, even if it stays unchanged."""

    path: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The probe found the file unfinished: settle it when it changes, or as `patient` after the long silence."""

    path: str


@dataclass(frozen=True, slots=True)
class ZeroTail:
    """The file ends in zeros: settle it as `lengthened` after a longer quiet time."""

    path: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Whatever lies at the path from now on is new: it settles if there is a file."""

    path: str


Command = Publish | Dispose | Quarantine | Discard | CleanSpool | LookAgain | Incomplete | ZeroTail | Forget


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
class SpoolCleaned:
    """The spool is there and holds nothing but what was to be kept."""

    folder: str
    removed: int


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
class Trouble:
    """A step failed on the disk, nothing is lost: ask again later. `errno` 0 is a fault of our own."""

    folder: str
    job_id: int | None
    step: str
    errno: int
    message: str


@dataclass(frozen=True, slots=True)
class Rescanned:
    """The whole inbox was looked through: files seen, and paths that are not yet settled."""

    folder: str
    files: int
    pending: int


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The inbox cannot be looked at; told once, until it is Reachable."""

    folder: str
    why: str


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
    | Disposed
    | Quarantined
    | Trouble
    | Rescanned
    | Unreachable
    | Reachable
)
