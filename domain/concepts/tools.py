"""Tool calls.

    called → output* → returned | abandoned

A call returns with a result, an error, or both; or it is abandoned, when nobody waits for it any more. What the tool
puts out meanwhile can be streamed: each piece carries its index, so that a repeat is recognised and a hole is refused.
The event that ends the call carries the output whole.
"""

from typing import Annotated, Any, ClassVar, NamedTuple, cast

import orjson
from immutables import Map
from pydantic import JsonValue, StringConstraints

from ..audience import Audience, including, sees
from ..errors import Conflict, Fenced, Forbidden, NotFound, TooLarge
from ..ids import CallId, MessageId, Name, ParticipantId, TaskId, Version
from ..model import Command, CommandData, Count, Decision, Event, EventData, Fact, Reason, Repeat, decided
from ..parts import Streamed, assemble, extend
from ..unchecked import new_unchecked
from .open_work import MAX_OPEN_BYTES, OpenWork, refuse_more
from .reports import Metadata, Usage, refuse_large

MAX_OUTPUT_BYTES = 1_000_000
MAX_ERROR_CHARS = 100_000
ErrorText = Annotated[str, StringConstraints(max_length=MAX_ERROR_CHARS)]


class _ToolEvent(EventData):
    call: CallId
    """Which call."""

    def subject(self) -> str:
        return f"tool:{self.call}"


class ToolCalled(_ToolEvent):
    """A tool was called, on behalf of `message` where that is given."""

    type = "tool.called"
    tool: Name
    """Which tool."""
    arguments: JsonValue = None
    """What it was called with."""
    message: MessageId | None = None
    """The message that it serves."""
    run: Name | None = None
    """Which run of the actor calls it, where that has a name."""
    metadata: Metadata | None = None
    """The application's own."""


class _Output(_ToolEvent):
    type = "tool.output"
    index: int
    """0, 1, 2 … within the call."""
    text: str
    """The next piece."""


class ToolOutput(_Output):
    """The next piece of what a tool puts out while it works. `first` is set only in folded readings, where pieces
    `first` to `index` were joined into one."""

    first: int | None = None
    """Only in folded readings: the first index that the text covers."""


class _ToolEnded(_ToolEvent):
    output: str | None = None
    """All that was streamed of its output."""
    deltas: int | None = None
    """How many pieces of output were streamed; absent: none."""


class ToolReturned(_ToolEnded):
    """The call ended: with a `result`, or an `error`, or what it had got before it failed and the error."""

    type = "tool.returned"
    result: JsonValue = None
    """What it returned."""
    error: ErrorText | None = None
    """Why it failed."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""


class ToolAbandoned(_ToolEnded):
    """The caller was lost or stopped: what the call returns will not be known."""

    type = "tool.abandoned"
    reason: Reason | None = None
    """For people."""


class _ToolCommand(CommandData):
    concept: ClassVar[str] = "tools"
    call: CallId
    """The call's id: minted by the caller, unique in the session."""


class CallTool(_ToolCommand):
    """Record that a tool is being called."""

    do = "tool.call"
    tool: Name
    """Which tool."""
    arguments: JsonValue = None
    """What it is called with."""
    message: MessageId | None = None
    """The message that it serves."""
    audience: Audience | None = None
    """Who may see the call, its output and what it returns; absent: everyone."""
    metadata: Metadata | None = None
    """The application's own."""


class StreamOutput(_Output, _ToolCommand):
    """Stream the next piece of what a tool puts out: `index` counts 0, 1, 2 … A repeat of an index is answered as the
    first time, and refused with `conflict` when it has another text."""

    # A piece is written as it comes: the command's payload is the event's.
    do = "tool.output"
    keyed = False
    plain = True
    index: Count
    """Counts 0, 1, 2 … within the call."""
    text: Annotated[str, StringConstraints(min_length=1)]
    """The next piece."""

    def json_bytes(self) -> bytes:
        return orjson.dumps(self.__dict__)  # scalars need no serializer


class ReturnTool(_ToolCommand):
    """Record how a call ended: with a `result`, an `error`, or both."""

    do = "tool.return"
    result: JsonValue = None
    """What it returned."""
    error: ErrorText | None = None
    """Why it failed."""
    deltas: Count | None = None
    """How many pieces of output were sent; refused with `conflict` when some are missing."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""


class Call(NamedTuple):
    """A tool call; `open` until it returned or was `abandoned`. `task` is what it was made under, `message` what it
    serves. `index` is the next piece's; the output of a call that has ended is in the log alone."""

    id: CallId
    caller: ParticipantId
    tool: str
    audience: tuple[str, ...] | None
    since: Version
    open: bool
    task: TaskId | None = None
    abandoned: bool = False
    run: str | None = None
    index: int = 0  # type: ignore[assignment]  # it hides tuple.index, which nobody misses
    streamed: Streamed | None = None
    message: MessageId | None = None


class Calls(NamedTuple):
    """All calls, which of them are open, and how many bytes of output these hold."""

    known: Map[CallId, Call] = Map()
    open: OpenWork = OpenWork()
    open_bytes: int = 0


EMPTY = Calls()


def decide(calls: Calls, command: Command) -> Decision:
    """Apply the rules to one command."""
    if isinstance(command.data, StreamOutput):
        return _stream(calls, command, command.data)
    refuse_large(command.data)
    match command.data:
        case CallTool() as data:
            if data.call in calls.known:
                raise Conflict(f"Tool call {data.call!r} exists already; choose another id.", exists=data.call)
            refuse_more(calls.open.number, "open tool calls")
            called = ToolCalled(
                call=data.call,
                tool=data.tool,
                arguments=data.arguments,
                message=data.message,
                run=command.run,
                metadata=data.metadata,
            )
            return decided(called, audience=data.audience)
        case ReturnTool() as data:
            return _return(_open(calls, command, data.call), data)
    raise NotImplementedError(command.data.do)


def _stream(calls: Calls, command: Command, data: StreamOutput) -> Decision:
    call = _own(calls, command, data.call)
    if data.index < call.index:
        return Decision((), repeat=Repeat(f"tool:{call.id}", call.since, data.index))
    _refuse_ended(call)
    if data.index > call.index:
        raise Conflict(
            f"Output {data.index} of tool call {call.id!r} came before output {call.index}; send that first.",
            expected=call.index,
        )
    streamed = extend(call.streamed, "text", data.text)
    if streamed.length > MAX_OUTPUT_BYTES:
        raise TooLarge(f"A tool call keeps at most {MAX_OUTPUT_BYTES:,} bytes of output; leave the rest out.")
    after = _with(calls, call, call.index + 1, streamed)
    if after.open_bytes > MAX_OPEN_BYTES:
        raise TooLarge(
            f"The open tool calls of a session hold at most {MAX_OPEN_BYTES:,} bytes of output; return some first."
        )
    fact = new_unchecked(Fact, (data, call.audience, None, None, call.task))
    return Decision((fact,), after=after)


def _return(call: Call, data: ReturnTool) -> Decision:
    if data.deltas is not None and data.deltas != call.index:
        raise Conflict(
            f"Tool call {call.id!r} has {call.index} pieces of output, not {data.deltas}; send the missing ones first.",
            expected=call.index,
        )
    returned = ToolReturned(
        call=call.id, result=data.result, error=data.error, usage=data.usage, metadata=data.metadata, **_output(call)
    )
    return Decision((Fact(returned, call.audience, task=call.task),), (returned.subject(),))


def _output(call: Call) -> dict[str, Any]:
    """All that was streamed of a call's output, as the event that ends it has it."""
    return (
        {"output": "".join(part.text for part in assemble(call.streamed)), "deltas": call.index} if call.index else {}
    )


def abandoned(call: Call, reason: str | None) -> Fact:
    """The end of an open call that nobody waits for. Its caller hears of it."""
    data = ToolAbandoned(call=call.id, reason=reason, **_output(call))
    return Fact(data, including(call.audience, call.caller), task=call.task)


def _own(calls: Calls, command: Command, id: CallId) -> Call:
    call = calls.known.get(id)
    if call is None or not sees(command.actor, including(call.audience, call.caller)):
        raise NotFound(f"There is no tool call {id!r}.")
    if call.caller != command.actor.id:
        raise Forbidden(f"Tool call {id!r} is {call.caller!r}'s; only the caller may return it.")
    return call


def _open(calls: Calls, command: Command, id: CallId) -> Call:
    call = _own(calls, command, id)
    _refuse_ended(call)
    return call


def _refuse_ended(call: Call) -> None:
    if call.abandoned:
        raise Fenced(f"Tool call {call.id!r} was abandoned; stop.", call=call.id)
    if not call.open:
        raise Conflict(f"Tool call {call.id!r} has returned.")


def evolve(calls: Calls, event: Event) -> Calls:
    """Fold one event."""
    if event.type == ToolOutput.type:
        return _grow(calls, cast(_Output, event.data))
    match event.data:
        case ToolCalled() as data:
            about = (data.call, event.actor, data.tool, event.audience, event.version, True, event.task)
            call = Call(*about, run=data.run, message=data.message)
            open = calls.open.begun(call.id, call.caller, call.task)
            return calls._replace(known=calls.known.set(call.id, call), open=open)
        case ToolReturned() as data:
            return _ended(calls, calls.known[data.call]._replace(open=False))
        case ToolAbandoned() as data:
            return _ended(calls, calls.known[data.call]._replace(open=False, abandoned=True))
    return calls


def _grow(calls: Calls, piece: _Output) -> Calls:
    call = calls.known[piece.call]
    # Pieces are written unconditionally: two gateways may both let one through that the other, or the call's end, has
    # made superfluous.
    superfluous = not call.open or piece.index < call.index
    streamed = call.streamed if superfluous else extend(call.streamed, "text", piece.text)
    return _with(calls, call, max(call.index, piece.index + 1), streamed)


def _with(calls: Calls, call: Call, index: int, streamed: Streamed | None) -> Calls:
    grown = call._replace(index=index, streamed=streamed)
    open_bytes = calls.open_bytes + _held(grown) - _held(call)
    return calls._replace(known=calls.known.set(call.id, grown), open_bytes=open_bytes)


def _held(call: Call) -> int:
    return 0 if call.streamed is None else call.streamed.length


def _ended(calls: Calls, call: Call) -> Calls:
    open_bytes = calls.open_bytes - _held(call)
    call = call._replace(streamed=None)
    return Calls(calls.known.set(call.id, call), calls.open.ended(call.id, call.caller, call.task), open_bytes)
