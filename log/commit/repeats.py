"""Recognising what has been written before, by reading it back. All of this is off the fast path.

`Committer._answer_from_log` answers repeated commands with what is found here; a producer's repeats are recognised by
its last number, in `Plan`.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile

import orjson

from ...domain.envelope import decode
from ...domain.errors import Conflict, StenogramError
from ...domain.ids import SessionId, Version
from ...domain.model import Repeat
from ..engine import Engine
from ..lineage import Lineage
from ..paging import SessionReader, read_range, session_pages
from ..records import Append, Appended, ProducerState, Record
from .repetition import may_have_led_to
from .requests import Execute, Key, Outcome, Request, Write

FEW_EVENTS = 16
"""Events that are read at once of what one command caused: most cause fewer."""
DELTAS_PER_READ = 64
"""Events that are read at once where a delta is looked for."""


async def find_first_results(engine: Engine, requests: Sequence[Request]) -> dict[int, Outcome]:
    """The first results of those requests that the log has seen before, by `id()` of the request; a Conflict for a
    command whose id the same participant has used for another one."""
    keys = [key for request in requests if (key := request.key) is not None]
    found = await engine.read_keys(keys) if keys else {}
    results: dict[int, Outcome] = {}
    for request in requests:
        if (first := _first(request, found)) is not None:
            results[id(request)] = await _answer(engine, request, first)
    return results


async def find_taken(engine: Engine, requests: Sequence[Request]) -> dict[int, Outcome]:
    """Of requests that the storage refused because something of them is taken: what is known to be, with the first
    result of those that took it themselves and a Conflict for the others.

    Another process may write one of them at any moment. So places and trackings are looked at first, and keys last,
    once, together with whose they are: whatever of a request is found taken by itself, its key is found as well.
    """
    conflicts = {
        id(request): conflict
        for request in requests
        if isinstance(request, Write) and (conflict := await _find_conflict(engine, request)) is not None
    }
    found = await engine.read_keys([key for request in requests for key in request.keys])
    results: dict[int, Outcome] = {}
    for request in requests:
        if (first := _first(request, found)) is not None:
            results[id(request)] = await _answer(engine, request, first)
        elif id(request) in conflicts:
            results[id(request)] = conflicts[id(request)]
        elif (taken := next((key for key in request.keys if key in found), None)) is not None:
            results[id(request)] = _not_yours(request, taken[1])
    return results


def _first(request: Request, found: Mapping[Key, Record]) -> Record | None:
    """The record with the request's key, if it can be its own."""
    key = request.keys[0] if isinstance(request, Execute) and request.keys else request.key
    first = None if key is None else found.get(key)
    return first if first is not None and _may_be_first(request, first) else None


async def _answer(engine: Engine, request: Request, first: Record) -> Outcome:
    """The first result of a request, or a Conflict if something else was the first under its id."""
    if isinstance(request, Execute) and request.producer is not None:
        same = _says_the_same(request, first)
        return Appended((), (), repeated=True) if same else _other_numbered(request.producer.seq)
    if isinstance(request, Execute) and not _says_the_same(request, first):
        return Conflict(
            f"{first.key!r} is the id of another command of yours already; choose a new one for each.", key=first.key
        )
    return await _result(engine, request, first)


def _other_numbered(seq: int) -> Conflict:
    return Conflict(f"Append {seq} of this producer was another one; it stays as it was.")


def _not_yours(request: Request, key: str) -> Conflict:
    whose = "another participant's command" if isinstance(request, Execute) else "another event"
    return Conflict(f"{key!r} is the id of {whose} already; choose one of your own.", key=key)


def _may_be_first(request: Request, first: Record) -> bool:
    """Whether the record that has the request's key can be its own: a command's must be of the same participant, and
    one with explicit places must have taken those."""
    if isinstance(request, Execute):
        return _members(first).get("actor") == request.command.actor.id
    assert isinstance(request, Write)
    append = next(append for append in request.appends if append.drafts)
    return append.first_version is None or append.first_version == first.version


def _says_the_same(request: Execute, record: Record) -> bool:
    """Whether a record can be what the command led to first."""
    try:
        event = decode(record.data, record.position, record.session, record.version)
        return may_have_led_to(request.command, event)
    except (ValueError, KeyError, StenogramError):  # another writer stored something else
        return True


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
    return [first, *await _following(engine, first, str(first.key))]


async def _following(source: SessionReader, first: Record, cause: str) -> list[Record]:
    """The events right behind one that have this cause."""
    together: list[Record] = []
    async for page in session_pages(source, first.session, first.version, size=FEW_EVENTS):
        caused = list(takewhile(lambda record: _members(record).get("cause") == cause, page))
        together += caused
        if len(caused) < len(page):
            break
    return together


async def find_earlier(lineage: Lineage, request: Request, repeat: Repeat, upto: Version) -> Outcome:
    """The places of what was written before, in a session that had come to the version `upto`: a delta, a task of the
    same key, an answer. A Conflict for a delta that was another one."""
    session = request.sessions[0]
    found = None if repeat.index is None else await _find_delta(lineage, session, repeat, repeat.index, upto)
    if found is None:
        found = await _search(lineage, session, repeat)
    if found is None:
        return Appended((), (), repeated=True)
    if repeat.index is None:
        return Appended((found.version,), (found.position,), repeated=True)
    if isinstance(request, Execute) and not _says_the_same(request, found):
        return Conflict(f"Delta {repeat.index} was another one; its text stays as it was.", index=repeat.index)
    members = _members(found)
    behind = await _following(lineage, found, str(members["id"])) if "task" in members else ()
    together = (found, *behind)
    return Appended(tuple([each.version for each in together]), tuple([each.position for each in together]), True)


async def find_numbered(engine: Engine, request: Execute, state: ProducerState) -> Outcome:
    """What the repeat of a producer's append is answered with, the last one being `state`: that it was done; or a
    Conflict, when it was another one that had this number."""
    found = await engine.read_keys(request.keys)
    if (first := _first(request, found)) is not None:
        return await _answer(engine, request, first)
    # Nothing was written with it; or by an earlier release, without a key: then only the last one is where it is known.
    if request.producer is not None and request.producer.seq < state.seq:
        return Appended((), (), repeated=True)
    page = await engine.read_log(max(0, state.position - FEW_EVENTS), FEW_EVENTS)
    written = [each for each in page if each.position <= state.position and each.session == request.command.session]
    if state.position and written:
        # What one command wrote stands together, at one time; and what others wrote at that time does no harm here.
        last = written[-1]
        own = takewhile(lambda record: record.time == last.time, reversed(written))
        if not any(_says_the_same(request, each) for each in own):
            return _other_numbered(state.seq)
    return Appended((), (), repeated=True)


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


async def _find_conflict(engine: Engine, request: Write) -> Conflict | None:
    """An explicit place, or a tracking's position, that is taken already."""
    for append in request.appends:
        if (conflict := await _conflict(engine, append)) is not None:
            return conflict
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
