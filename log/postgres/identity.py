"""Whether the log is still the one that this process knows: nobody may go on with a log that has lost events.

A primary that takes over without the last commits of the one before (asynchronous replication), or a backup that was
restored under running gateways, gives places that have been handed out to other events. So a process remembers the
last event that it has seen, the log's *identity*. Reads of events in order find nothing in a log that does not have
that event at its place, and a batch is not written to one. Who finds nothing asks why (`check`), and who waits asks
every second.

One event identifies all before it: an event is written only behind the one that its writer knew as the last.
"""

import secrets
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import CannotConnectNow, ReadOnlySqlTransaction

from ...domain.errors import LogReplaced
from ...domain.ids import Position
from ..records import Record
from . import sql
from .sql import within

Connection = AsyncConnection[Any]

_HEAD = sql.HEAD_BYTES


class LogIdentity(NamedTuple):
    """The last event that was seen, told from any other by its place, its time and the beginning of its data, where its
    id stands; and the epoch of its log."""

    epoch: str
    position: Position
    session: str = ""
    version: int = 0
    time: int = 0
    head: bytes = b""

    def followed_by(self, record: Record) -> "LogIdentity":
        """What is known after this event was seen, if it is a later one."""
        if record.position <= self.position:
            return self
        return LogIdentity(
            self.epoch, record.position, record.session, record.version, record.time, record.data[:_HEAD]
        )

    @property
    def values(self) -> dict[str, Any]:
        """What the statements ask for."""
        return {f"known_{name}": value for name, value in self._asdict().items()}


UNKNOWN = LogIdentity("", Position(0))
"""Of a log that was not opened yet."""


async def check(connection: Connection, schema: str, identity: LogIdentity, writable: bool) -> LogIdentity:
    """Where the log ends. Raises LogReplaced if it is not the known one; one who may write gives it a new
    epoch then, so that no place that was handed out before leads to another event.

    If the log is to be written, a server that takes no writes is the wrong one: after a failover another connection
    may lead to the primary. If it is only read, the server may be a standby that has not come so far."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(within(schema, sql.READ_END), identity.values)
    ((is_same_log, read_only, *end),) = await cursor.fetchall()
    if writable and read_only:
        raise ReadOnlySqlTransaction("it takes no writes; is it a standby?")
    now = LogIdentity(*end)
    if is_same_log and identity.epoch in ("", now.epoch):
        return now
    if read_only and now.position < identity.position:
        raise CannotConnectNow("it is behind what was read elsewhere")
    if writable and identity.epoch == now.epoch:
        with suppress(psycopg.Error):  # it is not needed for noticing
            await connection.execute(within(schema, sql.REPLACE_EPOCH), {"old": now.epoch, "new": secrets.token_hex(8)})
    raise LogReplaced(
        f"The log is not the one that was known here: event {identity.position} is missing, or another one now, or it "
        "was given a new epoch. Were events lost in a failover, or an older copy restored? Restart this process."
    )
