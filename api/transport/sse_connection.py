"""One stream of server-sent events: an HTTP response that follows a session, the log, or a document.

Each block is an HTTP chunk of its own (`delivery.sse_encoder`), so that blocks which are built once can be written to
many transports as they are.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from ...domain.errors import LogFailed, StenogramError
from ..delivery.sse_encoder import SSE, http_chunk
from ..protocol.close_codes import SERVER_ERROR, CloseCode
from .subscription import ConnectionSubscription
from .transport_sink import TransportSink

EVENT_STREAM = "text/event-stream"
STREAM_SUB = "events"
"""The name of a stream's only subscription; it is not written."""
_HEARTBEAT_CHUNK = http_chunk(b": heartbeat\n\n")


class SseConnection(TransportSink):
    """The response's end is what `gone` tells its handler."""

    kind = "stream"
    """As which it is counted."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.code = "closed_by_client"
        """Why it ended, or will have."""
        self.gone = asyncio.Event()

    async def prepare(self, request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
        """Begin the response."""
        response = web.StreamResponse(headers={**headers, "X-Accel-Buffering": "no"})
        response.content_type = EVENT_STREAM
        response.force_close()
        await response.prepare(request)
        await response.write(b": welcome\n\n")
        return response

    def beat(self) -> None:
        """Let the client see that it is still there."""
        self.write(_HEARTBEAT_CHUNK)

    async def follow(self, subscription: ConnectionSubscription) -> None:
        """Deliver until the connection ends."""
        self.attach()
        self.begin(STREAM_SUB, subscription)
        await self.gone.wait()

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Say why the stream ends; then write nothing more. The block's id is where to resume."""
        self.code = close_code.name
        subscription = self.subscriptions.get(STREAM_SUB)
        frame = {"frame": "bye", "code": close_code.name, "reason": reason, "retry_after": retry_after}
        event_id = "0" if subscription is None else subscription.event_id()
        self.write(SSE.notice(frame, event_id))
        self.end_all()

    def fail(self, error: BaseException) -> None:
        """What is followed cannot be read: end the stream; the client resumes."""
        problem = error if isinstance(error, StenogramError) else LogFailed(f"Reading the log failed: {error!r}.")
        self.close_with_bye(SERVER_ERROR, problem.detail, 1.0)

    def end_all(self) -> None:
        """End the subscription, and with it the response."""
        super().end_all()
        self.gone.set()
