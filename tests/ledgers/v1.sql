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
PRAGMA user_version = 1;
