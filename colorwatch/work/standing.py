"""How each folder stands: looked through or not, reachable or not, fit to be read and to take results or not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from colorwatch.work.patience import backoff


@dataclass(slots=True)
class _Hold:
    until: float
    failures: int


class Holds:
    """Folders whose disk failed: nothing is begun there for a while, then one file at a time, until one goes well.

    Times are on the monotonic clock.
    """

    def __init__(self) -> None:
        self._holds: dict[str, _Hold] = {}

    def __contains__(self, folder: str) -> bool:
        """Whether its disk failed lately: one file at a time."""
        return folder in self._holds

    def failed(self, folder: str, now: float) -> bool:
        """Its disk failed; true if that is news."""
        held = self._holds.get(folder)
        if held is None:
            self._holds[folder] = _Hold(now + backoff(1), 1)
            return True
        if now >= held.until:  # else it is the same failure, met by another worker
            held.failures += 1
            held.until = now + backoff(held.failures)
        return False

    def went_well(self, folder: str) -> bool:
        """Its disk works; true if that is news."""
        return self._holds.pop(folder, None) is not None

    def now(self, now: float) -> set[str]:
        """Where nothing is to be begun now."""
        return {folder for folder, hold in self._holds.items() if now < hold.until}

    def until(self, folder: str) -> float:
        """When something is begun there again; 0 if that is not held."""
        hold = self._holds.get(folder)
        return hold.until if hold else 0.0


@dataclass(slots=True)
class Standing:
    """Belongs to the service's thread; all sets hold names of folders."""

    folders: Collection[str]
    rescanned: set[str] = field(default_factory=set)  # looked through at least once
    unreachable: set[str] = field(default_factory=set)  # the inbox cannot be looked at now
    clean: list[str] = field(default_factory=list)  # the spool is clean
    unclean: set[str] = field(default_factory=set)  # the spool cannot be cleaned now
    watching: dict[str, tuple[str, str]] = field(default_factory=dict)  # how, and why
    recalling: set[str] = field(default_factory=set)  # what its outbox holds is not known yet
    full: set[str] = field(default_factory=set)  # the outbox's disk has no room for another result
    paused: set[str] = field(default_factory=set)  # a person wants nothing new begun
    quiet: bool = False  # quiet hours: nothing is coloured
    reading: Holds = field(default_factory=Holds)
    writing: Holds = field(default_factory=Holds)

    @property
    def looked_at(self) -> bool:
        """Whether every folder was looked through, or cannot be."""
        names = set(self.folders)
        return self.rescanned | self.unreachable >= names and self.unclean.union(self.clean) >= names

    def unread(self, now: float) -> set[str]:
        """Folders of which no scan is to be read now."""
        return self.recalling | self.reading.now(now)

    def open(self, now: float) -> list[str]:
        """Folders that take results now."""
        if self.quiet:
            return []
        closed = self.recalling | self.full | self.paused | self.writing.now(now)
        return [folder for folder in self.clean if folder not in closed]
