"""AG-UI's events as commands: what a framework tells of a run, written into a session.

    writer = AgUiWriter("run-7")
    for event in events:
        for step in writer.read(event): ...   # a command to carry out: its id, its name, its payload

Each message is streamed as it comes, each thought into the message that follows it. A call is recorded when its
arguments are whole. What has no command of its own is kept under its own name, as `x.ag_ui.…`. The ids of commands
count up within the run: the same events again are the same commands, and so repeats.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from ..concepts.open_work import MAX_OPEN, MAX_OPEN_BYTES, refuse_more
from ..errors import Invalid, StenogramError, TooLarge
from ..ids import NAME_PATTERN
from ..json.answer_schema import check_schema
from ..json.pointer import pointer
from ..parts import StreamedKind
from ..wording.json_faults import unreadable

KEPT = "x.ag_ui."
"""What types begin with that events have which are kept as they are."""
_SPOKEN_BY_OTHERS = ("user", "system", "developer")
_PASSED_OVER = ("REASONING_START", "REASONING_END", "THINKING_START", "THINKING_END", "MESSAGES_SNAPSHOT")
Event = Mapping[str, Any]


class Step(NamedTuple):
    """A command to carry out."""

    id: str
    do: str
    data: dict[str, Any]


@dataclass
class _Speech:
    """A message that is being streamed."""

    id: str
    index: int = 0
    said: bool = False


@dataclass
class _Call:
    """A tool call whose arguments come in."""

    id: str
    tool: str
    message: str | None
    arguments: list[str] = field(default_factory=list)


def ag_ui_members(event: object) -> Event:
    """An event's members: of a mapping, of a model of `ag_ui.core`, or of one that is written as JSON or as a
    server-sent event. Raises Invalid."""
    if hasattr(event, "model_dump"):
        event = event.model_dump(mode="json", by_alias=True, exclude_none=True)
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


class AgUiWriter:
    """Reads the events of one run, in order. `run` is what ids of commands are made from, unless the run says first
    what it is called."""

    def __init__(self, run: str) -> None:
        self.result: Any = None
        """What the run came to."""
        self.error: str | None = None
        """Why it failed, if it did."""
        self.interrupts: list[str] = []
        """The questions with which it ended."""
        self.messages: list[str] = []
        """The ids of its messages."""
        self._run = run
        self._steps = 0
        self._speeches: dict[str, _Speech] = {}
        self._thinking: dict[str | None, _Speech] = {}
        self._calls: dict[str, _Call] = {}
        self._argument_chars = 0
        self._called: set[str] = set()
        self._chunks: dict[str | None, tuple[str, str]] = {}
        self._ignored: set[str] = set()
        self._known: dict[str, str] = {}

    def read(self, event: Event) -> list[Step]:
        """What an event comes to. Raises Invalid for one that makes no sense here."""
        type, lane = event["type"], event.get("subagentRunId")
        if type in _PASSED_OVER:
            return []
        handle = _HANDLERS.get(type)
        try:
            steps = [] if type.endswith("_CHUNK") else self._end_chunk(lane)
            return steps + (self._keep(event) if handle is None else handle(self, event))
        except KeyError as error:
            (name,) = error.args
            wrong = f"is of {name}, which did not begin" if name in event.values() else f"lacks {name}"
            raise Invalid(f"This {type} {wrong}.") from None
        except (TypeError, AttributeError):
            raise Invalid(f"This {type} has a member of another form than AG-UI's.") from None

    def end(self, reason: str | None = None) -> list[Step]:
        """What is open when nothing more comes: it is completed, or with a `reason` aborted."""
        speeches = {each.id: each for each in [*self._speeches.values(), *self._thinking.values()]}
        self._speeches, self._thinking, self._chunks, self._calls, self._argument_chars = {}, {}, {}, {}, 0
        return [self._ended(speech, reason) for speech in speeches.values()]

    def _step(self, do: str, data: dict[str, Any]) -> Step:
        self._steps += 1
        return Step(_name(f"ag-ui.{self._run}.{self._steps}"), do, data)

    def _keep(self, event: Event) -> list[Step]:
        data = {name: value for name, value in event.items() if name not in ("type", "rawEvent")}
        type = re.sub(r"[^a-z0-9_]", "_", str(event["type"]).lower())
        return [self._step("custom.record", {"type": f"{KEPT}{type.lstrip('_0123456789') or 'event'}", "data": data})]

    def _begin(self, event: Event, id: str) -> list[Step]:
        """A message, which may have begun with a thought."""
        lane = event.get("subagentRunId")
        speech = self._thinking.pop(lane, None)
        steps = list[Step]()
        if speech is None:
            speech = _Speech(_name(id))
            self.messages.append(speech.id)
            about = {"metadata": {"ag_ui.subagent": lane}} if lane else {}
            steps.append(self._step("message.start", {"message": speech.id, **about}))
        self._speeches[id] = speech
        self._known[id] = speech.id
        if len(self._known) > MAX_OPEN:
            del self._known[next(iter(self._known))]
        return steps

    def _piece(self, id: str, text: str, part: StreamedKind = "text") -> list[Step]:
        speech = self._speeches.get(id)
        if speech is None:
            raise Invalid(f"Message {id!r} has not begun.")
        if not text:
            return []
        data: dict[str, Any] = {"message": speech.id, "index": speech.index, "text": text}
        speech.index += 1
        speech.said = speech.said or part == "text"
        return [self._step("message.delta", data if part == "text" else {**data, "part": part})]

    def _ended(self, speech: _Speech, reason: str | None = None, metadata: Any = None) -> Step:
        if reason is not None:
            return self._step("message.abort", {"message": speech.id, "reason": reason[:2_000]})
        about = {"metadata": metadata} if isinstance(metadata, dict) else {}
        return self._step("message.complete", {"message": speech.id, "deltas": speech.index, **about})

    def _text_start(self, event: Event) -> list[Step]:
        id = event["messageId"]
        if event.get("role") in _SPOKEN_BY_OTHERS:  # they say it themselves
            refuse_more(len(self._ignored), "messages of others")
            self._ignored.add(id)
            return []
        return self._begin(event, id)

    def _text(self, event: Event) -> list[Step]:
        return [] if event["messageId"] in self._ignored else self._piece(event["messageId"], event["delta"])

    def _text_end(self, event: Event) -> list[Step]:
        if event["messageId"] in self._ignored:
            self._ignored.discard(event["messageId"])
            return []
        speech = self._speeches.pop(event["messageId"], None)
        if speech is None:
            raise Invalid(f"Message {event['messageId']!r} has not begun.")
        return [self._ended(speech, metadata=event.get("metadata"))]

    def _chunk(self, event: Event) -> list[Step]:
        """A piece of a message or a call that begins and ends by itself."""
        kind, lane = event["type"].removesuffix("_CHUNK"), event.get("subagentRunId")
        name = "toolCallId" if kind == "TOOL_CALL" else "messageId"
        last, id, steps = self._chunks.get(lane), event.get(name), list[Step]()
        if last is None or last[0] != kind or id not in (None, last[1]):
            if id is None:
                raise Invalid(f"The first {event['type']} says which one by its `{name}`.")
            steps = self._end_chunk(lane) + _HANDLERS[f"{kind}_START"](self, event)
            self._chunks[lane] = last = (kind, id)
        if event.get("delta"):
            piece = "ARGS" if kind == "TOOL_CALL" else "CONTENT"
            steps += _HANDLERS[f"{kind}_{piece}"](self, {**event, name: last[1]})
        return steps

    def _end_chunk(self, lane: str | None) -> list[Step]:
        last = self._chunks.pop(lane, None)
        if last is None:
            return []
        name = "toolCallId" if last[0] == "TOOL_CALL" else "messageId"
        return _HANDLERS[f"{last[0]}_END"](self, {name: last[1], "subagentRunId": lane})

    def _thought_start(self, event: Event) -> list[Step]:
        return self._begin(event, event.get("messageId", "thinking"))

    def _thought(self, event: Event) -> list[Step]:
        return self._piece(event.get("messageId", "thinking"), event["delta"], "reasoning")

    def _thought_end(self, event: Event) -> list[Step]:
        """What is said next goes into the same message."""
        speech = self._speeches.pop(event.get("messageId", "thinking"), None)
        if speech is not None:
            self._thinking[event.get("subagentRunId")] = speech
        return []

    def _only_thought(self, lane: str | None) -> list[Step]:
        """A thought after which something else comes than words is a message of its own."""
        speech = self._thinking.pop(lane, None)
        return [] if speech is None else [self._ended(speech)]

    def _call_start(self, event: Event) -> list[Step]:
        id = event["toolCallId"]
        refuse_more(len(self._calls), "tool calls whose arguments come in")
        serves = self._known.get(event.get("parentMessageId") or "")
        self._calls[id] = _Call(_name(id), event["toolCallName"], serves)
        return self._only_thought(event.get("subagentRunId"))

    def _arguments(self, event: Event) -> list[Step]:
        call, delta = self._calls[event["toolCallId"]], event["delta"]
        self._argument_chars += len(delta)
        if self._argument_chars > MAX_OPEN_BYTES:
            most = f"{MAX_OPEN_BYTES:,} characters together"
            raise TooLarge(f"The arguments of calls that have not ended have at most {most}.")
        call.arguments.append(delta)
        return []

    def _call_end(self, event: Event) -> list[Step]:
        call = self._calls.pop(event["toolCallId"])
        self._argument_chars -= sum(map(len, call.arguments))
        self._called.add(event["toolCallId"])
        given = {"call": call.id, "tool": _name(call.tool), "arguments": _parsed("".join(call.arguments))}
        return [self._step("tool.call", given if call.message is None else {**given, "message": call.message})]

    def _result(self, event: Event) -> list[Step]:
        id = event["toolCallId"]
        if id not in self._called:
            return self._keep(event)
        self._called.discard(id)
        return [self._step("tool.return", {"call": _name(id), "result": _parsed(event["content"])})]

    def _snapshot(self, event: Event) -> list[Step]:
        """Its members at the top; what others keep in the state stays."""
        patch = [{"op": "add", "path": pointer([name]), "value": value} for name, value in event["snapshot"].items()]
        return [self._step("state.patch", {"patch": patch})] if patch else []

    def _delta(self, event: Event) -> list[Step]:
        return [self._step("state.patch", {"patch": list(event["delta"])})] if event["delta"] else []

    def _run_started(self, event: Event) -> list[Step]:
        if not self._steps:
            self._run = str(event["runId"])
        return []

    def _finished(self, event: Event) -> list[Step]:
        self.result = event.get("result")
        asked = (event.get("outcome") or {}).get("interrupts") or ()
        return [*self.end(), *[self._question(each) for each in asked]]

    def _question(self, interrupt: Event) -> Step:
        id = _name(interrupt["id"])
        self.interrupts.append(id)
        about: dict[str, Any] = {"approval": id, "question": interrupt.get("message") or interrupt["reason"]}
        schema = interrupt.get("responseSchema")
        try:
            if schema is not None:
                check_schema(schema)
                about["answer_schema"] = schema
        except (StenogramError, ValueError):
            about["own_words"] = True
        return self._step("approval.request", about)

    def _failed(self, event: Event) -> list[Step]:
        self.error = str(event.get("message") or "The run failed.")
        return self.end(self.error)


def _name(id: str) -> str:
    """The id as a name here: the same, if it can be one."""
    if len(id) <= 128 and re.fullmatch(NAME_PATTERN, id):
        return id
    return f"ag-ui.{sha256(id.encode()).hexdigest()}"


def _parsed(text: Any) -> Any:
    """JSON, or else the text itself."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return text


_HANDLERS: dict[str, Callable[[AgUiWriter, Event], list[Step]]] = {
    "TEXT_MESSAGE_START": AgUiWriter._text_start,
    "TEXT_MESSAGE_CONTENT": AgUiWriter._text,
    "TEXT_MESSAGE_END": AgUiWriter._text_end,
    "TEXT_MESSAGE_CHUNK": AgUiWriter._chunk,
    "TOOL_CALL_CHUNK": AgUiWriter._chunk,
    "REASONING_MESSAGE_CHUNK": AgUiWriter._chunk,
    "TOOL_CALL_START": AgUiWriter._call_start,
    "TOOL_CALL_ARGS": AgUiWriter._arguments,
    "TOOL_CALL_END": AgUiWriter._call_end,
    "TOOL_CALL_RESULT": AgUiWriter._result,
    "STATE_SNAPSHOT": AgUiWriter._snapshot,
    "STATE_DELTA": AgUiWriter._delta,
    "RUN_STARTED": AgUiWriter._run_started,
    "RUN_FINISHED": AgUiWriter._finished,
    "RUN_ERROR": AgUiWriter._failed,
    **dict.fromkeys(("REASONING_MESSAGE_START", "THINKING_TEXT_MESSAGE_START"), AgUiWriter._thought_start),
    **dict.fromkeys(("REASONING_MESSAGE_CONTENT", "THINKING_TEXT_MESSAGE_CONTENT"), AgUiWriter._thought),
    **dict.fromkeys(("REASONING_MESSAGE_END", "THINKING_TEXT_MESSAGE_END"), AgUiWriter._thought_end),
}
