"""Every statement of the SQLite engine.

A batch is written by one statement, and an answer comes as one row. The reason is the interpreter lock: the sqlite3
module lets go of it at each step of a statement, and each time it has to be won back from the event loop (see
`db_threads`). So lists go in as JSON arrays of arrays, and come out as such; the data of the events travels beside them
as one blob, cut up by the lengths that the rows give.
"""

# -- The file ----------------------------------------------------------------------------------------------------------

APPLICATION_ID = 0x5374656E  # "Sten", in the header of every file of ours
SCHEMA_VERSION = 3

# Sessions in which something may happen of itself: who watches over that need not look at all the others.
_LIVE = "CREATE TABLE live (session TEXT PRIMARY KEY) WITHOUT ROWID"

# What sessions come to at some version, folded: derived from the events, and read by the code alone that made it.
_SNAPSHOT = """
    CREATE TABLE snapshot (
        session TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        code TEXT NOT NULL,
        data BLOB NOT NULL
    )
"""

# By the version that it starts from: what brings a file of that version to the next one. What may be live in an older
# file is marked live; the timekeeper reads each once, and unmarks the rest.
UPGRADES = {
    1: (
        _LIVE,
        """
        INSERT INTO live SELECT DISTINCT session FROM head
        WHERE subject >= 'presence:' AND subject < 'presence;'
        """,
        "PRAGMA user_version = 2",
    ),
    2: (_SNAPSHOT, "PRAGMA user_version = 3"),
}

SCHEMA = (
    # The one row that says where the log ends. Writers advance it by compare-and-set.
    """
    CREATE TABLE log (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        position INTEGER NOT NULL,
        epoch TEXT NOT NULL
    )
    """,
    # The events, in the column order of a Record. The position is the rowid, written explicitly.
    """
    CREATE TABLE event (
        position INTEGER PRIMARY KEY,
        session TEXT NOT NULL,
        version INTEGER NOT NULL,
        subject TEXT NOT NULL,
        type TEXT NOT NULL,
        data BLOB NOT NULL,
        key TEXT,
        time INTEGER NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX event_version ON event (session, version)",
    "CREATE UNIQUE INDEX event_key ON event (session, key) WHERE key IS NOT NULL",
    # A session's own events are few among its many: who reads them must not scan the rest.
    "CREATE INDEX event_of_session ON event (session, version) WHERE subject = 'session'",
    # The last version about each subject of a session; the subject '' stands for the session.
    """
    CREATE TABLE head (
        session TEXT NOT NULL,
        subject TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (session, subject)
    ) WITHOUT ROWID
    """,
    # Lists sessions without passing over their subjects. It holds no version, so that appends leave it alone.
    "CREATE INDEX head_of_session ON head (session) WHERE subject = ''",
    """
    CREATE TABLE producer (
        session TEXT NOT NULL,
        producer TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (session, producer)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE tracking (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",
    _LIVE,
    _SNAPSHOT,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

CREATE_LOG = "INSERT INTO log (id, position, epoch) VALUES (1, 0, ?)"

READ_APPLICATION_ID = "PRAGMA application_id"
READ_SCHEMA_VERSION = "PRAGMA user_version"
COUNT_TABLES = "SELECT count(*) FROM sqlite_master"

WRITE_AHEAD = "PRAGMA journal_mode = WAL"
# Every commit reaches the disk before it is acknowledged, also through a loss of power.
SYNC_EACH_COMMIT = "PRAGMA synchronous = FULL"
# A write-ahead file that a long read made grow is cut back to this many bytes when it is used again.
CUT_WRITE_AHEAD = "PRAGMA journal_size_limit = 67108864"

# For an operator. A copy at rest is one file, which needs none beside it to be read.
BEGIN_READING = "BEGIN"
ONE_FILE = "PRAGMA journal_mode = DELETE"
CHECK_FILE = "PRAGMA quick_check(1)"
RENEW_EPOCH = "UPDATE log SET epoch = ? WHERE id = 1"

# -- Writing -----------------------------------------------------------------------------------------------------------

BEGIN = "BEGIN IMMEDIATE"
COMMIT = "COMMIT"


def _column(number: int) -> str:
    return f"json_extract(value, '$[{number}]')"


# What the trigger says when it refuses a batch.
MOVED = "the log has moved"
TAKEN = "the tracking is taken"

# A writer's connection has this view. To insert a row into it is to write a batch: the trigger spreads the row over the
# tables, and as a statement is atomic, nothing needs to be begun, committed or rolled back by hand. A view of its own
# (TEMP) belongs to the connection, not to the file.
KEEP_TEMPORARY_IN_MEMORY = "PRAGMA temp_store = MEMORY"

CREATE_BATCH = """
    CREATE TEMP VIEW batch AS SELECT
        NULL AS after, NULL AS position, NULL AS events, NULL AS data,
        NULL AS heads, NULL AS producers, NULL AS tracking, NULL AS live
"""

CREATE_BATCH_WRITER = f"""
    CREATE TEMP TRIGGER write_batch INSTEAD OF INSERT ON batch
    BEGIN
        SELECT RAISE(ABORT, '{MOVED}')
        WHERE NOT EXISTS (SELECT 1 FROM log WHERE id = 1 AND position = NEW.after);

        SELECT RAISE(ABORT, '{TAKEN}')
        FROM json_each(NEW.tracking) JOIN tracking ON name = {_column(0)}
        WHERE position >= {_column(1)};

        UPDATE log SET position = NEW.position WHERE id = 1;

        -- substr() makes NULL of a part of nothing
        INSERT INTO event (position, session, version, subject, type, data, key, time)
        SELECT
            {_column(0)}, {_column(1)}, {_column(2)}, {_column(3)}, {_column(4)},
            ifnull(substr(NEW.data, {_column(5)}, {_column(6)}), x''), {_column(7)}, {_column(8)}
        FROM json_each(NEW.events);

        INSERT INTO head (session, subject, version)
        SELECT {_column(0)}, {_column(1)}, {_column(2)} FROM json_each(NEW.heads)
        WHERE true ON CONFLICT (session, subject) DO UPDATE SET version = excluded.version;

        INSERT INTO producer (session, producer, epoch, last_seq, position)
        SELECT {_column(0)}, {_column(1)}, {_column(2)}, {_column(3)}, {_column(4)} FROM json_each(NEW.producers)
        WHERE true ON CONFLICT (session, producer) DO UPDATE
        SET epoch = excluded.epoch, last_seq = excluded.last_seq, position = excluded.position;

        INSERT INTO tracking (name, position)
        SELECT {_column(0)}, {_column(1)} FROM json_each(NEW.tracking)
        WHERE true ON CONFLICT (name) DO UPDATE SET position = excluded.position;

        INSERT INTO live (session) SELECT {_column(0)} FROM json_each(NEW.live)
        WHERE {_column(1)} ON CONFLICT (session) DO NOTHING;

        DELETE FROM live WHERE session IN (SELECT {_column(0)} FROM json_each(NEW.live) WHERE NOT {_column(1)});
    END
"""

WRITE_BATCH = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

WRITE_SNAPSHOT = """
    INSERT INTO snapshot (session, version, code, data) VALUES (?, ?, ?, ?)
    ON CONFLICT (session) DO UPDATE
    SET version = excluded.version, code = excluded.code, data = excluded.data
    WHERE snapshot.code <> excluded.code OR snapshot.version < excluded.version
"""

# -- Reading -----------------------------------------------------------------------------------------------------------

READ_HEAD = "SELECT position, epoch FROM log WHERE id = 1"

READ_LIVE = "SELECT json_group_array(session) FROM (SELECT session FROM live WHERE session > ? ORDER BY 1 LIMIT ?)"

READ_SNAPSHOT = "SELECT session, version, code, data FROM snapshot WHERE session = ? AND code = ?"

READ_TRACKING = "SELECT position FROM tracking WHERE name = ?"


def _gathered(rows: str) -> str:
    """One row for all the events that `rows` selects, in its order (both aggregates see the rows in the same
    order)."""
    return f"""
        SELECT
            json_group_array(
                json_array(position, session, version, subject, type, length(data), key, time)
            ),
            CAST(group_concat(data, '') AS BLOB)
        FROM ({rows})
    """


READ_LOG = _gathered("SELECT * FROM event WHERE position > ? ORDER BY position LIMIT ?")

READ_SESSION = _gathered("SELECT * FROM event WHERE session = ? AND version > ? ORDER BY version LIMIT ?")

# How long the data of each event is, in both. SQLite does not read the data for that.
SIZES_IN_LOG = """
    SELECT json_group_array(size)
    FROM (SELECT length(data) AS size FROM event WHERE position > ? ORDER BY position LIMIT ?)
"""

SIZES_IN_SESSION = """
    SELECT json_group_array(size)
    FROM (SELECT length(data) AS size FROM event WHERE session = ? AND version > ? ORDER BY version LIMIT ?)
"""

# The same, but only what wire forms are made of, each column in an array of its own: half the work.
READ_WIRES = """
    SELECT
        json_group_array(position), json_group_array(version), json_group_array(length(data)),
        CAST(group_concat(data, '') AS BLOB)
    FROM (SELECT position, version, data FROM event WHERE session = ? AND version > ? ORDER BY version LIMIT ?)
"""

# A list of [session, key].
READ_KEYS = _gathered(
    """
    SELECT event.*
    FROM json_each(?) AS wanted
    CROSS JOIN event
        ON event.session = json_extract(wanted.value, '$[0]') AND event.key = json_extract(wanted.value,
        '$[1]')
    """
)

# A list of sessions; the limit, which is none, keeps SQLite from dropping the order of an inner query.
READ_SUBJECT = _gathered(
    """
    SELECT * FROM event
    WHERE session IN (SELECT value FROM json_each(?)) AND subject = ?
    ORDER BY position LIMIT -1
    """
)

# The same for the subject that has an index of its own, which SQLite uses only where it reads the name.
READ_SUBJECT_SESSION = _gathered(
    """
    SELECT * FROM event
    WHERE session IN (SELECT value FROM json_each(?)) AND subject = 'session'
    ORDER BY position LIMIT -1
    """
)

# A list of [session, subject].
READ_HEADS = """
    SELECT json_group_array(json_array(head.session, head.subject, head.version))
    FROM json_each(?) AS wanted
    CROSS JOIN head
        ON head.session = json_extract(wanted.value, '$[0]')
        AND head.subject = json_extract(wanted.value, '$[1]')
"""

# A list of [session, producer].
READ_PRODUCERS = """
    SELECT json_group_array(
        json_array(producer.session, producer.producer, producer.epoch, producer.last_seq, producer.position)
    )
    FROM json_each(?) AS wanted
    CROSS JOIN producer
        ON producer.session = json_extract(wanted.value, '$[0]')
        AND producer.producer = json_extract(wanted.value, '$[1]')
"""

# From the greater of `after` and `prefix` on; the + keeps SQLite from starting at `after` when `prefix` is further.
# Left to choose, SQLite would take the primary key, and pass over all subjects of each session.
LIST_SESSIONS = """
    SELECT json_group_array(json_array(session, version))
    FROM (
        SELECT session, version FROM head INDEXED BY head_of_session
        WHERE subject = '' AND session >= max(:after, :prefix) AND session < :end AND +session > :after
        ORDER BY session LIMIT :limit
    )
"""
