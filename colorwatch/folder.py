"""One thread a folder: everything that may hang on a share happens in it, and nowhere else in the parent.

It notices files (events, and a full look now and then, for events are only hints), tells which have settled, and
carries out the steps that touch inbox, outbox, archive and quarantine. Long looks are worked off in slices between
commands, so that publishing never waits for them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from colorwatch import originals, publishing
from colorwatch.errors import explain_os_error
from colorwatch.inbox import CHECK_SECONDS, Inbox
from colorwatch.messages import (
    CleanSpool,
    Command,
    Discard,
    Dispose,
    Disposed,
    FolderSettings,
    Forget,
    Ignored,
    Incomplete,
    LookAgain,
    Message,
    NameTaken,
    Publish,
    Published,
    Quarantine,
    Quarantined,
    Reachable,
    Rescanned,
    Settled,
    SpoolCleaned,
    SpoolLost,
    Trouble,
    Unreachable,
    Vanished,
    ZeroTail,
)
from colorwatch.originals import Fate
from colorwatch.publishing import Publication
from colorwatch.scan import printable

__all__ = [
    "CleanSpool",
    "Command",
    "Discard",
    "Dispose",
    "Disposed",
    "Folder",
    "FolderSettings",
    "Forget",
    "Ignored",
    "Incomplete",
    "LookAgain",
    "Message",
    "NameTaken",
    "Publish",
    "Published",
    "Quarantine",
    "Quarantined",
    "Reachable",
    "Rescanned",
    "Settled",
    "SpoolCleaned",
    "SpoolLost",
    "Trouble",
    "Unreachable",
    "Vanished",
    "ZeroTail",
]

PAUSE_SECONDS = 0.2  # after a fault of our own, so that one that repeats does not spin

_Hint = tuple[str, bool]  # a path, and whether it was said to be a folder


class Folder:
    """One inbox and its outbox. `tell` is called from the folder's own thread and must be quick.

    `known` maps paths to signatures (`settle.signature`) of files that need no release, such as those in the ledger.
    """

    def __init__(
        self,
        settings: FolderSettings,
        known: Mapping[str, int],
        tell: Callable[[Message], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._tell = tell
        self._clock = clock
        self._inbox = Inbox(settings, known, tell, self._on_path, self._on_folder, clock)
        self._queue: queue.SimpleQueue[Command | _Hint | None] = queue.SimpleQueue()
        self._commands: deque[Command] = deque()
        self._unclean: CleanSpool | None = None
        self._clean_again = 0.0
        self._counting = threading.Lock()
        self._sent = self._taken = self._handled = self._unsettled = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"folder {printable(settings.name)}", daemon=True)

    # --- for the service: any thread ------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the command it is at; those behind it come again from the ledger at the next start."""
        self._stopping.set()
        self._queue.put(None)

    def join(self, timeout: float | None = None) -> bool:
        """Waits for the end; false if it has not come by then (a share may hang for good)."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def send(self, command: Command) -> None:
        self._put(command)

    def pending(self) -> int:
        """How much is under way: commands, paths to look at, files whose quiet time runs. 0 once all has been told.

        Files known to be incomplete, or that are to be looked at again later, do not count.
        """
        handled = self._handled  # read first: a turn sets it last, so the sum is never too small
        return self._sent - handled + self._unsettled

    def _put(self, item: Command | _Hint) -> None:
        with self._counting:
            self._sent += 1
        self._queue.put(item)

    def _on_path(self, path: str) -> None:
        self._put((path, False))

    def _on_folder(self, path: str) -> None:
        self._put((path, True))

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  whatever it was, the next file must still be noticed
                self._fault(error)
                self._stopping.wait(PAUSE_SECONDS)
        self._inbox.close()

    def _fault(self, error: Exception) -> None:
        text = f"a fault in the folder's own work: {type(error).__name__}: {printable(str(error))}"
        with contextlib.suppress(Exception):  # even if nobody is left to tell, the thread must live
            self._tell(Trouble(self.settings.name, None, "folder", 0, text))

    def _turn(self) -> None:
        self._collect(self._seconds_to_wait())
        while self._commands and not self._stopping.is_set():
            self._do(self._commands.popleft())
        if self._unclean is not None and self._clock() >= self._clean_again:
            self._do(self._unclean)
        if not self._stopping.is_set():
            self._inbox.turn()
        self._unsettled = self._inbox.unsettled()
        self._handled = self._taken

    def _seconds_to_wait(self) -> float:
        seconds = self._inbox.seconds_to_wait()
        return seconds if self._unclean is None else min(seconds, max(0.0, self._clean_again - self._clock()))

    def _collect(self, seconds: float) -> None:
        """Takes all that has arrived: commands in their order, and each path once, however often it was named."""
        try:
            item = self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()
            while item is not None:
                self._taken += 1
                if isinstance(item, tuple):
                    self._inbox.hint(item[0], is_folder=item[1])
                else:
                    self._commands.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            pass

    # --- commands -------------------------------------------------------------------------------------------------

    def _do(self, command: Command) -> None:
        try:
            answer = self._answer(command)
        except OSError as error:
            self._failed(command, error.errno or 0, explain_os_error(error))
        except Exception as error:  # noqa: BLE001  the service waits for an answer
            self._failed(command, 0, f"{type(error).__name__}: {printable(str(error))}")
        else:
            if answer is not None:
                self._tell(answer)

    def _answer(self, command: Command) -> Message | None:
        settings = self.settings
        match command:
            case Publish():
                return self._publish(command)
            case Dispose(job_id, path, fingerprint):
                end = originals.dispose(settings.inbox, path, fingerprint, job_id, settings.originals, settings.archive)
                self._look_after(path, end.outcome)
                return Disposed(settings.name, job_id, end.outcome, end.where)
            case Quarantine(job_id, path, fingerprint, title, reason):
                end = originals.quarantine(
                    settings.inbox, path, fingerprint, job_id, settings.quarantine, title, reason
                )
                self._look_after(path, end.outcome)
                return Quarantined(settings.name, job_id, end.outcome, end.where)
            case Discard(spool):
                publishing.discard(spool)
            case CleanSpool(keep):
                self._unclean, self._clean_again = command, self._clock() + CHECK_SECONDS
                removed = publishing.clean_spool(settings.outbox, keep)
                self._unclean = None
                return SpoolCleaned(settings.name, removed)
            case LookAgain(path, seconds):
                self._inbox.wait(path, seconds)
            case Incomplete(path):
                self._inbox.incomplete(path)
            case ZeroTail(path):
                self._inbox.lengthen(path)
            case Forget(path):
                self._inbox.forget(path)
        return None

    def _publish(self, command: Publish) -> Message:
        name, job_id = self.settings.name, command.job_id
        outcome = publishing.publish(
            self.settings.outbox, command.spool, command.final, command.device, command.inode, command.digest
        )
        if outcome is Publication.PUBLISHED:
            return Published(name, job_id, command.final)
        return NameTaken(name, job_id) if outcome is Publication.TAKEN else SpoolLost(name, job_id)

    def _look_after(self, path: str, outcome: Fate) -> None:
        """What lies at the path once an original was dealt with: often nothing, perhaps the next scan."""
        if outcome is Fate.CHANGED:
            self._inbox.forget(path)
        elif outcome not in (Fate.KEPT, Fate.STAYED):
            self._inbox.hint(path)

    def _failed(self, command: Command, code: int, why: str) -> None:
        settings = self.settings
        match command:
            case Publish(final=final):
                text = f"{printable(final)} could not be put into {settings.outbox}: {why}"
            case Dispose(path=path):
                text = f"the original {printable(path)} in {settings.inbox} could not be cleared: {why}"
            case Quarantine(path=path):
                text = f"{printable(path)} could not be put into {settings.quarantine}: {why}"
            case _:
                text = f"the spool in {settings.outbox} cannot be used: {why}"
        job_id: int | None = getattr(command, "job_id", None)
        self._tell(Trouble(settings.name, job_id, type(command).__name__.lower(), code, printable(text)))
