"""A turn over a WebSocket: the same as its stream, in text frames. Nothing is read but pings and the close."""

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import WSMsgType, web

from ...domain.audience import Viewer
from ..protocol.close_codes import CloseCode
from ..transport.inbox import InboxResponse, Message
from ..transport.subscription import ConnectionSubscription
from .followed_log import FollowedLog
from .turn import Turn
from .turn_stream import TurnConnection, TurnProtocol

MAX_RECEIVED_BYTES = 4_096
CLOSE_TIMEOUT_S = 5.0
NORMAL = CloseCode(1000, "turn_over")
_PING = b"\x89\x00"


class TurnSocket(TurnConnection):
    """One WebSocket, which has chosen the subprotocol, if there is one."""

    def __init__(
        self,
        transport: asyncio.Transport,
        followed: FollowedLog,
        turn: Turn,
        viewer: Viewer,
        protocol: TurnProtocol,
        subprotocol: str | None = None,
        max_bytes: int = MAX_RECEIVED_BYTES,
    ) -> None:
        super().__init__(transport, followed, turn, viewer, protocol)
        protocols = () if subprotocol is None else (subprotocol,)
        self._ws = InboxResponse(protocols=protocols, compress=False, max_msg_size=max_bytes, timeout=CLOSE_TIMEOUT_S)
        self._close_code = NORMAL

    async def prepare(self, request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
        """Shake hands."""
        await self._ws.prepare(request)
        return self._ws

    def beat(self) -> None:
        """Ping."""
        self.write(_PING)

    async def follow(self, subscription: ConnectionSubscription) -> None:
        """Deliver until the turn is over, or the connection ends; then close it."""
        inbox = self._ws.inbox
        if inbox is not None:
            inbox.try_handle = self._receive
        await super().follow(subscription)
        if inbox is not None:
            inbox.try_handle = None  # the peer's close is for aiohttp
        with contextlib.suppress(ConnectionError):
            await self._ws.close(code=self._close_code.code, message=self._close_code.name.encode())

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """End it in the midst of its turn, with a code that says whether to come back."""
        self.code = close_code.name
        self._close_code = close_code
        self.end_all()

    def _attach(self) -> None:
        self.attach(self._ws.parse)

    def _receive(self, message: Message) -> bool:
        """Called with each message of the client's; whether that was all there is to do."""
        if message.type == WSMsgType.PING:
            payload = bytes(message.data or b"")[:125]
            self.write(b"\x8a%c%b" % (len(payload), payload))
            return True
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PONG):
            return True
        self.end_all()  # it closes, or has sent what is no WebSocket; `follow` answers that
        return False
