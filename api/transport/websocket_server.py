"""All WebSockets of a gateway: accepting, inspecting, and draining them."""

import asyncio
import contextlib
import logging
import random
import time
from typing import Any

from aiohttp import WSMsgType, web

from ...domain.errors import Invalid, StenogramError, TooLarge
from ...domain.ids import ParticipantId
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..delivery.websocket_encoder import encoder_for
from ..loop.lazy_event import LazyEvent
from ..protocol.client_frames import Hello, parse_hello, read_frames_one_by_one
from ..protocol.close_codes import SERVER_ERROR, SHUTDOWN, SILENT, TOKEN_EXPIRED, close_code_for
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenants import Tenants
from .inbox import InboxResponse
from .slow_consumers import SlowConsumers
from .websocket_connection import WebSocketConnection, refuse_and_close

_logger = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 10.0
PING_REST_S = 0.02
"""Rest after each ping before the hello."""
INSPECT_EVERY_S = 0.5
MAX_SILENT_HEARTBEATS = 2.5
CONNECTIONS_PER_TICK = 256
"""Connections that are inspected before others get their turn."""

_NO_HANDSHAKE = (
    "This begins no WebSocket (RFC 6455 §4.1): send Connection: Upgrade, Sec-WebSocket-Version: 13, and a "
    "Sec-WebSocket-Key of 16 bytes in base64."
)


class WebSocketServer:
    """Accepts WebSockets and keeps them until they end. Each is served by its request's handler;
    `_connections` holds what is set when that is done."""

    def __init__(self, settings: Settings, tenants: Tenants, auth: Authenticator, telemetry: Telemetry) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._tenants = tenants
        self._auth = auth
        self._greeting: set[InboxResponse] = set()
        self._connections: dict[WebSocketConnection, LazyEvent] = {}
        self._draining = False
        self.slow_consumers = SlowConsumers(settings.slow_after)

    def __len__(self) -> int:
        return len(self._connections)

    def connected(self, participant: ParticipantId) -> int:
        """How many connections a participant has."""
        return sum(connection.principal.participant == participant for connection in self._connections)

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/ws`."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Invalid("This is a WebSocket; a proxy before the gateway must pass on Upgrade and Connection.")
        limit = self._settings.frame_bytes
        # Pings are answered by the connection, which charges them.
        ws = InboxResponse(compress=False, max_msg_size=limit, timeout=5.0, decode_text=False, autoping=False)
        try:
            await ws.prepare(request)
        except web.HTTPBadRequest:
            raise Invalid(_NO_HANDSHAKE) from None
        transport = request.transport
        if transport is not None:
            with contextlib.suppress(ConnectionError):
                greeted = await self._greet(ws, transport, request.remote)
                if greeted is not None:
                    connection, frames, size = greeted
                    try:
                        await self._serve(connection, frames, size)
                    finally:
                        connection.report_end(request.remote)
        return ws

    async def _greet(
        self, ws: InboxResponse, transport: asyncio.Transport, remote: str | None
    ) -> tuple[WebSocketConnection, list[Any], int] | None:
        """The connection of a client that says hello, with the frames that came behind it and their size. Its tenant
        is entered."""
        self._greeting.add(ws)
        principal = None
        try:
            raw = await self._first_message(ws)
            if raw is None:
                return None
            frames = read_frames_one_by_one(raw, self._settings.depth, self._settings.batch)
            hello = parse_hello(frames[0] if frames else None)
            principal = self._principal(hello)
            tenant = await self._tenants.use(principal.tenant)
            encoder = encoder_for(hello.frame_bytes)
            connection = WebSocketConnection(
                ws, transport, tenant, principal, self._settings, self._telemetry, hello.run, encoder
            )
        except StenogramError as error:
            self._telemetry.refused(error, principal, request="hello", remote=remote)
            await refuse_and_close(ws, error)
            return None
        finally:
            self._greeting.discard(ws)
        return connection, frames[1:], len(raw)

    async def _first_message(self, ws: InboxResponse) -> bytes | None:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):  # `receive` would begin to count again at each ping
                message = await ws.receive()
                while message.type in (WSMsgType.PING, WSMsgType.PONG):
                    if message.type is WSMsgType.PING:
                        await ws.pong(message.data)
                    await asyncio.sleep(PING_REST_S)
                    message = await ws.receive()
        except TimeoutError:
            raise Invalid(f"No hello came within {HELLO_TIMEOUT_S:g} seconds.") from None
        if ws.too_large:
            raise TooLarge(f"A message to this gateway has at most {self._settings.frame_bytes} bytes.")
        if self._draining or message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        return message.data if isinstance(message.data, bytes) else message.data.encode()

    def _principal(self, hello: Hello) -> Principal:
        claimed = hello.model_dump(exclude_none=True, exclude={"token", "frame_bytes"})
        return self._auth.principal(hello.token, claimed)

    async def _serve(self, connection: WebSocketConnection, frames: list[Any], size: int) -> None:
        done = self._connections[connection] = LazyEvent()
        tenant = connection.tenant
        tenant.connections[connection] = None
        try:
            connection.welcome()
            await connection.serve(frames, size)
        except StenogramError as error:
            connection.close_with_bye(close_code_for(error), error.detail)
        except ConnectionError:
            pass
        except Exception:  # the client gets a bye, the log the traceback, the others go on
            _logger.exception("a connection of %s failed", connection.principal.participant)
            connection.close_with_bye(SERVER_ERROR, "The gateway failed at this connection.", 1.0)
        finally:
            # No cursor may write behind the close frame, and none may stay in the feed when the handler is cancelled.
            connection.end_all()
            del tenant.connections[connection]
            tenant.leave()
            await connection.close_transport()
            del self._connections[connection]
            done.set()

    async def inspect_connections(self) -> None:
        """End connections that are slow, silent, or whose token has expired. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(INSPECT_EVERY_S)
            now, wall = time.monotonic(), time.time()
            self._tenants.stall_watch.tick(now)
            for number, connection in enumerate(tuple(self._connections), 1):
                if not connection.closed:
                    self._inspect(connection, now, wall)
                if number % CONNECTIONS_PER_TICK == 0:
                    await asyncio.sleep(0)

    def _inspect(self, connection: WebSocketConnection, now: float, wall: float) -> None:
        expires, max_silence = connection.principal.expires, MAX_SILENT_HEARTBEATS * self._settings.heartbeat
        awake_since = self._tenants.stall_watch.awake_since
        if self.slow_consumers.close_if_slow(connection, now, awake_since):
            return
        # What came while the process stood still may not have been read yet.
        if min(connection.silent_for(now), now - awake_since) > max_silence:
            connection.close_with_bye(SILENT, "Nothing came for two and a half heartbeats.")
        elif expires is not None and wall > expires:
            connection.close_with_bye(TOKEN_EXPIRED, "Get a new token and resume.")

    async def drain(self) -> None:
        """Say bye to everyone, acks first, and close all connections at once; at most `drain` seconds."""
        self._draining = True
        spread = 1 + len(self._connections) / 2_000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain), asyncio.TaskGroup() as closing:
                for ws in tuple(self._greeting):
                    closing.create_task(ws.close(code=SHUTDOWN.code, message=SHUTDOWN.name.encode()))
                for connection, done in tuple(self._connections.items()):
                    retry_after = round(random.uniform(0.1, spread), 3)
                    closing.create_task(self._drain_connection(connection, done, retry_after))

    async def _drain_connection(self, connection: WebSocketConnection, done: LazyEvent, retry_after: float) -> None:
        """Acks first, in at most half of the time that there is. One that was told `bye` before has had time enough."""
        if connection.closed:
            connection.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain / 2):
                await connection.drain()
        connection.close_with_bye(SHUTDOWN, "The gateway is shutting down.", retry_after)
        await done.wait()
