"""The inbox of a WebSocket: hands messages over as they are parsed.

aiohttp puts messages into a queue and wakes the task that reads it. With a command in each message of thousands of
connections, waking tasks took longer than reading the commands. So while that task waits with nothing before it, a new
message is offered to `try_handle` first, within the parser's call. What that refuses is queued, and everything behind
it, until the task waits again: messages are handled in their order, and the queue's own bounds and pauses apply.

This leans on a private method of aiohttp, `_post_start`, which makes queue and parser. Should that be called something
else one day, every message goes through the queue. Tests pin both.
"""

import asyncio
from collections.abc import Callable

from aiohttp import WSCloseCode, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp._websocket.writer import WebSocketWriter
from aiohttp.http_websocket import WebSocketError, WebSocketReader, WSMessage, WSMessageTextBytes

QUEUE_BYTES = 1 << 16
TICK_S, UNREAD_LINGER_TICKS = 0.05, 40
Message = WSMessage | WSMessageTextBytes
MessageHandler = Callable[[Message], bool]


def _is_close_code(code: int | None) -> bool:
    """Whether a peer may close with it (RFC 6455 §7.4), or closes without one."""
    return code in (None, 0) or (1000 <= code < 5000 and code != WSCloseCode.ABNORMAL_CLOSURE)


class Inbox(WebSocketDataQueue):
    """aiohttp's queue, past which messages may go while there is nothing in it."""

    try_handle: MessageHandler | None = None
    queued = 0

    def feed_data(self, data: Message, size: int) -> None:
        """Called by the parser with each message."""
        if self.try_handle is None or not self.try_handle(data):
            # From here on everything is queued until the task has handled this: the next one would overtake it.
            self.try_handle = None
            self.queued += 1
            super().feed_data(data, size)

    async def read(self) -> Message:
        """Called by the task, for the next message."""
        message = await super().read()
        self.queued -= 1
        return message


class MaskedFrames:
    """Passes on to a parser what a client sends, if its first frame is masked: RFC 6455 §5.1 has a server refuse
    others, which aiohttp does not. Whoever masks one frame masks all."""

    def __init__(self, parser: WebSocketReader, inbox: Inbox) -> None:
        self._parser = parser
        self._inbox = inbox
        self._head = b""
        self.feed_eof = parser.feed_eof

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Called by aiohttp's protocol; once there is a connection, the parser is called directly."""
        if len(self._head) < 2:
            self._head += data[:2]
            if len(self._head) >= 2 and not self._head[1] & 0x80:
                self._inbox.set_exception(WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a frame is not masked"))
                return True, b""
        return self._parser.feed_data(data)


class InboxResponse(web.WebSocketResponse[bool]):
    """A WebSocket with an inbox. Without compression, and text stays bytes."""

    on_close: Callable[[], None] | None = None
    """Called before a close frame is written, for whatever reason: nothing may be written behind it."""
    inbox: Inbox | None = None
    too_large = False
    """Whether a message was larger than allowed. Nothing more is read; it is left to its server to say so and close."""
    _peer: asyncio.Transport | None = None
    parse: Callable[[bytes], object] | None = None
    """Parses what came over the transport. Once this is a WebSocket, aiohttp's protocol does no more with it."""

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        loop = self._loop
        assert loop is not None
        self._peer = request.transport
        self._ws_protocol = protocol
        self._writer = writer
        self._reader = self.inbox = Inbox(request.protocol, QUEUE_BYTES, loop=loop)
        self._parser = WebSocketReader(self.inbox, self._max_msg_size, compress=False, decode_text=False)
        self.parse = self._parser.feed_data
        request.protocol.set_parser(MaskedFrames(self._parser, self.inbox))  # type: ignore[arg-type]
        request.protocol.keep_alive(False)

    async def receive_unhandled(self, try_handle: MessageHandler) -> Message:
        """The next message that `try_handle`, being offered every one until then, refuses."""
        if self.inbox is None:
            return await self.receive()
        # Not while there is something to be read first: taking that out of the queue may have the parser go on where it
        # stopped at a full queue, and what it finds would overtake it.
        self.inbox.try_handle = None if self.inbox.queued else try_handle
        try:
            return await self.receive()
        finally:
            # Also when the wait is cancelled: a message that came in while nobody waits must be queued.
            self.inbox.try_handle = None

    async def close_unread(self, *, code: int, message: bytes) -> bool:
        """Close while more comes in than is read. The end waits a little: a peer that is still sending would be cut off
        with what it has yet to read."""
        assert self._writer is not None
        await self._writer.close(code, message)
        for _ in range(UNREAD_LINGER_TICKS):
            if self._peer is None or self._peer.is_closing():
                break
            await asyncio.sleep(TICK_S)
        return await super().close(code=code, message=message)

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """Close once."""
        if code == WSCloseCode.MESSAGE_TOO_BIG and not message:  # as aiohttp says it, before anybody was told why
            self.too_large = True
            return False
        if self.on_close is not None:
            self.on_close()
        if self._closing and not _is_close_code(self._close_code):  # aiohttp answers what the peer closed with
            code = WSCloseCode.PROTOCOL_ERROR
        return await super().close(code=code, message=message, drain=drain)
