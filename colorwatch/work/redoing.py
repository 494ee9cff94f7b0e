"""Results made again because a person asked for it: begun, published in place of our own, or given up for the old one.

The original is only read. What stood in the outbox stays until the new result takes its place in one step; where a
person has edited it, the new one is put beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from colorwatch.folders import commands
from colorwatch.ledger.settings import RECIPE, TODAY
from colorwatch.scan import Job, Redo, State
from colorwatch.targets import SAME, format_named, target_of
from colorwatch.work.patience import backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import AgainEnded, FolderSettings, Trouble, Unpublished
    from colorwatch.ledger import Ledger
    from colorwatch.recipe import Recipe

_WHY = {
    "gone": "its original is gone",
    "changed": "what lies where its original lay is another file",
}


@dataclass(slots=True)
class _Leaving:
    """A file that is to leave `again/`, for a job; `due`: when to ask once more."""

    job_id: int
    command: commands.AgainOver
    failures: int = 0
    due: float | None = None


class Redoing:
    """Jobs that are done and are made again. Works inside the service's batch."""

    def __init__(
        self,
        ledger: Ledger,
        today: Mapping[str, Recipe],
        model: str,
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`today` is each folder's recipe, `model` the name of the daemon's; `send` delivers after the commit."""
        self._ledger = ledger
        self._today = today
        self._model = model
        self._send = send
        self._log = log
        self._leaving: dict[tuple[str, str], _Leaving] = {}  # files on their way out of `again/`
        self.finished = 0  # results made again by this daemon

    def begin(self, job: Job, redo: Redo) -> None:
        """Queues a finished job again; where a person's edition asked for it, that goes back to its place."""
        recipe = self._today[job.scan.folder].wished(redo.settings)
        remember(self._ledger, recipe, self._model)
        self._ledger.redos.begin(job, redo, recipe.key)
        self._log.info("redo.queued", job=job.id, folder=job.scan.folder, file=job.scan.path, settings=redo.settings)

    def introduce(self) -> None:
        """Notes by what the folders' results are made today, for who asks beside the daemon."""
        for folder, recipe in self._today.items():
            self._ledger.health.set(TODAY + folder, json.dumps(asdict(recipe)))
            remember(self._ledger, recipe, self._model)

    def owns(self, job: Job) -> bool:
        return job.redo is not None and job.redo.under_way

    def published(self, job: Job) -> None:
        """The new result stands: what asked for it in `again/` goes, and then it is done."""
        if job.redo is not None and (job.redo.again or _leaves_one(job)):
            self._ledger.published(job.id)
            self.resume(job)
        else:
            self._finish(job)

    def resume(self, job: Job) -> None:
        """Asks for the step of a published one."""
        if job.redo is None or not job.redo.again:
            if job.redo is not None and _leaves_one(job):
                self._send(job.scan.folder, commands.Unpublish(job.id, job.redo.output, job.redo.replaces))
            else:
                self._finish(job)
        elif job.redo.back:
            self.send_back(job, job.redo.again, "")
        else:
            self._leave(job, commands.AgainOver(job.redo.again, "remove", job.redo.replaces))

    def send_back(self, job: Job, path: str, digest: str) -> None:
        """A file in `again/` goes back to where the result of `job` stands, or stood."""
        output = job.redo.output if job.redo and job.redo.under_way else job.output
        self._leave(job, commands.AgainOver(path, "back", digest, output or ""))

    def _leave(self, job: Job, command: commands.AgainOver) -> None:
        self._leaving[job.scan.folder, command.path] = _Leaving(job.id, command)
        self._send(job.scan.folder, command)

    def on_again_ended(self, message: AgainEnded) -> None:
        leaving = self._leaving.pop((message.folder, message.path), None)
        job = self._ledger.redos.job(leaving.job_id) if leaving else None
        if job is None or not self.owns(job) or job.redo is None or job.redo.again != message.path:
            return
        self._ledger.redos.put_by(job)
        if job.state is State.PUBLISHED:
            self.resume(self._ledger.job(job.id))

    def on_unpublished(self, message: Unpublished) -> None:
        """The earlier result, of another format, is gone; or stays, because a person has edited it."""
        job = self._ledger.redos.job(message.job_id)
        if job is not None and job.state is State.PUBLISHED and self.owns(job):
            self._finish(job)

    def on_trouble(self, message: Trouble, now: float) -> None:
        """A file could not leave `again/`: it is asked for again, later and later."""
        leaving = self._leaving.get((message.folder, message.path or ""))
        if leaving is None:
            return
        leaving.failures += 1
        leaving.due = now + backoff(leaving.failures)
        if leaving.failures == 1:
            self._log.warning("again.trouble", folder=message.folder, file=message.path, reason=message.message)

    def due_again(self, now: float) -> None:
        """Asks again for what met trouble, when its wait is over."""
        for (folder, _), leaving in self._leaving.items():
            if leaving.due is not None and leaving.due <= now:
                leaving.due = None
                self._send(folder, leaving.command)

    def failed(self, job: Job, kind: str, reason: str) -> None:
        """It cannot be made again: all is as before, and nothing of it goes to quarantine."""
        redo = job.redo
        reason = _WHY.get(kind, reason)
        self._ledger.redos.fail(job, reason)
        if kind == "gone":
            self._ledger.redos.original_gone(job.id)
        if job.spool:
            self._send(job.scan.folder, commands.Discard(job.spool))
        if redo and redo.again:
            self._leave(job, commands.AgainOver(redo.again, "back", redo.replaces, redo.output))
        self._log.warning(
            "redo.failed", job=job.id, folder=job.scan.folder, file=job.scan.path, kind=kind, reason=reason
        )

    def _finish(self, job: Job) -> None:
        self._ledger.redos.finish(job)
        self.finished += 1
        if job.spool:
            self._send(job.scan.folder, commands.Discard(job.spool))
        seconds = job.result.seconds if job.result else {}
        self._log.info(
            "redo.done",
            job=job.id,
            folder=job.scan.folder,
            file=job.scan.path,
            result=job.output,
            seconds={stage: round(value, 3) for stage, value in seconds.items()},
            flags=[flag.word for flag in job.result.flags] if job.result else [],
        )
        tell_compromises(job, self._today[job.scan.folder].settings.format, self._log)


def _leaves_one(job: Job) -> bool:
    """Whether the earlier result stands under another name, because it is of another format than the new one."""
    if job.redo is None or not job.redo.replaces or job.output is None:
        return False
    before, now = format_named(job.redo.output), format_named(job.output)
    return bool(before and now) and before != now


def tell_compromises(job: Job, wish: str, log: FilteringBoundLogger) -> None:
    """Says where a result is not of the format that was asked for, or holds less than its scan."""
    if job.facts is None or job.result is None:
        return
    why = target_of(job.facts, wish).why
    lost = f"{job.result.losses[:1].upper()}{job.result.losses[1:]}." if job.result.losses else ""
    if reason := " ".join(filter(None, (why, lost))):
        log.warning("job.compromise", job=job.id, folder=job.scan.folder, file=job.scan.path, reason=reason)


def replaced_by(job: Job) -> str:
    """The sha256 of what the job's result may take the place of, "" for nothing: under a new name there is nothing."""
    redo = job.redo
    return redo.replaces if redo and redo.under_way and job.output == redo.output else ""


def source_of(job: Job, folder: FolderSettings) -> tuple[str, str, str]:
    """Where the scan's file lies: a folder, the path in there, and the sha256 that it must have, "" for a new scan's.

    An archived original has another inode and time than the scan had, so that its content decides.
    """
    if job.redo is None or not job.redo.under_way or job.facts is None:
        return folder.inbox, job.scan.path, ""
    if job.whereabouts is None:
        return folder.inbox, job.scan.path, job.facts.digest
    if folder.archive and job.whereabouts.startswith(folder.archive.rstrip("/") + "/"):
        return folder.archive, os.path.relpath(job.whereabouts, folder.archive), job.facts.digest
    return *os.path.split(job.whereabouts), job.facts.digest


def remember(ledger: Ledger, recipe: Recipe, model: str) -> None:
    """Notes what a recipe's key stands for, to be told to a person."""
    look = recipe.settings
    told = {name: value for name, value in asdict(look).items() if value != SAME}
    ledger.health.set(RECIPE + recipe.key, json.dumps({"model": model, **told}))


def model_of(ledger: Ledger, job: Job) -> str:
    """The name of the model that made a job's result; "" for one of before the ledger was lost."""
    if job.redo and job.redo.model:
        return job.redo.model
    known = ledger.health.setting(RECIPE + job.recipe)
    return str(json.loads(known)["model"]) if known else ""
