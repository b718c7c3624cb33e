"""Chains of causes inside a session: what led to an event, and what it led to.

An event names the command that led to it, or what its author said caused that: an event or a command of the session.
A command is found by its key. Events have no index by id: their ids ascend with the time at which they were made, about
as versions do, and so one is looked for near its place; a short session is looked through.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from ...domain.ids import SessionId
from ...log.engine import PAGE_BYTES
from ...log.log import Log
from ...log.paging import session_pages
from ...log.records import Record
from ...projections.seek import last_version

MAX_LINKS = 1_000
"""Events of a chain."""
MAX_READ = 20_000
"""Events that are looked through for one."""
_NEAR = 500
"""Versions on both sides of the place where an event should be: gateways' clocks differ."""
_ID, _CAUSE, _DATA = b'{"id":"', b'"cause":"', b',"data":'


class Chain(NamedTuple):
    """Events of a chain, up to `PAGE_BYTES`; whether it was followed to its end."""

    records: Sequence[Record]
    complete: bool


async def find_event(log: Log, session: SessionId, id: str) -> Record | None:
    """The event with this id, or the first one of the command with it."""
    written_in = await log.written_in(session)
    keyed = await log.engine.read_keys([(each, id) for each in written_in])
    for record in keyed.values():
        own = await log.read_session(session, record.version - 1, 1)
        if own and own[0].position == record.position:  # in a fork's origin it may be behind the fork
            return own[0]
    near = await last_version(log, session, lambda record: _id_of(record) <= id)
    found = await _look(log, session, id, max(0, near - _NEAR), near + _NEAR)
    return found or await _look(log, session, id, 0, MAX_READ)


async def causes_of(log: Log, session: SessionId, event: Record) -> Chain:
    """What led to an event: the nearest first."""
    chain: list[Record] = []
    here: Record | None = event
    size = 0
    while here is not None and len(chain) < MAX_LINKS and size < PAGE_BYTES:
        cause = _cause_of(here)
        before = None if cause is None or cause == here.key else await find_event(log, session, cause)
        # What somebody says of their event need not be true: a cause that comes later would lead in a circle.
        here = None if before is None or before.version >= here.version else before
        chain += [] if here is None else [here]
        size += 0 if here is None else len(here.data)
    return Chain(chain, here is None)


async def effects_of(log: Log, session: SessionId, event: Record) -> Chain:
    """What an event led to, directly or not, in order."""
    names, found, read, size = {_id_of(event), event.key}, list[Record](), 0, 0
    async for page in session_pages(log, session, event.version):
        for record in page:
            cause = _cause_of(record)
            if cause is not None and cause in names:
                found.append(record)
                size += len(record.data)
                names |= {_id_of(record), record.key}
        read += len(page)
        if read >= MAX_READ or len(found) > MAX_LINKS or size >= PAGE_BYTES:
            return Chain(found[:MAX_LINKS], complete=False)
        await asyncio.sleep(0)
    return Chain(found, complete=True)


async def _look(log: Log, session: SessionId, id: str, after: int, upto: int) -> Record | None:
    async for page in session_pages(log, session, after, upto):
        for record in page:
            if _id_of(record) == id:
                return record
        await asyncio.sleep(0)
    return None


def _id_of(record: Record) -> str:
    data = record.data
    if data.startswith(_ID):
        return data[len(_ID) : data.index(b'"', len(_ID))].decode()
    return str(_members(record).get("id"))


def _cause_of(record: Record) -> str | None:
    data = record.data
    if data.startswith(_ID) and _CAUSE not in data[: data.find(_DATA)]:
        return None
    cause = _members(record).get("cause")
    return cause if isinstance(cause, str) else None


def _members(record: Record) -> dict[str, Any]:
    try:
        members = orjson.loads(record.data)
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}
