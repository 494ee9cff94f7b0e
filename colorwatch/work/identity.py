"""Which job a whole scan belongs to: one of its own, or that of the same content which is known already.

The content decides, never a name or an inode. Under the same path it is known. Under another one the folder is asked
whether the file still lies where it lay: then this one is new work, else it was renamed.
"""

from __future__ import annotations

import itertools
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from colorwatch.faultpoint import reach
from colorwatch.folders import commands
from colorwatch.scan import Facts, Job, Originals, Scan, State
from colorwatch.targets import target_of
from colorwatch.work.steps import output_names

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from colorwatch.folders.commands import Command
    from colorwatch.folders.messages import FolderSettings, OldPathFound
    from colorwatch.ledger import Ledger
    from colorwatch.work.steps import Steps

MOST_ASKED = 100  # paths of the same content that are asked after
MOST_GONE = 10_000  # paths a folder that are remembered to have vanished
ASK_AGAIN_SECONDS = 5.0
MOST_DOUBTS = 2
"""How often in a row a folder may not know whether a file is gone or its disk is not there.

Then it counts as gone: if it was not, it is known again, by its content, when it is back.
"""
MOST_DEFERRED = 5  # how often a file waits for another one, of the same content perhaps, to be read first


@dataclass(slots=True)
class _Question:
    """A scan whose content is known under other paths, and the path that is asked after."""

    scan: Scan
    facts: Facts
    noticed: float
    asked: set[str] = field(default_factory=set)
    job: Job | None = None


class Identity:
    """Belongs to the service's thread, and works inside its batch."""

    def __init__(
        self,
        ledger: Ledger,
        steps: Steps,
        folders: Mapping[str, FolderSettings],
        recipes: Mapping[str, str],
        send: Callable[[str, Command], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`recipes` are the keys of the folders' recipes; `send` delivers after the batch has committed."""
        self._ledger = ledger
        self._steps = steps
        self._folders = folders
        self._recipes = recipes
        self._send = send
        self._log = log
        self._tokens = itertools.count(1)
        self._questions: dict[int, _Question] = {}
        self._gone: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)
        self._deferred: dict[tuple[str, str], int] = {}
        self._doubts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        """Scans that wait for word of another path."""
        return len(self._questions)

    def whole(self, scan: Scan, facts: Facts, noticed: float) -> None:
        """A complete picture; `noticed` is the Unix time at which its file was."""
        contents = self._ledger.contents
        self.forget(scan.folder, scan.path)
        contents.displaced(scan.folder, scan.path, facts.digest)
        known = contents.find(scan.folder, scan.path, facts.digest)
        if known:
            self._known(known, scan, facts)
        else:
            self._decide(_Question(scan, facts, noticed))

    def forget(self, folder: str, path: str) -> None:
        """What was asked for this path is out of date."""
        for token, question in list(self._questions.items()):
            if (question.scan.folder, question.scan.path) == (folder, path):
                del self._questions[token]

    def seen(self, folder: str, path: str) -> None:
        """A file lies there."""
        self._gone[folder].pop(path, None)

    def vanished(self, folder: str, path: str) -> None:
        """No file lies there any more: one that turns up elsewhere is likely to be that one."""
        gone = self._gone[folder]
        gone[path] = None
        if len(gone) > MOST_GONE:
            gone.popitem(last=False)
        self.forget(folder, path)

    def old_path(self, message: OldPathFound) -> None:
        """The folder's answer."""
        question = self._questions.pop(message.token, None)
        if question is None or question.job is None:
            return
        key = (question.scan.folder, question.scan.path)
        if message.there is None and self._doubts[key] < MOST_DOUBTS:
            self._doubts[key] += 1
            self._look_again(question.scan)
        elif message.there:
            self._still_there(question, question.job)
        else:
            job = self._ledger.job(question.job.id)
            if (job.scan, job.state, job.whereabouts) != (question.job.scan, question.job.state, None):
                question.asked.discard(question.job.scan.path)
                self._decide(question)  # something befell that job meanwhile
            else:
                self._renamed(job, question)

    def trouble(self, folder: str, path: str | None) -> None:
        """The folder could not tell."""
        for token, question in list(self._questions.items()):
            if question.scan.folder == folder and question.job and question.job.scan.path == path:
                del self._questions[token]
                self._look_again(question.scan)

    def _decide(self, question: _Question) -> None:
        """Asks after the next path of the same content; a new job once there is none left to ask after."""
        scan, facts, contents = question.scan, question.facts, self._ledger.contents
        archives = self._folders[scan.folder].originals is Originals.ARCHIVE
        # One that lay in the inbox already while the other was coloured is a scan of its own.
        cleared = contents.cleared(scan.folder, facts.digest, question.noticed, recalled=archives)
        if cleared:
            self._known(cleared, scan, facts)
            return
        gone = self._gone[scan.folder]
        jobs = contents.elsewhere(scan.folder, scan.path, facts.digest, MOST_ASKED)
        for job in sorted(jobs, key=lambda job: job.scan.path not in gone):
            if job.scan.path not in question.asked and job.whereabouts is None:
                self._ask(question, job)
                return
        names = self._names(scan, facts)
        self._over(scan)
        self._ledger.add(scan, facts, self._recipes[scan.folder], names, question.noticed)
        reach("add")

    def _names(self, scan: Scan, facts: Facts) -> Iterator[str]:
        return output_names(scan.path, target_of(facts, self._folders[scan.folder].format))

    def _ask(self, question: _Question, job: Job) -> None:
        token = next(self._tokens)
        question.job = job
        question.asked.add(job.scan.path)
        self._questions[token] = question
        fingerprint = job.scan.fingerprint if job.scan.fingerprint.size >= 0 else None
        self._send(question.scan.folder, commands.OldPath(token, job.scan.path, fingerprint))

    def _still_there(self, question: _Question, job: Job) -> None:
        key = (question.scan.folder, question.scan.path)
        unread = self._ledger.job(job.id).scan.fingerprint.size < 0
        deferred = self._deferred.get(key, 0)
        if unread and deferred < MOST_DEFERRED:  # its result was recalled: whether it is the same content is not known
            self._deferred[key] = deferred + 1
            self._look_again(question.scan)
        else:
            self._decide(question)

    def _renamed(self, job: Job, question: _Question) -> None:
        scan = question.scan
        self._log.info("scan.renamed", folder=scan.folder, file=job.scan.path, to=scan.path, job=job.id)
        if job.state in (State.QUEUED, State.RUNNING) and not (job.redo and job.redo.under_way):
            self._ledger.reserve_anew(job.id, self._names(scan, question.facts))
        elif job.state in (State.PUBLISHED, State.STUCK):
            self._steps.renamed(job.id)
        self._known(job, scan, question.facts)

    def _known(self, job: Job, scan: Scan, facts: Facts) -> None:
        self._over(scan)
        self._ledger.waits.over(scan.folder, scan.path)
        self._log.debug("scan.known", folder=scan.folder, file=scan.path, job=job.id)
        if job.redo and job.redo.under_way and self._folders[scan.folder].originals is Originals.ARCHIVE:
            self._look_again(scan)  # a copy, to be cleared once that is over
            return
        # With `delete` it stays: who drops it again may have lost the result, and this would take the last copy.
        if job.state is State.DONE and self._folders[scan.folder].originals is Originals.ARCHIVE:
            self._steps.resume(self._ledger.add_duplicate(scan, facts, job))
        else:
            self._ledger.contents.lies_at(job.id, scan.path, scan.fingerprint)

    def _over(self, scan: Scan) -> None:
        self._deferred.pop((scan.folder, scan.path), None)
        self._doubts.pop((scan.folder, scan.path), None)

    def _look_again(self, scan: Scan) -> None:
        self._send(scan.folder, commands.LookAgain(scan.path, ASK_AGAIN_SECONDS))
