"""An event in words: what happened, in one line for people."""

from collections.abc import Callable
from typing import Any

from ...domain.concepts import document, lifecycle, messages, presence, streams, tools
from ...domain.concepts.custom import OpaqueData
from ...domain.model import Event, EventData
from ...domain.parts import Part, text_of
from .console import one_line
from .short_forms import compact, joined, last_line, short
from .team_event_words import TEAMWORK

LINE_CHARACTERS = 300
"""Characters of a line's last column; `--json` has it all."""


def in_words(event: Event, most: int = LINE_CHARACTERS) -> str:
    """What the event says, without control characters, cut to `most` characters (0: whole)."""
    say = _SAYINGS.get(type(event.data))
    said = say(event.data) if say else compact(_value(event.data))
    to = f"to {', '.join(event.audience)}: " if event.audience and event.type in _ADDRESSED else ""
    return one_line(to + said, most)


def said_in(parts: "tuple[Part, ...]") -> str:
    """The words of a message; where it has none, its other parts."""
    text = text_of(parts)
    rest = [compact(part.model_dump(exclude_none=True)) for part in parts if part.kind != "text"]
    return text or " ".join(rest)


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


def _labels(data: lifecycle.SessionLabelled) -> str:
    return " ".join([*(f"+{name}={value}" for name, value in data.set.items()), *(f"-{name}" for name in data.remove)])


def _returned(data: tools.ToolReturned) -> str:
    """A call that failed may have got something all the same; one that streamed its output need not return it."""
    failed = None if data.error is None else f"✕ {data.error}"
    nothing = data.result is None and (data.error is not None or data.output is not None)
    result = None if nothing else f"→ {compact(data.result)}"
    output = last_line(data.output) if nothing and data.output else None
    return f"{short(data.call)} {joined(failed, result, output)}".rstrip()


def _called(data: tools.ToolCalled) -> str:
    arguments = "" if data.arguments is None else compact(data.arguments)
    return f"{short(data.call)} {data.tool}({arguments})"


def _appended(data: streams.StreamAppended) -> str:
    if data.base64 is not None:
        return f"{len(data.base64) * 3 // 4} bytes"
    return data.text or " ".join(map(compact, data.messages or ()))


def _posted(data: messages.MessagePosted) -> str:
    return f"({data.kind}) {said_in(data.parts)}" if data.kind != "message" else said_in(data.parts)


_SAYINGS: dict[type[EventData], Callable[[Any], str]] = {
    **TEAMWORK,
    lifecycle.SessionOpened: lambda data: data.title or "",
    lifecycle.SessionDescribed: lambda data: joined(data.title, compact(data.metadata) if data.metadata else None),
    lifecycle.SessionLabelled: _labels,
    lifecycle.SessionClosed: lambda data: data.reason or "",
    lifecycle.SessionReopened: lambda data: data.reason or "",
    presence.PresenceJoined: lambda data: joined(data.kind, data.name),
    presence.PresenceStatus: lambda data: joined(data.status, data.activity),
    presence.PresenceLeft: lambda data: data.reason or "",
    messages.MessagePosted: _posted,
    messages.MessageStarted: lambda data: short(data.message),
    messages.MessageDelta: lambda data: f"{short(data.message)} #{data.index} {data.text}",
    messages.MessageCompleted: lambda data: said_in(data.parts),
    messages.MessageAborted: lambda data: joined(data.reason or "ended early", said_in(data.parts)),
    tools.ToolCalled: _called,
    tools.ToolOutput: lambda data: f"{short(data.call)} #{data.index} {data.text}",
    tools.ToolReturned: _returned,
    streams.StreamCreated: lambda data: data.content_type,
    streams.StreamAppended: _appended,
    document.StatePatched: lambda data: "; ".join(operation(each) for each in data.patch),
    document.StateMerged: lambda data: compact(data.patch),
    document.StateIncremented: lambda data: f"{data.path} {data.by:+} = {data.value}",
}
_ADDRESSED = ("message.posted", "message.started", "message.completed")
