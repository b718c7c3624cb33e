"""Recognising what has been written before, by reading it back. All of this is off the fast path."""

from collections.abc import Sequence

import orjson

from ..domain.errors import Conflict, HansardError
from ..domain.ids import SessionId, Version
from ..domain.model import Repeat
from .engine import Engine
from .records import Appended, Record
from .requests import Request, Write

PAGE = 1_000


async def find_first_results(engine: Engine, requests: Sequence[Request]) -> dict[int, Appended]:
    """The first results of those requests that the log has seen before, by `id()` of the request."""
    keyed = {(request.session, key): request for request in requests if (key := request.key) is not None}
    if not keyed:
        return {}
    found = await engine.read_keys(list(keyed))
    return {
        id(keyed[session, key]): await _result(engine, keyed[session, key], record)
        for (session, key), record in found.items()
    }


async def _result(engine: Engine, request: Request, first: Record) -> Appended:
    """The places of everything that was appended together with `first`."""
    if isinstance(request, Write):
        last = first.version + len(request.append.drafts) - 1
        together = await engine.read_session(first.session, first.version - 1, last - first.version + 1)
    else:
        following = await engine.read_session(first.session, first.version - 1, 16)
        together = [record for record in following if orjson.loads(record.data).get("cause") == first.key]
    versions = tuple(record.version for record in together)
    return Appended(versions, tuple(record.position for record in together), repeated=True)


async def find_delta(engine: Engine, session: SessionId, repeat: Repeat) -> Appended:
    """The place of a delta that was written before."""
    after = repeat.since
    while page := await engine.read_session(session, after, PAGE):
        for record in page:
            if record.subject == repeat.subject and _index(record) == repeat.index:
                return Appended((record.version,), (record.position,), repeated=True)
        after = Version(page[-1].version)
    return Appended((), (), repeated=True)


def _index(record: Record) -> int | None:
    index: int | None = orjson.loads(record.data)["data"].get("index")
    return index


async def find_conflict(engine: Engine, request: Request) -> HansardError | None:
    """Why a write at explicit places, or a tracking, cannot be made: what stands there already."""
    if not isinstance(request, Write):
        return None
    append = request.append
    if append.tracking is not None:
        name, position = append.tracking
        if await engine.read_tracking(name) >= position:
            return Conflict(f"Tracking {name!r} stands at {position} or beyond already.", tracking=name)
    if append.first_version is not None:
        there = await engine.read_session(append.session, append.first_version - 1, len(append.drafts))
        if any(record.version < append.first_version + len(append.drafts) for record in there):
            return Conflict(
                f"Session {append.session!r} has events at these versions already.", version=append.first_version
            )
    return None
