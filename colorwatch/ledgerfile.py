"""The ledger's file: its schema, its version, and how it is opened for writing and for reading."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

from colorwatch.errors import StateError

SCHEMA_VERSION = 1

# Paths are BLOBs: a name that is not UTF-8 is no TEXT. Inode and device numbers are unsigned 64-bit on disk and
# signed in SQLite; `_signed` and `_unsigned` turn one into the other.
_SCHEMA = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL,
    path BLOB NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    facts TEXT,
    recipe TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'rendered', 'published', 'done', 'skipped', 'quarantined')),
    output BLOB,
    attempt INTEGER NOT NULL DEFAULT 0,
    worker_deaths INTEGER NOT NULL DEFAULT 0,
    daemon_deaths INTEGER NOT NULL DEFAULT 0,
    blamed INTEGER NOT NULL DEFAULT 0,
    alone INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    spool BLOB,
    result TEXT,
    kind TEXT,
    reason TEXT,
    whereabouts BLOB,
    settled INTEGER NOT NULL DEFAULT 0,
    added_at REAL NOT NULL, claimed_at REAL, rendered_at REAL, published_at REAL, ended_at REAL
);
CREATE UNIQUE INDEX job_output ON job (folder, output) WHERE output IS NOT NULL;
CREATE INDEX job_path ON job (folder, path, digest);
CREATE INDEX job_active ON job (state, id) WHERE state IN ('queued', 'running', 'rendered', 'published');
CREATE INDEX job_suspect ON job (id) WHERE state = 'queued' AND (daemon_deaths > 0 OR worker_deaths > 1);
CREATE INDEX job_unsettled ON job (id) WHERE state = 'quarantined' AND settled = 0;
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE tally (folder TEXT, state TEXT, jobs INTEGER NOT NULL, PRIMARY KEY (folder, state)) WITHOUT ROWID;
CREATE TRIGGER job_added AFTER INSERT ON job BEGIN
    INSERT INTO tally VALUES (NEW.folder, NEW.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_moved AFTER UPDATE OF folder, state ON job
    WHEN OLD.folder <> NEW.folder OR OLD.state <> NEW.state BEGIN
    UPDATE tally SET jobs = jobs - 1 WHERE folder = OLD.folder AND state = OLD.state;
    INSERT INTO tally VALUES (NEW.folder, NEW.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER job_removed AFTER DELETE ON job BEGIN
    UPDATE tally SET jobs = jobs - 1 WHERE folder = OLD.folder AND state = OLD.state;
END;
CREATE TABLE home (inbox BLOB PRIMARY KEY, folder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE wait (
    folder TEXT NOT NULL, path BLOB NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (folder, path)
) WITHOUT ROWID;
CREATE TABLE probe_death (
    folder TEXT NOT NULL, path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    PRIMARY KEY (folder, path, size, mtime_ns)
) WITHOUT ROWID;
"""


def connect(path: str) -> sqlite3.Connection:
    """Opens the ledger at `path` for writing, or makes it; raises StateError where that cannot be."""
    try:
        db = sqlite3.connect(path, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 10000")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            db.execute("BEGIN IMMEDIATE")
            for statement in _statements(_SCHEMA):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("COMMIT")
    except sqlite3.Error as error:
        raise StateError(
            f"{path}: the ledger cannot be used ({error}); give colorwatch a state folder"
            " on a local disk that it may write"
        ) from error
    _refuse_newer(path, version)
    return db


def connect_to_read(path: str) -> sqlite3.Connection:
    """Opens the ledger at `path` beside a running daemon, for reading alone; raises StateError."""
    if not os.path.exists(path):
        raise StateError(f"{path}: there is no ledger yet; start colorwatch once with this config")
    try:
        db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA busy_timeout = 10000")
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise StateError(
            f"{path}: the ledger cannot be read ({error}); ask as the user that colorwatch runs as"
        ) from error
    _refuse_newer(path, version)
    return db


def _refuse_newer(path: str, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise StateError(f"{path}: the ledger was written by a newer colorwatch; install that one or a later one")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the batch it stands in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
