"""What a span says by the semantic conventions for generative AI: who acts, what is asked, answered, called and used.

Messages stand in attributes (`gen_ai.input.messages` and others, as JSON or as values), in those of an event
(`gen_ai.client.inference.operation.details`), or, by conventions that are older, in an event each
(`gen_ai.user.message`, `gen_ai.choice`) or in attributes that are numbered (`gen_ai.prompt.0.content`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from ...domain.errors import Invalid
from ...domain.json.checks import deeper_than
from .span import Attributes, Span

CHATS = ("chat", "text_completion", "generate_content")
INVOKE, TOOL = "invoke_agent", "execute_tool"
DETAILS = "gen_ai.client.inference.operation.details"
_NUMBERED = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,4})\.(role|content)")
_USAGE = "gen_ai.usage."
MAX_SAID = 10_000
"""Messages of a span in one place, and parts of all of them: two bytes of JSON may be one."""
MAX_VALUE_DEPTH = 64
"""JSON that is nested deeper stays a text."""
Part = dict[str, Any]


class Message(NamedTuple):
    """A message to a model or of it, in parts of ours."""

    role: str
    parts: tuple[Part, ...]
    """Without what tools returned, which their own spans say."""


class Said(NamedTuple):
    """The messages of a span: instructions, then what went in; and what came out."""

    given: list[Message]
    answered: list[Message]


def operation_of(span: Span) -> str | None:
    """Which operation it is; None for a span of something else."""
    found = span.attributes.get("gen_ai.operation.name") or _LLM.get(str(span.attributes.get("llm.request.type")))
    return str(found) if found in (*CHATS, INVOKE, TOOL) else None


_LLM = {"chat": "chat", "completion": "text_completion"}
"""What is called otherwise by instrumentation that is older."""


def messages_of(span: Span) -> Said:
    """What was said. What cannot be read as a message is one of one part, with all of it. Raises Invalid if it is too
    much."""
    attributes = dict(span.attributes)
    for event in span.events:
        if event.name == DETAILS:
            attributes |= event.attributes
    instructions = value_of(attributes.get("gen_ai.system_instructions"))
    given = [] if not instructions else [Message("system", tuple(_parts(instructions)))]
    given += _messages(attributes.get("gen_ai.input.messages"), "user")
    answered = _messages(attributes.get("gen_ai.output.messages"), "assistant")
    told = [event for event in span.events if event.name.startswith("gen_ai.") and event.name.endswith(".message")]
    given += _few(_of_event(event.attributes, event.name.split(".")[1]) for event in told)
    choices = [event for event in span.events if event.name == "gen_ai.choice"]
    answered += _few(_of_event(event.attributes, "assistant") for event in choices)
    if not given and not answered:
        given, answered = _numbered(attributes)
    return Said(given, answered)


def usage_of(span: Span) -> dict[str, Any]:
    """Its model, and the tokens that it took."""
    attributes = span.attributes
    model = attributes.get("gen_ai.response.model") or attributes.get("gen_ai.request.model")
    tokens = {
        name.removeprefix(_USAGE).replace(".", "_"): value
        for name, value in attributes.items()
        if name.startswith(_USAGE) and isinstance(value, int | float)
    }
    return {**({"model": str(model)} if model else {}), **tokens}


def error_of(span: Span) -> str | None:
    """What went wrong, in words; None if nothing did."""
    if not span.failed:
        return None
    raised = [event.attributes for event in span.events if event.name == "exception"]
    about = raised[-1] if raised else {}
    said = [str(about[name]) for name in ("exception.type", "exception.message") if about.get(name)]
    said = said or [str(span.attributes.get("error.type") or "")]
    return span.message or ": ".join(said) or "It failed."


def value_of(said: Any) -> Any:
    """A value that may be written as JSON: what it says, unless that is nested deep."""
    if not isinstance(said, str):
        return said
    try:
        found = orjson.loads(said)
    except orjson.JSONDecodeError:
        return said
    return said if deeper_than(found, MAX_VALUE_DEPTH) else found


def _messages(said: Any, role: str) -> list[Message]:
    found = value_of(said)
    if not found:
        return []
    return _few(_message(each, role) for each in (found if isinstance(found, list) else [found]))


def _few(messages: Iterable[Message]) -> list[Message]:
    """All of them. Raises Invalid as soon as they are too many, or have too many parts."""
    found: list[Message] = []
    parts = 0
    for each in messages:
        found.append(each)
        parts += len(each.parts)
        if max(len(found), parts) > MAX_SAID:
            raise _too_much()
    return found


def _too_much() -> Invalid:
    return Invalid(f"A span says at most {MAX_SAID:,} messages, and parts of them.")


def _message(said: Any, role: str) -> Message:
    if not isinstance(said, Mapping):
        return Message(role, tuple(_parts(said)))
    parts = said.get("parts", said.get("content"))
    return Message(str(said.get("role") or role), tuple(_parts(parts)))


def _of_event(attributes: Attributes, role: str) -> Message:
    found = value_of(attributes.get("message")) or value_of(attributes.get("gen_ai.event.content")) or attributes
    if isinstance(found, Mapping) and isinstance(found.get("message"), Mapping):
        found = found["message"]
    return _message(found, role)


def _numbered(attributes: Attributes) -> tuple[list[Message], list[Message]]:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for name, value in attributes.items():
        if match := _NUMBERED.fullmatch(name):
            found.setdefault((match[1], int(match[2])), {})[match[3]] = value
    given = [_message(found[key], "user") for key in sorted(found) if key[0] == "prompt"]
    answered = [_message(found[key], "assistant") for key in sorted(found) if key[0] == "completion"]
    return given, answered


def _parts(said: Any) -> Iterator[Part]:
    """Parts of ours. What tools returned is left out: their own spans say it. Raises Invalid."""
    if said is None or said == "":
        return
    parts = said if isinstance(said, list) else [said]
    if len(parts) > MAX_SAID:
        raise _too_much()
    for each in parts:
        if isinstance(each, str):
            yield {"kind": "text", "text": each}
        elif isinstance(each, Mapping):
            kind, text = each.get("type"), each.get("content", each.get("text"))
            if kind in ("text", "reasoning") and isinstance(text, str):
                if text:
                    yield {"kind": str(kind), "text": text}
            elif kind not in ("tool_call_response", "tool_result"):
                yield {"kind": "data", "name": str(kind or "value")[:64], "data": dict(each)}
        else:
            yield {"kind": "data", "name": "value", "data": each}
