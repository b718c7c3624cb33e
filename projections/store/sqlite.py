"""Views in SQLite: a file of their own beside the log's, which is theirs to lose.

They can be rebuilt from the log at any time, so that commits need not reach the disk at once
(`synchronous=NORMAL`): after a loss of power the file is as it was a moment earlier, checkpoint and all. They stand
apart from the log so that its writer never waits for them. Several processes may use the file.
"""

import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from ...domain.errors import ViewsFailed
from ...log.sqlite.failures import kind_of, reason_of
from ...log.sqlite.file import make_private
from ..authoring.shape import Kind, Row, Shape
from . import sql
from .connections import ViewConnections
from .database import names, size_of, statements
from .records import LAPSE_S
from .store import ViewStore

_TYPES: dict[Kind, str] = {
    "text": "TEXT",
    "integer": "INTEGER",
    "real": "REAL",
    "boolean": "INTEGER",
    "time": "TEXT",
    "json": "TEXT",
    "bytes": "BLOB",
}
_APPLICATION_ID = 0x53746576  # "Stev", in the header of every file of ours
_READERS = 2
_PATIENCE_S = 10.0  # seconds for which a commit waits for another process's


class SqliteDatabase:
    """A connection to the file. A write-ahead file that a long read made grow is cut back when it is used again."""

    def __init__(self, path: str, lapse: float) -> None:
        self.lapse = lapse
        self._connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA journal_size_limit = 67108864")

    def prepare(self) -> None:
        """Make our tables, where there are none. Raises ViewsFailed for another program's file."""
        with self.writing():
            ((application,),) = self.rows("PRAGMA application_id")
            ((tables,),) = self.rows("SELECT count(*) FROM sqlite_master")
            if application not in (0, _APPLICATION_ID) or (tables and not application):
                raise ViewsFailed("The file for views is another program's; name a file of its own.")
            for statement in statements(sql.SCHEMA):
                self.run(statement)
            self.run(f"PRAGMA application_id = {_APPLICATION_ID}")

    def clock(self) -> float:
        return time.monotonic()

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    arranging = writing

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(_local(statement), values).fetchall()

    def page(self, statement: str, values: Sequence[Any], shape: Shape, most: int) -> list[Row]:
        rows, size = list[Row](), 0
        for row in self._connection.execute(_local(statement), values):
            rows.append(row)
            size += size_of(row)
            if size >= most:
                break
        return rows

    def run(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        return self._connection.execute(_local(statement), values).rowcount

    def create(self, table: str, shape: Shape) -> None:
        columns = [f'"{name}" {_TYPES[kind]}{"" if null else " NOT NULL"}' for name, kind, null in shape.columns]
        self.run(f"CREATE TABLE @{table} ({', '.join(columns)}, PRIMARY KEY ({names(shape.key)}))")
        for number, index in enumerate(shape.indexes):
            self.run(f"CREATE INDEX @{table}_{number} ON @{table} ({names(index)})")

    def put(self, table: str, shape: Shape, rows: Sequence[Row]) -> None:
        # One statement, however many rows: at each step of one the interpreter's lock is let go of, and beside a busy
        # loop it takes long to win it back (see `log.db_threads`). Bytes travel beside the rest, and are cut up there.
        blobs = [index for index, column in enumerate(shape.columns) if column.kind == "bytes"]
        data, cut = list[bytes](), list[list[Any]]()
        end = 1
        for row in rows:
            values = list(row)
            for index in blobs:
                blob = row[index] or b""
                values[index] = None if row[index] is None else end
                values.append(len(blob))
                data.append(blob)
                end += len(blob)
            cut.append(values)
        self.run(_put(table, shape, blobs), {"rows": orjson.dumps(cut).decode(), "data": b"".join(data)})

    def remove(self, table: str, shape: Shape, places: Collection[Row]) -> None:
        given = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(shape.key)))
        statement = f"DELETE FROM @{table} WHERE ({names(shape.key)}) IN (SELECT {given} FROM json_each(?))"
        self.run(statement, (orjson.dumps(list(places)).decode(),))

    def fetch(self, table: str, shape: Shape, places: Collection[Row]) -> list[Row]:
        joined = " AND ".join(
            f"t.\"{name}\" = json_extract(wanted.value, '$[{number}]')" for number, name in enumerate(shape.key)
        )
        columns = ", ".join(f't."{column.name}"' for column in shape.columns)
        found = f"SELECT {columns} FROM json_each(?) AS wanted CROSS JOIN @{table} AS t ON {joined}"
        return self.rows(found, (orjson.dumps(list(places)).decode(),))

    def close(self) -> None:
        self._connection.close()


def sqlite_views(path: str | os.PathLike[str], *, lapse: float = LAPSE_S) -> ViewStore:
    """The views in the file `path`, not opened yet; the file is made where there is none. `lapse`: seconds without a
    beat after which a runner is taken for dead."""
    where = Path(path).resolve()

    def connect() -> SqliteDatabase:
        if not where.parent.is_dir():
            raise ViewsFailed(f"The directory {where.parent} does not exist; create it, or check the path.")
        make_private(where)
        return SqliteDatabase(str(where), lapse)

    return ViewStore(ViewConnections(connect, _explain, writers=1, readers=_READERS))


def memory_views(*, lapse: float = LAPSE_S) -> ViewStore:
    """Views in memory, for tests and trials; gone when they are closed."""
    database = SqliteDatabase(":memory:", lapse)
    return ViewStore(ViewConnections(lambda: database, _explain, writers=1, readers=0))


@lru_cache(1_024)
def _local(statement: str) -> str:
    return statement.replace("@bytes", "BLOB").replace("@", "view_")


def _put(table: str, shape: Shape, blobs: Sequence[int]) -> str:
    width = len(shape.columns)
    values = [f"json_extract(value, '$[{index}]')" for index in range(width)]
    for number, index in enumerate(blobs):  # substr() makes NULL of a part of nothing
        length = f"json_extract(value, '$[{width + number}]')"
        values[index] = f"iif({values[index]} IS NULL, NULL, ifnull(substr(:data, {values[index]}, {length}), x''))"
    rest = [column.name for column in shape.columns[len(shape.key) :]]
    setting = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
    return (
        f"INSERT INTO @{table} ({names(shape.columns)}) SELECT {', '.join(values)} FROM json_each(:rows) WHERE true "
        f"ON CONFLICT ({names(shape.key)}) DO {f'UPDATE SET {setting}' if rest else 'NOTHING'}"
    )


def _explain(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    if kind_of(error) == sqlite3.SQLITE_BUSY:
        what = (
            f"Another process has kept the file of the views locked for {_PATIENCE_S:.0f} s; if it is frozen, end it. "
            "Reading goes on, and what was to be written is tried again."
        )
    else:
        what = "The file of the views failed. Views can be rebuilt; the log is not concerned."
    return ViewsFailed(what, fault=reason_of(error))
