"""Which scan a person means: by a file in inbox, outbox, archive or quarantine, or by its name as `status` shows it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colorwatch.errors import AskError
from colorwatch.scan import printable

if TYPE_CHECKING:
    from colorwatch.config.schema import Folder

_NOTES = (" - why.txt", ".reason.json")  # what lies beside a scan in quarantine
_AGAIN = "again"
_COLUMNS = "id, folder, path, kind"


@dataclass(frozen=True, slots=True)
class Target:
    """One scan: its newest job, None while it has none; `waits`: it waits for something before it can be one."""

    folder: str
    path: str
    job: int | None
    waits: bool = False


def point(db: sqlite3.Connection, folders: Sequence[Folder], text: str) -> Target:
    """The scan that `text` names: an absolute path, one from the current folder on, or a name as in `status`.

    Raises AskError where it names none, or more than one.
    """
    path = os.path.abspath(text)
    found = _by_place(db, folders, path)
    if not found and not os.path.isabs(text):
        found = _by_name(db, os.path.normpath(text))
    if not found:
        raise AskError(_unknown(text, path, folders))
    if len(found) > 1:
        raise AskError(f"{printable(text)} may be any of these: {_list(found)}; say which with its whole path or --job")
    return found[0]


def point_at_job(db: sqlite3.Connection, number: int) -> Target:
    """The scan of job `number`; raises AskError where there is none."""
    row = db.execute("SELECT folder, path FROM job WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise AskError(f"there is no job {number}; `colorwatch history` lists the latest")
    return Target(row[0], os.fsdecode(row[1]), number, _waits(db, row[0], row[1]))


def _by_place(db: sqlite3.Connection, folders: Sequence[Folder], path: str) -> list[Target]:
    """The scans that have to do with the file `path`, wherever it lies."""
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    found: list[sqlite3.Row] = []
    waits: list[Target] = []
    for folder in folders:
        inside = _beneath(path, real, folder.inbox)
        if inside is not None:
            found += _rows(db, "folder = ? AND path = ?", folder.name, os.fsencode(inside))
            if _waits(db, folder.name, os.fsencode(inside)):
                waits.append(Target(folder.name, inside, None, waits=True))
        inside = _beneath(path, real, folder.outbox)
        if inside is not None:
            for name in (inside, inside.removeprefix(_AGAIN + "/")):
                found += _rows(db, "folder = ? AND output = ?", folder.name, os.fsencode(name))
        found += _put_away(db, folder, path, real)
    return _newest(db, found, waits)


def _put_away(db: sqlite3.Connection, folder: Folder, path: str, real: str) -> list[sqlite3.Row]:
    """The jobs whose scan was moved to `path`."""
    inside = _beneath(path, real, folder.quarantine)
    if inside is not None:
        for name in (inside, *(inside.removesuffix(note) for note in _NOTES if inside.endswith(note))):
            where = os.fsencode(os.path.join(folder.quarantine, name))
            if found := _rows(db, "state = 'quarantined' AND whereabouts = ?", where):
                return found
    inside = _beneath(path, real, folder.archive) if folder.archive else None
    if inside is None or folder.archive is None:
        return []
    where = os.fsencode(os.path.join(folder.archive, inside))
    # The name it had in the inbox finds it by an index; under another one, taken where that was not free, all are read.
    quick = _rows(db, "folder = ? AND path = ? AND whereabouts = ?", folder.name, os.fsencode(inside), where)
    return quick or _rows(db, "whereabouts = ?", where)


def _by_name(db: sqlite3.Connection, name: str) -> list[Target]:
    """The scans of this name, or with a result of this name, in any folder."""
    raw = os.fsencode(name)
    found: list[sqlite3.Row] = []
    waits: list[Target] = []
    for (folder,) in db.execute("SELECT DISTINCT folder FROM tally").fetchall():
        found += _rows(db, "folder = ? AND path = ?", folder, raw)
        found += _rows(db, "folder = ? AND output = ?", folder, raw)
    for (folder,) in db.execute("SELECT folder FROM wait WHERE path = ?", (raw,)).fetchall():
        waits.append(Target(folder, name, None, waits=True))
    return _newest(db, found, waits)


def _rows(db: sqlite3.Connection, where: str, *values: object) -> list[sqlite3.Row]:
    return db.execute(f"SELECT {_COLUMNS} FROM job WHERE {where}", values).fetchall()


def _newest(db: sqlite3.Connection, rows: list[sqlite3.Row], waits: list[Target]) -> list[Target]:
    """One target a scan: its newest job that is no mere copy of another one."""
    newest: dict[tuple[str, bytes], tuple[bool, int]] = {}
    for row in rows:
        key, rank = (row["folder"], row["path"]), (row["kind"] != "duplicate", row["id"])
        newest[key] = max(rank, newest.get(key, rank))
    targets = [
        Target(folder, os.fsdecode(path), job, _waits(db, folder, path)) for (folder, path), (_, job) in newest.items()
    ]
    known = {(target.folder, target.path) for target in targets}
    return targets + [target for target in waits if (target.folder, target.path) not in known]


def _waits(db: sqlite3.Connection, folder: str, path: bytes) -> bool:
    return db.execute("SELECT 1 FROM wait WHERE folder = ? AND path = ?", (folder, path)).fetchone() is not None


def _beneath(path: str, real: str, root: str) -> str | None:
    """`path` relative to `root`, if it lies in there; `real` is the same file with its folders' links followed."""
    for one, other in ((path, root), (real, os.path.realpath(root))):
        if one.startswith(other.rstrip("/") + "/"):
            return os.path.relpath(one, other)
    return None


def _list(found: list[Target]) -> str:
    jobs = [f" (job {one.job})" if one.job else "" for one in found]
    return ", ".join(f"{printable(one.path)} in {one.folder}{job}" for one, job in zip(found, jobs, strict=True))


def _unknown(text: str, path: str, folders: Sequence[Folder]) -> str:
    name = printable(text)
    if not os.path.lexists(path):
        return f"{name}: colorwatch knows no such scan, and there is no such file"
    if any(path.startswith(root.rstrip("/") + "/") for folder in folders for root in _inboxes(folder)):
        return f"{name}: colorwatch has not taken it up; it may be quite new, or nothing that it takes for a scan"
    return f"{name}: colorwatch knows no such scan; name a file in an inbox, outbox, archive or quarantine"


def _inboxes(folder: Folder) -> Iterator[str]:
    yield folder.inbox
    yield os.path.realpath(folder.inbox)
