"""On which disks the folders of an inbox are, from one full look to the next: pure."""

from __future__ import annotations


class Disks:
    """Told of each folder's device in every look: `look_begins`, `saw` for each folder before those in it, `look_ends`.

    Only folders on another disk than the folder around them are kept in mind: those that something is mounted on.
    """

    def __init__(self) -> None:
        self._before: dict[str, int] | None = None
        self._now: dict[str, int] = {}
        self._foreign: dict[str, int] = {}
        self._root = 0

    def forget(self) -> None:
        """The next look is the first."""
        self._before = None

    def look_begins(self, device: int) -> None:
        """`device` is that of the inbox itself."""
        self._root, self._now, self._foreign = device, {}, {}

    def saw(self, folder: str, device: int) -> bool:
        """True if another disk is mounted on the folder than in the last look, or none any more."""
        if device != self._root:
            self._foreign[folder] = device
        if device != self._foreign.get(folder.rpartition("/")[0], self._root):
            self._now[folder] = device
        return self._before is not None and self._before.get(folder) != self._now.get(folder)

    def look_ends(self) -> bool:
        """Whether anything is mounted otherwise than in the last look."""
        changed = self._before is not None and self._before != self._now
        self._before, self._foreign = self._now, {}
        return changed
