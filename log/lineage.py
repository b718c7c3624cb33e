"""Lineage: sessions read whole, also those that were forked from others.

A fork's history is shared, not copied: in the storage it begins with its `session.forked`, behind the last version that
it has in common with its origin, which may be a fork itself. Reading it from the start means reading each of these
sessions for its part. The events come out as the fork's own, in one dense order of versions; their positions stay
those of the origin.
"""

from typing import NamedTuple

from ..domain.concepts.lifecycle import SessionForked
from ..domain.envelope import decode
from ..domain.ids import SessionId, Version
from .engine import PAGE_BYTES, Engine
from .paging import ENDLESS, is_last
from .records import Record
from .weighted_cache import WeightedCache

FORKED = "session.forked"
MAX_SEGMENTS = 20_000
"""Segments that are remembered, of all sessions together."""


class HistorySegment(NamedTuple):
    """A part of a session's history: up to which version it is stored, under which session."""

    session: SessionId
    upto: int


class Lineage:
    """Reads sessions. Where nothing was forked it costs nothing over the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._cached = WeightedCache[SessionId, tuple[HistorySegment, ...]](MAX_SEGMENTS)

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        """What the engine's `read_session` would find if the session were stored whole."""
        records = await self._engine.read_session(session, after, limit)
        if records and records[0].version == after + 1:
            return records
        segments = await self._segments(session)
        if len(segments) == 1 or after >= segments[-2].upto:
            return records
        return await self._read(session, segments, max(after, 0), limit)

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        """The versions and wire forms of what `read_session` finds."""
        versions, wires = await self._engine.read_wires(session, after, limit)
        if versions and versions[0] == after + 1:
            return versions, wires
        segments = await self._segments(session)
        if len(segments) == 1 or after >= segments[-2].upto:
            return versions, wires
        records = await self._read(session, segments, max(after, 0), limit)
        return [record.version for record in records], [record.wire() for record in records]

    async def written_in(self, session: SessionId) -> tuple[SessionId, ...]:
        """The sessions in which a session's events were written: its own, and for a fork those of what it shares. None
        for a session that does not exist."""
        segments = await self._segments(session)
        if len(segments) == 1 and not await self._engine.read_session(session, 0, 1):
            return ()
        return tuple([each.session for each in segments])

    async def read_shared(self, first: Record, after: int, limit: int) -> list[Record]:
        """A page of what the session that begins with this event shares with its origin; nothing of any other event."""
        if first.type != FORKED:
            return []
        *shared, _ = await self._segments(first.session)
        if not shared or shared[-1].upto != first.version - 1:
            return []
        return await self._read(first.session, tuple(shared), after, limit)

    async def _read(
        self, session: SessionId, segments: tuple[HistorySegment, ...], after: int, limit: int
    ) -> list[Record]:
        """As many pages of as many segments as make one page."""
        found: list[Record] = []
        size = 0
        for segment in segments:
            while after < segment.upto and len(found) < limit and size < PAGE_BYTES:
                most = min(limit - len(found), segment.upto - after)
                page = await self._engine.read_session(segment.session, after, most)
                own = [record._replace(session=session) for record in page if record.version <= segment.upto]
                found += own
                size += sum([len(record.data) for record in own])
                after = own[-1].version if own else segment.upto
                if is_last(page, most):
                    after = segment.upto
        return found

    async def _segments(self, session: SessionId) -> tuple[HistorySegment, ...]:
        """Where a session's history is stored, from its start. That of a session that exists never changes."""
        known = self._cached.use(session)
        if known is not None:
            return known
        own = HistorySegment(session, ENDLESS)
        first = await self._engine.read_session(session, 0, 1)
        if not first:
            return (own,)
        segments: tuple[HistorySegment, ...] = (own,)
        origin = _origin(first[0])
        if origin is not None:
            before = await self._segments(origin.session)
            shared = [each for each in before if each.upto < origin.upto]
            segments = (*shared, HistorySegment(before[len(shared)].session, origin.upto), own)
        self._cached.put(session, segments, len(segments))
        return segments


def _origin(first: Record) -> HistorySegment | None:
    """What the session goes on from that has this as the first event of its own."""
    if first.type != FORKED or first.version == 1:
        return None
    data = decode(first.data, first.position, first.session, first.version).data
    assert isinstance(data, SessionForked)
    return HistorySegment(data.origin, Version(data.at))
