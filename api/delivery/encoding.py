"""How runs of events become bytes on the wire: WebSocket frames, or server-sent event blocks.

An encoder is stateless and shared by all subscribers of its kind.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson


def text_frame(payload: bytes) -> bytes:
    """A whole, unmasked WebSocket text frame (RFC 6455 §5.2), as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Encoder(Protocol):
    """Turns what is to be told about one subscription into bytes."""

    def events(self, sub: str, session: str | None, to: bytes, wires: Sequence[bytes], cursors: bytes = b"") -> bytes:
        """Consecutive events, and the place `to` (as JSON) up to which the subscriber is then current; `cursors`, where
        they have any, is a JSON list of the places behind each of them."""

    def notice(self, frame: dict[str, Any], to: bytes) -> bytes:
        """A `caught_up`, `gap` or `bye`."""


class SocketEncoder:
    """Frames for WebSockets."""

    def events(self, sub: str, session: str | None, to: bytes, wires: Sequence[bytes], cursors: bytes = b"") -> bytes:
        """One text frame."""
        where = b',"cursors":%s' % cursors if session is None else b',"session":"%s"' % session.encode()
        head = b'{"frame":"events","sub":%s%s,"to":%s,"events":[' % (orjson.dumps(sub), where, to)
        return text_frame(b"".join((head, b",".join(wires), b"]}")))

    def notice(self, frame: dict[str, Any], to: bytes) -> bytes:
        """One text frame."""
        return text_frame(orjson.dumps(frame))


def http_chunk(block: bytes) -> bytes:
    """One chunk of a chunked HTTP/1.1 body (RFC 9112 §7.1)."""
    return b"%x\r\n%s\r\n" % (len(block), block)


class StreamEncoder:
    """Blocks for server-sent events (WHATWG HTML §9.2), each an HTTP chunk."""

    def events(self, sub: str, session: str | None, to: bytes, wires: Sequence[bytes], cursors: bytes = b"") -> bytes:
        """One block, which is taken as a whole, whose data is a JSON array and whose id is where to resume."""
        return http_chunk(b"event: events\nid: %s\ndata: [%s]\n\n" % (to.strip(b'"'), b",".join(wires)))

    def notice(self, frame: dict[str, Any], to: bytes) -> bytes:
        """One block; a stream has one subscription, to what its address says."""
        members = {name: value for name, value in frame.items() if name not in ("frame", "sub", "session")}
        event = str(frame["frame"]).encode()
        return http_chunk(b"event: %s\nid: %s\ndata: %s\n\n" % (event, to.strip(b'"'), orjson.dumps(members)))


SOCKET = SocketEncoder()
STREAM = StreamEncoder()
