"""One batch, one statement, which also sends the NOTIFY: how the log is written, and how it is found out whether it
was."""

from typing import Any

from psycopg import AsyncConnection

from ..engine import LogMoved
from ..records import Batch
from . import sql
from .arrays import Blobs, Ints, Texts
from .identity import LogIdentity
from .notifications import payload
from .reading import read_log
from .sql import within

Connection = AsyncConnection[Any]


class Attempt:
    """Writes one batch, however often that is tried: the batch applies to one position of the log, so that one attempt
    succeeds at most, also beside one that was given up and goes on in the server."""

    def __init__(self, schema: str, identity: LogIdentity, batch: Batch, writer: str) -> None:
        self._schema = schema
        self._identity = identity
        self._batch = batch
        self._notification = payload(schema, writer)
        self._began = False

    async def __call__(self, connection: Connection, *, last: str | None = None) -> None:
        """Write; `last` is a statement to end with. Raises LogMoved if the log stands elsewhere or is another one,
        unless it was an earlier attempt that moved it."""
        batch = self._batch
        again, self._began = self._began, True
        extras = batch.producers or batch.tracking or batch.live
        statement = within(self._schema, sql.WRITE_BATCH_WITH_EXTRAS if extras else sql.WRITE_BATCH)
        cursor = await connection.execute(statement, self._identity.values | _values(batch, self._notification))
        written = cursor.rowcount == 1
        if last is not None:
            await connection.execute(last)
        if not written and not (again and await self._is_written(connection)):
            raise LogMoved(f"the log is not at {batch.after}")

    async def _is_written(self, connection: Connection) -> bool:
        """Whether the log has this batch where it would be: every event has an id of its own."""
        first = self._batch.records[:1]
        return bool(first) and await read_log(connection, self._schema, self._identity, self._batch.after, 1) == first


def _values(batch: Batch, notification: str) -> dict[str, Any]:
    records, heads = batch.records, batch.heads
    _, sessions, versions, subjects, types, data, keys, times = zip(*records, strict=True) if records else [()] * 8
    values = {
        "after": batch.after,
        "position": records[-1].position if records else batch.after,
        "notification": notification,
        "sessions": Texts(sessions),
        "versions": Ints(versions),
        "subjects": Texts(subjects),
        "types": Texts(types),
        "data": Blobs(data),
        "keys": Texts(keys),
        "times": Ints(times),
        "head_sessions": Texts([session for session, _ in heads]),
        "head_subjects": Texts([subject for _, subject in heads]),
        "head_versions": Ints(heads.values()),
    }
    return values | _extras(batch) if batch.producers or batch.tracking or batch.live else values


def _extras(batch: Batch) -> dict[str, Any]:
    producers, tracking = batch.producers, batch.tracking
    return {
        "producer_sessions": Texts([session for session, _ in producers]),
        "producers": Texts([producer for _, producer in producers]),
        "epochs": Ints([state.epoch for state in producers.values()]),
        "seqs": Ints([state.seq for state in producers.values()]),
        "producer_positions": Ints([state.position for state in producers.values()]),
        "names": Texts(tracking),
        "tracked": Ints(tracking.values()),
        "living": Texts([session for session, live in batch.live.items() if live]),
        "resting": Texts([session for session, live in batch.live.items() if not live]),
    }
