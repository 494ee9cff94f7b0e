"""What the service asks of a folder's thread. All frozen, all plain; each may be asked again after a kill at any point.

Paths are relative to the inbox and spool files absolute, where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from colorwatch.scan import Fingerprint, Flag


@dataclass(frozen=True, slots=True)
class Publish:
    """Give the spool file its final name. Answered by Published, NameTaken, SpoolLost, ResultGone or Trouble.

    With `replaces`, the sha256 of an earlier result of ours, it takes the place of that one if exactly that stands
    there. Another file, one that a person edited for example, is never replaced: NameTaken. Where nothing stands it is
    put there, or, with `only_over`, it is not: ResultGone.
    """

    job_id: int
    spool: str
    final: str
    device: int
    inode: int
    digest: str
    replaces: str = ""
    only_over: bool = False


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Remove the result `final` if its sha256 is still `digest`. Answered by Unpublished or Trouble.

    So go `prints`, each a path and a sha256, that were cut out of it.
    """

    job_id: int
    final: str
    digest: str
    prints: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Dispose:
    """Deal with the original by the folder's policy. Answered by Disposed or Trouble."""

    job_id: int
    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Move the scan into quarantine, with a note for people and one for programs. Answered by Quarantined or Trouble.

    `kind` and what follows go into `NAME.reason.json`; `noticed` is Unix time.
    """

    job_id: int
    path: str
    fingerprint: Fingerprint
    title: str
    reason: str
    kind: str = ""
    attempts: int = 0
    digest: str = ""
    noticed: float | None = None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Put a scan back from `where` in the quarantine to `path`, or the next free name; its notes go.

    `fingerprint` is the scan's as the ledger has it. `where` "" means that it stayed in the inbox: only the notes go.
    Answered by GivenBack or Trouble.
    """

    job_id: int
    where: str
    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Expire:
    """Delete an archived or quarantined file, absolute `where`, with its notes. Answered by Expired or Trouble.

    With a `fingerprint` only a file of that size and time goes.
    """

    job_id: int
    where: str
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class OldPath:
    """Is the scan (any regular file, without a fingerprint) still at that path? Answered by OldPathFound."""

    token: int
    path: str
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class AgainOver:
    """A file in `again/` was dealt with: out of there. Answered by AgainEnded or Trouble.

    "remove" deletes it if its sha256 is still `digest`, and leaves it otherwise, to be told again. "back" moves it to
    `to` (relative to the outbox; "" for the path it had in `again/`), or the next free name.
    """

    path: str
    action: Literal["remove", "back"]
    digest: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class DescribeAccess:
    """Who owns that path, and what would let us read it? Answered by Access."""

    path: str


@dataclass(frozen=True, slots=True)
class RestoreAsides:
    """Give their names back to originals that were renamed aside for jobs not in `keep`: the ledger was lost.

    To be sent before any other command about originals. Answered by AsidesRestored or Trouble.
    """

    keep: frozenset[int]


@dataclass(frozen=True, slots=True)
class ListResults:
    """Which files of the outbox may be results? Answered by ResultsFound, several of them, or Trouble."""


@dataclass(frozen=True, slots=True)
class Show:
    """Show a finished scan in the gallery: `original` absolute; `spool` and `view` its pictures, "" for none.

    `ledger` is a word for the ledger that the job's number is of. Answered by Shown or Trouble.
    """

    job_id: int
    ledger: str
    when: int  # its scan was noticed, Unix time
    made: int  # its result was, Unix time
    path: str
    output: str
    original: str
    model: str
    flags: tuple[Flag, ...]
    pages: int
    width: int
    height: int
    spool: str = ""
    thumb_width: int = 0
    thumb_height: int = 0
    view: str = ""
    view_width: int = 0
    view_height: int = 0


@dataclass(frozen=True, slots=True)
class Unshow:
    """Take a job out of the gallery, if it is there. Not answered."""

    job_id: int


@dataclass(frozen=True, slots=True)
class SavePrint:
    """Give a print that was cut out of a job's result its name, as Publish does. Answered by PrintSaved or Trouble.

    With `replaces`, the sha256 of the earlier file of this print at `over`, it takes the place of that one, and only
    if exactly that stands there.
    """

    job_id: int
    number: int
    spool: str
    final: str
    device: int
    inode: int
    digest: str
    over: str = ""
    replaces: str = ""


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


Command = (
    Publish
    | Unpublish
    | Dispose
    | Quarantine
    | GiveBack
    | Expire
    | OldPath
    | AgainOver
    | DescribeAccess
    | RestoreAsides
    | ListResults
    | Show
    | Unshow
    | SavePrint
    | Discard
    | CleanSpool
    | LookAgain
    | Incomplete
    | ZeroTail
    | Forget
)
