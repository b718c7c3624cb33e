"""A stream that follows a turn: what came before, what is said, and how the turn ends.

It is a subscriber like any other, whose frames another protocol's encoder makes. Only its beginning and its end are its
own. A turn that is over ends where nobody is in mid-sentence, or a while later; what is open then is closed, and whole
in the snapshot with which the next stream begins.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import orjson
from aiohttp import web

from ...domain.audience import Viewer, visible
from ...domain.envelope import decode, readers_of
from ...domain.ids import SessionId, Version
from ...domain.session import fold
from ...domain.state import State
from ...log.records import Record
from ..access.principal import Principal
from ..delivery.encoder import Encoder
from ..delivery.event_filter import EventFilter
from ..delivery.resume_point import read_resume_point, write_resume_point
from ..delivery.sse_encoder import http_chunk
from ..delivery.subscriber import GroupKey
from ..delivery.topic import Cursor
from ..protocol.close_codes import CloseCode
from ..tenants.tenant import Tenant
from ..transport.sse_connection import STREAM_SUB, SseConnection
from ..transport.sse_server import NOT_STORED, SseServer, transport_of
from ..transport.subscription import ConnectionSubscription, EventSubscription
from .followed_log import FollowedLog, followed_log
from .session_facts import SessionFacts
from .transcript import PAGE_EVENTS, Transcript
from .turn import Ending, Turn, ending_of, open_messages

LINGER_S = 10.0
"""Seconds that a turn which is over leaves to those who are in mid-sentence."""
BEHIND_S = 0.02
"""Seconds between two looks at whether a stream has come to its turn's end."""


class StreamPlace(NamedTuple):
    """Where a stream goes on: behind a version; and there, behind so many events of its beginning (`begun`), or of what
    the next version is in its protocol (`behind`)."""

    version: int | str
    behind: int = 0
    begun: int = 0


_place = re.compile(r"(.+?)(?:([_~])([0-9]{1,9}))?").fullmatch


def read_stream_place(text: str, epoch: str) -> StreamPlace:
    """The place that an id means which a stream has given. Raises BadCursor."""
    found = _place(text)
    if found is None or found[2] is None:
        return StreamPlace(read_resume_point(text, epoch))
    version = read_resume_point(found[1], epoch)
    return StreamPlace(version, **{"behind" if found[2] == "_" else "begun": int(found[3])})


class TurnProtocol(Protocol):
    """A protocol that turns are told in, over connections of one kind. All of it is for one viewer."""

    @property
    def name(self) -> str:
        """As what its connections are counted."""

    def encoder(self, followed: FollowedLog) -> Encoder:
        """Equal for all streams of the log that get the same of the same events."""

    def connection(
        self, transport: asyncio.Transport, followed: FollowedLog, turn: Turn, viewer: Viewer
    ) -> "TurnConnection":
        """A connection of the kind that the client asks for."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Of its answers, besides those of all streams."""

    async def beginning(
        self, turn: Turn, state: State, transcript: Transcript, viewer: Viewer, resume: str, begun: int = 0
    ) -> bytes:
        """What a stream begins with; `resume` is the place behind it. Where so many events of it have come, what is
        missing of it; then the transcript may go on behind the state."""

    def rest_of_event(self, facts: SessionFacts, record: Record, epoch: str, behind: int) -> bytes:
        """What is missing of an event of which so many came."""

    def ending(self, turn: Turn, state: State, ending: Ending, output: Any, viewer: Viewer, resume: str) -> bytes:
        """What it ends with, having come to this state; `output` is what the turn's task came to."""


class BegunConnection(SseConnection):
    """A stream with a beginning of its own, in a protocol that has no word for why a stream ends."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.beginning = b""

    def begin(self, sub: str, subscription: ConnectionSubscription) -> None:
        """Begin to deliver, behind the beginning."""
        if self.beginning:
            self.write(self.beginning)
            self.beginning = b""  # a stream may last for hours
        super().begin(sub, subscription)

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """End the stream; the client resumes."""
        self.code = close_code.name
        self.write(http_chunk(b": bye %s\n\n" % close_code.name.encode()))
        self.end_all()


class TurnConnection(BegunConnection):
    """One stream."""

    cursor: Cursor

    def __init__(
        self, transport: asyncio.Transport, followed: FollowedLog, turn: Turn, viewer: Viewer, protocol: TurnProtocol
    ) -> None:
        super().__init__(transport)
        self.kind = protocol.name
        self._followed = followed
        self._turn = turn
        self._viewer = viewer
        self._protocol = protocol
        self._woken = asyncio.Event()
        self._over: State | None = None
        """The session when the turn was found to be over."""

    async def follow(self, subscription: ConnectionSubscription) -> None:
        """Deliver until the turn is over, or the connection ends."""
        self._attach()
        await self._follow_turn(subscription)
        if not self.closed:
            self.code = "turn_over"
            self.end_all()

    async def _follow_turn(self, subscription: ConnectionSubscription) -> None:
        self.begin(STREAM_SUB, subscription)
        session = self.cursor.topic.session
        assert session is not None
        self._followed.watch.add(session, self._look)
        try:
            await self._until_over(session)
            await self._finish(session)
        finally:
            self._followed.watch.remove(session, self._look)

    def end_all(self) -> None:
        """End it, whatever it waits for."""
        super().end_all()
        self._woken.set()

    def _attach(self) -> None:
        self.attach()

    def _look(self) -> None:
        """Called whenever the turn may have ended. Who has nothing to see is not woken; where the session is not at
        hand, it must be looked for."""
        session = self.cursor.topic.session
        state = None if session is None else self._followed.log.cached_state(session)
        if state is None or ending_of(state, self._turn, self._viewer) is not None:
            self._woken.set()

    async def _until_over(self, session: SessionId) -> None:
        while not self.closed and not await self._is_over(session):
            await self._woken.wait()
            # Before the next look: what happens during that sets it again.
            self._woken.clear()

    async def _is_over(self, session: SessionId) -> bool:
        state = await self._followed.log.state(session)
        if ending_of(state, self._turn, self._viewer) is None:
            return False
        self._over = state
        return True

    async def _finish(self, session: SessionId) -> None:
        """Bring the stream to where the turn was over, and end it there."""
        until = time.monotonic() + LINGER_S
        while not self.closed:
            state = self._over
            if state is None or not self.open or self.cursor.place < state.version:
                await asyncio.sleep(BEHIND_S)
                continue
            state = self._over = await self._state_here(session, state)
            ending = ending_of(state, self._turn, self._viewer)
            wait = until - time.monotonic()
            if ending is None:  # a question was answered; the run's end may have come since, and woken it already
                await self._until_over(session)
            elif wait > 0 and self._in_mid_sentence(state, ending):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._woken.wait()
                self._woken.clear()
            elif state.version == self.cursor.place:  # nothing has come while the state was made
                output = await self._output(session, ending)
                if state.version == self.cursor.place and not self.closed:
                    self._end(state, ending, output)
                    break

    def _in_mid_sentence(self, state: State, ending: Ending) -> bool:
        """Whether somebody whom the viewer hears has said something only in part. Who asks waits, too."""
        asking = {each.requester for each in ending.asked}
        return any(each.author not in asking for each in open_messages(state, self._viewer))

    def _end(self, state: State, ending: Ending, output: Any) -> None:
        resume = self.cursor.topic.resume_place(state.version)
        self.end(STREAM_SUB)
        self.write(self._protocol.ending(self._turn, state, ending, output, self._viewer, resume))

    async def _state_here(self, session: SessionId, state: State) -> State:
        """The session as it was at the stream's place, which is at this state or behind it."""
        log, place = self._followed.log, self.cursor.place
        cached = log.cached_state(session)
        if cached is not None and cached.version == place:
            return cached
        while state.version < place:
            page = await log.read_session(session, state.version, PAGE_EVENTS)
            few = [each for each in page if each.version <= place]
            if not few:
                break
            state = fold(state, (decode(each.data, each.position, each.session, each.version) for each in few))
        return state

    async def _output(self, session: SessionId, ending: Ending) -> Any:
        """What the turn's task came to; None if that is nothing."""
        if ending.task is None or ending.outcome != "success":
            return None
        log, subject = self._followed.log, f"task:{ending.task.id}"
        heads = await log.engine.read_heads([(session, subject)])
        last = await log.read_session(session, heads[session, subject] - 1, 1) if heads else []
        return orjson.loads(last[0].data)["data"].get("output") if last else None


async def follow_turn(
    request: web.Request,
    streams: SseServer,
    principal: Principal,
    tenant: Tenant,
    session: SessionId,
    turn: Turn,
    protocol: TurnProtocol,
    after: StreamPlace | None,
) -> web.StreamResponse:
    """Follow a turn until it is over: from now on, with what came before, or from a place. Raises BadCursor."""
    followed = followed_log(tenant.log)
    viewer = await principal.viewer(tenant.log, session)
    connection = protocol.connection(transport_of(request), followed, turn, viewer)
    async with turn_followed(connection, tenant, session, turn, protocol, viewer, after) as subscription:
        headers = {**NOT_STORED, **protocol.headers}
        return await streams.serve(request, connection, principal, subscription, headers)


@asynccontextmanager
async def turn_followed(
    connection: TurnConnection,
    tenant: Tenant,
    session: SessionId,
    turn: Turn,
    protocol: TurnProtocol,
    viewer: Viewer,
    after: StreamPlace | None,
) -> AsyncIterator[EventSubscription]:
    """Have a connection ready to follow a turn, for the time of the block. Raises BadCursor."""
    followed = followed_log(tenant.log)
    key = GroupKey(STREAM_SUB, protocol.encoder(followed), EventFilter())
    connection.beginning = b""
    async with followed.facts.followed(session) as facts:
        if after is None:
            async with followed.transcripts.now(session) as (state, transcript):
                after = StreamPlace(state.version)
                resume = write_resume_point(tenant.log.epoch, state.version)
                connection.beginning = await protocol.beginning(turn, state, transcript, viewer, resume)
        cursor = await tenant.feed.follow(session, after.version, key, viewer, connection)
        try:
            await followed.facts.reach_back(session, facts, cursor.at)
            connection.cursor = cursor
            await _go_on(connection, followed, turn, facts, protocol, after)
            yield EventSubscription(tenant.feed, cursor)
        finally:
            tenant.feed.end(cursor)


async def _go_on(
    connection: TurnConnection,
    followed: FollowedLog,
    turn: Turn,
    facts: SessionFacts,
    protocol: TurnProtocol,
    after: StreamPlace,
) -> None:
    """Where a stream was cut within what one place is in its protocol: begin with the rest of that."""
    cursor, log = connection.cursor, followed.log
    session = cursor.topic.session
    assert session is not None
    if after.begun:
        state = await log.state_at(session, Version(cursor.at))
        resume, viewer = cursor.topic.resume_place(cursor.at), cursor.viewer
        async with followed.transcripts.now(session) as (_, transcript):
            connection.beginning = await protocol.beginning(turn, state, transcript, viewer, resume, after.begun)
    elif after.behind:
        for record in await log.read_session(session, cursor.at, 1):
            if record.version == cursor.at + 1 and visible(readers_of(record.data), cursor.viewer):
                connection.beginning = protocol.rest_of_event(facts, record, log.epoch, after.behind)
                cursor.at += 1
