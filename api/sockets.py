"""All WebSockets of a gateway: accepting, watching over, and draining them."""

import asyncio
import contextlib
import random
import time
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from ..domain.errors import Forbidden, HansardError, Invalid
from .auth import Authenticator
from .frames import Hello, parse_hello
from .house import Houses
from .json_input import read_json
from .principal import Principal
from .settings import Settings
from .socket import Socket, close

HELLO_WITHIN = 10.0
WATCH_EVERY = 0.5
SILENT_HEARTBEATS = 2.5
SHUTDOWN, SILENT, SLOW, EXPIRED = 4001, 4002, 4008, 4010


class Sockets:
    """Accepts WebSockets and keeps them until they end. `tasks` owns the closing of connections."""

    def __init__(self, settings: Settings, houses: Houses, auth: Authenticator, tasks: asyncio.TaskGroup) -> None:
        self._settings = settings
        self._houses = houses
        self._auth = auth
        self._tasks = tasks
        self._sockets: set[Socket] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._sockets)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/ws`."""
        self._check_origin(request)
        ws = web.WebSocketResponse(
            compress=False, max_msg_size=self._settings.frame_bytes, timeout=5.0, decode_text=False
        )
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        try:
            hello, principal = await self._hello(ws)
            house = await self._houses.of(principal.tenant)
        except HansardError as error:
            await ws.send_json({"frame": "refused", "error": error.problem()})
            await ws.close(code=error.close, message=error.code.encode())
            return ws
        if hello is not None and not self._draining:
            await self._serve(Socket(ws, transport, house, principal, self._settings))
        return ws

    async def _serve(self, socket: Socket) -> None:
        self._sockets.add(socket)
        try:
            socket.welcome()
            await socket.serve()
        except HansardError as error:
            socket.bye(error.code, error.detail, None)
            await close(socket, error.close, error.code, 1.0)
        finally:
            self._sockets.discard(socket)
            socket.end_all()

    async def _hello(self, ws: web.WebSocketResponse) -> tuple[Hello | None, Principal]:
        try:
            message = await ws.receive(timeout=HELLO_WITHIN)
        except TimeoutError:
            raise Invalid(f"No hello came within {HELLO_WITHIN:.0f} seconds.") from None
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return None, Principal("", "user")
        raw = message.data if isinstance(message.data, bytes) else message.data.encode()
        hello = parse_hello(read_json(raw, self._settings.depth))
        claimed = {name: value for name, value in hello.model_dump(exclude_none=True).items() if name != "token"}
        return hello, self._auth.principal(hello.token, claimed)

    def _check_origin(self, request: web.Request) -> None:
        """Web pages of other origins may not connect with a user's browser (RFC 6455 §10.2)."""
        origin = request.headers.get("Origin")
        if origin is None or origin in self._settings.origins or urlsplit(origin).netloc == request.host:
            return
        raise Forbidden(f"Pages of {origin} may not connect; add it to HANSARD_ORIGINS.")

    async def watch(self) -> None:
        """End connections that are silent, stuck, or past their token's time. Runs for ever."""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            now, wall = time.monotonic(), time.time()
            for socket in tuple(self._sockets):
                self._inspect(socket, now, wall)

    def _inspect(self, socket: Socket, now: float, wall: float) -> None:
        settings, expires = self._settings, socket.principal.expires
        if socket.stuck_for(now) > settings.slow_after:
            self._dismiss(socket, SLOW, "slow_consumer", f"No progress for {settings.slow_after:g} seconds.", 0.0)
        elif now - socket.heard > SILENT_HEARTBEATS * settings.heartbeat:
            self._dismiss(socket, SILENT, "silent", "Nothing came for two and a half heartbeats.", 0.0)
        elif expires is not None and wall > expires:
            self._dismiss(socket, EXPIRED, "token_expired", "Get a new token and resume.", 0.0)

    def _dismiss(self, socket: Socket, code: int, name: str, reason: str, retry_after: float) -> None:
        self._sockets.discard(socket)
        socket.bye(name, reason, retry_after)
        self._tasks.create_task(close(socket, code, name, self._settings.drain))

    async def drain(self) -> None:
        """Say bye to everyone, acks first, and close all connections at once; at most `drain` seconds."""
        self._draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain), asyncio.TaskGroup() as closing:
                for socket in tuple(self._sockets):
                    closing.create_task(self._see_off(socket))

    async def _see_off(self, socket: Socket) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain / 2):
                await socket.settle()
        spread = 1 + len(self._sockets) / 2_000
        socket.bye("shutdown", "The gateway is shutting down.", round(random.uniform(0.1, spread), 3))
        await close(socket, SHUTDOWN, "shutdown", self._settings.drain / 2)
