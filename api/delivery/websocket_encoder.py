"""Where events become WebSocket frames, none of them larger than its client takes."""

from collections.abc import Sequence
from typing import Any

import orjson

MAX_MESSAGE_BYTES = 16 * 2**20
"""The largest message to a client. No event that a command leads to comes near it; others may have written larger
ones."""
MIN_MESSAGE_BYTES = 128 * 2**10
"""The least that a client may ask for: twice what events are joined to, and more than any other frame has."""
_ABOUT_BYTES = 8 * 2**10
"""More than what stands around the one event, or the document, of a frame."""


def text_frame(payload: bytes) -> bytes:
    """A whole, unmasked WebSocket text frame (RFC 6455 §5.2), as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class WebSocketEncoder:
    """Frames for WebSockets, in messages of at most `max_bytes`. Of an event that is too large for one, what it says is
    left out."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.max_part_bytes = max_bytes - _ABOUT_BYTES

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One text frame."""
        if session is None:
            where = b'"cursors":%s,"to":"%s"' % (cursors, resume.encode())
        else:
            where = b'"session":"%s","to":%d,"resume":"%s"' % (session.encode(), to, resume.encode())
        head = b'{"frame":"events","sub":%s,%s,"events":[' % (orjson.dumps(sub), where)
        joined = b",".join(wires)
        if len(joined) > self.max_part_bytes:  # then most often it is one alone
            joined = b",".join([_without_data(wire) if len(wire) > self.max_part_bytes else wire for wire in wires])
        return text_frame(b"".join((head, joined, b"]}")))

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """One text frame."""
        return text_frame(orjson.dumps(frame))


def _without_data(wire: bytes) -> bytes:
    """An event's envelope without what it says."""
    return b'%s,"omitted":%d}' % (wire[: wire.index(b',"data":')], len(wire))


_ENCODERS = {1 << power: WebSocketEncoder(1 << power) for power in range(17, 25)}
WEBSOCKET = _ENCODERS[MAX_MESSAGE_BYTES]


def encoder_for(max_bytes: int | None) -> WebSocketEncoder:
    """Makes messages of at most so many bytes. There are few of them, since subscribers share what one has made."""
    if max_bytes is None:
        return WEBSOCKET
    return _ENCODERS[max(each for each in _ENCODERS if each <= max(max_bytes, MIN_MESSAGE_BYTES))]
