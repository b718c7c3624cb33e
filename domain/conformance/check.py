"""Checking a history that comes from elsewhere, event by event.

`decide` cannot be asked again, for a history has events and no commands. But each event says enough to tell whether the
rules could have written it in the state that it meets: a delta goes on where the last one ended, by the same author;
what is completed has the text that was streamed; who finishes a task holds it. A check never complains about what the
rules did write. It does not notice all that they would not have.
"""

from ..concepts.lifecycle import SessionForked, SessionOpened, SessionReopened
from ..model import Event
from ..state import State
from .approvals import check_approval
from .document import check_document
from .messages import check_message, check_tool
from .presence import check_presence
from .signals import check_signal
from .streams import check_stream
from .tasks import check_task

_CHECKS = {
    "message": check_message,
    "tool": check_tool,
    "task": check_task,
    "signal": check_signal,
    "approval": check_approval,
    "state": check_document,
    "presence": check_presence,
    "stream": check_stream,
}
_WHENEVER = ("app", "stream_subscription")
"""Families that closing a session does not concern: of a subscription, whoever closed its session has no say."""
_AFTER_CLOSING = (
    "message.aborted",
    "tool.abandoned",
    "task.cancelled",
    "task.released",
    "task.failed",
    "approval.withdrawn",
    "signal.expired",
    "presence.left",
    "presence.recovered",
    "session.reopened",
    "floor.withheld",
    "stream.closed",
)
"""What may come in a closed session: the end of what was under way, and that it is opened again."""


def violation(state: State, event: Event) -> str | None:
    """Why the rules would not have written this event in this state; None if they might have. The sentence goes on
    after the event's type. Types that are not built in may come at any time."""
    if event.time < state.time:
        return "is earlier than the event before it"
    session = state.session
    if isinstance(event.data, SessionOpened | SessionForked):
        return _begins(state, event)
    family = event.type.partition(".")[0]
    if session.status == "closed" and family not in _WHENEVER and event.type not in _AFTER_CLOSING:
        return "comes after the session was closed"
    if isinstance(event.data, SessionReopened) and session.status == "open":
        return "comes in a session that is open"
    check = _CHECKS.get(family)
    return None if check is None else check(state, event)


def _begins(state: State, event: Event) -> str | None:
    data = event.data
    if isinstance(data, SessionForked):
        if data.at != event.version - 1:
            return f"says that it shares the first {data.at} events, and is version {event.version}"
        return None
    # Not by the version: an application may have written its own events before.
    return "comes in a session that there is already" if state.session.status != "none" else None
