"""The log itself, a file or a database, opened for reading beside the process that writes it."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from ...api.delivery.log_cursor import read_cursor
from ...domain.concepts.lifecycle import EMPTY, Session, SessionForked, evolve
from ...domain.envelope import decode
from ...domain.errors import BadCursor, NotFound
from ...domain.ids import Position, SessionId, Version
from ...log.log import Log
from ...log.paging import listed_sessions
from ...log.records import ANYTHING, Record
from ...log.storage import Storage
from .port import AtMoment, Page, Summary

if TYPE_CHECKING:
    from ...projections.authoring.projection import AnyProjection

PAGE_EVENTS = 1_000
PAGE_SESSIONS = 200


class LocalSource:
    """Reads one log, all of it: audiences do not apply to those who can read its storage."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._storage = Storage(address)
        self._log = Log(self._storage.engine(read_only=True))

    async def __aenter__(self) -> Self:
        await self._log.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._log.__aexit__(*exc)

    async def sessions(self, prefix: str) -> AsyncIterator[Summary]:
        async for page in listed_sessions(self._log.engine, prefix, size=PAGE_SESSIONS):
            known: dict[SessionId, Session] = {session: EMPTY for session, _ in page}
            for record in await self._log.engine.read_subject(list(known), "session"):
                event = decode(record.data, record.position, record.session, record.version)
                known[record.session] = evolve(known[record.session], event)
            for session, version in page:
                state = known[session]
                yield Summary(session, version, state.title, state.status, state.labels)

    async def version(self, session: SessionId) -> Version:
        heads = await self._log.engine.read_heads([(session, ANYTHING)])
        if (session, ANYTHING) not in heads:
            raise NotFound(f"There is no session {session!r} in {self._storage}; `stenogram sessions` lists them.")
        return heads[session, ANYTHING]

    async def origins(self, session: SessionId) -> list[SessionId]:
        await self.version(session)
        (first,) = await self._log.engine.read_session(session, 0, 1)
        own = decode(first.data, first.position, first.session, first.version).data
        named = [own.origin] if isinstance(own, SessionForked) else []
        return [each for each in (*await self._log.written_in(session), *named) if each != session]

    async def read(self, session: SessionId, after: int, *, follow: bool = False) -> AsyncIterator[Page]:
        position = self._log.position
        end = await self.version(session)
        if after > end:
            raise BadCursor(f"Session {session!r} stands at version {end}; there is nothing after {after} yet.")
        while True:
            versions, wires = await self._log.read_wires(session, after, PAGE_EVENTS)
            if not versions:
                break
            yield wires
            after = versions[-1]
        if follow:
            async for records in self._log.follow(position):
                new = [record for record in records if record.session == session and record.version > after]
                if new:
                    yield _wire(new)
                    after = new[-1].version

    async def views(
        self, session: SessionId, projections: "Sequence[AnyProjection]", at: AtMoment | None = None
    ) -> list[Any]:
        from . import folding
        from .kept_views import kept_views

        kept: dict[str, Any] = {}
        if at is None:
            kept = await kept_views(self._log, self._address, session, await self.version(session), projections)
        rest = [each for each in projections if each.name not in kept]
        folded = iter(await folding.fold_views(self.read(session, 0), rest, at) if rest else [])
        return [kept[each.name] if each.name in kept else next(folded) for each in projections]

    async def read_all(self, after: str = "0", *, last: int | None = None, follow: bool = False) -> AsyncIterator[Page]:
        position = self._position(after) if last is None else Position(max(self._log.position - last, 0))
        if follow:
            async for records in self._log.follow(position):
                yield _wire(records)
        while records := await self._log.engine.read_log(position, PAGE_EVENTS):
            yield _wire(records)
            position = records[-1].position

    def _position(self, cursor: str) -> Position:
        if cursor.isdecimal():  # this log has no cursors of its own to hand out; its events name their positions
            position = int(cursor)
        else:
            try:
                place = read_cursor(cursor, self._log.epoch)
            except BadCursor as error:
                raise BadCursor(f"{cursor!r} is no place of {self._storage}. {error.detail}") from None
            position = self._log.position if place == "end" else int(place)
        if position > self._log.position:
            raise BadCursor(f"The log stands at position {self._log.position}; there is nothing after {cursor} yet.")
        return Position(position)


def _wire(records: list[Record]) -> Page:
    return [record.wire() for record in records]
