"""Server-sent events: the same subscriptions over a plain HTTP response (WHATWG HTML §9.2).

Each block is an HTTP chunk of its own, so that blocks which are built once can be written to many transports as they
are.
"""

import asyncio
import time
from weakref import WeakSet

from aiohttp import HttpVersion11, web

from ...domain.errors import Invalid, LogFailed, StenogramError
from ...domain.ids import SessionId
from ...projections.authoring.projection import AnyProjection
from ..access.auth import Authenticator
from ..access.principal import Principal
from ..delivery.cursor import GroupKey
from ..delivery.encoding import STREAM, http_chunk
from ..delivery.event_filter import EVERY_SESSION
from ..http.session_queries import events_place, events_query
from ..protocol.close_codes import SERVER_ERROR, SHUTDOWN, SLOW_CONSUMER, TOKEN_EXPIRED, CloseCode
from ..settings import Settings
from ..tenants import Tenant, Tenants
from ..views.access import viewer_of
from ..views.document_follower import DocumentFollower
from .sink import Subscription, TransportSink
from .websocket import LINGER

SSE = "text/event-stream"
HEARTBEAT = http_chunk(b": heartbeat\n\n")
NAME = "events"
MAX_KNOWN = 64


class SseConnection(TransportSink):
    """One response that follows one topic, or one document."""

    def __init__(self, transport: asyncio.Transport, tenant: Tenant) -> None:
        super().__init__(transport, tenant)
        self.gone = asyncio.Event()

    def bye(self, closing: CloseCode, reason: str, retry_after: float) -> None:
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


class SseServer:
    """Opens streams and keeps them until they end."""

    def __init__(self, settings: Settings, tenants: Tenants, auth: Authenticator) -> None:
        self._settings = settings
        self._tenants = tenants
        self._auth = auth
        self._streams: dict[SseConnection, float] = {}
        self._parting: WeakSet[SseConnection] = WeakSet()
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
        tenant = await self._tenants.of(principal.tenant)
        after = events_place(request, query, session, tenant.log.epoch)
        stream = _stream(request, tenant)
        key = GroupKey(NAME, STREAM, query.filter(EVERY_SESSION if session is not None else principal.read))
        viewer = principal.log_viewer if session is None else await principal.viewer(tenant.log, session)
        cursor = await tenant.feed.follow(session, after, key, viewer, stream)
        try:
            return await self._keep(request, stream, principal, Subscription({session: cursor}))
        finally:
            tenant.feed.end(cursor)

    async def watch_document(
        self, request: web.Request, principal: Principal, projection: AnyProjection, key: str
    ) -> web.StreamResponse:
        """Follow a document until the client goes. `Last-Event-ID` says which one the client has."""
        tenant = await self._tenants.of(principal.tenant)
        viewer = await viewer_of(principal, tenant.log, projection, key)
        stream = _stream(request, tenant)
        known = request.headers.get("Last-Event-ID", "")[:MAX_KNOWN]
        watcher = DocumentFollower(projection, key, viewer, stream, NAME, STREAM, known)
        return await self._keep(request, stream, principal, Subscription({}, [watcher]))

    async def _keep(
        self, request: web.Request, stream: SseConnection, principal: Principal, subscription: Subscription
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

    def _dismiss(self, stream: SseConnection, closing: CloseCode, reason: str) -> None:
        """A slow client may still find out where to resume; until then its transport's buffer is kept."""
        self._streams.pop(stream, None)
        stream.bye(closing, reason, 0.0)
        asyncio.get_running_loop().call_later(LINGER, stream.abort)
        self._parting.add(stream)


def _stream(request: web.Request, tenant: Tenant) -> SseConnection:
    if request.transport is None or request.version < HttpVersion11:
        raise Invalid("Event streams need HTTP/1.1.")
    return SseConnection(request.transport, tenant)
