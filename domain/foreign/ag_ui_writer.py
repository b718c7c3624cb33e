"""AG-UI's events as commands: what a framework tells of a run, written into a session.

    writer = AgUiWriter("run-7")
    for event in events:
        for step in writer.read(event): ...   # a command to carry out: its id, its name, its payload

Each message is streamed as it comes, each thought into the message that follows it; one that begins again after its
end is another. A call is recorded when its arguments are whole. What has no command of its own is kept under its own
name, as `x.ag_ui.…`. The ids of commands count up within the run: the same events again are the same commands, and so
repeats.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..concepts.open_work import MAX_OPEN, MAX_OPEN_BYTES, refuse_more
from ..errors import Invalid, StenogramError, TooLarge
from ..json.answer_schema import check_schema
from ..json.pointer import pointer
from ..parts import StreamedKind
from .ag_ui_members import Event, as_name, is_conversation, parsed

KEPT = "x.ag_ui."
"""What types begin with that events have which are kept as they are."""
_SPOKEN_BY_OTHERS = ("user", "system", "developer")
_PASSED_OVER = ("REASONING_START", "REASONING_END", "THINKING_START", "THINKING_END", "MESSAGES_SNAPSHOT")


class Step(NamedTuple):
    """A command to carry out."""

    id: str
    do: str
    data: dict[str, Any]

    @property
    def spare(self) -> bool:
        """Whether it is left out when it is too large: a framework's own event as it was, which others tell as well."""
        return self.data.get("type") == f"{KEPT}raw"


@dataclass
class _Speech:
    """A message that is being streamed."""

    id: str
    index: int = 0
    thought: list[str] = field(default_factory=list)


@dataclass
class _Call:
    """A tool call whose arguments come in, until it is `told`."""

    id: str
    tool: str
    message: str | None
    arguments: list[str] = field(default_factory=list)
    told: bool = False


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
        self._thoughts: set[str] = set()
        self._last_thought: list[str] = []
        self._thinking: dict[str | None, _Speech] = {}
        self._calls: dict[str, _Call] = {}
        self._argument_chars = 0
        self._called: dict[str, str] = {}
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
        """What is open when nothing more comes: it is completed, or with a `reason` aborted, and calls fail with it.
        Without one they are left open: a person may have to answer, or a page to call its tool."""
        speeches = {each.id: each for each in [*self._speeches.values(), *self._thinking.values()]}
        self._speeches, self._thinking, self._chunks, self._calls, self._argument_chars = {}, {}, {}, {}, 0
        steps = [self._ended(speech, reason) for speech in speeches.values()]
        if reason is not None:
            calls, self._called = self._called, {}
            steps += [self._step("tool.return", {"call": each, "error": reason[:2_000]}) for each in calls.values()]
        return steps

    def _step(self, do: str, data: dict[str, Any]) -> Step:
        self._steps += 1
        return Step(as_name(f"ag-ui.{self._run}.{self._steps}"), do, data)

    def _keep(self, event: Event) -> list[Step]:
        data = {name: value for name, value in event.items() if name not in ("type", "rawEvent")}
        type = re.sub(r"[^a-z0-9_]", "_", str(event["type"]).lower())
        return [self._step("custom.record", {"type": f"{KEPT}{type.lstrip('_0123456789') or 'event'}", "data": data})]

    def _begin(self, event: Event, id: str) -> list[Step]:
        """A message, which may have begun with a thought."""
        if id in self._speeches:
            return []
        lane = event.get("subagentRunId")
        speech = self._thinking.pop(lane, None)
        steps = list[Step]()
        if speech is None:  # some go on with one that has ended: after a tool call, say
            speech = _Speech(as_name(f"{id}.{self._steps}" if id in self._known else id))
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
        """Nothing begins before there are words."""
        refuse_more(len(self._thoughts), "thoughts without words")
        self._thoughts.add(event.get("messageId", "thinking"))
        return []

    def _thought(self, event: Event) -> list[Step]:
        id, delta, steps = event.get("messageId", "thinking"), event["delta"], list[Step]()
        if id in self._thoughts:
            if _repeats(delta, self._last_thought):
                return []
            self._thoughts.discard(id)
            steps = self._begin(event, id)
        steps += self._piece(id, delta, "reasoning")
        if delta:
            self._speeches[id].thought.append(delta)
        return steps

    def _thought_end(self, event: Event) -> list[Step]:
        """What is said next goes into the same message."""
        id = event.get("messageId", "thinking")
        self._thoughts.discard(id)
        speech = self._speeches.pop(id, None)
        if speech is not None:
            self._last_thought, speech.thought = speech.thought, []
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
        self._calls[id] = _Call(as_name(id), event["toolCallName"], serves)
        return self._only_thought(event.get("subagentRunId"))

    def _arguments(self, event: Event) -> list[Step]:
        call, delta = self._calls[event["toolCallId"]], event["delta"]
        if call.told:  # they were whole: what comes once more is no more
            return []
        self._argument_chars += len(delta)
        if self._argument_chars > MAX_OPEN_BYTES:
            most = f"{MAX_OPEN_BYTES:,} characters together"
            raise TooLarge(f"The arguments of calls that have not ended have at most {most}.")
        call.arguments.append(delta)
        # Some say only when a call has returned that its arguments have ended. An object is whole by itself; an empty
        # one may only stand where the arguments will be.
        whole = len(call.arguments) == 1 and delta.endswith("}") and delta != "{}" and isinstance(parsed(delta), dict)
        return [self._tell(event["toolCallId"], call)] if whole else []

    def _call_end(self, event: Event) -> list[Step]:
        call = self._calls.pop(event["toolCallId"])
        return [] if call.told else [self._tell(event["toolCallId"], call)]

    def _tell(self, id: str, call: _Call) -> Step:
        text = "".join(call.arguments)
        self._argument_chars -= len(text)
        self._called[id] = call.id
        call.told = True
        call.arguments.clear()
        given = {"call": call.id, "tool": as_name(call.tool), "arguments": parsed(text)}
        return self._step("tool.call", given if call.message is None else {**given, "message": call.message})

    def _result(self, event: Event) -> list[Step]:
        call = self._called.pop(event["toolCallId"], None)
        if call is None:
            return self._keep(event)
        return [self._step("tool.return", {"call": call, "result": parsed(event["content"])})]

    def _snapshot(self, event: Event) -> list[Step]:
        """Its members at the top; what others keep in the state stays. The conversation, which some keep in the state,
        is in the log."""
        patch = [
            {"op": "add", "path": pointer([name]), "value": value}
            for name, value in event["snapshot"].items()
            if not (name == "messages" and is_conversation(value))
        ]
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
        id = as_name(interrupt["id"])
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


def _repeats(delta: str, thought: list[str]) -> bool:
    """Whether it is the end of that thought again: some tell all of it at once when it has been told in pieces."""
    stop = len(delta)
    for piece in reversed(thought):
        if not stop or not delta.endswith(piece, 0, stop):
            break
        stop -= len(piece)
    return bool(delta) and not stop


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
