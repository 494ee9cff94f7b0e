"""One thread a folder: everything that may hang on a share happens in it, and nowhere else in the parent.

It notices files (events, and a full look now and then, for events are only hints), tells which have settled, and
carries out the steps that touch inbox, outbox, archive and quarantine. Long looks are worked off in slices between
commands, so that publishing never waits for them.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from colorwatch.disk.beneath import stat_beneath
from colorwatch.disk.originals import Fate
from colorwatch.folders.commands import (
    AgainOver,
    CleanSpool,
    Command,
    Discard,
    Dispose,
    Forget,
    GiveBack,
    Incomplete,
    LookAgain,
    OldPath,
    Quarantine,
    RestoreAsides,
    ZeroTail,
)
from colorwatch.folders.errands import Errands, matches
from colorwatch.folders.messages import (
    AsidesRestored,
    Disposed,
    FolderSettings,
    GivenBack,
    Message,
    OldPathFound,
    Quarantined,
    SpoolCleaned,
    Trouble,
)
from colorwatch.folders.outbox import Outbox
from colorwatch.scan import printable
from colorwatch.watching.inbox import CHECK_SECONDS, Inbox

PAUSE_SECONDS = 0.2  # after a fault of our own, so that one that repeats does not spin

_Hint = tuple[str, bool]  # a path, and whether it was said to be a folder


class Folder:
    """One inbox and its outbox. `tell` is called from the folder's own thread and must be quick.

    `known` maps paths to signatures (`settle.signature`) of files that need no release, such as those in the ledger;
    `noted` outbox, archive and quarantine to where they lay when they were used last (`messages.Stands`).
    """

    def __init__(
        self,
        settings: FolderSettings,
        known: Mapping[str, int],
        tell: Callable[[Message], None],
        clock: Callable[[], float] = time.monotonic,
        noted: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._tell = tell
        self._clock = clock
        self._inbox = Inbox(settings, known, tell, self._on_path, self._on_folder, clock)
        self._outbox = Outbox(settings, tell, clock)
        self._errands = Errands(settings, tell, noted)
        self._queue: queue.SimpleQueue[Command | _Hint | None] = queue.SimpleQueue()
        self._commands: deque[Command] = deque()
        self._unclean: CleanSpool | None = None
        self._clean_again = 0.0
        self._discards: deque[Discard] = deque()  # that failed: the disk was read-only or away
        self._discard_again = math.inf
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
        self._discard_the_last()
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
        if self._clock() >= self._discard_again:
            self._discard_once_more()
        if not self._stopping.is_set():
            self._inbox.turn()
            self._outbox.turn()
        self._unsettled = self._inbox.unsettled() + self._outbox.unsettled()
        self._handled = self._taken

    def _seconds_to_wait(self) -> float:
        seconds = min(self._inbox.seconds_to_wait(), self._outbox.seconds_to_wait())
        seconds = max(0.0, min(seconds, self._discard_again - self._clock()))
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
        except Exception as error:  # noqa: BLE001  the service waits for an answer
            self._tell(self._errands.trouble(command, error))
            if isinstance(command, Discard):
                self._discards.append(command)
                self._discard_again = self._clock() + CHECK_SECONDS
        else:
            if answer is not None:
                self._tell(answer)

    def _discard_the_last(self) -> None:
        """The jobs are done: these commands do not come again from the ledger, as all others do."""
        self._collect(0.0)
        for command in self._commands:
            if isinstance(command, Discard):
                self._do(command)

    def _discard_once_more(self) -> None:
        """No job waits for that, so nobody else asks again."""
        self._discard_again = math.inf
        for _ in range(len(self._discards)):
            self._do(self._discards.popleft())

    def _answer(self, command: Command) -> Message | None:
        name = self.settings.name
        match command:
            case CleanSpool(keep):
                self._unclean, self._clean_again = command, self._clock() + CHECK_SECONDS
                removed = self._errands.clean_spool(keep)
                self._unclean = None
                return SpoolCleaned(name, removed)
            case AgainOver():
                self._errands.check_outbox()
                return self._outbox.end(command, self._errands.ownership)
            case OldPath(token):
                return OldPathFound(name, token, self._is_there(command))
            case LookAgain(path, seconds):
                self._inbox.wait(path, seconds)
            case Incomplete(path):
                self._inbox.incomplete(path)
            case ZeroTail(path):
                self._inbox.lengthen(path)
            case Forget(path):
                self._inbox.forget(path)
            case _:
                answer = self._errands.do(command)
                self._look_after(command, answer)
                return answer
        return None

    def _is_there(self, command: OldPath) -> bool | None:
        try:
            found = stat_beneath(self.settings.inbox, command.path)
            if found is None and not self._inbox.absence_counts(command.path):
                return None
        except OSError:
            return None
        return matches(found, command)

    def _look_after(self, command: Command, answer: Message | None) -> None:
        """What lies in the inbox once an errand is done: often nothing, perhaps the next scan."""
        match command, answer:
            case ((Dispose(path=path) | Quarantine(path=path)), (Disposed() | Quarantined())):
                # One that is gone may only be away with its disk: when it is back it is looked at anew, and cleared.
                if answer.outcome in (Fate.CHANGED, Fate.GONE):
                    self._inbox.forget(path)
                elif answer.outcome not in (Fate.KEPT, Fate.STAYED):
                    self._inbox.hint(path)
            case GiveBack(), GivenBack(path=str(back)):
                self._inbox.forget(back)  # as a new file, even where it never left
            case RestoreAsides(), AsidesRestored(count=count) if count:
                self._inbox.hint("")
