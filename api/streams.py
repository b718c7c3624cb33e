"""Server-sent events: the same subscriptions over a plain HTTP response (WHATWG HTML §9.2).

Each block is an HTTP chunk of its own, so that blocks which are built once can be written to many transports as they
are.
"""

import asyncio
import time
from weakref import WeakSet

from aiohttp import HttpVersion11, web

from ..domain.errors import Invalid, LogFailed, StenogramError
from ..domain.ids import SessionId
from ..projections.projection import AnyProjection
from .auth import Authenticator
from .closing import SERVER_ERROR, SHUTDOWN, SLOW_CONSUMER, TOKEN_EXPIRED, Closing
from .delivery.cursor import GroupKey
from .delivery.encoding import STREAM, http_chunk
from .delivery.lens import EVERY
from .house import House, Houses
from .principal import Principal
from .query import events_place, events_query
from .settings import Settings
from .sink import Subscription, TransportSink
from .socket import LINGER
from .views.scope import viewer_of
from .views.watcher import Watcher

SSE = "text/event-stream"
HEARTBEAT = http_chunk(b": heartbeat\n\n")
NAME = "events"
MAX_KNOWN = 64


class Stream(TransportSink):
    """One response that follows one topic, or one document."""

    def __init__(self, transport: asyncio.Transport, house: House) -> None:
        super().__init__(transport, house)
        self.gone = asyncio.Event()

    def bye(self, closing: Closing, reason: str, retry_after: float) -> None:
        """Say why the stream ends; then write nothing more. The block's id is where to resume."""
        frame = {"frame": "bye", "code": closing.name, "reason": reason, "retry_after": retry_after}
        self.write(STREAM.notice(frame, self._place().encode()))
        self.end_all()

    def _place(self) -> str:
        subscription = self.subscriptions.get(NAME)
        if subscription is None:
            return "0"
        return subscription.watchers[0].known if subscription.watchers else str(subscription.place())

    def fail(self, error: BaseException) -> None:
        """A page cannot be read: end the stream; the client resumes."""
        problem = error if isinstance(error, StenogramError) else LogFailed(f"Reading the log failed: {error!r}.")
        self.bye(SERVER_ERROR, problem.detail, 1.0)

    def end_all(self) -> None:
        """End the subscription, and with it the response."""
        super().end_all()
        self.gone.set()


class Streams:
    """Opens streams and keeps them until they end."""

    def __init__(self, settings: Settings, houses: Houses, auth: Authenticator) -> None:
        self._settings = settings
        self._houses = houses
        self._auth = auth
        self._streams: dict[Stream, float] = {}
        self._parting: WeakSet[Stream] = WeakSet()
        self.slow = 0
        """Streams that were ended because their clients did not take what came."""

    def __len__(self) -> int:
        return len(self._streams)

    async def serve(self, request: web.Request, session: SessionId | None) -> web.StreamResponse:
        """Follow a session, or with None the whole log, until the client goes."""
        principal = self._auth.of_request(request)
        if session is not None:
            principal.require("read", session)
        query = events_query(request)
        house = await self._houses.of(principal.tenant)
        after = events_place(request, query, session, house.log.epoch)
        stream = _stream(request, house)
        key = GroupKey(NAME, STREAM, query.lens(EVERY if session is not None else principal.read))
        cursor = await house.feed.follow(session, after, key, principal.viewer(session), stream)
        try:
            return await self._keep(request, stream, principal, Subscription({session: cursor}))
        finally:
            house.feed.end(cursor)

    async def watch_document(
        self, request: web.Request, principal: Principal, projection: AnyProjection, key: str
    ) -> web.StreamResponse:
        """Follow a document until the client goes. `Last-Event-ID` says which one the client has."""
        viewer = viewer_of(principal, projection, key)
        stream = _stream(request, await self._houses.of(principal.tenant))
        known = request.headers.get("Last-Event-ID", "")[:MAX_KNOWN]
        watcher = Watcher(projection, key, viewer, stream, NAME, STREAM, known)
        return await self._keep(request, stream, principal, Subscription({}, [watcher]))

    async def _keep(
        self, request: web.Request, stream: Stream, principal: Principal, subscription: Subscription
    ) -> web.StreamResponse:
        try:
            response = await self._prepare(request)
            self._streams[stream] = principal.expires or float("inf")
            stream.attach()
            stream.begin(NAME, subscription)
            await stream.gone.wait()
        finally:
            self._streams.pop(stream, None)
            stream.end_all()
        return response

    async def _prepare(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = SSE
        response.force_close()
        await response.prepare(request)
        await response.write(b": welcome\n\n")
        return response

    async def watch(self) -> None:
        """Heartbeats, and an end to streams that are stuck or past their token's time. Runs for ever."""
        beat = 0.0
        while True:
            await asyncio.sleep(0.5)
            now = time.monotonic()
            due = now - beat >= self._settings.heartbeat
            beat = now if due else beat
            for stream, expires in tuple(self._streams.items()):
                if stream.stuck_for(now) > self._settings.slow_after:
                    self.slow += 1
                    self._dismiss(stream, SLOW_CONSUMER, "No progress; resume from the id of this block.")
                elif time.time() > expires:
                    self._dismiss(stream, TOKEN_EXPIRED, "Get a new token and resume.")
                elif due and stream.open:
                    stream.write(HEARTBEAT)

    def drain(self) -> None:
        """End every stream."""
        for stream in self._parting:
            stream.abort()
        for stream in tuple(self._streams):
            stream.bye(SHUTDOWN, "The gateway is shutting down.", 0.5)

    def _dismiss(self, stream: Stream, closing: Closing, reason: str) -> None:
        """A slow client may still find out where to resume; until then its transport's buffer is kept."""
        self._streams.pop(stream, None)
        stream.bye(closing, reason, 0.0)
        asyncio.get_running_loop().call_later(LINGER, stream.abort)
        self._parting.add(stream)


def _stream(request: web.Request, house: House) -> Stream:
    if request.transport is None or request.version < HttpVersion11:
        raise Invalid("Event streams need HTTP/1.1.")
    return Stream(request.transport, house)
