"""Whatever interrupts and whoever edits in between: no edited result is lost, and ours stands there at most once."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from colorwatch.disk.names import SPOOL
from colorwatch.disk.publishing import Publication, Rendered, prepare, spool_path
from colorwatch.disk.replacing import Withdrawal, publish_over, withdraw
from killing import Disk, Faults, tampered

OLD, NEW = b"an old result", b"a new result"
DISKS = (Disk(), Disk(exchange=False), Disk(exchange=False, rename_new=False), Disk(exchange=False, links=False))


class _KilledError(BaseException):
    """The process ends here."""


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Outbox:
    """An outbox, the person who edits in it, and what must not be lost of what they wrote."""

    def __init__(self, top: str, disk: Disk) -> None:
        self.top = top
        self.disk = disk
        self.place = Path(top, "x.jpg")
        self.place.write_bytes(OLD)
        prepare(top)
        self.spool = spool_path(top, 1, 1)
        Path(self.spool).write_bytes(NEW)
        found = os.stat(self.spool)
        self.ours = Rendered(found.st_dev, found.st_ino, digest(NEW))
        self.precious: set[bytes] = set()

    def edit(self) -> None:
        """A person saves a changed picture over what stands there."""
        content = f"edit {len(self.precious)} {os.urandom(4).hex()}".encode()
        if self.place.exists():
            self.precious.discard(self.place.read_bytes())
        new = Path(self.top, "saving.tmp")
        new.write_bytes(content)
        os.replace(new, self.place)
        self.precious.add(content)

    def remove(self) -> None:
        if self.place.exists():
            self.precious.discard(self.place.read_bytes())
            os.unlink(self.place)

    def publish(self) -> Publication:
        return publish_over(self.top, self.spool, "x.jpg", self.ours, digest(OLD))

    def withdraw(self) -> Withdrawal:
        return withdraw(self.top, "x.jpg", digest(OLD), "job-1")

    def kill(self) -> None:
        raise _KilledError

    def do(self, work: Callable[[], object], number: int, act: Callable[[], None], after: bool) -> None:
        try:
            with tampered(Faults(number, act, after=after), self.disk):
                work()
        except _KilledError:
            pass

    def seen(self) -> list[bytes]:
        return [Path(self.top, name).read_bytes() for name in os.listdir(self.top) if name != SPOOL]


STEPS = st.tuples(
    st.sampled_from(["publish", "withdraw", "edit", "remove"]),
    st.integers(1, 40),
    st.sampled_from(["kill", "edit", "remove"]),
    st.booleans(),
)


@settings(deadline=None)
@given(st.sampled_from(DISKS), st.lists(STEPS, max_size=6))
def test_no_edit_is_lost(disk: Disk, steps: list[tuple[str, int, str, bool]]) -> None:
    with tempfile.TemporaryDirectory() as top:
        outbox = Outbox(top, disk)
        for what, number, act, after in steps:
            if what in ("edit", "remove"):
                getattr(outbox, what)()
            else:
                outbox.do(getattr(outbox, what), number, getattr(outbox, act), after)
        with tampered(Faults(0, lambda: None), disk):
            outbox.withdraw()
            end = outbox.publish()
        seen = outbox.seen()
        assert outbox.precious <= set(seen)
        assert seen.count(NEW) <= 1
        assert (seen.count(NEW) == 1) >= (end is Publication.PUBLISHED)
