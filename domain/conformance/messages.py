"""Messages and tool calls: who goes on with what, in which order, and what is said at the end."""

from ..concepts.messages import (
    Message,
    MessageAborted,
    MessageCompleted,
    MessageDelta,
    MessagePosted,
    MessageStarted,
)
from ..concepts.tools import Call, ToolAbandoned, ToolCalled, ToolOutput, ToolReturned
from ..model import Event
from ..parts import assemble
from ..state import State


def check_message(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data, known = event.data, state.messages.known
    if isinstance(data, MessagePosted | MessageStarted):
        return f"names message {data.message!r}, which there is already" if data.message in known else None
    if not isinstance(data, MessageDelta | MessageCompleted | MessageAborted):
        return None
    message = known.get(data.message)
    if message is None:
        return f"names message {data.message!r}, which was not started"
    if message.status != "open":
        return f"goes on with message {message.id!r}, which is {message.status}"
    if not isinstance(data, MessageAborted) and event.actor != message.author:
        return f"is {event.actor}'s, and message {message.id!r} is {message.author}'s"
    if isinstance(data, MessageDelta):
        return _delta(message, event, data)
    return _end(message, data)


def _delta(message: Message, event: Event, data: MessageDelta) -> str | None:
    if data.first is not None:
        return "joins several deltas; export the raw reading"
    if data.index != message.index:
        return f"has index {data.index}, and delta {message.index} of message {message.id!r} is next"
    if event.audience != message.audience:
        return f"is for others than message {message.id!r}"
    return None


def _end(message: Message, data: MessageCompleted | MessageAborted) -> str | None:
    if data.deltas != message.index:
        return f"says that message {message.id!r} has {data.deltas} deltas; it has {message.index}"
    streamed = assemble(message.streamed)
    said = data.parts if isinstance(data, MessageAborted) else data.parts[: len(streamed)]
    return None if said == streamed else f"has another text than the deltas of message {message.id!r}"


def check_tool(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data = event.data
    if isinstance(data, ToolCalled):
        return f"names call {data.call!r}, which there is already" if data.call in state.tools.known else None
    if not isinstance(data, ToolOutput | ToolReturned | ToolAbandoned):
        return None
    call = state.tools.known.get(data.call)
    if call is None:
        return f"names call {data.call!r}, which was not made"
    if not call.open:
        return f"goes on with call {call.id!r}, which has ended"
    if not isinstance(data, ToolAbandoned) and event.actor != call.caller:
        return f"is {event.actor}'s, and call {call.id!r} is {call.caller}'s"
    if isinstance(data, ToolOutput):
        return _output(call, event, data)
    streamed = "".join(part.text for part in assemble(call.streamed)) if call.index else None
    if (data.output, data.deltas or 0) != (streamed, call.index):
        return f"has another output than was streamed of call {call.id!r}"
    return None


def _output(call: Call, event: Event, data: ToolOutput) -> str | None:
    if data.first is not None:
        return "joins several pieces; export the raw reading"
    if data.index != call.index:
        return f"has index {data.index}, and piece {call.index} of call {call.id!r} is next"
    return None if event.audience == call.audience else f"is for others than call {call.id!r}"
