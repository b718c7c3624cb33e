"""Every statement of the SQLite engine.

Two habits run through them. The sqlite3 module lets go of the interpreter lock at each step of a statement,
and taking it back beside a busy event loop can cost milliseconds; so writes carry many rows in one statement,
and reads gather their whole answer into one row: the columns as a JSON array of arrays, the data of all
events as one blob. And lists of things to look up come in as one JSON parameter, so that one prepared
statement serves any number of them.
"""

from functools import cache

# -- The file ------------------------------------------------------------------------------------------------

APPLICATION_ID = 0x48616E73  # "Hans", in the header of every file of ours
SCHEMA_VERSION = 1

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

# -- Writing -------------------------------------------------------------------------------------------------

BEGIN = "BEGIN IMMEDIATE"
COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

ADVANCE = "UPDATE log SET position = ? WHERE id = 1 AND position = ?"


@cache
def insert_events(rows: int) -> str:
    return f"INSERT INTO event VALUES {_values(8, rows)}"


@cache
def move_heads(rows: int) -> str:
    return f"""
        INSERT INTO head VALUES {_values(3, rows)}
        ON CONFLICT (session, subject) DO UPDATE SET version = excluded.version
    """


@cache
def move_producers(rows: int) -> str:
    return f"""
        INSERT INTO producer VALUES {_values(5, rows)}
        ON CONFLICT (session, producer) DO UPDATE
        SET epoch = excluded.epoch, last_seq = excluded.last_seq, position = excluded.position
    """


@cache
def move_tracking(rows: int) -> str:
    """A tracking only moves forward: one that would not is left alone, and not counted as changed."""
    return f"""
        INSERT INTO tracking VALUES {_values(2, rows)} ON CONFLICT (name) DO UPDATE SET position =
        excluded.position WHERE excluded.position > tracking.position
    """


def _values(columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return ", ".join([row] * rows)


# -- Reading -------------------------------------------------------------------------------------------------

READ_MARK = "SELECT position, epoch FROM log WHERE id = 1"

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
