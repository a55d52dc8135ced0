// The tables. Migrations are appended to, never edited: a data directory of any age opens.

import GRDB

/// `jobs.document` is the JSON of a `Job`; the columns beside it are what lists and the queue ask for.
/// `number` gives the order of making, and is what cursors hold.
let migrations: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("jobs, their events and what they make") { db in
        try db.execute(
            sql: """
                CREATE TABLE jobs (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    kind TEXT NOT NULL,
                    state TEXT NOT NULL,
                    pipeline TEXT,
                    document TEXT NOT NULL
                );
                CREATE INDEX jobs_by_state ON jobs (state, number);
                CREATE INDEX jobs_by_pipeline ON jobs (pipeline, number) WHERE pipeline IS NOT NULL;

                CREATE TABLE attempts (
                    job TEXT NOT NULL REFERENCES jobs (id),
                    n INTEGER NOT NULL,
                    startedAt TEXT NOT NULL,
                    document TEXT NOT NULL,
                    heardAt TEXT,
                    PRIMARY KEY (job, n)
                ) WITHOUT ROWID;

                CREATE TABLE events (
                    job TEXT NOT NULL REFERENCES jobs (id),
                    seq INTEGER NOT NULL,
                    ts TEXT NOT NULL,
                    attempt INTEGER NOT NULL,
                    type TEXT NOT NULL,
                    data TEXT NOT NULL,
                    PRIMARY KEY (job, seq)
                ) WITHOUT ROWID;

                -- How far each epoch's events.jsonl has been stored, in bytes.
                CREATE TABLE followed (
                    job TEXT NOT NULL REFERENCES jobs (id),
                    epoch INTEGER NOT NULL,
                    attempt INTEGER NOT NULL,
                    offset INTEGER NOT NULL,
                    PRIMARY KEY (job, epoch)
                ) WITHOUT ROWID;

                CREATE TABLE checkpoints (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    job TEXT NOT NULL REFERENCES jobs (id),
                    name TEXT NOT NULL,
                    path TEXT NOT NULL,
                    step INTEGER NOT NULL,
                    kind TEXT NOT NULL,
                    sha256 TEXT NOT NULL,
                    bytes INTEGER NOT NULL,
                    final BOOLEAN NOT NULL,
                    createdAt TEXT NOT NULL,
                    UNIQUE (job, path, sha256)
                );

                CREATE TABLE candidates (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    job TEXT NOT NULL REFERENCES jobs (id),
                    genome TEXT NOT NULL,
                    place INTEGER NOT NULL,
                    generation INTEGER NOT NULL,
                    map DOUBLE,
                    map50 DOUBLE,
                    loss DOUBLE,
                    macs INTEGER NOT NULL,
                    params INTEGER NOT NULL,
                    standardError DOUBLE,
                    seconds DOUBLE,
                    UNIQUE (job, genome)
                );

                CREATE TABLE architectures (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    hash TEXT NOT NULL UNIQUE,
                    job TEXT NOT NULL REFERENCES jobs (id),
                    genome TEXT NOT NULL,
                    space TEXT NOT NULL,
                    macs INTEGER NOT NULL,
                    params INTEGER NOT NULL,
                    score DOUBLE,
                    createdAt TEXT NOT NULL
                );

                CREATE TABLE pipelines (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    name TEXT,
                    createdAt TEXT NOT NULL,
                    submitted TEXT NOT NULL
                );
                """
        )
    }
    migrator.registerMigration("candidates of classifiers, of any origin, and failed ones") { db in
        try db.execute(
            sql: """
                ALTER TABLE candidates ADD COLUMN top1 DOUBLE;
                ALTER TABLE candidates ADD COLUMN top5 DOUBLE;
                ALTER TABLE candidates ADD COLUMN origin TEXT;
                ALTER TABLE candidates ADD COLUMN failure TEXT;
                """
        )
    }
    migrator.registerMigration("candidates that few images were enough for") { db in
        try db.execute(sql: "ALTER TABLE candidates ADD COLUMN halted TEXT")
    }
    migrator.registerMigration("jobs that were deleted") { db in
        // Their rows stay: what they made may outlive them.
        try db.execute(
            sql: """
                ALTER TABLE jobs ADD COLUMN deletedAt TEXT;
                ALTER TABLE jobs ADD COLUMN keepsFiles BOOLEAN NOT NULL DEFAULT 0;
                """
        )
    }
    migrator.registerMigration("what an operator has set, and requests that have a name") { db in
        try db.execute(
            sql: """
                CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

                -- What a request with an Idempotency-Key has made.
                CREATE TABLE requests (
                    key TEXT PRIMARY KEY,
                    fingerprint TEXT NOT NULL,
                    location TEXT NOT NULL,
                    createdAt TEXT NOT NULL
                ) WITHOUT ROWID;
                """
        )
    }
    migrator.registerMigration("tokens") { db in
        try db.execute(
            sql: """
                CREATE TABLE tokens (
                    id TEXT PRIMARY KEY,
                    name TEXT NOT NULL,
                    scope TEXT NOT NULL,
                    digest TEXT NOT NULL UNIQUE,
                    createdAt TEXT NOT NULL,
                    expiresAt TEXT
                ) WITHOUT ROWID;
                """
        )
    }
    migrator.registerMigration("the events of all jobs in one order") { db in
        // Without those of single steps. It begins here: earlier events are their jobs' alone.
        try db.execute(
            sql: """
                CREATE TABLE feed (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    job TEXT NOT NULL REFERENCES jobs (id),
                    seq INTEGER NOT NULL
                );
                CREATE INDEX feed_by_job ON feed (job);
                """
        )
    }
    migrator.registerMigration("events that were dropped") { db in
        // Of each job the newest one that was, and how far it was looked at.
        try db.execute(
            sql: """
                ALTER TABLE jobs ADD COLUMN compactedTo INTEGER NOT NULL DEFAULT 0;
                ALTER TABLE jobs ADD COLUMN compactedThrough INTEGER NOT NULL DEFAULT 0;
                """
        )
    }
    migrator.registerMigration("uploads, and checkpoints that no job made") { db in
        // `job` is null, `space` and `shuffle` are set for a checkpoint that was imported; `path` is then within
        // `checkpoints/` of the data directory.
        try db.execute(
            sql: """
                CREATE TABLE uploads (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    name TEXT NOT NULL,
                    bytes INTEGER,
                    sha256 TEXT,
                    createdAt TEXT NOT NULL,
                    storedAt TEXT
                );

                CREATE TABLE checkpointsOfAnyOrigin (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    job TEXT REFERENCES jobs (id),
                    name TEXT NOT NULL,
                    path TEXT NOT NULL,
                    step INTEGER NOT NULL,
                    kind TEXT NOT NULL,
                    sha256 TEXT NOT NULL,
                    bytes INTEGER NOT NULL,
                    final BOOLEAN NOT NULL,
                    createdAt TEXT NOT NULL,
                    space TEXT,
                    shuffle INTEGER,
                    UNIQUE (job, path, sha256)
                );
                INSERT INTO checkpointsOfAnyOrigin
                    (number, id, job, name, path, step, kind, sha256, bytes, final, createdAt)
                SELECT number, id, job, name, path, step, kind, sha256, bytes, final, createdAt
                FROM checkpoints;
                DROP TABLE checkpoints;
                ALTER TABLE checkpointsOfAnyOrigin RENAME TO checkpoints;
                """
        )
    }
    migrator.registerMigration("data sets that were registered") { db in
        // `job` is the newest check, whoever asked for it; `result` what `checkedBy` found, as JSON text, which outlives
        // that job. `upload` is what waits to be unpacked.
        try db.execute(
            sql: """
                CREATE TABLE datasets (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT NOT NULL UNIQUE,
                    name TEXT NOT NULL UNIQUE,
                    folder TEXT NOT NULL UNIQUE,
                    unpacked BOOLEAN NOT NULL,
                    upload TEXT UNIQUE,
                    decode BOOLEAN NOT NULL,
                    failure TEXT,
                    job TEXT,
                    checkedBy TEXT,
                    checkedAt TEXT,
                    result TEXT,
                    createdAt TEXT NOT NULL
                );
                """
        )
    }
    return migrator
}()
