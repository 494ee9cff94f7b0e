"""The order of operations: after each commit the folder's next step, after each word of the folder the next commit.

Every step may be asked for again: a crash at any point, and then `resume`, goes on where the ledger says.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from colorwatch.disk.names import cut_name, next_name, parted, safe_name
from colorwatch.disk.originals import Fate
from colorwatch.faultpoint import reach
from colorwatch.folders import commands, messages
from colorwatch.ledger import UNFINISHED
from colorwatch.scan import Fingerprint, Job, Rendering, Scan, State, printable
from colorwatch.work.patience import backoff
from colorwatch.work.redoing import replaced_by, tell_compromises

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings
    from colorwatch.ledger import Ledger
    from colorwatch.targets import Target
    from colorwatch.work.redoing import Redoing

ADVICE = {
    "not-a-picture": "If it should be one, save it again as JPEG, PNG or TIFF.",
    "unsupported": "Save it as JPEG, PNG or TIFF and drop it again.",
    "damaged": "Scan or copy it again.",
    "incomplete": "It was left unfinished for a long time. Scan or copy it again.",
    "too-large": "Scan at a lower resolution, or raise limits.max_megapixels or limits.memory_megabytes in the config.",
    "poison": "Each attempt ended the program that works on it. Drop it again to let it be tried once more.",
    "internal": "This is a fault of colorwatch. Please report it with this file.",
}


def output_names(path: str, target: Target) -> Iterator[str]:
    """Names for the result of `path`, relative to the outbox: its own, then numbered ones."""
    stem, extension = os.path.splitext(safe_name(path))
    # Where its format is not the scan's, its name ends as that one's do.
    if extension.lower() not in target.extensions:
        extension = target.extensions[0]
    folder, name = os.path.split(stem)
    first = os.path.join(folder, cut_name(name, 255 - len(extension)) + extension)
    yield first
    number = 2
    while True:
        yield next_name(first, number)
        number += 1


def names_after(output: str, path: str) -> Iterator[str]:
    """A reserved name, and those that follow it: the scan's name and the config may have changed since it was."""
    yield output
    first, number = parted(output)
    if os.path.splitext(output)[0] == os.path.splitext(safe_name(path))[0]:  # the number is the scan's own
        first, number = output, 1
    while True:
        number += 1
        yield next_name(first, number)


class Steps:
    """Moves jobs from `rendered` to their end, and the ones that cannot be coloured into quarantine."""

    def __init__(
        self,
        ledger: Ledger,
        folders: Mapping[str, FolderSettings],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
        redoing: Redoing | None = None,
    ) -> None:
        """`send(folder, command)` must deliver only after the current batch has committed."""
        self._redoing = redoing
        self._ledger = ledger
        self._folders = folders
        self._send = send
        self._log = log
        self._troubles: dict[int, int] = {}
        self._again: list[tuple[float, int, bool]] = []  # a heap of (due, job, whether its result is at stake)
        self._troubled_folders: set[tuple[str, str]] = set()
        self._renamed: set[int] = set()  # jobs whose original was renamed while it was to be cleared
        self.ended: dict[State, int] = dict.fromkeys((State.DONE, State.SKIPPED, State.QUARANTINED), 0)
        self.models: dict[str, str] = {}  # recipe key -> name of the model, for the log

    # --- asking the folder for the next step ------------------------------------------------------------------

    def resume(self, job: Job) -> None:
        """Asks the job's folder for the step that its state calls for."""
        scan = job.scan
        if scan.folder not in self._folders:
            return
        if job.state is State.RENDERED and job.result and job.spool and job.output:
            result = job.result
            rendered = (result.device, result.inode, result.digest)
            only_over = job.redo is not None and job.redo.only_over
            publish = commands.Publish(job.id, job.spool, job.output, *rendered, replaced_by(job), only_over=only_over)
            self._send(scan.folder, publish)
        elif job.state is State.PUBLISHED and self._redoing and self._redoing.owns(job):
            self._redoing.resume(job)
        elif job.state in (State.PUBLISHED, State.STUCK):
            self._send(scan.folder, commands.Dispose(job.id, scan.path, scan.fingerprint))
        elif job.state is State.QUARANTINED:
            kind, reason = self._ledger.why(job.id)
            sentence = printable(reason).rstrip(".")
            text = f"{sentence[:1].upper()}{sentence[1:]}. {ADVICE.get(kind, '')}".strip()
            title = f"{printable(scan.path)} was not coloured"
            quarantine = commands.Quarantine(
                job.id,
                scan.path,
                scan.fingerprint,
                title,
                text,
                kind,
                job.attempt,
                job.facts.digest if job.facts else "",
                job.noticed or None,
            )
            self._send(scan.folder, quarantine)

    def due_again(self, now: float) -> None:
        """Asks again for the steps that met trouble, when their wait is over."""
        while self._again and self._again[0][0] <= now:
            self.resume(self._ledger.job(heapq.heappop(self._again)[1]))

    def next_due(self) -> float | None:
        return self._again[0][0] if self._again else None

    @property
    def troubled(self) -> int:
        """Unfinished jobs that wait for a folder's trouble to pass."""
        return sum(unfinished for _, _, unfinished in self._again)

    # --- what workers said ------------------------------------------------------------------------------------

    def rendered(self, job: Job, spool: str, result: Rendering) -> None:
        self._ledger.rendered(job.id, spool, result)
        reach("rendered")
        self.resume(self._ledger.job(job.id))

    def quarantine(self, job: Job, kind: str, reason: str) -> None:
        """Ends a job that cannot be coloured; its spool file, if any, goes."""
        if self._redoing and self._redoing.owns(job):
            self._redoing.failed(job, kind, reason)
            return
        self._ledger.quarantine(job.id, kind, reason)
        self._quarantined(self._ledger.job(job.id), kind, reason)

    def quarantine_scan(self, scan: Scan, kind: str, reason: str, noticed: float | None = None) -> None:
        """The same for a scan that never became a job; `noticed`: the Unix time at which its file was."""
        self._quarantined(self._ledger.add_ended(scan, State.QUARANTINED, kind, reason, noticed), kind, reason)

    def skip_scan(self, scan: Scan, kind: str, reason: str) -> None:
        """A file that is left where it lies."""
        self._ledger.add_ended(scan, State.SKIPPED, kind, reason)
        self.ended[State.SKIPPED] += 1
        self._log.info("scan.skipped", folder=scan.folder, file=scan.path, kind=kind, reason=reason)

    def skip(self, job: Job, kind: str, reason: str) -> None:
        if self._redoing and self._redoing.owns(job):
            self._redoing.failed(job, kind, reason)
            return
        self._ledger.skip(job.id, kind, reason)
        self.ended[State.SKIPPED] += 1
        self._log.info("scan.skipped", folder=job.scan.folder, file=job.scan.path, kind=kind, reason=reason)

    def _quarantined(self, job: Job, kind: str, reason: str) -> None:
        reach("refused")
        self.ended[State.QUARANTINED] += 1
        self._log.warning(
            "job.quarantined", job=job.id, folder=job.scan.folder, file=job.scan.path, kind=kind, reason=reason
        )
        self.resume(job)

    # --- what folders said ------------------------------------------------------------------------------------

    def on_published(self, message: messages.Published) -> None:
        job = self._over(message.folder, message.job_id)
        if job.state is State.RENDERED and self._redoing and self._redoing.owns(job):
            self._redoing.published(job)
        elif job.state is State.RENDERED:
            self._ledger.published(job.id)
            reach("published")
            self.resume(self._ledger.job(job.id))

    def on_name_taken(self, message: messages.NameTaken) -> None:
        job = self._over(message.folder, message.job_id)
        if job.state is State.RENDERED:
            job = self._ledger.reserve_next(job.id, names_after(job.output or "", job.scan.path))
            self.resume(job)

    def on_spool_lost(self, message: messages.SpoolLost, now: float) -> None:
        job = self._over(message.folder, message.job_id)
        if job.state is State.RENDERED:
            # At once the first time; an outbox that loses each is not rendered for without a pause.
            due = now + backoff(job.failures) if job.failures else 0.0
            self._ledger.retry(job.id, "spool-lost", "its unfinished result was gone from the outbox", due)
            self._log.warning("job.spool_lost", job=job.id, folder=job.scan.folder, file=job.scan.path)

    def on_result_gone(self, message: messages.ResultGone) -> None:
        """A person took away what was to be made again by the way: that is their last word."""
        job = self._over(message.folder, message.job_id)
        if job.state is State.RENDERED and self._redoing and self._redoing.owns(job):
            self._redoing.failed(job, "removed", "its result was taken away meanwhile")

    def on_disposed(self, message: messages.Disposed) -> None:
        job = self._over(message.folder, message.job_id)
        if job.state not in (State.PUBLISHED, State.STUCK):
            return
        moved = job.id in self._renamed and message.outcome in (Fate.GONE, Fate.CHANGED)
        self._renamed.discard(job.id)
        if moved:
            self.resume(job)
            return
        kind, reason = self._ledger.why(job.id)
        if kind != "duplicate":
            told = [job.result.as_it_was if job.result else None, _ORIGINAL.get(message.outcome)]
            kind, reason = message.outcome.value, "; ".join(filter(None, told))
        self._ledger.done(job.id, kind, reason, _whereabouts(message))
        reach("done")
        self.ended[State.DONE] += 1
        if job.spool:
            self._send(job.scan.folder, commands.Discard(job.spool))
        self._log_done(job, message.outcome.value)

    def on_aside_found(self, message: messages.AsideFound, *, recalling: bool) -> None:
        """An original lies aside in the inbox. Where nothing is about to clear it, its disk was away meanwhile.

        While that was so, it was taken for gone, or for cleared where it stood in the archive already: it is cleared
        now. One of which nobody knows anything gets its name back.
        """
        at_hand = self._ledger.at_hand(message.folder)
        if recalling or message.job_id in at_hand:
            return
        job = self._ledger.redos.job(message.job_id)
        if job and job.scan.folder == message.folder and job.whereabouts is not None and job.state in _CLEARED:
            if not (job.redo and job.redo.under_way):
                self._log.info("job.original_back", job=job.id, folder=job.scan.folder, file=job.scan.path)
                self.resume(self._ledger.not_gone(job.id))
            return
        self._send(message.folder, commands.RestoreAsides(frozenset(at_hand)))

    def on_quarantined(self, message: messages.Quarantined) -> None:
        job = self._over(message.folder, message.job_id)
        self._ledger.quarantine_moved(job.id, _whereabouts(message))
        reach("settle-quarantine")

    def on_trouble(self, message: messages.Trouble, now: float) -> None:
        """A step failed on the folder's disk: it is asked for again later; said once until one succeeds."""
        job_id = message.job_id
        if (message.folder, message.step) not in self._troubled_folders:
            self._troubled_folders.add((message.folder, message.step))
            self._log.warning("folder.trouble", folder=message.folder, step=message.step, reason=message.message)
            self._ledger.health.note(message.folder, message.step, "trouble", message.message)
        if job_id is not None:
            self._stuck(job_id, message)
            failures = self._troubles[job_id] = self._troubles.get(job_id, 0) + 1
            unfinished = self._ledger.job(job_id).state in UNFINISHED
            heapq.heappush(self._again, (now + backoff(failures), job_id, unfinished))

    def _stuck(self, job_id: int, message: messages.Trouble) -> None:
        """The result stands, but its original cannot be cleared: said once, and tried again for ever."""
        if message.step != "dispose" or message.errno not in _STUCK:
            return
        job = self._ledger.job(job_id)
        if job.state is State.PUBLISHED:
            self._log.warning(
                "job.stuck", job=job_id, folder=message.folder, file=job.scan.path, reason=message.message
            )
            if job.spool:
                self._send(message.folder, commands.Discard(job.spool))
        if job.state in (State.PUBLISHED, State.STUCK):
            self._ledger.stuck(job_id, message.message)

    def renamed(self, job_id: int) -> None:
        """The original was renamed while it was to be cleared: if it is not found now, it is looked for there."""
        self._renamed.add(job_id)

    def _over(self, folder: str, job_id: int) -> Job:
        """The job of a step that succeeded: whatever troubled it or its folder is over."""
        self._troubles.pop(job_id, None)
        for entry in [entry for entry in self._troubled_folders if entry[0] == folder]:
            self._troubled_folders.discard(entry)
            self._ledger.health.note(folder, entry[1], "ok")
        return self._ledger.job(job_id)

    def _log_done(self, job: Job, original: str) -> None:
        """The one canonical line of a scan."""
        facts, result = job.facts, job.result
        if not facts or not result:  # a duplicate, of which only the original was cleared
            self._log.info("job.duplicate", job=job.id, folder=job.scan.folder, file=job.scan.path, original=original)
            return
        self._log.info(
            "job.done",
            job=job.id,
            folder=job.scan.folder,
            file=job.scan.path,
            result=job.output,
            original=original,
            width=facts.width,
            height=facts.height,
            megapixels=round(facts.pixels / 1e6, 2),
            seconds={stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
            peak_mb=round(result.peak_bytes / 1e6),
            attempt=job.attempt,
            model=self.models.get(job.recipe, ""),
            **told_of(result),
        )
        tell_compromises(job, self._folders[job.scan.folder].format, self._log)


def told_of(result: Rendering) -> dict[str, Any]:
    """What was seen in a scan, for the log: its pages by kind, whether all of it was left, and flags; with figures."""
    if not result.verdicts:
        return {}
    first = result.verdicts[0]
    kinds = {verdict.kind: verdict.pages for verdict in result.verdicts}
    return {
        "judged": first.kind if len(kinds) == 1 else kinds,
        "left": result.as_it_was is not None,
        "flags": [flag.word for flag in result.flags],
        "figures": first.figures,
    }


_STUCK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)

_CLEARED = (State.DONE, State.QUARANTINED)

_ORIGINAL = {
    Fate.CHANGED: "the original was changed after it was read, so it stays where it is",
    Fate.GONE: "the original was taken away before it could be cleared",
}


def _whereabouts(message: messages.Disposed | messages.Quarantined) -> str | None:
    """Where a file lies now that lay in the inbox: None in its place, "" nowhere."""
    return "" if message.outcome in (Fate.DELETED, Fate.GONE) else message.where


def same_file(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two looks saw the same content, as far as a look can tell: size and time, not the inode."""
    return (one.size, one.mtime_ns) == (other.size, other.mtime_ns)
