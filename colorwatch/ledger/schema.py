"""The tables of the ledger, and how an older file's tables become today's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

SCHEMA_VERSION = 5

RECALL, RECALLED = "recall", "done"
"""Subject and state in `health` of a folder whose results are all in the ledger."""

# Paths are BLOBs: a name that is not UTF-8 is no TEXT. Inode and device numbers are unsigned 64-bit on disk and
# signed in SQLite; `rows` turns one into the other.
_JOB = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    folder TEXT NOT NULL,
    path BLOB NOT NULL,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    facts TEXT,
    recipe TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN
            ('queued', 'running', 'rendered', 'published', 'stuck', 'done', 'skipped', 'quarantined')),
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
    redo TEXT,
    kind TEXT,
    reason TEXT,
    whereabouts BLOB,
    settled INTEGER NOT NULL DEFAULT 0,
    noticed_at REAL NOT NULL DEFAULT 0,
    added_at REAL NOT NULL, claimed_at REAL, rendered_at REAL, published_at REAL, ended_at REAL
);
"""

# As they stand in the queries, word for word: else SQLite does not see that an index serves them. Where it would choose
# another one all the same (it knows nothing of how many jobs there are in each state), the query names it.
READY = "state = 'queued' AND not_before = 0 AND daemon_deaths = 0 AND worker_deaths < 2"
ACTIVE = "state IN ('queued', 'running', 'rendered', 'published', 'stuck')"
SUSPECT = "state = 'queued' AND (daemon_deaths > 0 OR worker_deaths > 1)"
WAITING = "state = 'queued' AND not_before > 0"

_JOB_EXTRAS = f"""
CREATE UNIQUE INDEX job_output ON job (folder, output) WHERE output IS NOT NULL;
CREATE INDEX job_path ON job (folder, path, digest);
CREATE INDEX job_digest ON job (folder, digest) WHERE digest <> '';
CREATE INDEX job_active ON job (state, id) WHERE {ACTIVE};
CREATE INDEX job_ready ON job (folder, noticed_at, id) WHERE {READY};
CREATE INDEX job_suspect ON job (id) WHERE {SUSPECT};
CREATE INDEX job_waiting ON job (not_before, folder) WHERE {WAITING};
CREATE INDEX job_unsettled ON job (id) WHERE state = 'quarantined' AND settled = 0;
CREATE INDEX job_quarantined ON job (id) WHERE state = 'quarantined';
CREATE INDEX job_here ON job (folder, id) WHERE whereabouts IS NULL;
CREATE INDEX job_stored ON job (state, ended_at, id) WHERE whereabouts <> x'';
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
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
"""

_SINCE_1 = """
CREATE TABLE tally (folder TEXT, state TEXT, jobs INTEGER NOT NULL, PRIMARY KEY (folder, state)) WITHOUT ROWID;
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

# `health`: how a folder does, one row a subject (watch, inbox, outbox, space, recall). `setting`: what outlives the
# daemon without being a job. `request`: what the command line asks of the daemon, and its answer.
_SINCE_2 = """
CREATE TABLE health (
    folder TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (folder, subject)
) WITHOUT ROWID;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE request (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, arguments TEXT NOT NULL, asked_at REAL NOT NULL,
    answer TEXT, answered_at REAL
);
CREATE INDEX request_open ON request (id) WHERE answered_at IS NULL;
"""

_SINCE_3 = """
CREATE INDEX job_result ON job (folder, json_extract(result, '$.digest')) WHERE result IS NOT NULL;
"""

# The words of a result's flags, each between line ends, so that few rows are looked through for one of them.
_SINCE_4 = """
ALTER TABLE job ADD COLUMN flags TEXT NOT NULL DEFAULT '';
CREATE INDEX job_flagged ON job (ended_at) WHERE flags <> '';
"""

# `glass`: results that show several prints; `due` while it is to be seen whether those are to be saved apart, `cut` the
# sha256 of the result that this was done for. `print`: what became of each of them, by the number it was given.
_SINCE_5 = """
CREATE TABLE glass (
    job INTEGER PRIMARY KEY, folder TEXT NOT NULL, due INTEGER NOT NULL DEFAULT 1, cut TEXT NOT NULL DEFAULT ''
);
CREATE INDEX glass_due ON glass (folder, job) WHERE due = 1;
CREATE TABLE print (
    job INTEGER NOT NULL, number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'saved', 'left')),
    path BLOB NOT NULL, digest TEXT NOT NULL, spooled TEXT,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE INDEX print_spooled ON print (job, number) WHERE spooled IS NOT NULL;
CREATE TRIGGER job_glass AFTER UPDATE OF state ON job
    WHEN NEW.state = 'done' AND OLD.state <> 'done' AND json_array_length(NEW.result, '$.prints') > 1 BEGIN
    INSERT INTO glass (job, folder) VALUES (NEW.id, NEW.folder) ON CONFLICT DO UPDATE SET due = 1;
END;
CREATE TRIGGER job_glass_removed AFTER DELETE ON job BEGIN
    DELETE FROM glass WHERE job = OLD.id;
    DELETE FROM print WHERE job = OLD.id;
END;
"""

_COLUMNS_OF_1 = (
    "id, folder, path, device, inode, size, mtime_ns, digest, facts, recipe, state, output, attempt, worker_deaths,"
    " daemon_deaths, blamed, alone, failures, not_before, spool, result, kind, reason, whereabouts, settled,"
    " added_at, claimed_at, rendered_at, published_at, ended_at"
)

_FROM_1_TO_2 = f"""
DROP TRIGGER job_added;
DROP TRIGGER job_moved;
DROP TRIGGER job_removed;
ALTER TABLE job RENAME TO job_before;
{_JOB}
INSERT INTO job ({_COLUMNS_OF_1}, noticed_at) SELECT {_COLUMNS_OF_1}, added_at FROM job_before;
INSERT INTO sqlite_sequence SELECT 'job', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'job');
UPDATE sqlite_sequence SET seq = (SELECT MAX(seq) FROM sqlite_sequence WHERE name IN ('job', 'job_before'))
    WHERE name = 'job';
DROP TABLE job_before;
{_JOB_EXTRAS}
{_SINCE_2}
INSERT INTO health SELECT DISTINCT folder, '{RECALL}', '{RECALLED}', '', 0 FROM tally;
"""

_STEPS = {1: _FROM_1_TO_2, 2: _SINCE_3, 3: _SINCE_4, 4: _SINCE_5}
"""By the version they start from."""


def make(db: sqlite3.Connection) -> None:
    """Makes today's tables in an empty file; the caller commits."""
    _run(db, _SINCE_1 + _JOB + _JOB_EXTRAS + _SINCE_2 + _SINCE_3 + _SINCE_4 + _SINCE_5)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Brings the tables of `version` to today's, in the caller's transaction."""
    for step in range(version, SCHEMA_VERSION):
        _run(db, _STEPS[step])
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _run(db: sqlite3.Connection, script: str) -> None:
    """The statements one by one: `executescript` would commit the transaction it stands in."""
    for statement in _statements(script):
        db.execute(statement)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
