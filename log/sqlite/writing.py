"""One batch, one statement: how the log's file is written. All of this runs in the writer's thread."""

import sqlite3
from contextlib import suppress
from itertools import accumulate
from typing import Any

import orjson

from ..engine import KeyTaken, LogMoved, TrackingTaken
from ..records import Batch, Snapshot
from . import sql
from .connection import Connection
from .reading import read_head, read_log, read_tracking


def write_batch(connection: Connection, batch: Batch) -> None:
    """Commit the batch or leave the log as it was.

    Raises KeyTaken, TrackingTaken, LogMoved, and sqlite3.Error when the file fails; the connection is usable after
    each of them. A failure may have come after the commit: so the end of the log is read back, and the error is raised
    only if the batch is not there.
    """
    try:
        connection.execute(sql.WRITE_BATCH, _row(batch))
    except sqlite3.IntegrityError as error:
        refusal = _refusal(error, batch)
        if refusal is None:
            raise
        raise refusal from error
    except sqlite3.Error:
        with suppress(sqlite3.Error):
            if _is_written(connection, batch):
                return
        raise


def write_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Keep a snapshot, unless there is a later one."""
    connection.execute(sql.WRITE_SNAPSHOT, snapshot)


def _row(batch: Batch) -> tuple[int, int, str, bytes, str, str, str, str]:
    """The batch as a row of the view that writes it. Of each record it holds where its data stand within all of them,
    counted from 1 as SQLite does."""
    last, rows, joined = batch.after, [], b""
    if batch.records:
        positions, sessions, versions, subjects, types, data, keys, times = zip(*batch.records, strict=True)
        sizes = [len(each) for each in data]
        starts = accumulate(sizes[:-1], initial=1)
        rows = list(zip(positions, sessions, versions, subjects, types, starts, sizes, keys, times, strict=True))
        last, joined = positions[-1], b"".join(data)
    return (
        batch.after,
        last,
        _json(rows),
        joined,
        _json([(session, subject, version) for (session, subject), version in batch.heads.items()]),
        _json([(*producer, *state) for producer, state in batch.producers.items()]),
        _json(list(batch.tracking.items())),
        _json(list(batch.live.items())),
    )


def _json(rows: list[Any]) -> str:
    return orjson.dumps(rows).decode()


def _refusal(error: sqlite3.IntegrityError, batch: Batch) -> Exception | None:
    if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
        return KeyTaken(str(error))
    if str(error) == sql.MOVED:
        return LogMoved(f"the log is not at {batch.after}")
    if str(error) == sql.TAKEN:
        return TrackingTaken(", ".join(batch.tracking))
    return None


def _is_written(connection: Connection, batch: Batch) -> bool:
    """Whether the log ends with this batch. Only this process writes, so nothing can have come after it."""
    if not batch.records:
        return all(read_tracking(connection, name) == at for name, at in batch.tracking.items())
    last = batch.records[-1]
    at_its_end = read_head(connection).position == last.position
    return at_its_end and read_log(connection, last.position - 1, 1).records() == [last]
