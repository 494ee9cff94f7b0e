"""The ledger's file: opened, checked, brought to today's schema, or set aside where it is damaged."""

from __future__ import annotations

import contextlib
import os
import pwd
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from colorwatch.errors import StateError
from colorwatch.ledger.schema import SCHEMA_VERSION, make, migrate

CHECKED_BYTES = 64 * 2**20
"""A larger ledger is checked only after a death: the check reads all of it, and a million jobs take a gigabyte."""

_CLOSED = "closed"  # the setting that holds the size of a ledger that was closed in good order
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a ledger
_NOT_OURS_TO_MEND = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


@dataclass(frozen=True, slots=True)
class Opened:
    """A ledger that can be used. `fresh`: it holds no history; `damaged`: where the one before it was put, or ""."""

    db: sqlite3.Connection
    fresh: bool
    damaged: str = ""


def connect(path: str, before_long: Callable[[int], None] | None = None) -> Opened:
    """Opens the ledger at `path` for writing, or makes it; raises StateError where that cannot be.

    `before_long` gets the bytes of a large one that is to be checked or brought up to date, which takes a while.

    One of an older schema is copied to `PATH.v1` (say) and brought up to date. A damaged one is set aside under a name
    that ends in `.damaged-...`, and an empty one takes its place: what was done is recalled from the results.
    """
    damaged = ""
    try:
        try:
            return _connect(path, before_long)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
        damaged = _set_aside(path)
        opened = _connect(path, None)
    except (sqlite3.Error, OSError) as error:
        raise StateError(
            f"{path}: the ledger cannot be used ({error}); give colorwatch a state folder"
            " on a local disk that it may write"
        ) from error
    return Opened(opened.db, fresh=True, damaged=damaged)


def _connect(path: str, before_long: Callable[[int], None] | None) -> Opened:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 10000")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        _refuse_newer(path, version)
        to_check = version and not _was_closed(db, path)
        size = os.path.getsize(path)
        if before_long and size > CHECKED_BYTES and (to_check or version != SCHEMA_VERSION):
            before_long(size)
        if to_check:
            _require_whole(db)
        _bring_up_to_date(db, path, version)
        db.execute("DELETE FROM setting WHERE name = ?", (_CLOSED,))
    except BaseException:
        db.close()
        raise
    return Opened(db, fresh=version == 0)


def _was_closed(db: sqlite3.Connection, path: str) -> bool:
    """Whether a large ledger was closed in good order, and has the size that it had then: it needs no long check."""
    size = os.path.getsize(path)
    if size <= CHECKED_BYTES or db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'setting'").fetchone() is None:
        return False
    row = db.execute("SELECT value FROM setting WHERE name = ?", (_CLOSED,)).fetchone()
    return row is not None and row[0] == str(size)


def close(db: sqlite3.Connection, *, sound: bool) -> None:
    """Closes the ledger; with `sound` it is noted that it was, so that the next start need not check it."""
    with contextlib.suppress(sqlite3.Error):
        if sound:
            pages, each = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_CLOSED, str(pages * each)))
    db.close()


def _require_whole(db: sqlite3.Connection) -> None:
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"damaged: {verdict}")


def _bring_up_to_date(db: sqlite3.Connection, path: str, version: int) -> None:
    if version == SCHEMA_VERSION:
        return
    if version:
        _back_up(db, f"{path}.v{version}")
    db.execute("BEGIN IMMEDIATE")
    try:
        if version:
            migrate(db, version)
        else:
            make(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _back_up(db: sqlite3.Connection, path: str) -> None:
    """A whole copy at `path`, on disk before it is returned; one of an earlier attempt is replaced."""
    temp = f"{path}.part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temp)
    copy = sqlite3.connect(temp)
    try:
        db.backup(copy)
    finally:
        copy.close()
    descriptor = os.open(temp, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temp, path)
    _sync_folder(path)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file's content is at fault, not the disk, a permission, or another process."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by ourselves
        return str(error).startswith("damaged")
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) and code not in _NOT_OURS_TO_MEND


def _set_aside(path: str) -> str:
    """Renames a damaged ledger, and what SQLite keeps beside it, out of the way; returns the new name."""
    stem = f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    aside, number = stem, 1
    while os.path.lexists(aside):
        number += 1
        aside = f"{stem}-{number}"
    for ending in reversed(("", *_BESIDE)):  # the ledger itself last: as long as it stands this is tried again
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + ending, aside + ending)
    _sync_folder(path)
    return aside


def _sync_folder(path: str) -> None:
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect_to_read(path: str) -> sqlite3.Connection:
    """Opens the ledger at `path` beside a running daemon, for reading alone; raises StateError."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StateError(f"{path}: there is no ledger yet; start colorwatch once with this config") from error
    except OSError as error:
        raise StateError(f"{path}: the ledger cannot be reached ({error.strerror}); {whom_to_be(path)}") from error
    try:
        db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 10000")
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise StateError(f"{path}: the ledger cannot be read ({error}); {whom_to_be(path)}") from error
    _refuse_newer(path, version)
    if version < SCHEMA_VERSION:
        db.close()
        raise StateError(f"{path}: the ledger was written by an older colorwatch; start this one once")
    return db


def whom_to_be(path: str) -> str:
    """The sentence part that says as which user to ask colorwatch something: the one whom the ledger belongs to."""
    owner = "colorwatch"
    for place in (path, os.path.dirname(path)):
        with contextlib.suppress(OSError, KeyError):
            owner = pwd.getpwuid(os.stat(place).st_uid).pw_name
            break
    return f"ask as the user that colorwatch runs as: sudo -u {owner} colorwatch ..."


def _refuse_newer(path: str, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise StateError(f"{path}: the ledger was written by a newer colorwatch; install that one or a later one")
