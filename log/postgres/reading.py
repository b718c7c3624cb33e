"""How the log is read: each function is one statement, and so one consistent view of the log."""

from collections.abc import Collection, Sequence
from typing import Any

from psycopg import AsyncConnection

from ...domain.ids import Position, SessionId, Version
from ..records import GatewayHeartbeat, ProducerState, Record, Snapshot, wire_template
from . import sql
from .arrays import Ints, Texts
from .identity import LogIdentity
from .sql import within

Connection = AsyncConnection[Any]
Pairs = Collection[tuple[str, str]]

_END = "\U0010ffff"  # sorts after every name


async def read_log(connection: Connection, schema: str, identity: LogIdentity, after: int, limit: int) -> list[Record]:
    return await _records(connection, schema, sql.READ_LOG, {**identity.values, "after": after, "limit": limit})


async def read_session(
    connection: Connection, schema: str, identity: LogIdentity, session: SessionId, after: int, limit: int
) -> list[Record]:
    values = {**identity.values, "session": session, "after": after, "limit": limit}
    return await _records(connection, schema, sql.READ_SESSION, values)


async def read_wires(
    connection: Connection, schema: str, identity: LogIdentity, session: SessionId, after: int, limit: int
) -> tuple[list[int], list[bytes]]:
    values = {**identity.values, "session": session, "after": after, "limit": limit}
    rows = await _rows(connection, schema, sql.READ_WIRES, values)
    template = wire_template(session)
    return [row[0] for row in rows], [template % (position, version, data[1:]) for version, position, data in rows]


async def read_subject(
    connection: Connection, schema: str, sessions: Sequence[SessionId], subject: str
) -> list[Record]:
    if subject == "session":
        return await _records(connection, schema, sql.READ_SUBJECT_SESSION, (Texts(sessions),))
    return await _records(connection, schema, sql.READ_SUBJECT, (Texts(sessions), subject))


async def read_keys(connection: Connection, schema: str, keys: Pairs) -> dict[tuple[SessionId, str], Record]:
    found = await _records(connection, schema, sql.READ_KEYS, _columns(keys))
    return {(record.session, record.key): record for record in found if record.key is not None}


async def read_heads(connection: Connection, schema: str, subjects: Pairs) -> dict[tuple[SessionId, str], Version]:
    rows = await _rows(connection, schema, sql.READ_HEADS, _columns(subjects))
    return {(session, subject): version for session, subject, version in rows}


async def read_producers(
    connection: Connection, schema: str, producers: Pairs
) -> dict[tuple[SessionId, str], ProducerState]:
    rows = await _rows(connection, schema, sql.READ_PRODUCERS, _columns(producers))
    return {(session, producer): ProducerState(*state) for session, producer, *state in rows}


async def list_sessions(
    connection: Connection, schema: str, after: str, limit: int, prefix: str
) -> list[tuple[SessionId, Version]]:
    bounds = {"after": after, "prefix": prefix, "end": prefix + _END, "limit": limit}
    return await _rows(connection, schema, sql.LIST_SESSIONS, bounds)


async def read_live(connection: Connection, schema: str, after: str, limit: int) -> list[SessionId]:
    return [session for (session,) in await _rows(connection, schema, sql.READ_LIVE, (after, limit))]


async def read_snapshot(connection: Connection, schema: str, session: SessionId, code: str) -> Snapshot | None:
    rows = await _rows(connection, schema, sql.READ_SNAPSHOT, {"session": session, "code": code})
    return Snapshot._make(rows[0]) if rows else None


async def write_snapshot(connection: Connection, schema: str, snapshot: Snapshot) -> None:
    await connection.execute(within(schema, sql.WRITE_SNAPSHOT), snapshot._asdict())


async def is_standby(connection: Connection) -> bool:
    cursor = await connection.execute(sql.READ_IS_STANDBY)
    ((found,),) = await cursor.fetchall()
    return bool(found)


async def exchange_heartbeats(
    connection: Connection, schema: str, own: GatewayHeartbeat, gone: Collection[str]
) -> list[GatewayHeartbeat]:
    attached, silent = Texts(own.attached), Ints(own.attached.values())
    values = {"gateway": own.gateway, "beat": own.beat, "attached": attached, "silent": silent, "gone": Texts(gone)}
    rows = await _rows(connection, schema, sql.EXCHANGE_HEARTBEATS, values)
    return [
        GatewayHeartbeat(gateway, beat, dict(zip(attached, silent, strict=True)))
        for gateway, beat, attached, silent in rows
    ]


async def read_time(connection: Connection) -> float:
    cursor = await connection.cursor(binary=True).execute(sql.READ_TIME)
    return float((await cursor.fetchall())[0][0])


async def read_tracking(connection: Connection, schema: str, name: str) -> Position:
    rows = await _rows(connection, schema, sql.READ_TRACKING, (name,))
    return Position(rows[0][0] if rows else 0)


async def _rows(connection: Connection, schema: str, statement: str, values: Any) -> list[Any]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(within(schema, statement), values)
    return await cursor.fetchall()


async def _records(connection: Connection, schema: str, statement: str, values: Any) -> list[Record]:
    return list(map(Record._make, await _rows(connection, schema, statement, values)))


def _columns(pairs: Pairs) -> tuple[Texts, Texts]:
    """PostgreSQL keeps no NUL in a text, so nothing in the log has one in its name."""
    possible = [pair for pair in pairs if "\0" not in pair[1]]
    return Texts([first for first, _ in possible]), Texts([second for _, second in possible])
