"""Who may see a fact: the one place where a fact gets its audience.

A thing (a message, a tool call, a task, a question, a signal) has the audience that the fact has which begins it, and
every further fact about it inherits that, no matter who states it or makes it follow. What names no audience of its own
has that of what it belongs to: of the parent of a task, of the message that a tool call serves, of the target of a
signal, of the task that it is done under. A question is for those who are asked, who asks, and the agents.

The floor narrows here, too. What an agent without the floor begins is for the team alone. Of a fact that people see
because of what it is about (who is here, how a task stands), they see all but the text: that goes before it, to the
team, as `floor.withheld`. What was begun with the floor is said to its end.
"""

from collections.abc import Callable, Sequence
from typing import Any

from .audience import AGENTS, USERS, including, sees
from .concepts.approvals import Answer, ApprovalAnswered, ApprovalExpired, ApprovalRequested, ApprovalWithdrawn
from .concepts.custom import OpaqueData
from .concepts.document import StateIncremented, StateMerged, StatePatched, are_new
from .concepts.floor import FloorWithheld, covers, has_floor, in_team, narrowed, reaches_people
from .concepts.lifecycle import (
    ForkSession,
    SessionClosed,
    SessionDescribed,
    SessionForked,
    SessionLabelled,
    SessionReopened,
)
from .concepts.messages import MessagePosted, MessageStarted
from .concepts.presence import Leave, PresenceJoined, PresenceLeft, PresenceRecovered, PresenceStalled, PresenceStatus
from .concepts.signals import (
    SignalAddressed,
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalRaised,
    SignalRefused,
    SignalWithdrawn,
)
from .concepts.streams import StreamAppended, StreamClosed, StreamCreated, StreamDeleted, StreamRenewed
from .concepts.tasks import (
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReady,
    TaskReleased,
    TaskSteered,
)
from .concepts.tools import ToolCalled
from .errors import Conflict, Forbidden
from .ids import ParticipantId
from .model import Command, EventData, Fact
from .state import State

Readers = tuple[str, ...] | None
_BEGINNINGS = (
    MessagePosted,
    MessageStarted,
    ToolCalled,
    OpaqueData,
    TaskCreated,
    ApprovalRequested,
    SignalRaised,
    StreamCreated,
)
"""What begins a thing, and says who may see it."""
_REPORTED = {"usage": None, "metadata": None}
WITHHELD: dict[type[EventData], dict[str, Any]] = {
    PresenceJoined: {"name": None, "about": None},
    PresenceStatus: {"activity": None},
    PresenceLeft: {"reason": None},
    TaskProgressed: {"note": None, "usage": None},
    TaskCompleted: {"output": None, **_REPORTED},
    TaskFailed: {"error": "", **_REPORTED},
    TaskReleased: {"reason": None, **_REPORTED},
    TaskCancelled: {"reason": None},
    SignalHonoured: {"reason": None},
    SignalRefused: {"reason": None},
    SignalWithdrawn: {"reason": None},
    ApprovalAnswered: {"comment": None},
    ApprovalWithdrawn: {"reason": None},
    SessionClosed: {"reason": None},
    SessionReopened: {"reason": None},
}
"""What is said in facts that people see because of what they are about, and what it is without that."""


def stated(state: State, command: Command, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts that a command states, for those who may see them, and what the floor withholds of them. Raises
    Forbidden where nothing can be withheld."""
    speaks = has_floor(state.floor, command.actor)
    found: list[Fact] = []
    for each in facts:
        fact = _begun(state, command, each) if isinstance(each.data, _BEGINNINGS) else inherited(state, found, each)
        if isinstance(fact.data, TaskReleased):
            _refuse_hidden_needs(state, fact.audience, fact.data.needs or ())
        found += [fact] if speaks else _within_floor(state, command, fact)
    return tuple(found)


def inherited(state: State, begun: Sequence[Fact], fact: Fact) -> Fact:
    """A fact about a thing, with the thing's audience; `begun` are facts of the same decision, which may begin it."""
    rule = _RULES.get(type(fact.data))
    return fact if rule is None else fact._replace(audience=rule(state, begun, fact.data))


def _begun(state: State, command: Command, fact: Fact) -> Fact:
    """What begins a thing names who may see it, or has a default; those whom it concerns by name see it besides."""
    data, audience, actor = fact.data, fact.audience, command.actor.id
    if "audience" not in command.data.model_fields_set:
        audience = _default(state, command, data)
    match data:
        case TaskCreated():
            audience = _with(audience, actor, data.assignee)
            _refuse_hidden_needs(state, audience, data.needs)
        case SignalRaised():
            audience = _with(audience, actor, *data.addressees)
        case ApprovalRequested():
            audience = None if data.of is None else _with(audience, actor, *data.of)
        case StreamCreated() if not sees(command.actor, audience):
            audience = _with(audience, actor)  # or there would be no stream for who is to append to it
    return fact._replace(audience=audience)


def _refuse_hidden_needs(state: State, audience: Readers, needs: tuple[str, ...]) -> None:
    """Those who see a task see what it waits for: they could not tell otherwise when it comes up."""
    for need in needs:
        if not covers(state.presence, state.tasks.known[need].audience, audience):
            raise Conflict(f"Not all who may see this task may see {need!r}, which it needs; give it fewer readers.")


def _default(state: State, command: Command, data: EventData) -> Readers:
    """The audience of a thing that names none."""
    match data:
        case TaskCreated(parent=str(parent)):
            return state.tasks.known[parent].audience
        case ToolCalled(message=str(message)) if (served := state.messages.known.get(message)) is not None:
            return including(served.audience, served.author)
        case SignalRaised() if (aimed := _of_target(state, data.target)) is not None:
            return aimed
    task = state.tasks.known.get(command.task or "")
    if isinstance(data, ApprovalRequested):
        return (AGENTS,) if task is None or task.audience is None else task.audience
    return None if task is None else task.audience


def _of_target(state: State, target: str) -> Readers:
    kind, _, id = target.partition(":")
    if kind == "task":
        return state.tasks.known[id].audience
    if kind == "message":
        return including(state.messages.known[id].audience, state.messages.known[id].author)
    return None


def _with(audience: Readers, *participants: str | None) -> Readers:
    """The audience and these; everyone, when it names both groups."""
    if audience is None or {USERS, AGENTS} <= (names := {*audience, *filter(None, participants)}):
        return None
    return tuple(sorted(names))


def _within_floor(state: State, command: Command, fact: Fact) -> list[Fact]:
    """What an agent without the floor states, so that no word of it reaches people."""
    data, audience = fact.data, fact.audience
    if isinstance(data, _BEGINNINGS):
        _refuse_begun(state, data)
        return [fact._replace(audience=_to_team(state, command, fact))]
    if not reaches_people(audience, state.presence):
        return [fact]
    match data:
        case StatePatched() | StateMerged() | StateIncremented():
            if not are_new(state.document, data.keys):
                raise _forbidden("people see what it would change; write under another name at the top")
            return [fact._replace(audience=_with(narrowed(audience, state.presence), command.actor.id))]
        case SessionDescribed() | SessionLabelled():
            raise _forbidden("people see titles, labels and metadata")
        case SessionForked() if isinstance(command.data, ForkSession) and command.data.title is not None:
            raise _forbidden("people see titles; leave it out")
        case PresenceLeft() if not isinstance(command.data, Leave):
            return [fact]  # the words are the rules'
        case ApprovalAnswered() if _says_more(data):
            raise _forbidden("people see the answer; leave out all but options")
        case StreamAppended():
            raise _forbidden("people read the stream")
        case TaskReleased(input=input) if input is not None:
            raise _forbidden("people see the task; leave out `input`")
    return _without_text(state, command.actor.id, fact)


def _says_more(data: ApprovalAnswered) -> bool:
    """Whether an answer says what was not among the options."""
    answers: list[ApprovalAnswered | Answer] = [data, *(data.answers or {}).values()]
    return any(each.value is not None or each.words is not None for each in answers)


def _forbidden(why: str) -> Forbidden:
    return Forbidden(f"You do not have the floor, and {why}.")


def _refuse_begun(state: State, data: EventData) -> None:
    match data:
        case ApprovalRequested(of=of) if of is not None:
            if not any(name == AGENTS or in_team(state.presence, name) for name in of):
                raise _forbidden("people cannot be asked without it; ask `agents`, or who has it")
        case SignalRaised(kind="reroute", body=body, target=target) if body is not None:
            if reaches_people(_of_target(state, target), state.presence):
                raise _forbidden("people see the task; leave out `body`")


def _to_team(state: State, command: Command, fact: Fact) -> Readers:
    narrow = narrowed(fact.audience, state.presence)
    match fact.data:
        case SignalRaised() | TaskCreated() | ApprovalRequested():
            return narrow if AGENTS in narrow else _with(narrow, command.actor.id)
    return narrow  # who says something sees it


def _without_text(state: State, actor: ParticipantId, fact: Fact) -> list[Fact]:
    """The fact as people see it, and before it what they do not."""
    texts = WITHHELD.get(type(fact.data), {})
    said = {name: value for name in texts if (value := getattr(fact.data, name)) is not None}
    if not said:
        return [fact]
    # Not `narrowed`: where none of the team may see the thing, the rest of the team hears no more of it for that.
    team = [name for name in fact.audience or (AGENTS,) if name == AGENTS or in_team(state.presence, name)]
    if AGENTS not in team and actor not in team:
        team.append(actor)
    withheld = FloorWithheld(of=fact.data.type, about=fact.data.subject(), said=said)
    return [Fact(withheld, tuple(team), task=fact.task), fact._replace(data=fact.data.model_copy(update=texts))]


def _of_task(state: State, begun: Sequence[Fact], data: Any) -> Readers:
    known = state.tasks.known.get(data.task)
    if known is not None:
        return known.audience
    return next(each.audience for each in begun if isinstance(each.data, TaskCreated) and each.data.task == data.task)


def _of_stalled(state: State, _: Sequence[Fact], data: PresenceStalled | PresenceRecovered) -> Readers:
    return including(state.tasks.known[data.task].audience, data.participant)


def _of_signal(state: State, begun: Sequence[Fact], data: Any) -> Readers:
    known = state.signals.known.get(data.signal)
    if known is not None:
        return known.audience
    raised = (each for each in begun if isinstance(each.data, SignalRaised) and each.data.signal == data.signal)
    return next(raised).audience


def _of_approval(state: State, _: Sequence[Fact], data: Any) -> Readers:
    return state.approvals.known[data.approval].audience


def _of_stream(state: State, begun: Sequence[Fact], _: Any) -> Readers:
    for fact in begun:
        if isinstance(fact.data, StreamCreated):
            return fact.audience
    return None if state.streams.last is None else state.streams.last.audience


_RULES: dict[type[EventData], Callable[[State, Sequence[Fact], Any], Readers]] = {
    TaskClaimed: _of_task,
    TaskProgressed: _of_task,
    TaskCompleted: _of_task,
    TaskFailed: _of_task,
    TaskCancelled: _of_task,
    TaskFenced: _of_task,
    TaskReleased: _of_task,
    TaskBlocked: _of_task,
    TaskReady: _of_task,
    TaskSteered: _of_task,
    PresenceStalled: _of_stalled,
    PresenceRecovered: _of_stalled,
    SignalAddressed: _of_signal,
    SignalDelivered: _of_signal,
    SignalHonoured: _of_signal,
    SignalRefused: _of_signal,
    SignalWithdrawn: _of_signal,
    SignalExpired: _of_signal,
    ApprovalAnswered: _of_approval,
    ApprovalExpired: _of_approval,
    ApprovalWithdrawn: _of_approval,
    StreamAppended: _of_stream,
    StreamClosed: _of_stream,
    StreamRenewed: _of_stream,
    StreamDeleted: _of_stream,
}
"""By type: who may see a fact about a thing that there is."""
