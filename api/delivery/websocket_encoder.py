"""Where events become WebSocket frames."""

from collections.abc import Sequence
from typing import Any

import orjson


def text_frame(payload: bytes) -> bytes:
    """A whole, unmasked WebSocket text frame (RFC 6455 §5.2), as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class WebSocketEncoder:
    """Frames for WebSockets."""

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One text frame."""
        if session is None:
            where = b'"cursors":%s,"to":"%s"' % (cursors, resume.encode())
        else:
            where = b'"session":"%s","to":%d,"resume":"%s"' % (session.encode(), to, resume.encode())
        head = b'{"frame":"events","sub":%s,%s,"events":[' % (orjson.dumps(sub), where)
        return text_frame(b"".join((head, b",".join(wires), b"]}")))

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """One text frame."""
        return text_frame(orjson.dumps(frame))


WEBSOCKET = WebSocketEncoder()
