"""What folders and workers have said, each word to the room that it concerns."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from colorwatch.errors import ModelError
from colorwatch.folders import messages
from colorwatch.ledger.settings import STANDS
from colorwatch.pool import Answered, Chosen, Died, Event, Started, StartFailed, ZygoteDied
from colorwatch.scan import printable

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.ledger import Ledger
    from colorwatch.work.claims import Claims
    from colorwatch.work.identity import Identity
    from colorwatch.work.intake import Intake
    from colorwatch.work.keeping import Keeping
    from colorwatch.work.leisure import Leisure
    from colorwatch.work.petitions import Petitions
    from colorwatch.work.recall import Recall
    from colorwatch.work.standing import Standing
    from colorwatch.work.steps import Steps

# The whole disk is at fault, not one path on it: other results would meet the same.
DISK_FAULTS = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOENT),
        *(errno.ENOTCONN, errno.EHOSTDOWN, errno.ETIMEDOUT),
    )
)
START_FAILURES = 3  # in a row, with no worker ever ready: the model or the installation is broken


class Hearing:
    """Belongs to the service's thread, and works inside its batch."""

    def __init__(
        self,
        ledger: Ledger,
        intake: Intake,
        identity: Identity,
        recall: Recall,
        claims: Claims,
        steps: Steps,
        petitions: Petitions,
        standing: Standing,
        leisure: Leisure,
        keeping: Keeping,
        log: FilteringBoundLogger,
    ) -> None:
        self._ledger = ledger
        self._identity = identity
        self._recall = recall
        self._intake = intake
        self._claims = claims
        self._steps = steps
        self._petitions = petitions
        self._standing = standing
        self._leisure = leisure
        self._keeping = keeping
        self._log = log
        self._worked = False  # some worker was ready once

    def message(self, message: messages.Message, now: float) -> None:
        """A folder's word."""
        match message:
            case messages.Settled():
                self._intake.settled(message)
            case messages.Vanished():
                self._intake.vanished(message.folder, message.path)
            case messages.Ignored():
                self._intake.ignored(message.folder, message.path, message.why)
            case messages.OldPathFound() if self._keeping.owns(message):
                self._keeping.old_path(message)
            case messages.Expired():
                self._keeping.expired(message)
            case messages.OldPathFound():
                self._identity.old_path(message)
            case messages.Access():
                self._intake.access(message)
            case messages.Published():
                self._claims.disk_works(message.folder)
                self._steps.on_published(message)
            case messages.NameTaken():
                self._steps.on_name_taken(message)
            case messages.ResultGone():
                self._steps.on_result_gone(message)
            case messages.SpoolLost():
                self._steps.on_spool_lost(message, now)
            case messages.Disposed():
                self._steps.on_disposed(message)
            case messages.Quarantined():
                self._steps.on_quarantined(message)
            case messages.Trouble():
                self._trouble(message, now)
            case messages.GivenBack():
                self._petitions.on_given_back(message)
            case messages.Unpublished():
                self._petitions.on_unpublished(message)
            case messages.AskedAgain():
                self._petitions.on_asked_again(message)
            case messages.AgainEnded():
                self._petitions.on_again_ended(message)
            case messages.Shown():
                self._leisure.portraits.shown(message)
            case messages.PrintSaved():
                self._leisure.apart.saved(message, now)
            case messages.ResultsFound():
                self._recall.found(message, now)
            case messages.AsideFound():
                self._steps.on_aside_found(message, recalling=message.folder in self._standing.recalling)
            case messages.AsidesRestored():
                self._recall.restored(message)
            case _:
                self._of_the_folder(message)

    def _trouble(self, message: messages.Trouble, now: float) -> None:
        match message.step:
            case "cleanspool":
                self._standing.unclean.add(message.folder)
            case "listresults" | "restoreasides":
                self._recall.trouble(message.folder, message.step, message.message, now)
                return
            case "giveback" | "unpublish" | "againover":
                self._petitions.on_trouble(message, now)
                return
            case "show" | "unshow":
                self._leisure.portraits.trouble(message.folder, message.message, now)
                return
            case "saveprint":
                self._leisure.apart.trouble(message, now, whole_disk=message.errno in DISK_FAULTS)
                return
            case "expire" | "describeaccess":
                self._log.debug("folder.trouble", folder=message.folder, step=message.step, reason=message.message)
                return
            case "oldpath":
                self._identity.trouble(message.folder, message.path)
                return
            case "publish" if message.errno in DISK_FAULTS:
                self._claims.disk_failed(message.folder, message.message, now)
        self._steps.on_trouble(message, now)

    def _of_the_folder(self, message: messages.Message) -> None:
        """What concerns a folder as a whole."""
        standing = self._standing
        match message:
            case messages.SpoolCleaned():
                if message.folder in standing.unclean:
                    self._ledger.health.note(message.folder, "cleanspool", "ok")
                standing.unclean.discard(message.folder)
                standing.clean.append(message.folder)
            case messages.Stands():
                self._ledger.health.set(STANDS + printable(message.path), message.place)
            case messages.Rescanned():
                standing.rescanned.add(message.folder)
                self._log.debug("folder.rescanned", folder=message.folder, files=message.files)
            case messages.Space():
                self._space(message)
            case messages.Watching():
                standing.watching[message.folder] = (message.mode, message.reason)
                self._log.info("folder.watching", folder=message.folder, mode=message.mode, reason=message.reason)
                self._ledger.health.note(message.folder, "watch", message.mode, message.reason)
            case messages.Blind():
                self._log.warning("folder.blind", folder=message.folder, reason=message.why)
            case messages.Unreachable():
                standing.unreachable.add(message.folder)
                self._log.warning("folder.unreachable", folder=message.folder, reason=message.why)
                self._ledger.health.note(message.folder, "inbox", "unreachable", message.why)
            case messages.Reachable():
                standing.unreachable.discard(message.folder)
                self._log.info("folder.reachable", folder=message.folder)
                self._ledger.health.note(message.folder, "inbox", "ok")

    def _space(self, message: messages.Space) -> None:
        room = f"{message.free // 1_000_000} MB are free on the disk of the outbox"
        if message.low:
            self._standing.full.add(message.folder)
            self._log.warning(
                "folder.full", folder=message.folder, reason=f"only {room}: nothing is coloured until more are"
            )
        else:
            self._standing.full.discard(message.folder)
            self._log.info("folder.has_room", folder=message.folder, reason=room)
        self._ledger.health.note(message.folder, "space", "low" if message.low else "ok", room)

    def event(self, event: Event, now: float) -> None:
        """A worker's word; raises ModelError where no worker can ever be started."""
        match event:
            case Answered() if self._intake.owns(event.ticket):
                self._intake.answered(event.ticket, event.answer)
            case Answered() if self._claims.owns(event.ticket):
                self._claims.answered(event.ticket, event.answer, now)
            case Answered() if self._recall.owns(event.ticket):
                self._recall.answered(event.ticket, event.answer, now)
            case Answered() if self._leisure.owns(event.ticket):
                self._leisure.answered(event.ticket, event.answer, now)
            case Died():
                self._log.warning("worker.died", pid=event.pid, reason=event.why, last_words=event.last_words)
                if self._intake.owns(event.ticket):
                    self._intake.died(event, now)
                elif self._recall.owns(event.ticket):
                    self._recall.died(event, now)
                elif self._claims.owns(event.ticket):
                    self._claims.died(event, now)
                elif self._leisure.owns(event.ticket):
                    self._leisure.died(event, now)
            case Started():
                self._worked = True
                self._log.debug("worker.started", pid=event.pid)
            case Chosen():
                self._log.info("pool.chosen", kind=event.kind, reason=event.reason)
            case ZygoteDied():
                self._log.warning("zygote.died", pid=event.pid, reason=event.why, last_words=event.last_words)
            case StartFailed():
                self._log.error("worker.start_failed", reason=event.why, failures=event.failures)
                if event.failures >= START_FAILURES and not self._worked:
                    raise ModelError(f"no worker could be started: {event.why}")
