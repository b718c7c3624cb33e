"""An event in words: what happened, in one line for people."""

from collections.abc import Callable
from typing import Any

import orjson

from ..domain import document, messages, presence, sessions, tools
from ..domain.custom import OpaqueData
from ..domain.model import Event, EventData
from ..domain.parts import Part, text_of
from .console import one_line
from .transcript import Called

MOST = 300
"""Characters of a line's last column; `--json` has it all."""


def in_words(event: Event, most: int = MOST) -> str:
    """What the event says, without control characters, cut to `most` characters (0: whole)."""
    say = _SAYINGS.get(type(event.data))
    said = say(event.data) if say else compact(_value(event.data))
    to = f"to {', '.join(event.audience)}: " if event.audience and event.type in _ADDRESSED else ""
    return one_line(to + said, most)


def compact(value: Any) -> str:
    """JSON on one line, as people write it."""
    return orjson.dumps(value).decode() if isinstance(value, str | int | float | bool | None) else _spaced(value)


def _spaced(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {compact(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(compact(each) for each in value) + "]"
    return orjson.dumps(value).decode()


def said_in(parts: "tuple[Part, ...]") -> str:
    """The words of a message; where it has none, its other parts."""
    text = text_of(parts)
    rest = [compact(part.model_dump(exclude_none=True)) for part in parts if part.kind != "text"]
    return text or " ".join(rest)


def short(id: str) -> str:
    """An id as people tell it from others nearby: the end of a UUID, anything else whole."""
    return id[-6:] if len(id) == 36 and id.count("-") == 4 else id


def outcome(called: Called) -> str:
    """How a tool call ended."""
    return f"✕ {called.result}" if called.status == "failed" else f"→ {compact(called.result)}"


def operation(patch: dict[str, Any]) -> str:
    """One operation of a JSON Patch."""
    match patch.get("op"):
        case "remove":
            return f"remove {patch['path']}"
        case "move" | "copy" as op:
            return f"{op} {patch.get('from')} to {patch['path']}"
        case "test":
            return f"test {patch['path']} is {compact(patch.get('value'))}"
        case _:
            return f"{patch['path']} = {compact(patch.get('value'))}"


def _value(data: EventData) -> Any:
    return data.value if isinstance(data, OpaqueData) else data.model_dump(exclude_none=True)


def _joined(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def _labels(data: sessions.SessionLabelled) -> str:
    return " ".join([*(f"+{name}={value}" for name, value in data.set.items()), *(f"-{name}" for name in data.remove)])


def _returned(data: tools.ToolReturned) -> str:
    return f"{short(data.call)} ✕ {data.error}" if data.error else f"{short(data.call)} → {compact(data.result)}"


def _called(data: tools.ToolCalled) -> str:
    arguments = "" if data.arguments is None else compact(data.arguments)
    return f"{short(data.call)} {data.tool}({arguments})"


def _posted(data: messages.MessagePosted) -> str:
    return f"({data.kind}) {said_in(data.parts)}" if data.kind != "message" else said_in(data.parts)


_SAYINGS: dict[type[EventData], Callable[[Any], str]] = {
    sessions.SessionOpened: lambda data: data.title or "",
    sessions.SessionDescribed: lambda data: _joined(data.title, compact(data.metadata) if data.metadata else None),
    sessions.SessionLabelled: _labels,
    sessions.SessionClosed: lambda data: data.reason or "",
    sessions.SessionReopened: lambda data: data.reason or "",
    presence.PresenceJoined: lambda data: _joined(data.kind, data.name),
    presence.PresenceStatus: lambda data: _joined(data.status, data.activity),
    presence.PresenceLeft: lambda data: data.reason or "",
    messages.MessagePosted: _posted,
    messages.MessageStarted: lambda data: short(data.message),
    messages.MessageDelta: lambda data: f"{short(data.message)} #{data.index} {data.text}",
    messages.MessageCompleted: lambda data: said_in(data.parts),
    messages.MessageAborted: lambda data: _joined(data.reason or "ended early", said_in(data.parts)),
    tools.ToolCalled: _called,
    tools.ToolReturned: _returned,
    document.StatePatched: lambda data: "; ".join(operation(each) for each in data.patch),
    document.StateMerged: lambda data: compact(data.patch),
    document.StateIncremented: lambda data: f"{data.path} {data.by:+} = {data.value}",
}
_ADDRESSED = ("message.posted", "message.started", "message.completed")
