"""What the service asks to be done on a folder's disks, carried out one after the other. One thread only."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Mapping
from typing import Literal

from colorwatch.disk import originals, publishing, saving
from colorwatch.disk.asides import restore_asides
from colorwatch.disk.footing import Footing
from colorwatch.disk.names import below
from colorwatch.disk.notes import Reason
from colorwatch.disk.ownership import Ownership, describe, describe_removal
from colorwatch.disk.publishing import Publication, Rendered
from colorwatch.disk.quarantining import STAYS, give_back, quarantine
from colorwatch.disk.replacing import Withdrawal, publish_over, withdraw
from colorwatch.disk.results import list_results
from colorwatch.disk.retention import expire
from colorwatch.errors import explain_os_error
from colorwatch.folders import commands
from colorwatch.folders.commands import Command
from colorwatch.folders.messages import (
    Access,
    AsidesRestored,
    Disposed,
    Expired,
    FolderSettings,
    GivenBack,
    Message,
    NameTaken,
    PrintSaved,
    Published,
    Quarantined,
    ResultGone,
    Shown,
    SpoolLost,
    Stands,
    Trouble,
    Unpublished,
)
from colorwatch.gallery import Gallery, show
from colorwatch.scan import printable

_SAVED: dict[Publication, Literal["saved", "taken", "lost", "left"]] = {
    Publication.PUBLISHED: "saved",
    Publication.TAKEN: "taken",
    Publication.LOST: "lost",
    Publication.NOTHING: "left",
}
_NOT_REMOVED = {
    Withdrawal.REMOVED: "",
    Withdrawal.GONE: "It is no longer there.",
    Withdrawal.EDITED: "It was changed since, and is left where it is.",
}


class Errands:
    """Carries out the commands of one folder that touch its disks."""

    def __init__(
        self, settings: FolderSettings, tell: Callable[[Message], None], noted: Mapping[str, str] | None = None
    ) -> None:
        """`noted`: where outbox, archive and quarantine lay when they were used last, by path."""
        self._settings = settings
        self._tell = tell
        self._warned: set[str] = set()
        self._footing = Footing(noted or {}, lambda path, place: tell(Stands(settings.name, path, place)))
        self.ownership = Ownership(settings.group, settings.mode, self._warn)
        title = "Coloured scans" if settings.name == "inbox" else printable(settings.name)
        self._gallery = Gallery(settings.outbox, title, self.ownership) if settings.gallery else None

    def do(self, command: Command) -> Message | None:
        """The answer to a command, None for one that is not answered. Raises OSError; the same can be asked again."""
        settings, name = self._settings, self._settings.name
        match command:
            case commands.Publish():
                return self._publish(command)
            case commands.Unpublish(job_id, final, digest, prints):
                self.check_outbox()
                saving.withdraw_prints(settings.outbox, prints, f"job-{job_id}")
                end = withdraw(settings.outbox, final, digest, f"job-{job_id}")
                return Unpublished(name, job_id, end is Withdrawal.REMOVED, _NOT_REMOVED[end])
            case commands.SavePrint():
                return self._save_print(command)
            case commands.Dispose():
                return self._dispose(command)
            case commands.Quarantine():
                return self._quarantine(command)
            case commands.GiveBack(job_id, where, path, fingerprint):
                found = give_back(settings.quarantine, settings.inbox, where, path, fingerprint, job_id, self.ownership)
                return GivenBack(name, job_id, *(found or (None, None)))
            case commands.Expire(job_id, where, fingerprint):
                stores = [store for store in (settings.archive, settings.quarantine) if store]
                why = expire(where, stores, job_id, fingerprint)
                return Expired(name, job_id, not why, why)
            case commands.DescribeAccess(path):
                return Access(name, path, describe(os.path.join(settings.inbox, path)))
            case commands.RestoreAsides(keep):
                count = restore_asides(settings.inbox, keep)
                if os.path.isdir(settings.quarantine):
                    restore_asides(settings.quarantine, keep)
                return AsidesRestored(name, count)
            case commands.ListResults():
                return list_results(settings, self._tell)
            case commands.Show():
                return self._show(command)
            case commands.Unshow(job_id):
                if self._gallery is not None:
                    self._gallery.remove(job_id)
            case commands.Discard(spool):
                self.check_outbox()  # else what is not there counts as removed
                publishing.discard(spool)
        return None

    def _show(self, command: commands.Show) -> Message:
        self.check_outbox()
        missing = self._gallery is not None and show(self._gallery, self._settings, command)
        return Shown(self._settings.name, command.job_id, missing)

    def clean_spool(self, keep: frozenset[str]) -> int:
        """Makes the spool ready; how many files went. Raises OSError."""
        with self._footing.held(self._settings.outbox) as outbox:
            removed = publishing.clean_spool(outbox, keep)
        self._note_places()
        return removed

    def _note_places(self) -> None:
        """Archive and quarantine are known from the start on: noted before anything is moved into them.

        What is wrong with one is told when it is used.
        """
        settings = self._settings
        with contextlib.suppress(OSError):
            if settings.archive:
                with self._footing.held(settings.archive):
                    pass
        with contextlib.suppress(OSError):
            if self._check_quarantine():
                self._mark_quarantine()

    def check_outbox(self) -> None:
        """Raises OSError where the outbox is not the one whose spool was made ready: its disk is not mounted."""
        self._footing.require(self._settings.outbox)

    def _check_quarantine(self) -> bool:
        """The same for the quarantine, which people may delete; whether it has a disk of its own to be known by."""
        if below(self._settings.quarantine, self._settings.outbox) is not None:
            self.check_outbox()
            return False
        self._footing.require(self._settings.quarantine, may_be_new=True)
        return True

    def _mark_quarantine(self) -> None:
        with self._footing.held(self._settings.quarantine, may_be_new=True):
            pass

    def _publish(self, command: commands.Publish) -> Message:
        name, job_id = self._settings.name, command.job_id
        ours = Rendered(command.device, command.inode, command.digest)
        with self._footing.held(self._settings.outbox) as outbox:
            if command.replaces:
                replaces, only_over = command.replaces, command.only_over
                outcome = publish_over(
                    outbox, command.spool, command.final, ours, replaces, self.ownership, only_over=only_over
                )
            else:
                outcome = publishing.publish(outbox, command.spool, command.final, ours, self.ownership)
        if outcome is Publication.PUBLISHED:
            return Published(name, job_id, command.final)
        if outcome is Publication.NOTHING:
            return ResultGone(name, job_id)
        return NameTaken(name, job_id) if outcome is Publication.TAKEN else SpoolLost(name, job_id)

    def _save_print(self, command: commands.SavePrint) -> Message:
        ours = Rendered(command.device, command.inode, command.digest)
        with self._footing.held(self._settings.outbox) as outbox:
            end = saving.save_print(
                *(outbox, command.spool, command.final, ours),
                *(command.over, command.replaces, self.ownership),
            )
        return PrintSaved(self._settings.name, command.job_id, command.number, _SAVED[end])

    def _dispose(self, command: commands.Dispose) -> Message:
        settings = self._settings
        held = self._footing.held(settings.archive) if settings.archive else contextlib.nullcontext()
        with held as archive:
            end = originals.dispose(
                settings.inbox,
                command.path,
                command.fingerprint,
                command.job_id,
                settings.originals,
                archive,
                self.ownership.folder,
            )
        stored = below(end.where, archive) if end.where and archive else None
        where = end.where if stored is None else os.path.join(settings.archive or "", stored)
        return Disposed(settings.name, command.job_id, end.outcome, where)

    def _quarantine(self, command: commands.Quarantine) -> Message:
        settings = self._settings
        reason = Reason(
            command.job_id,
            command.path,
            command.fingerprint,
            command.title,
            command.reason,
            command.kind,
            command.attempts,
            command.digest,
            command.noticed,
        )
        apart = self._check_quarantine()
        end = quarantine(settings.inbox, settings.quarantine, reason, self.ownership)
        if apart:
            with contextlib.suppress(OSError):  # the scan is there, with or without the mark
                self._mark_quarantine()
        return Quarantined(settings.name, command.job_id, end.outcome, end.where)

    def _warn(self, sentence: str) -> None:
        """Told once: results are published all the same."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            self._tell(Trouble(self._settings.name, None, "ownership", errno.EPERM, sentence))

    def trouble(self, command: Command, error: Exception) -> Trouble:
        """What to say of a command that failed."""
        if isinstance(error, OSError):
            code, why = error.errno or 0, explain_os_error(error)
        else:
            code, why = 0, f"{type(error).__name__}: {error}"
        job_id: int | None = getattr(command, "job_id", None)
        path: str | None = getattr(command, "path", None)
        text = printable(self._sentence(command, why, error))
        return Trouble(self._settings.name, job_id, type(command).__name__.lower(), code, text, path)

    def _sentence(self, command: Command, why: str, error: Exception) -> str:
        settings = self._settings
        match command:
            case commands.Publish(final=final) | commands.SavePrint(final=final):
                if isinstance(error, NotADirectoryError):
                    why = "a file or a link stands where a folder of that path should be; move it away"
                return f"{final} could not be put into {settings.outbox}: {why}"
            case commands.Unpublish(final=final):
                return f"{final} could not be removed from {settings.outbox}: {why}"
            case commands.Dispose(path=path):
                if isinstance(error, OSError) and error.errno in STAYS:
                    why = describe_removal(os.path.dirname(os.path.join(settings.inbox, path)), error)
                return f"the original {path} in {settings.inbox} could not be cleared: {why}"
            case commands.Quarantine(path=path):
                return f"{path} could not be put into {settings.quarantine}: {why}"
            case commands.GiveBack(where=where):
                return f"{where} could not be put back into {settings.inbox}: {why}"
            case commands.Expire(where=where):
                return f"{where} could not be deleted: {why}"
            case commands.AgainOver(path=path):
                return f"again/{path} in {settings.outbox} could not be moved: {why}"
            case commands.RestoreAsides():
                return f"not every original in {settings.inbox} could be given its name back: {why}"
            case commands.ListResults():
                return f"{settings.outbox} cannot be looked through for earlier results: {why}"
            case commands.Show() | commands.Unshow():
                return f"the gallery in {settings.outbox} cannot be written to: {why}"
            case commands.CleanSpool() | commands.Discard():
                return f"the spool in {settings.outbox} cannot be used: {why}"
        return f"{type(command).__name__} failed: {why}"


def matches(found: os.stat_result | None, command: commands.OldPath) -> bool:
    """Whether what stands at an old path is the scan that is asked for."""
    read = command.fingerprint
    return (
        found is not None
        and stat.S_ISREG(found.st_mode)
        and (read is None or (found.st_size, found.st_mtime_ns) == (read.size, read.mtime_ns))
    )
