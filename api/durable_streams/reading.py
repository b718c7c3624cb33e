"""`GET` and `HEAD`: what is there, what comes next, and where the stream ends."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from aiohttp import web

from ...domain.errors import Gone, Invalid
from ...log.log import Log
from ..access.principal import Principal
from ..delivery.event_filter import EventFilter
from ..delivery.subscriber import GroupKey
from ..liveness.open_request import OpenRequest
from ..tenants.tenant import Tenant
from ..transport.answer_budget import SplicedResponse, reserve_answer
from ..transport.sse_connection import STREAM_SUB
from ..transport.sse_server import SseServer, transport_of
from ..transport.subscription import EventSubscription
from .chunks import place_in, read_chunk
from .content import joined
from .live_cursor import next_cursor, read_cursor
from .offsets import NOW, START, read_offset, write_offset
from .paths import session_of
from .readable import Readable, find_readable
from .service import StreamService, about, end_of, renew
from .sse_blocks import StreamBlock, StreamEncoder, block
from .sse_connection import StreamConnection

LONG_POLL, SSE = "long-poll", "sse"
KEPT = "private, max-age=60, stale-while-revalidate=300"
"""What is full never changes."""
CHECKED = "private, no-cache"
"""What ends where the stream ends may have more behind it at any moment."""


class ReadQuery(NamedTuple):
    """Where to begin, whether to wait for more, and the cursor of the answer before."""

    offset: str
    live: str | None
    cursor: int | None


def read_query(request: web.Request) -> ReadQuery:
    """Read a query; what it says besides is for others. Raises Invalid."""
    for name in ("offset", "live"):
        if len(request.query.getall(name, ())) > 1:
            raise Invalid(f"The parameter {name!r} is given twice.")
    live, offset = request.query.get("live"), request.query.get("offset")
    if live not in (None, LONG_POLL, SSE):
        raise Invalid("`live` is long-poll or sse.")
    if live is not None and offset is None:
        raise Invalid("A live read needs an `offset`; -1 is the start, `now` the end.")
    return ReadQuery(START if offset is None else offset, live, read_cursor(request.query.get("cursor")))


class StreamReader:
    """Handlers of reads."""

    def __init__(self, service: StreamService, sse_server: SseServer) -> None:
        self._service = service
        self._sse_server = sse_server

    async def head(self, request: web.Request) -> web.Response:
        """`HEAD`: does not count as a read."""
        principal, session = self._service.auth.of_request(request), session_of(request)
        principal.require_read(session)
        log = (await self._service.current(request, principal)).log
        stream = await find_readable(log, session, principal)
        return web.Response(headers={**about(stream, log.epoch), "Cache-Control": "no-store"})

    async def read(self, request: web.Request) -> web.StreamResponse:
        """`GET`: what is there, or live."""
        principal, session = self._service.auth.of_request(request), session_of(request)
        principal.require_read(session)
        query = read_query(request)
        tenant = await self._service.current(request, principal)
        log = tenant.log
        offset = read_offset(query.offset, log.epoch)
        stream = await find_readable(log, session, principal)
        place = stream.tail if offset == NOW else place_in(stream, int(offset))
        await renew(log, session, stream.stream)
        if query.live == SSE:
            return await self._follow(request, tenant, principal, stream, place, query.cursor)
        headers: dict[str, str] = {}
        if query.live == LONG_POLL:
            if place >= stream.tail and not stream.closed:
                with tenant.last_seen.hearing(principal.participant, OpenRequest(request), principal.run):
                    stream = await self._wait(log, stream, place, principal)
            headers["Stream-Cursor"] = str(next_cursor(query.cursor))
            if place >= stream.tail:
                return _nothing_yet(stream, place, log.epoch, headers)
        return await _answer(request, log, stream, place, principal, headers)

    async def _wait(self, log: Log, stream: Readable, place: int, principal: Principal) -> Readable:
        """The stream, once there is something behind the place, it is closed, or that was waited for in vain."""

        async def more() -> Readable | None:
            found = await find_readable(log, stream.session, principal)
            if found.since != stream.since:
                raise Gone("The stream was deleted, and there is another one of its name.")
            return found if found.tail > place or found.closed else None

        seconds = principal.valid_for(self._service.settings.durable_streams_poll)
        found = await self._service.waits.until(log, stream.session, seconds, more)
        principal.require_valid()
        return found or stream

    async def _follow(
        self,
        request: web.Request,
        tenant: Tenant,
        principal: Principal,
        stream: Readable,
        place: int,
        cursor: int | None,
    ) -> web.StreamResponse:
        log, own = tenant.log, stream.parts[-1]
        # Not behind the last content: the event that closes the stream is to be delivered.
        after = max(min(place, stream.tail) - own.shift, own.after)
        encoder = StreamEncoder(stream.session, stream.since, own.shift, stream.form)
        key = GroupKey(STREAM_SUB, encoder, EventFilter())
        inherited = _inherited(log, stream, place, principal)
        connection = StreamConnection(transport_of(request), log.epoch, max(place, stream.start), cursor, inherited)
        viewer = await principal.viewer(log, stream.session)
        followed = await tenant.feed.follow(stream.session, after, key, viewer, connection)
        connection.cursor = followed
        headers = {"Cache-Control": "no-cache, no-store"}
        if stream.form == "bytes":
            headers["Stream-SSE-Data-Encoding"] = "base64"
        try:
            subscription = EventSubscription(tenant.feed, followed)
            return await self._sse_server.serve(request, connection, principal, subscription, headers)
        finally:
            tenant.feed.end(followed)  # also where the client has gone before the subscription began


async def _inherited(log: Log, stream: Readable, place: int, principal: Principal) -> AsyncIterator[StreamBlock]:
    """What a stream has of others, behind the place: only its own events can be followed."""
    own = stream.parts[-1]
    begin = own.after + own.shift
    others = stream._replace(parts=stream.parts[:-1], tail=begin, end=begin)
    while place < begin and others.parts:
        chunk = await read_chunk(log, others, place, principal)
        yield block(chunk.messages, stream.form, -1, chunk.to)
        place = chunk.to


def _nothing_yet(stream: Readable, place: int, epoch: str, headers: dict[str, str]) -> web.Response:
    ends = {**end_of(stream, epoch), "Stream-Next-Offset": write_offset(max(place, stream.tail), epoch)}
    about = {**headers, **ends, "Stream-Up-To-Date": "true", "Cache-Control": "no-store"}
    return web.Response(status=204, headers=about)


async def _answer(
    request: web.Request, log: Log, stream: Readable, place: int, principal: Principal, headers: dict[str, str]
) -> web.StreamResponse:
    await reserve_answer(request)
    chunk = await read_chunk(log, stream, place, principal)
    offset, upto = write_offset(place, log.epoch), write_offset(chunk.to, log.epoch)
    headers |= {"Stream-Next-Offset": upto, "Cache-Control": KEPT}
    at_end = chunk.to >= stream.tail
    if at_end:
        headers |= {"Stream-Up-To-Date": "true", "Cache-Control": CHECKED}
    if at_end and stream.closed:
        headers["Stream-Closed"] = "true"
    if request.query.get("offset") == NOW:
        headers["Cache-Control"] = "no-store"
    else:
        ended = ":c" if "Stream-Closed" in headers else ""
        headers["ETag"] = etag = f'"{stream.session}:{stream.since}:{offset}:{upto}{ended}"'
        known = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
        if etag in known:
            return web.Response(status=304, headers=headers)
    response = SplicedResponse(joined(chunk.messages, stream.form), "application/octet-stream", headers)
    response.headers["Content-Type"] = stream.content_type
    return response
