"""Every statement of the PostgreSQL engine but the schema's, which `migrations` makes.

A log is a schema: `{log}` stands for its name, quoted. It is named in each statement, never set for a connection: the
connections are shared by several logs, and behind a pooler by several processes.
"""

from functools import lru_cache

from ..engine import PAGE_BYTES
from .notifications import NOTIFY


@lru_cache(10_000)
def within(schema: str, statement: str) -> bytes:
    """The statement for the log in `schema`."""
    return statement.format(log='"{}"'.format(schema.replace('"', '""'))).encode()


# -- The database ------------------------------------------------------------------------------------------------------

READ_CONDITION = """
    SELECT
        pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
        current_setting('server_encoding'),
        current_setting('server_version_num')::int
"""

# The same for every process, unlike their own clocks; not that of the transaction's beginning.
READ_TIME = "SELECT extract(epoch FROM clock_timestamp())::float8"

# Whether the log's migrations are there, whether anything at all is, and whether the schema itself is. The catalog is
# open to every role; to_regclass() wants rights on the schema, on any one that the planner happens to ask it about.
READ_SCHEMA = """
    SELECT
        EXISTS (SELECT FROM pg_class WHERE relnamespace = schema.oid AND relname = 'migration'),
        EXISTS (SELECT FROM pg_class WHERE relnamespace = schema.oid),
        schema.oid IS NOT NULL
    FROM (SELECT (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s::text) AS oid) AS schema
"""

# The newest migration, and the oldest Stenogram schema whose gateways it leaves at work.
READ_VERSION = "SELECT version, serves FROM {log}.migration ORDER BY version DESC LIMIT 1"

LIST_LOGS = """
    SELECT nspname::text FROM pg_namespace
    WHERE (nspname = %(schema)s OR starts_with(nspname, %(schema)s || '@'))
        AND EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid AND relname = 'migration')
    ORDER BY nspname
"""

# The logs of tenants, with their bytes.
LIST_TENANTS = """
    SELECT nspname::text, (
        SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
        WHERE relnamespace = pg_namespace.oid AND relkind IN ('r', 'm')
    )
    FROM pg_namespace
    WHERE starts_with(nspname, %(schema)s || '@')
        AND EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid AND relname = 'migration')
    ORDER BY nspname
"""

# Readers and writers of the log are waited for, but not without end: all others would wait behind.
DROP_LOG = """
    BEGIN;
    SET LOCAL lock_timeout = '5s';
    DROP SCHEMA {log} CASCADE;
    COMMIT
"""

# One process at a time; the lock goes with the transaction.
LOCK_MIGRATIONS = "SELECT pg_advisory_xact_lock(hashtextextended('stenogram migrations', 0))"

RENEW_EPOCH = "UPDATE {log}.log SET epoch = %s WHERE id = 1"

# -- The identity of the log -------------------------------------------------------------------------------------------

HEAD_BYTES = 64
"""How much of an event's data tells it from others: its id is in there."""

# Whether the log has the last event that is known here, at its place.
_IS_SAME_LOG = f"""(
    %(known_position)b = 0 OR EXISTS (
        SELECT FROM {{log}}.event
        WHERE position = %(known_position)b AND session = %(known_session)b AND version = %(known_version)b
            AND time = %(known_time)b AND substring(data FOR {HEAD_BYTES}) = %(known_head)b
    )
)"""

# That, and where the log ends.
READ_END = f"""
    SELECT
        {_IS_SAME_LOG}, current_setting('transaction_read_only')::boolean,
        epoch, position, coalesce(session, ''), coalesce(version, 0), coalesce(time, 0),
        coalesce(substring(data FOR {HEAD_BYTES}), '')
    FROM {{log}}.log LEFT JOIN {{log}}.event USING (position) WHERE id = 1
"""

REPLACE_EPOCH = "UPDATE {log}.log SET epoch = %(new)s WHERE id = 1 AND epoch = %(old)s"

READ_IS_STANDBY = "SELECT pg_is_in_recovery()"

READ_SNAPSHOT = """
    SELECT session, version, code, data FROM {log}.snapshot WHERE session = %(session)s AND code = %(code)s
"""

# -- Writing -----------------------------------------------------------------------------------------------------------

# One batch. The row of the log comes first: who advances it has it locked until the commit, so positions are given out,
# become visible and are announced in one order. If it does not stand at `after`, or is another log, nothing is done,
# and no row comes back.
# A tracking that would not advance becomes null, which the column refuses, and the whole statement with it.
WRITE_BATCH = """
    WITH moved AS (
        UPDATE {log}.log SET position = %(position)s
        WHERE id = 1 AND position = %(after)s AND epoch = %(known_epoch)s AND {is_same_log} RETURNING id
    ), events AS (
        INSERT INTO {log}.event (position, session, version, subject, type, data, key, time)
        SELECT %(after)s + place, session, version, subject, type, data, key, time
        FROM moved, unnest(
            %(sessions)b::text[], %(versions)b::bigint[], %(subjects)b::text[], %(types)b::text[],
            %(data)b::bytea[], %(keys)b::text[], %(times)b::bigint[]
        ) WITH ORDINALITY AS event (session, version, subject, type, data, key, time, place)
    ), heads AS (
        INSERT INTO {log}.head AS known (session, subject, version)
        SELECT session, subject, version
        FROM moved, unnest(%(head_sessions)b::text[], %(head_subjects)b::text[], %(head_versions)b::bigint[])
            AS head (session, subject, version)
        ON CONFLICT (session, subject) DO UPDATE SET version = excluded.version
    )
    {notify}
""".replace("{is_same_log}", _IS_SAME_LOG).replace("{notify}", NOTIFY)

# The same, with what few batches have.
WRITE_BATCH_WITH_EXTRAS = WRITE_BATCH.replace(
    f"    {NOTIFY}",
    """    , producers AS (
        INSERT INTO {log}.producer AS known (session, producer, epoch, last_seq, position)
        SELECT session, producer, epoch, seq, position
        FROM moved, unnest(
            %(producer_sessions)b::text[], %(producers)b::text[], %(epochs)b::bigint[], %(seqs)b::bigint[],
            %(producer_positions)b::bigint[]
        ) AS state (session, producer, epoch, seq, position)
        ON CONFLICT (session, producer) DO UPDATE
        SET epoch = excluded.epoch, last_seq = excluded.last_seq, position = excluded.position
    ), trackings AS (
        INSERT INTO {log}.tracking AS known (name, position)
        SELECT name, position
        FROM moved, unnest(%(names)b::text[], %(tracked)b::bigint[]) AS tracking (name, position)
        ON CONFLICT (name) DO UPDATE
        SET position = CASE WHEN known.position < excluded.position THEN excluded.position END
    ), living AS (
        INSERT INTO {log}.live (session)
        SELECT session FROM moved, unnest(%(living)b::text[]) AS living (session)
        ON CONFLICT (session) DO NOTHING
    ), resting AS (
        DELETE FROM {log}.live USING moved WHERE session = ANY (%(resting)b::text[])
    )
    """
    + NOTIFY,
)

# A row of one's own, renewed all the time.
EXCHANGE_HEARTBEATS = """
    WITH own AS (
        INSERT INTO {log}.gateway AS known (id, beat, attached, silent)
        VALUES (%(gateway)b, %(beat)b, %(attached)b::text[], %(silent)b::bigint[])
        ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, attached = excluded.attached, silent = excluded.silent
    ), gone AS (
        DELETE FROM {log}.gateway WHERE id = ANY (%(gone)b::text[])
    )
    SELECT id, beat, attached, silent FROM {log}.gateway WHERE id <> %(gateway)b AND id <> ALL (%(gone)b::text[])
"""

# Nobody else writes from here to the end of the transaction. It does not outlast a process that stands still.
LOCK_LOG = """
    BEGIN;
    SET LOCAL idle_in_transaction_session_timeout = '1s';
    SELECT FROM {log}.log WHERE id = 1 FOR UPDATE
"""

COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

# -- Reading -----------------------------------------------------------------------------------------------------------

_COLUMNS = "position, session, version, subject, type, data, key, time"


def _page(columns: str, where: str, place: str) -> str:
    """A page in the order of `place`, of the log that is known; nothing of another one. Sizes are known without
    reading what they are the sizes of."""
    return f"""
        SELECT {columns}
        FROM (
            SELECT
                {columns},
                sum(octet_length(data)) OVER (ORDER BY {place} ROWS UNBOUNDED PRECEDING) - octet_length(data) AS before
            FROM {{log}}.event WHERE {where} ORDER BY {place} LIMIT %(limit)b
        ) AS page
        WHERE before < {PAGE_BYTES} AND {_IS_SAME_LOG} ORDER BY {place}
    """


READ_LOG = _page(_COLUMNS, "position > %(after)b", "position")

READ_SESSION = _page(_COLUMNS, "session = %(session)b AND version > %(after)b", "version")

READ_WIRES = _page("version, position, data", "session = %(session)b AND version > %(after)b", "version")

READ_KEYS = f"""
    SELECT {_COLUMNS}
    FROM unnest(%b::text[], %b::text[]) AS wanted (session, key) JOIN {{log}}.event USING (session, key)
"""

READ_SUBJECT = f"""
    SELECT {_COLUMNS} FROM {{log}}.event WHERE session = ANY (%b::text[]) AND subject = %b ORDER BY position
"""

# The same for the subject that has an index of its own, which is used only where the statement names it.
READ_SUBJECT_SESSION = f"""
    SELECT {_COLUMNS} FROM {{log}}.event WHERE session = ANY (%b::text[]) AND subject = 'session' ORDER BY position
"""

READ_HEADS = """
    SELECT session, subject, version
    FROM unnest(%b::text[], %b::text[]) AS wanted (session, subject) JOIN {log}.head USING (session, subject)
"""

READ_PRODUCERS = """
    SELECT session, producer, epoch, last_seq, position
    FROM unnest(%b::text[], %b::text[]) AS wanted (session, producer) JOIN {log}.producer USING (session, producer)
"""

LIST_SESSIONS = """
    SELECT session, version FROM {log}.head
    WHERE subject = '' AND session >= %(prefix)b AND session < %(end)b AND session > %(after)b
    ORDER BY session LIMIT %(limit)b
"""

READ_LIVE = "SELECT session FROM {log}.live WHERE session > %b ORDER BY session LIMIT %b"

READ_TRACKING = "SELECT position FROM {log}.tracking WHERE name = %b"

WRITE_SNAPSHOT = """
    INSERT INTO {log}.snapshot (session, version, code, data)
    VALUES (%(session)s, %(version)s, %(code)s, %(data)b)
    ON CONFLICT (session) DO UPDATE
    SET version = excluded.version, code = excluded.code, data = excluded.data
    WHERE snapshot.code <> excluded.code OR snapshot.version < excluded.version
"""
