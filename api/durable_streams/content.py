"""Content: from the body of a request to what is stored, and from stored events to the bytes of an answer.

JSON messages are cut out of the events as they are stored, and never decoded; of text and bytes only what says them.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Literal

import orjson
from pydantic import ValidationError

from ...domain.concepts.streams import Content, is_json, media_type
from ...domain.errors import Invalid
from ...domain.wording.wrong_input import explain
from ..protocol.json_input import read_json

Form = Literal["events", "json", "text", "bytes"]
"""What the messages of a stream are: whole events of a session, JSON, text in UTF-8, or any bytes."""
_DATA = b',"data":'
_MESSAGES = b'"messages":['
_APPENDED = b'"type":"stream.appended"'
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]").search


def form_of(content_type: str) -> Form:
    """What is in a stream of a content type."""
    if is_json(content_type):
        return "json"
    return "text" if media_type(content_type).startswith("text/") else "bytes"


def content_of(body: bytes, content_type: str, depth: int) -> Content | None:
    """What a body brings to a stream of its content type; None where that is nothing. Raises Invalid and TooDeep."""
    if not body:
        return None
    if not is_json(content_type):
        return _as_text_or_base64(body)
    value = read_json(body, depth)
    messages = value if isinstance(value, list) else [value]
    if not messages:
        return None
    try:
        return Content(messages=tuple(messages))
    except ValidationError as error:
        raise Invalid(f"This cannot be appended: {explain(error)}.") from None


def _as_text_or_base64(body: bytes) -> Content:
    """Text is read as such in the log; what is not printable would be six bytes for each one as JSON."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if _UNPRINTABLE(text):
        return Content.model_construct(base64=b64encode(body).decode())
    return Content.model_construct(text=text)


def messages_in(wire: bytes, form: Form) -> bytes | None:
    """What an event's envelope brings to a reader, without brackets around JSON; None where it is nothing."""
    if form == "events":
        return wire
    if not is_type(wire, _APPENDED):
        return None
    if form == "json":
        return wire[wire.index(_MESSAGES) + len(_MESSAGES) : -len(b"]}}")]
    data = orjson.loads(wire[wire.index(_DATA) + len(_DATA) : -1])
    text: str | None = data.get("text")
    return b64decode(data["base64"]) if text is None else text.encode()


def is_type(wire: bytes, type: bytes) -> bool:
    """Whether an envelope is of this type, written as its member."""
    return wire.find(type, 0, wire.index(_DATA)) >= 0


def joined(messages: Sequence[bytes], form: Form) -> list[bytes]:
    """The pieces of a body that has these messages."""
    if form not in ("events", "json"):
        return list(messages)
    return [b"[", *[piece for each in messages for piece in (b",", each)][1:], b"]"]


def first_part(wire: bytes, form: Form, count: int) -> Content | None:
    """The first so many messages, or bytes, of what an event appended; None where it has fewer."""
    data = orjson.loads(wire[wire.index(_DATA) + len(_DATA) : -1])
    if form == "json":
        messages = data["messages"]
        return None if count > len(messages) else Content(messages=tuple(messages[:count]))
    content = messages_in(wire, form) or b""
    return None if count > len(content) else _as_text_or_base64(content[:count])
