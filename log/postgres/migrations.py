"""The schema, as the steps that lead to it. Each is run once per log, in a transaction, under a lock.

How to add one: append it, never change one that was released. Gateways of the version before go on while it runs, so it
adds (tables, indexes, columns with a default or null) and takes nothing away; what takes away waits for a release in
which nothing uses it, and says by `serves` which gateways it leaves at work. A gateway opens a log whose schema is the
newest it knows, or a newer one that still serves it.
"""

import secrets
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from ...domain.errors import LogReadOnly, LogUnreadable
from . import sql
from .sql import within


class Migration(NamedTuple):
    """One step. `serves` is the oldest schema whose gateways can work with the one that this step makes."""

    name: str
    serves: int
    statements: tuple[str, ...]


MIGRATIONS = (
    Migration(
        "the log",
        1,
        (
            # The one row that says where the log ends. Writers advance it by compare-and-set; the space that is left
            # free in its page lets them do so without touching an index.
            """
            CREATE TABLE {log}.log (
                id smallint PRIMARY KEY CHECK (id = 1),
                position bigint NOT NULL,
                epoch text NOT NULL
            ) WITH (fillfactor = 10)
            """,
            # The events, in the column order of a Record. Names sort by their bytes, as everywhere in the product.
            """
            CREATE TABLE {log}.event (
                position bigint PRIMARY KEY,
                session text COLLATE "C" NOT NULL,
                version bigint NOT NULL,
                subject text COLLATE "C" NOT NULL,
                type text COLLATE "C" NOT NULL,
                data bytea NOT NULL,
                key text COLLATE "C",
                time bigint NOT NULL
            )
            """,
            "CREATE UNIQUE INDEX event_version ON {log}.event (session, version)",
            "CREATE UNIQUE INDEX event_key ON {log}.event (session, key) WHERE key IS NOT NULL",
            # A session's own events are few among its many: who reads them must not scan the rest.
            "CREATE INDEX event_of_session ON {log}.event (session, version) WHERE subject = 'session'",
            # The last version about each subject of a session; the subject '' stands for the session.
            """
            CREATE TABLE {log}.head (
                session text COLLATE "C" NOT NULL,
                subject text COLLATE "C" NOT NULL,
                version bigint NOT NULL,
                PRIMARY KEY (session, subject)
            ) WITH (fillfactor = 50)
            """,
            # Lists sessions without passing over their subjects. It holds no version, so appends leave it alone.
            "CREATE INDEX head_of_session ON {log}.head (session) WHERE subject = ''",
            """
            CREATE TABLE {log}.producer (
                session text COLLATE "C" NOT NULL,
                producer text COLLATE "C" NOT NULL,
                epoch bigint NOT NULL,
                last_seq bigint NOT NULL,
                position bigint NOT NULL,
                PRIMARY KEY (session, producer)
            ) WITH (fillfactor = 50)
            """,
            """
            CREATE TABLE {log}.tracking (
                name text COLLATE "C" PRIMARY KEY,
                position bigint NOT NULL
            ) WITH (fillfactor = 50)
            """,
        ),
    ),
    Migration(
        "what is live",
        1,
        (
            # Sessions in which something may happen of itself: who watches over that need not look at all the others.
            # What may be live already is marked live; the timekeeper reads each once, and unmarks the rest.
            'CREATE TABLE {log}.live (session text COLLATE "C" PRIMARY KEY)',
            """
            INSERT INTO {log}.live SELECT DISTINCT session FROM {log}.head
            WHERE subject >= 'presence:' AND subject < 'presence;'
            """,
            # The gateways that are at work, and who is attached through each, silent for how many milliseconds. Lost in
            # a crash, and no loss.
            """
            CREATE UNLOGGED TABLE {log}.gateway (
                id text COLLATE "C" PRIMARY KEY,
                beat bigint NOT NULL,
                attached text[] NOT NULL,
                silent bigint[] NOT NULL
            ) WITH (fillfactor = 50)
            """,
        ),
    ),
    Migration(
        "snapshots of state",
        1,
        (
            # What sessions come to at some version, folded: read by the code alone that made it. It is not compressed:
            # that would cost the server more than the space.
            """
            CREATE TABLE {log}.snapshot (
                session text COLLATE "C" PRIMARY KEY,
                version bigint NOT NULL,
                code text COLLATE "C" NOT NULL,
                data bytea NOT NULL
            )
            """,
            "ALTER TABLE {log}.snapshot ALTER COLUMN data SET STORAGE EXTERNAL",
        ),
    ),
)

NEWEST = len(MIGRATIONS)

# Only where there is none: IF NOT EXISTS wants the right to create schemas also where nothing is to be created.
_CREATE_SCHEMA = "CREATE SCHEMA {log}"
_CREATE_MIGRATIONS = """
    CREATE TABLE {log}.migration (
        version integer PRIMARY KEY,
        name text NOT NULL,
        serves integer NOT NULL,
        run_at timestamptz NOT NULL DEFAULT now()
    )
"""
_CREATE_LOG = "INSERT INTO {log}.log (id, position, epoch) VALUES (1, 0, %s) ON CONFLICT DO NOTHING"
_RECORD = "INSERT INTO {log}.migration (version, name, serves) VALUES (%s, %s, %s)"
# Who waits for a lock holds up everyone behind; better to fail and be run again than to stop all gateways.
_PATIENCE = "SET LOCAL lock_timeout = '5s'"

Connection = AsyncConnection[Any]


_OLDEST_SERVER = 130_000


async def check_condition(connection: Connection, writable: bool) -> None:
    """Whether the database can hold a log at all. Raises LogUnreadable, or LogReadOnly for a standby."""
    cursor = await connection.execute(sql.READ_CONDITION)
    row = await cursor.fetchone()
    assert row is not None
    read_only, encoding, server = row
    if server < _OLDEST_SERVER:
        raise LogUnreadable(f"This PostgreSQL is too old ({server // 10_000}); 13 is the oldest that works.")
    if encoding != "UTF8":
        raise LogUnreadable(f"The database's encoding is {encoding}; create one with encoding UTF8.")
    if writable and read_only:
        raise LogReadOnly("The database takes no writes: it is a standby, or set read-only. Name the primary.")


async def read_version(connection: Connection, schema: str) -> int | None:
    """The schema's version; None if there is no log. Raises LogUnreadable if there is something else, or a schema
    that this Stenogram can do nothing with."""
    ours, taken, _ = await _look_at(connection, schema)
    if not ours:
        if taken:
            raise LogUnreadable(f"The schema {schema!r} holds something else than a log; name another: ?schema=…")
        return None
    cursor = await connection.execute(within(schema, sql.READ_VERSION))
    row = await cursor.fetchone()
    version, serves = row if row is not None else (0, 0)
    if serves > NEWEST:
        raise LogUnreadable(
            f"The log {schema!r} has schema {version}, and this Stenogram works with none after {NEWEST}; upgrade it."
        )
    return int(version)


async def _look_at(connection: Connection, schema: str) -> tuple[bool, bool, bool]:
    """Whether there are migrations in the schema, anything at all, and the schema itself."""
    cursor = await connection.execute(sql.READ_SCHEMA, {"schema": schema})
    row = await cursor.fetchone()
    assert row is not None
    ours, taken, there = row
    return ours, taken, there


async def check_version(connection: Connection, schema: str) -> bool:
    """Whether there is a log that can be used; False where there is none at all. Raises LogUnreadable."""
    version = await read_version(connection, schema)
    if version is None:
        return False
    if version < NEWEST:
        raise LogUnreadable(
            f"The log {schema!r} has schema {version}, and this Stenogram needs {NEWEST}; run `stenogram migrate`."
        )
    return True


async def migrate(connection: Connection, schema: str) -> list[str]:
    """Bring a log to the newest schema, making it where there is none; returns the names of the steps that it took.

    Safe to run twice, at once, and beside gateways of the version before. Each log is brought forward whole or not at
    all."""
    async with connection.transaction():
        await connection.execute(sql.LOCK_MIGRATIONS)
        version = await read_version(connection, schema)
        if version is None:
            _, _, there = await _look_at(connection, schema)
            for statement in (_CREATE_MIGRATIONS,) if there else (_CREATE_SCHEMA, _CREATE_MIGRATIONS):
                await connection.execute(within(schema, statement))
        steps = MIGRATIONS[version or 0 :]
        await connection.execute(_PATIENCE)
        for number, step in enumerate(steps, (version or 0) + 1):
            for statement in step.statements:
                await connection.execute(within(schema, statement))
            await connection.execute(within(schema, _RECORD), (number, step.name, step.serves))
        if steps:
            await connection.execute(within(schema, _CREATE_LOG), (secrets.token_hex(8),))
    return [step.name for step in steps]
