"""Views in PostgreSQL: tables named `view_…` in the schema of the log, by a few connections of their own, which all
tenants share.

Views can be rebuilt from the log at any time, so their commits do not wait for the disk (`synchronous_commit=off`):
after a crash of the server the database is as it was a moment earlier, checkpoints and all.

A process may be frozen in the midst of a transaction, and a network may swallow it. So the server ends transactions in
which nothing happens, and with them their locks, before the runner that had begun them is taken for dead. A statement
that waits for a lock gives up after as long. The limits are set within each transaction: behind a pooler nothing else
would last for one.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from ...domain.errors import ViewsFailed
from ...log.postgres.address import Address
from ...log.postgres.failures import reason_of
from ..authoring.shape import Kind, Row, Shape
from . import sql
from .connections import ViewConnections
from .database import NO_TABLES, names, statements
from .records import LAPSE_S
from .store import ViewStore

Connection = psycopg.Connection[Any]

_TYPES: dict[Kind, str] = {
    "text": 'TEXT COLLATE "C"',
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "time": 'TEXT COLLATE "C"',
    "json": "TEXT",
    "bytes": "BYTEA",
}
_HEAVY = ("text", "time", "json", "bytes")
_ARRAYS = {kind: type.removesuffix(' COLLATE "C"') + "[]" for kind, type in _TYPES.items()}
WRITERS, READERS = 3, 2
"""Connections, at most, whatever the number of views and of tenants."""
IDLE_S = 2.0
"""Seconds after which the server ends a transaction in which nothing happens, and a wait for a lock: fewer than those
after which a runner is taken for dead (`LAPSE_S`)."""
STATEMENT_S = 60.0
"""Seconds that a statement that writes may take."""
_READING = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_S:.0f}s'; SET LOCAL lock_timeout = '{IDLE_S:.0f}s'"
)
_WRITING = (
    f"SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = '{STATEMENT_S:.0f}s'; "
    f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_S:.0f}s'; SET LOCAL lock_timeout = '{IDLE_S:.0f}s'"
)
_LOCK = 0x53746576  # the advisory lock for making, promoting and dropping builds


class PostgresDatabase:
    """One schema, by a connection. Behind a pooler in transaction mode nothing outlasts a transaction."""

    def __init__(self, connection: Connection, schema: str, lapse: float) -> None:
        self.lapse = lapse
        self._connection = connection
        self._prefix = f'"{schema.replace(chr(34), chr(34) * 2)}".view_'
        self._schema = schema

    def prepare(self) -> None:
        """Make our tables, where there are none."""
        with self.arranging():
            if not self.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (self._schema,)):
                self._connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(self._schema)))
            for statement in statements(sql.SCHEMA):
                self.run(statement)

    def clock(self) -> float:
        ((now,),) = self.rows("SELECT extract(epoch FROM clock_timestamp())::double precision")
        return float(now)

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._connection.transaction():
            self._connection.execute(_WRITING, prepare=False)  # several statements cannot be prepared as one
            yield

    @contextmanager
    def arranging(self) -> Iterator[None]:
        with self.writing():
            self._connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, self._schema))
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._connection.transaction():
            self._connection.execute(_READING, prepare=False)
            yield

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(self._local(statement), values).fetchall()

    def page(self, statement: str, values: Sequence[Any], shape: Shape, most: int) -> list[Row]:
        # Cut in the database: a client takes a whole answer into memory before it can look at the first row.
        heavy = [f'coalesce(octet_length("{name}"), 0)' for name, kind, _ in shape.columns if kind in _HEAVY]
        size = " + ".join(heavy) or "0"
        summed = (
            f"SELECT *, sum({size}) OVER (ROWS UNBOUNDED PRECEDING) - ({size}) AS before_it FROM ({statement}) AS one"
        )
        return self.rows(f"SELECT {names(shape.columns)} FROM ({summed}) AS page WHERE before_it < ?", [*values, most])

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(self._local(statement), values).rowcount

    def create(self, table: str, shape: Shape) -> None:
        columns = [f'"{name}" {_TYPES[kind]}{"" if null else " NOT NULL"}' for name, kind, null in shape.columns]
        self.run(f"CREATE TABLE @{table} ({', '.join(columns)}, PRIMARY KEY ({names(shape.key)}))")
        for index in shape.indexes:
            self.run(f"CREATE INDEX ON @{table} ({names(index)})")

    def put(self, table: str, shape: Shape, rows: Sequence[Row]) -> None:
        self.run(_put(table, shape), _columns(rows))

    def remove(self, table: str, shape: Shape, places: Collection[Row]) -> None:
        given = f"SELECT * FROM {_given(shape)}"
        self.run(f"DELETE FROM @{table} WHERE ({names(shape.key)}) IN ({given})", _columns(places))

    def fetch(self, table: str, shape: Shape, places: Collection[Row]) -> list[Row]:
        if not places:
            return []
        columns = ", ".join(f't."{column.name}"' for column in shape.columns)
        wanted = f"{_given(shape)} AS wanted ({names(shape.key)})"
        return self.rows(f"SELECT {columns} FROM {wanted} JOIN @{table} t USING ({names(shape.key)})", _columns(places))

    def _local(self, statement: str) -> bytes:
        return _translated(statement, self._prefix)


class PostgresViews:
    """The views in a database: a store for each tenant's log, beside its tables, all by the same connections. `lapse`:
    seconds without a beat after which a runner is taken for dead."""

    def __init__(self, url: str, *, lapse: float = LAPSE_S) -> None:
        self._address = Address.parse(url)
        self._lapse = lapse
        self._connections = ViewConnections(self._connect, _explain, writers=WRITERS, readers=READERS, lost=_is_lost)

    def store(self, tenant: str = "") -> ViewStore:
        """The views of a tenant, not opened yet."""
        schema = (self._address.of_tenant(tenant) if tenant else self._address).schema
        return ViewStore(self._connections, lambda connection: PostgresDatabase(connection, schema, self._lapse))

    def drop(self, tenant: str) -> None:
        """Remove the schema of a tenant's views, if it is there. Raises ViewsFailed."""
        schema = self._address.of_tenant(tenant).schema
        try:
            with self._connect() as connection:
                connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))
        except psycopg.Error as error:
            raise _explain(error) from error

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._address.conninfo, autocommit=True)
        if self._address.pooler:
            connection.prepare_threshold = None
        return connection


def postgres_views(url: str, *, lapse: float = LAPSE_S) -> ViewStore:
    """The views of the log at this address, by connections of their own, not opened yet."""
    return PostgresViews(url, lapse=lapse).store()


def _is_lost(connection: Connection) -> bool:
    return connection.closed or connection.broken


@lru_cache(4_096)
def _translated(statement: str, prefix: str) -> bytes:
    return statement.replace("@bytes", "BYTEA").replace("%", "%%").replace("?", "%s").replace("@", prefix).encode()


def _put(table: str, shape: Shape) -> str:
    rest = [column.name for column in shape.columns[len(shape.key) :]]
    setting = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
    arrays = ", ".join(f"?::{_ARRAYS[column.kind]}" for column in shape.columns)
    return (
        f"INSERT INTO @{table} ({names(shape.columns)}) SELECT * FROM unnest({arrays}) "
        f"ON CONFLICT ({names(shape.key)}) DO {f'UPDATE SET {setting}' if rest else 'NOTHING'}"
    )


def _given(shape: Shape) -> str:
    kinds = [column.kind for column in shape.columns[: len(shape.key)]]
    return f"unnest({', '.join(f'?::{_ARRAYS[kind]}' for kind in kinds)})"


def _columns(rows: Collection[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _explain(error: Exception) -> Exception:
    if not isinstance(error, psycopg.Error):
        return error
    if isinstance(error, psycopg.errors.UndefinedTable) and "view_build" in str(error):
        return ViewsFailed(NO_TABLES)
    return ViewsFailed(
        "The database of the views failed. The log is not concerned; it is tried again.", fault=reason_of(error)
    )
