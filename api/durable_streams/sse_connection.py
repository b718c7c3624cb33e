"""A live read by server-sent events: blocks that many share, and behind each a `control` event of the reader's own."""

import asyncio
from collections.abc import AsyncIterator

from ...domain.errors import StenogramError
from ..delivery.topic import Cursor
from ..protocol.close_codes import CloseCode
from ..transport.sse_connection import STREAM_SUB, SseConnection
from ..transport.subscription import ConnectionSubscription
from .live_cursor import next_cursor
from .offsets import write_offset
from .sse_blocks import StreamBlock, control_chunk


class StreamConnection(SseConnection):
    """Ends by itself when the stream is closed or gone. `inherited` comes before what the subscription delivers."""

    def __init__(
        self,
        transport: asyncio.Transport,
        epoch: str,
        place: int,
        given_cursor: int | None,
        inherited: AsyncIterator[StreamBlock],
    ) -> None:
        super().__init__(transport)
        self.cursor: Cursor | None = None
        """Where it follows the session."""
        self._write_bytes = transport.write
        self._epoch = epoch
        self._place = place
        self._inherited = inherited
        self._live_cursor = next_cursor(given_cursor)
        self._said_up_to_date = False
        self.write = self._write

    async def follow(self, subscription: ConnectionSubscription) -> None:
        """Deliver until the connection, or the stream, ends."""
        self.attach()
        try:
            async for block in self._inherited:
                if self.closed:
                    return
                self.write(block)
                await self.drained.wait()
        except StenogramError as error:  # the answer has begun: it ends, and the client goes on where it was
            self.fail(error)
            return
        self.begin(STREAM_SUB, subscription)
        await self.gone.wait()

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """End the response; the client resumes from the last offset. The protocol has no word for why."""
        self.code = close_code.name
        self.end_all()

    def _write(self, data: bytes) -> None:
        if not isinstance(data, StreamBlock):  # such as a heartbeat
            self._write_bytes(data)
            return
        self._place = self._place if data.place is None else data.place
        up_to_date = self.cursor is not None and data.version >= self.cursor.topic.last
        if data or data.closed or (up_to_date and not self._said_up_to_date):
            self._write_bytes(data + self._control(up_to_date=up_to_date, closed=data.closed))
            self._said_up_to_date = up_to_date
        if data.closed or data.over:
            self.code = "stream_closed" if data.closed else "stream_gone"
            self.end_all()

    def _control(self, *, up_to_date: bool, closed: bool) -> bytes:
        self._live_cursor = max(self._live_cursor, next_cursor(None))
        cursor = None if closed else self._live_cursor
        offset = write_offset(self._place, self._epoch)
        return control_chunk(offset, cursor, up_to_date=up_to_date or closed, closed=closed)
