"""Server-sent events: the same subscriptions over a plain HTTP response (WHATWG HTML §9.2)."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from weakref import WeakSet

from aiohttp import HttpVersion11, web

from ...domain.errors import Invalid
from ...domain.ids import SessionId
from ...projections.authoring.projection import AnyProjection
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..delivery.event_filter import EVERY_SESSION
from ..delivery.sse_encoder import SSE
from ..delivery.subscriber import GroupKey
from ..liveness.open_request import OpenRequest
from ..protocol.close_codes import SHUTDOWN, TOKEN_EXPIRED
from ..protocol.queries import events_query, events_start
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenants import TENANT, Tenants
from ..views.access import viewer_of
from ..views.document_follower import DocumentFollower
from .slow_consumers import LINGER_S, SlowConsumers
from .sse_connection import STREAM_SUB, SseConnection
from .subscription import ConnectionSubscription, DocumentSubscription, EventSubscription

INSPECT_EVERY_S = 0.5
NOT_STORED = {"Cache-Control": "no-store"}
MAX_ETAG_CHARS = 64


class SseServer:
    """Opens streams and keeps them until they end."""

    def __init__(self, settings: Settings, tenants: Tenants, auth: Authenticator, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._settings = settings
        self._tenants = tenants
        self._auth = auth
        self._connections: dict[SseConnection, float] = {}
        self._lingering: WeakSet[SseConnection] = WeakSet()
        self.slow_consumers = SlowConsumers(settings.slow_after)

    def __len__(self) -> int:
        return len(self._connections)

    def by_kind(self) -> Counter[str]:
        """How many there are of each kind."""
        return Counter({"stream": 0, **Counter(each.kind for each in self._connections)})

    async def follow_events(self, request: web.Request, session: SessionId | None) -> web.StreamResponse:
        """Follow a session, or with None the whole log, until the client goes."""
        principal = self._auth.of_request(request)
        if session is not None:
            principal.require_read(session)
        query = events_query(request)
        if query.before is not None:
            raise Invalid("A stream goes forwards; `before` asks for a page.")
        tenant = await self._tenants.of_request(request, principal)
        after = events_start(request, query, session, tenant.log.epoch)
        connection = SseConnection(transport_of(request))
        key = GroupKey(STREAM_SUB, SSE, query.filter(EVERY_SESSION if session is not None else principal.read))
        viewer = await principal.viewer(tenant.log, session)
        cursor = await tenant.feed.follow(session, after, key, viewer, connection)
        try:
            return await self.serve(request, connection, principal, EventSubscription(tenant.feed, cursor))
        finally:
            # It holds the topic since `follow`, though the client may have gone before the subscription began.
            tenant.feed.end(cursor)

    async def follow_document(
        self, request: web.Request, principal: Principal, projection: AnyProjection, key: str
    ) -> web.StreamResponse:
        """Follow a document until the client goes. `Last-Event-ID` says which one the client has."""
        tenant = await self._tenants.of_request(request, principal)
        viewer = await viewer_of(principal, tenant.log, projection, key)
        connection = SseConnection(transport_of(request))
        known = request.headers.get("Last-Event-ID", "")[:MAX_ETAG_CHARS]
        follower = DocumentFollower(projection, key, viewer, connection, STREAM_SUB, SSE, known)
        subscription = DocumentSubscription(tenant.views.document_feed, [follower])
        return await self.serve(request, connection, principal, subscription)

    async def serve(
        self,
        request: web.Request,
        connection: SseConnection,
        principal: Principal,
        subscription: ConnectionSubscription,
        headers: Mapping[str, str] = NOT_STORED,
    ) -> web.StreamResponse:
        """Answer with what a subscription delivers, until the connection ends."""
        began = time.monotonic()
        try:
            response = await connection.prepare(request, headers)
            self._connections[connection] = principal.expires or float("inf")
            tenant = request[TENANT]
            tenant.connections[connection] = None
            with tenant.last_seen.hearing(principal.participant, OpenRequest(request), principal.run):
                await connection.follow(subscription)
        finally:
            # Also when the handler is cancelled, because the client has gone: nothing may be delivered to it any more.
            self._connections.pop(connection, None)
            request[TENANT].connections.pop(connection, None)
            connection.end_all()
            about = {"run": principal.run, "remote": request.remote, "seconds": round(time.monotonic() - began, 3)}
            self._telemetry.connection_ended(connection.kind, connection.code, principal, **about)
        return response

    async def inspect_connections(self) -> None:
        """Write heartbeats, and end streams that are slow or whose token has expired. Runs until it is cancelled."""
        last_heartbeat = 0.0
        while True:
            await asyncio.sleep(INSPECT_EVERY_S)
            now = time.monotonic()
            self._tenants.stall_watch.tick(now)
            heartbeat_due = now - last_heartbeat >= self._settings.heartbeat
            last_heartbeat = now if heartbeat_due else last_heartbeat
            for connection, expires in tuple(self._connections.items()):
                if self.slow_consumers.close_if_slow(connection, now, self._tenants.stall_watch.awake_since):
                    self._linger(connection)
                elif time.time() > expires:
                    connection.close_with_bye(TOKEN_EXPIRED, "Get a new token and resume.")
                    self._linger(connection)
                elif heartbeat_due and connection.open:
                    connection.beat()

    def drain(self) -> None:
        """End every stream."""
        for connection in self._lingering:
            connection.abort()
        for connection in tuple(self._connections):
            connection.close_with_bye(SHUTDOWN, "The gateway is shutting down.", 0.5)

    def _linger(self, connection: SseConnection) -> None:
        """A slow client may still find out where to resume; until then its transport's buffer is kept."""
        # Not looked at again: it would count as slow once more.
        self._connections.pop(connection, None)
        asyncio.get_running_loop().call_later(LINGER_S, connection.abort)
        self._lingering.add(connection)


def transport_of(request: web.Request) -> asyncio.Transport:
    """What a stream is written to. Raises Invalid for HTTP that has no chunks."""
    if request.transport is None or request.version < HttpVersion11:
        raise Invalid("Event streams need HTTP/1.1.")
    return request.transport
