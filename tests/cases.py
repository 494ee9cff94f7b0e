"""An inbox with one scan, and a store to move it to, on disks of several kinds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from colorwatch.disk.notes import Reason
from colorwatch.disk.originals import Disposal, dispose
from colorwatch.disk.quarantining import give_back, quarantine
from colorwatch.scan import Fingerprint, Originals
from killing import Disk, Faults, tampered

CONTENT = b"a grey picture" * 1000
MTIME_NS = 1_600_000_000_123_456_789
JOB = 17
DISKS = {
    "all": Disk(),
    "no links": Disk(links=False),
    "no rename without replacing": Disk(rename_new=False, exchange=False),
}
T = TypeVar("T")


class Case:
    """An inbox with one scan in a folder, and a store to move it to."""

    def __init__(self, top: Path, store: Path | None = None, path: str = "a/x.jpg") -> None:
        self.inbox = top / "inbox"
        self.store = store or top / "store"
        self.path = path
        self.store.mkdir(parents=True, exist_ok=True)
        self.place().parent.mkdir(parents=True, exist_ok=True)
        self.write(CONTENT)
        self.fingerprint = Fingerprint.of(os.stat(self.place()))

    def place(self) -> Path:
        return self.inbox / self.path

    def write(self, content: bytes) -> None:
        self.place().write_bytes(content)
        os.chmod(self.place(), 0o640)
        os.utime(self.place(), ns=(MTIME_NS, MTIME_NS))

    def dispose(self, policy: Originals = Originals.ARCHIVE) -> Disposal:
        return dispose(str(self.inbox), self.path, self.fingerprint, JOB, policy, str(self.store))

    def reason(self, job_id: int = JOB) -> Reason:
        return Reason(
            *(job_id, self.path, self.fingerprint, "x.jpg was not coloured", "It is torn."),
            *("damaged", 3, "ab" * 32, 1_700_000_000.0),
        )

    def quarantine(self, job_id: int = JOB) -> Disposal:
        return quarantine(str(self.inbox), str(self.store), self.reason(job_id))

    def give_back(self, where: str = "a/x.jpg") -> tuple[str, Fingerprint] | None:
        place = str(self.store / where) if where else ""
        return give_back(str(self.store), str(self.inbox), place, self.path, self.fingerprint, JOB)

    def files(self) -> list[str]:
        """Every file there is, temporary ones and hidden ones, too."""
        found = []
        for top, name in ((self.inbox, "inbox"), (self.store, "store")):
            for folder, _, names in os.walk(top):
                found += [os.path.join(name, os.path.relpath(folder, top), file) for file in names]
        return sorted(os.path.normpath(path) for path in found)


def on(disk: Disk, work: Callable[[], T]) -> T:
    """Does the work on a disk of that kind."""
    with tampered(Faults(0, lambda: None), disk):
        return work()
