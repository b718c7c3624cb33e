"""Where server-sent events are written: blocks (WHATWG HTML §9.2), each an HTTP chunk."""

from collections.abc import Sequence
from typing import Any

import orjson


def http_chunk(block: bytes) -> bytes:
    """One chunk of a chunked HTTP/1.1 body (RFC 9112 §7.1)."""
    return b"%x\r\n%s\r\n" % (len(block), block)


class SseEncoder:
    """Blocks of a stream."""

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One block, which is taken as a whole, whose data is a JSON array and whose id is where to resume."""
        return http_chunk(b"event: events\nid: %s\ndata: [%s]\n\n" % (resume.encode(), b",".join(wires)))

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """One block; a stream has one subscription, to what its address says, and an id to resume from."""
        members = {name: value for name, value in frame.items() if name not in ("frame", "sub", "session", "resume")}
        event = str(frame["frame"]).encode()
        return http_chunk(b"event: %s\nid: %s\ndata: %s\n\n" % (event, resume.encode(), orjson.dumps(members)))


SSE = SseEncoder()
