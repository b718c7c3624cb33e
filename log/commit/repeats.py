"""Recognising what has been written before, by reading it back. All of this is off the fast path.

`Committer._answer_from_log` answers repeated commands with what is found here; a producer's repeats are recognised by
its last number, in `Plan`.
"""

from collections.abc import Sequence
from itertools import takewhile

import orjson

from ...domain.errors import Conflict, StenogramError
from ...domain.ids import SessionId, Version
from ...domain.model import Repeat
from ..engine import Engine
from ..lineage import Lineage
from ..paging import read_range, session_pages
from ..records import Append, Appended, Record
from .requests import Execute, Request, Write

FEW_EVENTS = 16
"""Events that are read at once of what one command caused: most cause fewer."""
DELTAS_PER_READ = 64
"""Events that are read at once where a delta is looked for."""


async def find_first_results(engine: Engine, requests: Sequence[Request]) -> dict[int, Appended]:
    """The first results of those requests that the log has seen before, by `id()` of the request."""
    keyed = [(key, request) for request in requests if (key := request.key) is not None]
    found = await engine.read_keys([key for key, _ in keyed]) if keyed else {}
    results: dict[int, Appended] = {}
    for key, request in keyed:
        first = found.get(key)
        if first is not None and _may_be_first(request, first):
            results[id(request)] = await _result(engine, request, first)
    return results


def _may_be_first(request: Request, first: Record) -> bool:
    """Whether the record that has the request's key can be its own: a command's must be of the same participant, and
    one with explicit places must have taken those."""
    if isinstance(request, Execute):
        return _members(first).get("actor") == request.command.actor.id
    assert isinstance(request, Write)
    append = next(append for append in request.appends if append.drafts)
    return append.first_version is None or append.first_version == first.version


async def _result(engine: Engine, request: Request, first: Record) -> Appended:
    """The places of everything that was appended together with `first`."""
    if isinstance(request, Write):
        together = []
        for append in request.appends:
            start = first.version if append.first_version is None else append.first_version
            together += await read_range(engine, append.session, start - 1, start - 1 + len(append.drafts))
    else:
        together = await _caused(engine, first)
    versions = tuple(record.version for record in together)
    return Appended(versions, tuple(record.position for record in together), repeated=True)


async def _caused(engine: Engine, first: Record) -> list[Record]:
    """The first event of a command, and those that follow it by the same command."""
    together: list[Record] = []
    async for page in session_pages(engine, first.session, first.version - 1, size=FEW_EVENTS):
        caused = list(takewhile(lambda record: _members(record).get("cause") == first.key, page))
        together += caused
        if len(caused) < len(page):
            break
    return together


async def find_earlier(lineage: Lineage, session: SessionId, repeat: Repeat, upto: Version) -> Appended:
    """The place of what was written before, in a session that had come to the version `upto`: a delta, a task of the
    same key, an answer."""
    found = None if repeat.index is None else await _find_delta(lineage, session, repeat, repeat.index, upto)
    if found is None:
        found = await _search(lineage, session, repeat)
    if found is None:
        return Appended((), (), repeated=True)
    return Appended((found.version,), (found.position,), repeated=True)


async def _search(lineage: Lineage, session: SessionId, repeat: Repeat) -> Record | None:
    async for page in session_pages(lineage, session, repeat.since):
        for record in page:
            if record.subject == repeat.subject and _index(record) == repeat.index:
                return record
    return None


async def _find_delta(lineage: Lineage, session: SessionId, repeat: Repeat, index: int, upto: Version) -> Record | None:
    """The delta, by halving the range that it can be in: a message's deltas follow one another in the order of their
    index. None when they do not, because two gateways wrote to the message at once."""
    # As many deltas as come before it are between the message's start and it; if nothing else is, it is right there.
    low, high = repeat.since + index, int(upto)
    middle = low
    while low < high:
        deltas, end = await _deltas_after(lineage, session, repeat.subject, middle, high)
        if index in deltas:
            return deltas[index]
        if deltas and min(deltas) < index:
            low = end
        else:
            high = middle
        middle = (low + high) // 2
    return None


async def _deltas_after(
    lineage: Lineage, session: SessionId, subject: str, after: int, upto: int
) -> tuple[dict[int, Record], int]:
    """The message's deltas, by index, on the first small page after a version that has any; and where that ends."""
    async for page in session_pages(lineage, session, after, upto, size=DELTAS_PER_READ):
        numbered = [(_index(each), each) for each in page if each.subject == subject]
        after = page[-1].version
        if deltas := {index: each for index, each in reversed(numbered) if isinstance(index, int)}:
            return deltas, after
    return {}, after


def _index(record: Record) -> object:
    data = _members(record).get("data")
    return data.get("index") if isinstance(data, dict) else None


def _members(record: Record) -> dict[str, object]:
    """The envelope's members; none when another writer stored something else."""
    try:
        members = orjson.loads(record.data)
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}


async def find_conflict(engine: Engine, request: Request) -> StenogramError | None:
    """Why this cannot be written: a key, an explicit place or a tracking's position that is taken already."""
    for append in request.appends if isinstance(request, Write) else ():
        conflict = await _conflict(engine, append)
        if conflict is not None:
            return conflict
    if request.keys and (taken := await engine.read_keys(request.keys)):
        key = next(iter(taken))[1]
        whose = "another participant's command" if isinstance(request, Execute) else "another event"
        return Conflict(f"{key!r} is the id of {whose} already; choose one of your own.", key=key)
    return None


async def _conflict(engine: Engine, append: Append) -> Conflict | None:
    if append.tracking is not None:
        name, position = append.tracking
        stands = await engine.read_tracking(name)
        if stands >= position:
            return Conflict(f"Tracking {name!r} stands at {stands} already.", tracking=name, position=stands)
    if append.first_version is not None and append.drafts:
        first, end = append.first_version, append.first_version + len(append.drafts)
        there = await engine.read_session(append.session, first - 1, 1)
        if there and there[0].version < end:
            version = there[0].version
            return Conflict(f"Session {append.session!r} has a version {version} already.", version=version)
    return None
