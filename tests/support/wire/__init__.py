"""Raw clients of the gateway's protocol, which check its guarantees while they read.

They know nothing but docs/reference/protocol.md: use them to test a gateway, a proxy in front of one, or as the pattern
of a client in another language. Whatever breaks a guarantee fails an assertion at the frame that broke it.

    async with aiohttp.ClientSession() as http:
        wire = await Wire.open(http, "http://127.0.0.1:8600", participant="hotels", kind="agent")
        await wire.subscribe(session="trip-7")
        await wire.command("trip-7", "session.open", {})
        follower = await wire.reach("trip-7", 1)
"""

from support.wire.follower import Follower, Frame
from support.wire.messages import messages_of
from support.wire.page_reader import PageReader
from support.wire.reconnecting import LOST, ReconnectingWriter, follow_reconnecting
from support.wire.sse_reader import SseReader
from support.wire.wire import Closed, Wire
from support.wire.workload import audit, workload

__all__ = [
    "LOST",
    "Closed",
    "Follower",
    "Frame",
    "PageReader",
    "ReconnectingWriter",
    "SseReader",
    "Wire",
    "audit",
    "follow_reconnecting",
    "messages_of",
    "workload",
]
