"""How the log's file is read: each function is one statement, and so one consistent view of the log. (A page that
must be cut by its bytes takes three, over events that never change.)

Every answer comes as one row (why: see `sql`) and its statement ends with it, so that a connection at rest never keeps
an old state of the log alive in the write-ahead file. An answer's data must stay below SQLite's longest value, 1 GB;
that of pages stays far below. Pages are left as they came (`Packed`): who needs their records cuts them up, on the
thread, and so in the processor's cache, where they are used.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import orjson

from ...domain.ids import Position, SessionId, Version
from ..engine import PAGE_BYTES, LogHead
from ..records import ProducerState, Record, Snapshot, wire_template
from . import sql
from .connection import Connection

Pairs = Collection[tuple[str, str]]

_DATA = 5  # where a row of the gathered columns has the length of the data, and a Record the data
_END = "\U0010ffff"  # sorts after every name


class Packed(NamedTuple):
    """Records as they were read: a JSON list of their columns, and the data of all."""

    rows: str
    data: bytes

    def records(self) -> list[Record]:
        """The records, in their order."""
        records, start = [], 0
        for row in orjson.loads(self.rows):
            end = start + row[_DATA]
            row[_DATA] = self.data[start:end]
            start = end
            records.append(Record._make(row))
        return records


def read_head(connection: Connection) -> LogHead:
    ((position, epoch),) = connection.execute(sql.READ_HEAD).fetchall()
    return LogHead(position, epoch)


def read_log(connection: Connection, after: int, limit: int) -> Packed:
    return Packed(*_page(connection, sql.READ_LOG, sql.SIZES_IN_LOG, (after,), limit))


def read_session(connection: Connection, session: SessionId, after: int, limit: int) -> Packed:
    return Packed(*_page(connection, sql.READ_SESSION, sql.SIZES_IN_SESSION, (session, after), limit))


def read_wires(connection: Connection, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
    row = _page(connection, sql.READ_WIRES, sql.SIZES_IN_SESSION, (session, after), limit)
    positions, versions, sizes = map(orjson.loads, row[:3])
    data, template = row[3], wire_template(session)
    wires, start = [], 0
    for position, version, size in zip(positions, versions, sizes, strict=True):
        end = start + size
        wires.append(template % (position, version, data[start + 1 : end]))
        start = end
    return versions, wires


def read_subject(connection: Connection, sessions: Sequence[SessionId], subject: str) -> list[Record]:
    if subject == "session":
        return _records(connection, sql.READ_SUBJECT_SESSION, (_json(sessions),))
    return _records(connection, sql.READ_SUBJECT, (_json(sessions), subject))


def read_keys(connection: Connection, keys: Pairs) -> dict[tuple[SessionId, str], Record]:
    found = _records(connection, sql.READ_KEYS, (_json(keys),))
    return {(record.session, record.key): record for record in found if record.key is not None}


def read_heads(connection: Connection, subjects: Pairs) -> dict[tuple[SessionId, str], Version]:
    rows = _rows(connection, sql.READ_HEADS, subjects)
    return {(session, subject): version for session, subject, version in rows}


def read_producers(connection: Connection, producers: Pairs) -> dict[tuple[SessionId, str], ProducerState]:
    rows = _rows(connection, sql.READ_PRODUCERS, producers)
    return {(session, producer): ProducerState(*state) for session, producer, *state in rows}


def list_sessions(connection: Connection, after: str, limit: int, prefix: str) -> list[tuple[SessionId, Version]]:
    bounds = {"after": after, "prefix": prefix, "end": prefix + _END, "limit": limit}
    ((rows,),) = connection.execute(sql.LIST_SESSIONS, bounds).fetchall()
    return [(session, version) for session, version in orjson.loads(rows)]


def read_live(connection: Connection, after: str, limit: int) -> list[SessionId]:
    ((rows,),) = connection.execute(sql.READ_LIVE, (after, limit)).fetchall()
    found: list[SessionId] = orjson.loads(rows)
    return found


def read_tracking(connection: Connection, name: str) -> Position:
    found = connection.execute(sql.READ_TRACKING, (name,)).fetchall()
    return Position(found[0][0] if found else 0)


def read_snapshot(connection: Connection, session: SessionId, code: str) -> Snapshot | None:
    try:
        found = connection.execute(sql.READ_SNAPSHOT, (session, code)).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return None  # a file of an older schema, which no writer has opened since
    return Snapshot(*found[0]) if found else None


def _records(connection: Connection, statement: str, values: tuple[Any, ...]) -> list[Record]:
    return Packed(*_row(connection, statement, values)).records()


def _page(connection: Connection, statement: str, sizes: str, place: tuple[Any, ...], limit: int) -> tuple[Any, ...]:
    """The row that answers a page's statement. Unless pages are full by bytes, the sizes need not be known first:
    SQLite gives up when the data outgrow a page."""
    if not connection.full_by_bytes:
        longest = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, PAGE_BYTES)
        try:
            return _row(connection, statement, (*place, limit))
        except sqlite3.DataError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_TOOBIG:
                raise
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
    totals = list(accumulate(orjson.loads(_row(connection, sizes, (*place, limit))[0])))
    before_last = bisect_left(totals, PAGE_BYTES)
    connection.full_by_bytes = before_last + 1 < len(totals)
    return _row(connection, statement, (*place, min(before_last + 1, limit)))


def _row(connection: Connection, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    (row,) = connection.execute(statement, values).fetchall()
    return tuple(row)


def _rows(connection: Connection, statement: str, wanted: Pairs) -> list[list[Any]]:
    ((rows,),) = connection.execute(statement, (_json(wanted),)).fetchall()
    found: list[list[Any]] = orjson.loads(rows)
    return found


def _json(wanted: Collection[object]) -> str:
    return orjson.dumps(list(wanted)).decode()
