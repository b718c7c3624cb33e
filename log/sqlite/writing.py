"""One batch, one transaction: how the log's file is written.

Rows go in by statements of 1024, 512, … 2, 1 rows, at most one of each size below the largest: any batch
takes few statements, and there are few enough different ones to stay prepared. All of this runs in the
writer's thread.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from ..engine import KeyTaken, LogMoved, TrackingTaken
from ..records import Batch
from . import sql
from .reading import read_log, read_mark, read_tracking

_MOST_ROWS = 1024  # times 8 columns: well below SQLite's bound of 32766 parameters


def write_batch(connection: sqlite3.Connection, batch: Batch) -> None:
    """Commit the batch or leave the log as it was.

    Raises KeyTaken, TrackingTaken, LogMoved, and sqlite3.Error when the file fails; the connection is usable
    after each of them. An error of the commit itself says nothing about what is in the file: that is read
    back, and raised only if the batch is not there.
    """
    try:
        connection.execute(sql.BEGIN)
        _apply(connection, batch)
    except sqlite3.IntegrityError as error:
        _roll_back(connection)
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise KeyTaken(str(error)) from error
        raise
    except BaseException:
        _roll_back(connection)
        raise
    try:
        connection.execute(sql.COMMIT)
    except sqlite3.Error:
        _roll_back(connection)
        if not _committed(connection, batch):
            raise


def _apply(connection: sqlite3.Connection, batch: Batch) -> None:
    position = batch.records[-1].position if batch.records else batch.after
    if connection.execute(sql.ADVANCE, (position, batch.after)).rowcount != 1:
        raise LogMoved(f"the log is not at {batch.after}")
    _put(connection, sql.insert_events, batch.records)
    _put(connection, sql.move_heads, [(*head, version) for head, version in batch.heads.items()])
    _put(connection, sql.move_producers, [(*producer, *mark) for producer, mark in batch.producers.items()])
    if _put(connection, sql.move_tracking, list(batch.tracking.items())) != len(batch.tracking):
        raise TrackingTaken(", ".join(batch.tracking))


def _put(connection: sqlite3.Connection, statement: Callable[[int], str], rows: Sequence[tuple[Any, ...]]) -> int:
    """Write all rows; returns how many were written."""
    written = start = 0
    for size in _sizes(len(rows)):
        values = tuple(chain.from_iterable(rows[start : start + size]))
        written += connection.execute(statement(size), values).rowcount
        start += size
    return written


def _sizes(rows: int) -> Iterator[int]:
    while rows:
        size = min(1 << (rows.bit_length() - 1), _MOST_ROWS)
        yield size
        rows -= size


def _roll_back(connection: sqlite3.Connection) -> None:
    # Several errors roll back on their own, and a failing disk may fail at this, too: the first error is the
    # one to tell.
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute(sql.ROLLBACK)


def _committed(connection: sqlite3.Connection, batch: Batch) -> bool:
    """Whether the log ends with this batch. Only this process writes, so nothing can have come after it."""
    if not batch.records:
        return all(read_tracking(connection, name) == at for name, at in batch.tracking.items())
    last = batch.records[-1]
    at_its_end = read_mark(connection).position == last.position
    return at_its_end and read_log(connection, last.position - 1, 1) == [last]
