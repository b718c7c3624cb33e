"""Raw clients of the gateway's protocol, which check its guarantees while they read.

They know nothing but docs/reference/protocol.md: use them to test a gateway, a proxy in front of one, or as the pattern
of a client in another language. Whatever breaks a guarantee fails an assertion at the frame that broke it.

    async with aiohttp.ClientSession() as http:
        wire = await Wire.open(http, "http://127.0.0.1:8600", participant="hotels", kind="agent")
        await wire.subscribe(session="trip-7")
        await wire.command("trip-7", "session.open", {})
        follower = await wire.reach("trip-7", 1)
"""

from .chatter import audit, chatter
from .follower import Follower, Frame
from .pages import Pages
from .stream import Stream
from .stubborn import LOST, StubbornWriter, follow_stubbornly
from .transcript import transcript
from .wire import Closed, Wire

__all__ = [
    "LOST",
    "Closed",
    "Follower",
    "Frame",
    "Pages",
    "Stream",
    "StubbornWriter",
    "Wire",
    "audit",
    "chatter",
    "follow_stubbornly",
    "transcript",
]
