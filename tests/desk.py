"""A folder's thread with shares of its own, and all that it has told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from colorwatch.folders.folder import Folder
from colorwatch.folders.messages import FolderSettings, Message, Rescanned, Settled
from colorwatch.scan import Originals
from waiting import eventually

if TYPE_CHECKING:
    from colorwatch.folders.commands import Command

QUIET = 0.2
M = TypeVar("M")


class Desk:
    """A folder with its shares, and all it has told."""

    def __init__(self, top: Path, **changes: Any) -> None:
        self.top = top
        self.inbox, self.outbox, self.archive = top / "inbox", top / "outbox", top / "archive"
        for folder in (self.inbox, self.outbox, self.archive):
            folder.mkdir(exist_ok=True)
        settings = FolderSettings(
            "family",
            str(self.inbox),
            str(self.outbox),
            Originals.ARCHIVE,
            str(self.archive),
            str(top / "quarantine"),
            settle_seconds=QUIET,
            rescan_seconds=600.0,
            incomplete_seconds=1.0,
            recursive=True,
        )
        self.settings = replace(settings, **changes)
        self.told: list[Message] = []
        self.folder: Folder

    def start(self, known: dict[str, int] | None = None, *, looked: bool = True) -> Desk:
        self.folder = Folder(self.settings, known or {}, self.told.append)
        self.folder.start()
        if looked:
            eventually(lambda: self.all(Rescanned), message="the first full look")
        return self

    def stop(self) -> None:
        self.folder.stop()
        assert self.folder.join(10.0)

    def all(self, kind: type[M]) -> list[M]:
        return [message for message in list(self.told) if isinstance(message, kind)]

    def settled(self) -> list[str]:
        return [message.path for message in self.all(Settled)]

    def quiet(self) -> None:
        """Waits until nothing is under way."""
        eventually(lambda: self.folder.pending() == 0, 30.0, "nothing pending")

    def settles(self, *paths: str) -> None:
        """Exactly these paths settle, each once, in any order, and nothing else."""
        eventually(lambda: not Counter(paths) - Counter(self.settled()), 30.0, f"{paths} settled")
        self.quiet()
        assert Counter(self.settled()) == Counter(paths)

    def ask(self, command: Command, kind: type[M]) -> M:
        before = len(self.all(kind))
        self.folder.send(command)
        eventually(lambda: len(self.all(kind)) > before, message=f"an answer to {command}")
        return self.all(kind)[before]

    def put(self, path: str, content: bytes = b"scan") -> Path:
        place = self.inbox / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def outside(self, name: str, content: bytes = b"scan") -> Path:
        place = self.top / name
        place.write_bytes(content)
        return place
