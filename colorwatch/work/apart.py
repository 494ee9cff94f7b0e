"""Prints that lay on one glass, each saved as a file of its own: cut out of finished results, one after the other.

The result is done before, and stays as it is. What was cut is noted before any of it gets its name, and each is noted
once it has it; so after any death what is on its way goes on, and what a person has edited, moved or deleted is left.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from colorwatch.disk.names import next_name, parted, print_name
from colorwatch.disk.publishing import print_spool
from colorwatch.faultpoint import reach
from colorwatch.folders import commands
from colorwatch.protocol import Answer, Cut, CutRequest, Failure, Wanted
from colorwatch.scan import Job, Provenance
from colorwatch.targets import format_named
from colorwatch.work.patience import MAX_DEATHS, backoff
from colorwatch.work.redoing import model_of

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings, PrintSaved, Trouble
    from colorwatch.ledger import Ledger
    from colorwatch.ledger.prints import Print
    from colorwatch.pool import Died
    from colorwatch.recipe import Recipe
    from colorwatch.work.standing import Standing

BUSY_SECONDS = 2.0  # between two results that are cut while scans wait
MOST_PRINTS = 64  # of one result; more are no answer of ours
LOOKED_AT = 64  # results of which nothing is wanted, at a time
CUT = ("jpeg", "png", "tiff", "webp")
_NONSENSE = "the worker's answer was none of ours"


class Apart:
    """Belongs to the service's thread, and works inside its batch. Times are on the monotonic clock."""

    def __init__(
        self,
        ledger: Ledger,
        standing: Standing,
        folders: Mapping[str, FolderSettings],
        recipes: Mapping[str, Recipe],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`send` delivers after the batch has committed."""
        self._ledger = ledger
        self._standing = standing
        self._folders = folders
        self._recipes = recipes
        self._send = send
        self._log = log
        self._working: dict[int, tuple[Job, CutRequest]] = {}
        self._saving: dict[int, str] = {}  # job -> folder that was asked to save its next print
        self._again: dict[int, float] = {}  # jobs whose next print met trouble -> when to ask once more
        self._tries: Counter[int] = Counter()  # of these, in a row
        self._later: dict[int, float] = {}  # jobs whose result could not be read -> when it is tried again
        self._failures: Counter[str] = Counter()  # in a row, by folder
        self._not_before: dict[str, float] = {}
        self._deaths: Counter[int] = Counter()
        self._busy_until = 0.0
        self._last = ""  # the folder that was served last: the others come first

    def __len__(self) -> int:
        """Results that workers cut now."""
        return len(self._working)

    def owns(self, ticket: int) -> bool:
        return ticket in self._working

    def pending(self, now: float) -> bool:
        """Whether something is under way, or could be."""
        return bool(self._working or self._saving) or any(
            self._ledger.prints.due(name, self._later) is not None
            for name in self._ready(now)
            if now >= self._not_before.get(name, 0.0)
        )

    def pixels(self, ticket: int) -> int:
        """What the request decodes in all."""
        job, request = self._working[ticket]
        return job.facts.pixels * (1 + len(request.wanted)) if job.facts else 0

    def resume(self) -> set[str]:
        """At a start: asks for what is on its way, and says which spool files that needs."""
        prints = self._ledger.prints.on_their_way(self._folders)
        for one in prints:
            self._go_on(one.job)
        return {os.path.basename(print_spool("", one.job, one.number)) for one in prints}

    # --- cutting ------------------------------------------------------------------------------------------------

    def next_cut(self, ticket: int, now: float, busy: bool) -> CutRequest | None:
        """The next result to cut, for a worker; with `busy` only now and then."""
        self._ask_again(now)
        if self._working or (busy and now < self._busy_until):
            return None  # one at a time: nobody waits for them
        self._later = {job: due for job, due in self._later.items() if due > now}
        for name in sorted(self._ready(now), key=lambda name: name == self._last):
            if now < self._not_before.get(name, 0.0):
                continue
            for _ in range(LOOKED_AT):
                job = self._ledger.prints.due(name, self._later)
                if job is None:
                    break
                request = self._request(ticket, job)
                if request is not None:
                    self._busy_until, self._last = now + BUSY_SECONDS, name
                    self._working[ticket] = job, request
                    return request
                self._ledger.prints.looked_after(job)
        return None

    def _ready(self, now: float) -> list[str]:
        opened = (name for name in self._standing.open(now) if name not in self._standing.unclean)
        return [name for name in opened if self._folders[name].prints == "apart"]

    def _request(self, ticket: int, job: Job) -> CutRequest | None:
        """None where nothing is to be cut: it was done before, or all its prints are a person's by now."""
        places = job.result.prints if job.result else ()
        if job.result is None or not job.output or not 1 < len(places) <= MOST_PRINTS:
            return None
        if self._ledger.prints.was_cut(job) or format_named(job.output) not in CUT:
            return None
        known = self._ledger.prints.of(job.id)
        left = {number for number, one in known.items() if one.state == "left"}
        wanted = tuple(Wanted(number, place) for number, place in enumerate(places, 1) if number not in left)
        if not wanted:
            return None
        folder, result = self._folders[job.scan.folder], job.result
        why = "; ".join(dict.fromkeys(verdict.reason for verdict in result.verdicts)) if result.as_it_was else ""
        told = Provenance(result.digest, job.output, "", model_of(self._ledger, job), "", result.losses, why)
        return CutRequest(
            *(ticket, folder.outbox, job.output, result.digest, job.id, wanted, len(places), told),
            *(self._recipes[job.scan.folder].settings, folder.file_times == "scan"),
        )

    def answered(self, ticket: int, answer: Answer, now: float) -> None:
        job, request = self._working.pop(ticket)
        if isinstance(answer, Cut):
            self._cut_out(job, request, answer)
        elif isinstance(answer, Failure) and answer.retryable and answer.kind not in ("gone", "changed"):
            self._fail(job.scan.folder, answer.message, now)
            self._later[job.id] = self._not_before[job.scan.folder]
        else:
            self._give_up(job, request, answer.message if isinstance(answer, Failure) else _NONSENSE)

    def died(self, event: Died, now: float) -> None:
        job, request = self._working.pop(event.ticket)
        self._deaths[job.id] += 1
        if self._deaths[job.id] >= MAX_DEATHS:
            self._give_up(job, request, event.why)
            return
        self._later[job.id] = now + backoff(self._deaths[job.id])
        if event.stuck:
            self._fail(job.scan.folder, event.why, now)

    def _cut_out(self, job: Job, request: CutRequest, answer: Cut) -> None:
        if [piece.number for piece in answer.pieces] != [wanted.number for wanted in request.wanted]:
            self._give_up(job, request, _NONSENSE)
            return
        if self._ledger.redos.job(job.id) is None:
            self._give_up(job, request, "its scan was forgotten meanwhile")
            return
        known = self._ledger.prints.of(job.id)
        for piece in answer.pieces:
            self._ledger.prints.spooled(job.id, piece, self._name(job, known.get(piece.number), piece.number))
        self._ledger.prints.looked_after(job)
        self._deaths.pop(job.id, None)
        reach("cut-out")
        self._go_on(job.id)

    def _name(self, job: Job, earlier: Print | None, number: int) -> str:
        """Where it is to stand: in its old place, if it has one, as far as the format allows."""
        first = print_name(job.output or "", number)
        if earlier is None or earlier.state == "new":
            return first
        if format_named(earlier.path) == format_named(first):
            return earlier.path
        return os.path.splitext(earlier.path)[0] + os.path.splitext(first)[1]

    def _give_up(self, job: Job, request: CutRequest, reason: str) -> None:
        for wanted in request.wanted:
            self._send(job.scan.folder, commands.Discard(print_spool(request.root, job.id, wanted.number)))
        self._ledger.prints.looked_after(job)
        self._deaths.pop(job.id, None)
        self._log.warning(
            "prints.left", job=job.id, folder=job.scan.folder, file=job.scan.path, result=job.output, reason=reason
        )

    # --- saving -------------------------------------------------------------------------------------------------

    def _go_on(self, job_id: int) -> None:
        """Asks the folder to save the job's next print."""
        job = self._ledger.redos.job(job_id)
        if job is None or job_id in self._saving or job_id in self._again or job.scan.folder not in self._folders:
            return
        prints = self._ledger.prints.of(job_id)
        one = next((one for one in prints.values() if one.spooled), None)
        if one is None or one.spooled is None:
            self._log_saved(job, prints)
            return
        spool = print_spool(self._folders[job.scan.folder].outbox, job_id, one.number)
        piece, earlier = one.spooled, (one.path, one.digest) if one.state == "saved" else ("", "")
        save = commands.SavePrint(job_id, one.number, spool, one.to, piece.device, piece.inode, piece.digest, *earlier)
        self._saving[job_id] = job.scan.folder
        self._send(job.scan.folder, save)

    def saved(self, message: PrintSaved, now: float) -> None:
        """A folder's word of one print."""
        self._saving.pop(message.job_id, None)
        self._tries.pop(message.job_id, None)
        prints = self._ledger.prints
        one = prints.of(message.job_id).get(message.number)
        if one is not None and one.spooled is not None:
            match message.end:
                case "saved":
                    prints.saved(one)
                    reach("print-saved")
                case "left":
                    prints.left(one)
                case "taken":
                    first, number = parted(one.to)
                    prints.renamed(one, next_name(first, number + 1))
                case "lost":
                    prints.lost(one)
                    self._fail(message.folder, "what was cut out was gone from the outbox before it was saved", now)
        if message.end not in ("taken", "lost"):
            spool = print_spool(self._folders[message.folder].outbox, message.job_id, message.number)
            self._send(message.folder, commands.Discard(spool))
            self._failures.pop(message.folder, None)
            self._not_before.pop(message.folder, None)
        self._go_on(message.job_id)

    def trouble(self, message: Trouble, now: float, *, whole_disk: bool) -> None:
        """The folder's disk did not take a print now; other results may meet the same where the `whole_disk` fails."""
        job_id = message.job_id
        if job_id is None or not self._saving.pop(job_id, ""):
            return
        self._tries[job_id] += 1
        self._again[job_id] = now + backoff(self._tries[job_id])
        if whole_disk:
            self._fail(message.folder, message.message, now)
        elif self._tries[job_id] == 1:
            self._log.warning("prints.waiting", folder=message.folder, job=job_id, reason=message.message)

    def _ask_again(self, now: float) -> None:
        for job_id, due in list(self._again.items()):
            if due <= now:
                del self._again[job_id]
                self._go_on(job_id)

    def _fail(self, folder: str, reason: str, now: float) -> None:
        self._failures[folder] += 1
        self._not_before[folder] = now + backoff(self._failures[folder])
        if self._failures[folder] == 1:
            self._log.warning("prints.waiting", folder=folder, reason=reason)

    def _log_saved(self, job: Job, prints: Mapping[int, Print]) -> None:
        saved = [one.path for one in prints.values() if one.state == "saved"]
        self._log.info(
            "prints.saved",
            job=job.id,
            folder=job.scan.folder,
            file=job.scan.path,
            result=job.output,
            saved=saved,
            left=len(prints) - len(saved),
        )
