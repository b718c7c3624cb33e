"""A stream's events as blocks of server-sent events: encoded once for all who read the same stream."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..delivery.sse_encoder import http_chunk
from .content import Form, is_type, joined, messages_in

_LINE_ENDS = ((b"\r\n", b"\n"), (b"\r", b"\n"))
_CLOSED = b'"type":"stream.closed"'
_OVER = (b'"type":"stream.deleted"', b'"type":"stream.created"')


class StreamBlock(bytes):
    """A `data` event as an HTTP chunk, or nothing. `version` is up to where the session is then read, `place` the
    offset's, None where it did not move; `closed`: nothing more comes; `over`: the stream is gone."""

    version: int
    place: int | None = None
    closed: bool = False
    over: bool = False


@dataclass(frozen=True)
class StreamEncoder:
    """Makes blocks of what is appended to one stream. Encoders of equal members are the same to the feed."""

    session: str
    since: int
    shift: int
    form: Form

    max_part_bytes = None

    def events(
        self, sub: str, session: str | None, to: int, resume: str, wires: Sequence[bytes], cursors: bytes = b""
    ) -> bytes:
        """One block."""
        messages: list[bytes] = []
        place: int | None = to if self.form == "events" else None
        closed = over = False
        for wire in wires:
            found = messages_in(wire, self.form)
            if found is not None:
                messages.append(found)
                place = to if self.form == "events" else _version_of(wire) + self.shift
            elif is_type(wire, _CLOSED):
                closed, place = True, orjson.loads(wire)["data"]["at"]
            elif any(is_type(wire, each) for each in _OVER):
                over = True
                break
        return block(messages, self.form, to, place, closed=closed, over=over)

    def notice(self, frame: dict[str, Any], resume: str) -> bytes:
        """Nothing of its own: who writes it sees that the reader is up to date."""
        return block((), self.form, int(frame.get("version", frame.get("to", 0))), None)


def block(
    messages: Sequence[bytes],
    form: Form,
    version: int,
    place: int | None,
    *,
    closed: bool = False,
    over: bool = False,
) -> StreamBlock:
    """The block for these messages."""
    made = StreamBlock(http_chunk(_data(messages, form)) if messages else b"")
    made.version, made.place, made.closed, made.over = version, place, closed, over
    return made


def control_chunk(offset: str, cursor: int | None, *, up_to_date: bool, closed: bool) -> bytes:
    """The `control` event that follows each `data`."""
    members: dict[str, Any] = {"streamNextOffset": offset}
    if cursor is not None:
        members["streamCursor"] = str(cursor)
    if up_to_date:
        members["upToDate"] = True
    if closed:
        members["streamClosed"] = True
    return http_chunk(b"event: control\ndata:%b\n\n" % orjson.dumps(members))


def _data(messages: Sequence[bytes], form: Form) -> bytes:
    body = b"".join(joined(messages, form))
    if form == "bytes":
        body = b64encode(body)
    elif form == "text":
        body = body.decode(errors="replace").encode()  # bytes that are no text would end the reader's decoding
        for end, line_end in _LINE_ENDS:
            body = body.replace(end, line_end)
    # A space behind the colon is the block's own: only where a line begins with one another is needed.
    lines = [b"data: " + line if line.startswith(b" ") else b"data:" + line for line in body.split(b"\n")]
    return b"event: data\n%b\n\n" % b"\n".join(lines)


def _version_of(wire: bytes) -> int:
    start = wire.index(b'"version":') + len(b'"version":')
    return int(wire[start : wire.index(b",", start)])
