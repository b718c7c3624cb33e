"""One socket, from `hello` to its end: a reader, a writer, and heartbeats.

The three are tasks; when one finds the socket gone the others are cancelled, and `LinkLost` says what was learned about
why. The writer never decides: when it cannot write, the reader is about to learn the close code.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

import aiohttp
import orjson

from ...domain.errors import Invalid, StenogramError
from ..errors import from_close, from_problem, is_final
from .identity import PROTOCOL
from .outbox import Outbox, Outgoing, Wire, encode

CLOSE_TIMEOUT_S = 1.0
DEAD_AFTER_HEARTBEATS = 2.5
"""So many intervals without a message, and the gateway counts as dead."""

OnFrame = Callable[[Wire, int], None]
logger = logging.getLogger("stenogram.client")


class LinkLost(Exception):
    """The connection is gone. `final` is set when connecting again would end the same way, `refusal` when the gateway
    said why it takes none for now."""

    def __init__(
        self, why: str, *, retry_after: float | None = None, final: StenogramError | None = None, refusal: str = ""
    ) -> None:
        super().__init__(why)
        self.refusal = refusal
        self.retry_after = retry_after
        self.final = final


class WebSocketLink:
    """One open socket. `greet` first, then `serve`, which never returns but raises LinkLost, then `close`.

    `heartbeat_within` says how many seconds it may be silent; less than the gateway asks for, where a lease is short.
    """

    def __init__(
        self,
        socket: "aiohttp.ClientWebSocketResponse[Any]",
        outbox: Outbox,
        on_frame: OnFrame,
        heartbeat_within: Callable[[], float],
    ) -> None:
        self._socket = socket
        self._outbox = outbox
        self._on_frame = on_frame
        self._heartbeat_within = heartbeat_within
        self._heartbeat = 15.0
        self._message_frames = 256
        self._message_bytes = 1_048_576
        self._received_at = self._sent_at = time.monotonic()
        self._frame_cost = 0
        self._bye: Wire = {}
        self._refusal: Wire = {}

    async def greet(self, hello: Wire) -> Wire:
        """Say hello; the gateway's `welcome`."""
        # Suppressed: a gateway that turned the handshake down has closed already, and the close code says why.
        with contextlib.suppress(ConnectionError):
            await self._socket.send_str(encode(hello).decode())
        while True:
            for frame in await self._receive():
                if frame.get("frame") == "welcome":
                    return self._welcomed(frame)
                self._remember_reason(frame)

    async def serve(self) -> NoReturn:
        """Read, write and keep the connection alive until it is lost. Raises LinkLost."""
        # Not a TaskGroup: one that fails in the turn in which it is cancelled raises only the failure (before Python
        # 3.13), and the client that is being closed would connect again instead.
        tasks = [asyncio.create_task(each) for each in (self._read(), self._write(), self._send_heartbeats())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            # Waited for, so that none of them touches the outbox once it is open for the next connection.
            await asyncio.wait(tasks)
        errors = [task.exception() for task in tasks if not task.cancelled()]
        raise next(error for error in errors if error is not None)

    async def close(self) -> None:
        """Close the socket, politely for a second."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close()

    def _welcomed(self, welcome: Wire) -> Wire:
        if welcome.get("protocol") != PROTOCOL:
            why = (
                f"The gateway speaks protocol {welcome.get('protocol')}, this client {PROTOCOL}; update the older one."
            )
            raise LinkLost(why, final=Invalid(why))
        if not isinstance(welcome.get("epoch"), str):
            raise LinkLost("the gateway's welcome names no epoch")
        limits = welcome.get("limits", {})
        self._heartbeat = float(welcome.get("heartbeat", self._heartbeat))
        self._message_frames = int(limits.get("batch", self._message_frames))
        self._message_bytes = int(limits.get("frame_bytes", self._message_bytes))
        return welcome

    async def _read(self) -> None:
        while True:
            for frame in await self._receive():
                try:
                    self._remember_reason(frame)  # first: the gateway closes right behind a `bye`
                    self._on_frame(frame, self._frame_cost)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    logger.exception("A frame of the gateway could not be understood")
                    raise LinkLost("a frame could not be understood") from error

    async def _receive(self) -> list[Wire]:
        """The frames of the next message."""
        message = await self._socket.receive()
        self._received_at = time.monotonic()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise self._lost_by(message)
        try:
            content = orjson.loads(message.data)
        except orjson.JSONDecodeError:
            raise LinkLost("a message was no JSON") from None
        frames: list[Wire] = content if isinstance(content, list) else [content]
        self._frame_cost = len(message.data) // max(1, len(frames))
        return frames

    async def _write(self) -> None:
        # Returns when it cannot write, and leaves the rest to the reader, which learns the close code.
        with contextlib.suppress(ConnectionError):
            while True:
                message = await self._outbox.next_message(self._message_frames, self._message_bytes)
                await self._socket.send_str(message)
                self._sent_at = time.monotonic()

    async def _send_heartbeats(self) -> None:
        """Send a heartbeat when either side has been silent for a while, so that a dead one is noticed by both. Raises
        LinkLost when nothing comes: a cut cable closes no socket, and the reader alone would wait for hours."""
        heartbeat = Outgoing(encode({"frame": "heartbeat"}))
        while True:
            interval = min(self._heartbeat, self._heartbeat_within())
            await asyncio.sleep(interval / 4)
            now = time.monotonic()
            if now - self._received_at >= DEAD_AFTER_HEARTBEATS * self._heartbeat:
                raise LinkLost(f"nothing was heard from the gateway for {now - self._received_at:.1f} s")
            # Either side's silence: a gateway that has nothing to say is heard of only because it answers.
            if now - min(self._received_at, self._sent_at) >= 0.75 * interval:
                self._outbox.put(heartbeat)

    def _remember_reason(self, frame: Wire) -> None:
        """Remember what the gateway says about why it is about to close."""
        if frame.get("frame") == "bye":
            self._bye = frame
        elif frame.get("frame") == "refused" and "id" not in frame and "sub" not in frame:
            self._refusal = frame["error"]
            logger.warning("The gateway refused a frame: %s", self._refusal.get("detail"))

    def _lost_by(self, message: aiohttp.WSMessage) -> LinkLost:
        code = self._socket.close_code
        error = self._socket.exception()
        if isinstance(error, aiohttp.WebSocketError):
            code = error.code
        extra = message.extra if isinstance(message.extra, str) else ""
        reason = self._bye.get("reason") or extra or str(error or "")
        why = f"{reason or 'the connection was cut'} ({code})"
        hopeless = bool(self._bye) and "retry_after" not in self._bye
        if not hopeless and not is_final(code):
            refusal = str(self._refusal.get("detail", "")) if self._refusal and not self._bye else ""
            return LinkLost(why, retry_after=self._bye.get("retry_after"), refusal=refusal)
        if self._refusal and not self._bye:
            return LinkLost(why, final=from_problem(self._refusal))
        return LinkLost(why, final=from_close(code or 0, reason, self._bye.get("code")))
