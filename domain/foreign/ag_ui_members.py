"""What an AG-UI event says, in whatever form it comes."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from ..errors import Invalid
from ..ids import NAME_PATTERN
from ..wording.json_faults import unreadable

Event = Mapping[str, Any]


def ag_ui_members(event: object) -> Event:
    """An event's members: of a mapping, of a model of `ag_ui.core`, or of one that is written as JSON or as a
    server-sent event. Raises Invalid."""
    if hasattr(event, "model_dump"):
        # Without what the event was made from: it is large, not kept, and may hold what is no JSON.
        event = event.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"raw_event"})
    if isinstance(event, str):
        event = event.encode()
    if isinstance(event, bytes):
        data = [line.removeprefix(b"data:") for line in event.splitlines() if line.startswith((b"data:", b"{"))]
        try:
            event = orjson.loads(b"\n".join(data))
        except orjson.JSONDecodeError as error:
            raise Invalid(f"This is no AG-UI event, which is JSON: {unreadable(error)}.") from None
    if not isinstance(event, Mapping) or not isinstance(event.get("type"), str):
        raise Invalid("An AG-UI event is an object with a `type`.")
    return event


def as_name(id: str) -> str:
    """The id as a name here: the same, if it can be one."""
    if len(id) <= 128 and re.fullmatch(NAME_PATTERN, id):
        return id
    return f"ag-ui.{sha256(id.encode()).hexdigest()}"


def is_conversation(value: Any) -> bool:
    """Whether these are messages, of LangChain or as models take them."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "content" in value and ("role" in value or "type" in value)


def parsed(text: Any) -> Any:
    """JSON, or else the text itself."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return text
