"""Tool calls: called, then returned, with a result or an error; or abandoned, when nobody waits for it any more."""

from typing import Annotated, ClassVar, NamedTuple

from immutables import Map
from pydantic import JsonValue, StringConstraints

from ..audience import Audience, including, sees
from ..errors import Conflict, Fenced, Forbidden, NotFound
from ..ids import CallId, MessageId, Name, ParticipantId, TaskId, Version
from ..model import Command, CommandData, Decision, Event, EventData, Fact, Reason, decided
from .open_work import OpenWork, refuse_more

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


class ToolReturned(_ToolEvent):
    """The call ended, with a `result` or an `error`."""

    type = "tool.returned"
    result: JsonValue = None
    """What it returned."""
    error: ErrorText | None = None
    """Why it failed."""


class ToolAbandoned(_ToolEvent):
    """Whoever called was lost or stopped: what the call returns will not be known."""

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
    """Who may see the call and what it returns; absent: everyone."""


class ReturnTool(_ToolCommand):
    """Record how a call ended."""

    do = "tool.return"
    result: JsonValue = None
    """What it returned."""
    error: ErrorText | None = None
    """Why it failed."""


class Call(NamedTuple):
    """A tool call; `open` until it returned or was `abandoned`. `task` is what it was made under."""

    id: CallId
    caller: ParticipantId
    tool: str
    audience: tuple[str, ...] | None
    since: Version
    open: bool
    task: TaskId | None = None
    abandoned: bool = False
    run: str | None = None


class Calls(NamedTuple):
    """All calls, and which of them are open."""

    known: Map[CallId, Call] = Map()
    open: OpenWork = OpenWork()


EMPTY = Calls()


def decide(calls: Calls, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case CallTool() as data:
            if data.call in calls.known:
                raise Conflict(f"Tool call {data.call!r} exists already; choose another id.")
            refuse_more(calls.open.number, "open tool calls")
            called = ToolCalled(
                call=data.call, tool=data.tool, arguments=data.arguments, message=data.message, run=command.run
            )
            return decided(called, audience=data.audience)
        case ReturnTool() as data:
            call = _open(calls, command, data.call)
            returned = ToolReturned(call=call.id, result=data.result, error=data.error)
            return Decision((Fact(returned, call.audience, task=call.task),), (returned.subject(),))
    raise NotImplementedError(command.data.do)


def abandoned(call: Call, reason: str | None) -> Fact:
    """The end of an open call that nobody waits for. Its caller hears of it."""
    return Fact(ToolAbandoned(call=call.id, reason=reason), including(call.audience, call.caller), task=call.task)


def _open(calls: Calls, command: Command, id: CallId) -> Call:
    call = calls.known.get(id)
    if call is None or not sees(command.actor, including(call.audience, call.caller)):
        raise NotFound(f"There is no tool call {id!r}.")
    if call.caller != command.actor.id:
        raise Forbidden(f"Tool call {id!r} is {call.caller!r}'s; only the caller may return it.")
    if call.abandoned:
        raise Fenced(f"Tool call {id!r} was abandoned; stop.", call=id)
    if not call.open:
        raise Conflict(f"Tool call {id!r} has returned.")
    return call


def evolve(calls: Calls, event: Event) -> Calls:
    """Fold one event."""
    match event.data:
        case ToolCalled() as data:
            about = (data.call, event.actor, data.tool, event.audience, event.version, True, event.task)
            call = Call(*about, run=data.run)
            return Calls(calls.known.set(call.id, call), calls.open.begun(call.id, call.caller, call.task))
        case ToolReturned() as data:
            return _ended(calls, calls.known[data.call]._replace(open=False))
        case ToolAbandoned() as data:
            return _ended(calls, calls.known[data.call]._replace(open=False, abandoned=True))
    return calls


def _ended(calls: Calls, call: Call) -> Calls:
    return Calls(calls.known.set(call.id, call), calls.open.ended(call.id, call.caller, call.task))
