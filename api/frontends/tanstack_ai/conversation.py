"""A WebSocket over which a page has all its runs of a thread: it sends what begins one, and gets that one's events.

Runs are followed one after the other; what comes meanwhile waits, but for a stop. Closing the socket ends no run that
has begun, and what waits then never begins.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import orjson
from aiohttp import WSMsgType

from ....domain.audience import Viewer
from ....domain.errors import StenogramError
from ...delivery.websocket_encoder import text_frame
from ...protocol.close_codes import TOO_LARGE, CloseCode
from ...protocol.json_input import read_json
from ...transport.sse_connection import STREAM_SUB
from ...transport.subscription import ConnectionSubscription, EventSubscription
from ..followed_log import FollowedLog
from ..turn import Turn
from ..turn_socket import TurnSocket
from ..turn_stream import TurnProtocol

MOST_WAITING = 16
"""Runs; and together they have no more bytes than one message may have."""
TOO_MANY = CloseCode(1008, "too_many_runs")


class Waiting(NamedTuple):
    """What the page sent to begin a run, and in how many bytes."""

    members: Any
    size: int


Following = tuple[Turn, AbstractAsyncContextManager[EventSubscription]]


class Idle(EventSubscription):
    """What a conversation follows before anything runs; it is never begun."""

    def __init__(self) -> None:
        pass


class Conversation(TurnSocket):
    """One socket. `begin` begins a run from what the page sent, and has the socket follow it; `stop` stops one."""

    def __init__(
        self,
        transport: asyncio.Transport,
        followed: FollowedLog,
        viewer: Viewer,
        protocol: TurnProtocol,
        max_bytes: int,
        depth: int,
    ) -> None:
        super().__init__(transport, followed, Turn(""), viewer, protocol, max_bytes=max_bytes)
        self.start: Callable[[Conversation, Any], Awaitable[Following]]
        self.stop: Callable[[str], Awaitable[object]]
        self._depth = depth
        self._max_bytes = max_bytes
        self._held = 0
        """Bytes of what waits."""
        self._waiting: asyncio.Queue[Waiting | None] = asyncio.Queue()

    async def follow(self, subscription: ConnectionSubscription) -> None:
        """Follow each run that the page begins, until it closes the socket."""
        self._attach()
        reading = asyncio.create_task(self._read())
        try:
            # Nothing begins once it is closed: the token may have expired.
            while (waited := await self._waiting.get()) is not None and not self.closed:
                self._held -= waited.size
                await self._run(waited.members)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self.end_all()
        close = self._ws.close_unread if self._ws.too_large else self._ws.close
        with contextlib.suppress(ConnectionError):
            await close(code=self._close_code.code, message=self._close_code.name.encode())

    def end_all(self) -> None:
        """End it, whatever it waits for."""
        super().end_all()
        self._waiting.put_nowait(None)

    async def _read(self) -> None:
        while (message := await self._ws.receive()).type is WSMsgType.TEXT:
            try:
                members = read_json(message.data, self._depth)
                if isinstance(members, dict) and members.get("type") == "abort":
                    await self.stop(str(members.get("runId")))
                else:
                    self._held += len(message.data)
                    self._waiting.put_nowait(Waiting(members, len(message.data)))
            except StenogramError as error:
                self._fail(error, None)
            if self._waiting.qsize() > MOST_WAITING or self._held > self._max_bytes:
                self._close_code = TOO_MANY
                break
            # A task that finds message after message in its queue never lets go of the loop.
            await asyncio.sleep(0)
        if self._ws.too_large:
            self._close_code = TOO_LARGE
        self.end_all()

    async def _run(self, members: Any) -> None:
        try:
            self._turn, following = await self.start(self, members)
            async with following as subscription:
                self._over = None
                self._woken.clear()
                await self._follow_turn(subscription)
                self.end(STREAM_SUB)
        except StenogramError as error:
            self._fail(error, members)

    def _fail(self, error: StenogramError, members: Any) -> None:
        """Say that a run cannot begin, or be followed; the page may begin others."""
        about = members if isinstance(members, dict) else {}
        ids = {name: about[name] for name in ("runId", "threadId") if isinstance(about.get(name), str)}
        self.write(text_frame(orjson.dumps({"type": "RUN_ERROR", "message": error.detail, "code": error.code, **ids})))
