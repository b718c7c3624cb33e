"""All WebSockets of a gateway: accepting, watching over, and draining them."""

import asyncio
import contextlib
import logging
import random
import time
from typing import Any

from aiohttp import WSMsgType, web

from ...domain.errors import Invalid, StenogramError
from ..access.auth import Authenticator
from ..access.principal import Principal
from ..loop.lazy_event import LazyEvent
from ..protocol.client_frames import Hello, parse_hello, read_frames
from ..protocol.close_codes import SERVER_ERROR, SHUTDOWN, SILENT, SLOW_CONSUMER, TOKEN_EXPIRED, close_code_for
from ..settings import Settings
from ..tenants import Tenants
from .websocket import WebSocketConnection, WebSocketResponse, turn_away

_logger = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 10.0
WATCH_INTERVAL_S = 0.5
SILENT_HEARTBEATS = 2.5
CONNECTIONS_PER_TICK = 256
"""Connections that are looked at before others get their turn."""


class WebSocketServer:
    """Accepts WebSockets and keeps them until they end. Each is served by its request's handler; `_sockets` holds what
    is set when that is done."""

    def __init__(self, settings: Settings, tenants: Tenants, auth: Authenticator) -> None:
        self._settings = settings
        self._tenants = tenants
        self._auth = auth
        self._greeting: set[WebSocketResponse] = set()
        self._sockets: dict[WebSocketConnection, LazyEvent] = {}
        self._draining = False
        self.slow = 0
        """Connections that were ended because they did not take what came."""

    def __len__(self) -> int:
        return len(self._sockets)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/ws`."""
        ws = WebSocketResponse(compress=False, max_msg_size=self._settings.frame_bytes, timeout=5.0, decode_text=False)
        await ws.prepare(request)
        transport = request.transport
        if transport is not None:
            with contextlib.suppress(ConnectionError):
                greeted = await self._greet(ws, transport)
                if greeted is not None:
                    await self._serve(*greeted)
        return ws

    async def _greet(
        self, ws: WebSocketResponse, transport: asyncio.Transport
    ) -> tuple[WebSocketConnection, list[Any], int] | None:
        """The socket of whoever says hello, with the frames that came behind it and their size."""
        self._greeting.add(ws)
        try:
            raw = await self._first_message(ws)
            if raw is None:
                return None
            frames = read_frames(raw, self._settings.depth, self._settings.batch)
            hello = parse_hello(frames[0] if frames else None)
            principal = self._principal(hello)
            tenant = await self._tenants.of(principal.tenant)
            socket = WebSocketConnection(ws, transport, tenant, principal, self._settings, hello.run)
        except StenogramError as error:
            await turn_away(ws, error)
            return None
        finally:
            self._greeting.discard(ws)
        return socket, frames[1:], len(raw)

    async def _first_message(self, ws: WebSocketResponse) -> bytes | None:
        try:
            message = await ws.receive(timeout=HELLO_TIMEOUT_S)
        except TimeoutError:
            raise Invalid(f"No hello came within {HELLO_TIMEOUT_S:g} seconds.") from None
        if self._draining or message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None
        return message.data if isinstance(message.data, bytes) else message.data.encode()

    def _principal(self, hello: Hello) -> Principal:
        claimed = {name: value for name, value in hello.model_dump(exclude_none=True).items() if name != "token"}
        return self._auth.principal(hello.token, claimed)

    async def _serve(self, socket: WebSocketConnection, frames: list[Any], size: int) -> None:
        done = self._sockets[socket] = LazyEvent()
        try:
            socket.welcome()
            await socket.serve(frames, size)
        except StenogramError as error:
            socket.dismiss(close_code_for(error), error.detail)
        except ConnectionError:
            pass
        except Exception:  # the client is told, the log has the traceback, the others go on
            _logger.exception("a connection of %s failed", socket.principal.participant)
            socket.dismiss(SERVER_ERROR, "The gateway failed at this connection.", 1.0)
        finally:
            socket.end_all()
            await socket.leave()
            del self._sockets[socket]
            done.set()

    async def watch(self) -> None:
        """End connections that are silent, stuck, or past their token's time. Runs for ever."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            now, wall = time.monotonic(), time.time()
            for number, socket in enumerate(tuple(self._sockets), 1):
                if not socket.closed:
                    self._inspect(socket, now, wall)
                if number % CONNECTIONS_PER_TICK == 0:
                    await asyncio.sleep(0)

    def _inspect(self, socket: WebSocketConnection, now: float, wall: float) -> None:
        settings, expires = self._settings, socket.principal.expires
        if socket.stuck_for(now) > settings.slow_after:
            self.slow += not socket.closed
            socket.dismiss(SLOW_CONSUMER, f"No progress for {settings.slow_after:g} seconds.")
        elif socket.silent_for(now) > SILENT_HEARTBEATS * settings.heartbeat:
            socket.dismiss(SILENT, "Nothing came for two and a half heartbeats.")
        elif expires is not None and wall > expires:
            socket.dismiss(TOKEN_EXPIRED, "Get a new token and resume.")

    async def drain(self) -> None:
        """Say bye to everyone, acks first, and close all connections at once; at most `drain` seconds."""
        self._draining = True
        spread = 1 + len(self._sockets) / 2_000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain), asyncio.TaskGroup() as closing:
                for ws in tuple(self._greeting):
                    closing.create_task(ws.close(code=SHUTDOWN.code, message=SHUTDOWN.name.encode()))
                for socket, done in tuple(self._sockets.items()):
                    retry_after = round(random.uniform(0.1, spread), 3)
                    closing.create_task(self._see_off(socket, done, retry_after))

    async def _see_off(self, socket: WebSocketConnection, done: LazyEvent, retry_after: float) -> None:
        """Acks first, in at most half of the time that there is. Who was dismissed before has had time enough."""
        if socket.closed:
            socket.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain / 2):
                await socket.settle()
        socket.dismiss(SHUTDOWN, "The gateway is shutting down.", retry_after)
        await done.wait()
