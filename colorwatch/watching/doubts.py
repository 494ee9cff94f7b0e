"""Whose absence means nothing: pure. A disk that is not mounted leaves an empty folder behind, not deleted files.

A folder that was replaced is in doubt until one of the files remembered of it is seen again, unchanged; until then
nobody knows whether the others were deleted, or are merely elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable


class Doubts:
    """Paths that are remembered and may be elsewhere, by the folder that they lie in."""

    def __init__(self) -> None:
        # What came into doubt together was on one disk, and is there again together.
        self._folders: dict[str, list[set[str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._folders)

    def __len__(self) -> int:
        """Number of paths in doubt."""
        return sum(len(group) for groups in self._folders.values() for group in groups)

    def __contains__(self, path: str) -> bool:
        return any(path in group for group in self._folders.get(_folder(path), ()))

    def begin(self, paths: Iterable[str], below: str = "") -> None:
        """These paths are in doubt from now on; only those in the folder `below`, at any depth, if one is given."""
        prefix = f"{below}/" if below else ""
        found: dict[str, set[str]] = {}
        for path in paths:
            if path.startswith(prefix) and path not in self:
                found.setdefault(_folder(path), set()).add(path)
        for folder, group in found.items():
            self._folders.setdefault(folder, []).append(group)

    def saw(self, path: str, *, unchanged: bool) -> None:
        """A file stands at `path`. If it is the remembered one, its folder is the one that was remembered with it."""
        folder = _folder(path)
        groups = self._folders.get(folder)
        if groups is None:
            return
        for group in groups:
            if path in group:
                group.discard(path)
                if unchanged or not group:
                    groups.remove(group)
                break
        if not groups:
            del self._folders[folder]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
