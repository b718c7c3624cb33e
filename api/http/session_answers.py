"""Answers about sessions: a list of them, one as it is now, and what a command came to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args, get_origin

import orjson
from pydantic import AliasPath, BeforeValidator, Field

from ...domain.audience import Viewer, including, visible
from ...domain.concepts.approvals import Question
from ...domain.concepts.document import seen_by
from ...domain.concepts.lifecycle import Labels
from ...domain.concepts.messages import MessageKind
from ...domain.concepts.presence import Participant, Status
from ...domain.concepts.signals import SignalKind, Target
from ...domain.concepts.tasks import Task
from ...domain.model import JsonObject, Kind
from ...domain.parts import ReasoningPart, TextPart, assemble
from ...domain.refusals.stopped_agents import HOW_TO_LIFT, fences
from ...domain.state import State
from ...projections.runner.time_slices import slices
from .answer import Absent, HttpAnswer, Id, Number, component, maker_of, members_of

SessionStatus = Literal["none", "open", "closed"]


class SessionSummary(HttpAnswer):
    """A session in a list."""

    session: Id
    version: Number
    status: SessionStatus
    title: str | Absent = None
    labels: Labels
    opened: str | Absent = Field(default=None, json_schema_extra={"format": "date-time"})


class SessionsAnswer(HttpAnswer):
    """Sessions by id; `next` is the `after` of the next page."""

    sessions: list[SessionSummary]
    next: Id | Absent = None


class AckAnswer(HttpAnswer):
    """A command was carried out: where its events are. `repeated`: that had been done before."""

    id: Id
    session: Id
    versions: list[Number]
    positions: list[Number]
    repeated: bool | Absent = None


class ParticipantInstance(HttpAnswer):
    """A run of a participant that is here: a process of it."""

    run: Id | None
    joined: Number
    lease: Annotated[float, Field(ge=0)]
    at: datetime
    status: Status
    activity: str | None
    until: datetime | None


def _instances(known: Any) -> list[dict[str, Any]]:
    return [{"run": run or None, **each._asdict()} for run, each in known.items()]


class SessionParticipant(HttpAnswer):
    """Somebody who has joined."""

    id: Id
    kind: Kind
    name: str | None
    about: JsonObject | None
    present: bool
    status: Status
    activity: str | None
    since: Number
    at: datetime
    joined: Number
    lease: Annotated[float, Field(ge=0)]
    until: datetime | None
    stalled: dict[Id, Number]
    run: Id | None
    instances: Annotated[list[ParticipantInstance], BeforeValidator(_instances)]


class SessionMessage(HttpAnswer):
    """A message that is being streamed, with its text so far."""

    message: Id = Field(validation_alias="id")
    author: Id
    kind: MessageKind
    task: Id | None
    since: Number
    parts: Annotated[
        tuple[Annotated[TextPart, component("TextPart")] | Annotated[ReasoningPart, component("ReasoningPart")], ...],
        BeforeValidator(assemble),
    ] = Field(validation_alias="streamed")


def _text(streamed: Any) -> str:
    return "".join(part.text for part in assemble(streamed))


class SessionCall(HttpAnswer):
    """A tool call that has not returned, with its output so far."""

    call: Id = Field(validation_alias="id")
    caller: Id
    tool: str
    task: Id | None
    since: Number
    output: Annotated[str, BeforeValidator(_text)] = Field(validation_alias="streamed")


def _policy(member: str) -> Any:
    """A member of a task's policy, which the answer has beside the others."""
    return Field(validation_alias=AliasPath("policy", member))


class SessionTask(HttpAnswer):
    """A task, in whatever state."""

    task: Id = Field(validation_alias="id")
    title: str
    status: Literal["open", "claimed", "completed", "failed", "cancelled"]
    owner: Id | None
    run: Id | None
    attempt: Number
    tries: Number
    max_attempts: Number | None = _policy("max_attempts")
    priority: int = _policy("priority")
    deadline: datetime | None = _policy("deadline")
    not_before: datetime | None
    blocked_by: Id | None
    last_error: str | None
    steers: tuple[Any, ...]
    assignee: Id | None
    parent: Id | None
    needs: tuple[Id, ...]
    input: Any
    since: Number
    audience: tuple[Id, ...] | None


def _how_far(waiting: Any) -> dict[str, str]:
    return {participant: "delivered" if got else "raised" for participant, got in waiting.items()}


class SessionSignal(HttpAnswer):
    """A signal, and how far it is with each who has not answered it yet."""

    signal: Id = Field(validation_alias="id")
    kind: SignalKind
    target: Target
    raiser: Id
    body: Any
    to: Id | None
    due: datetime | None
    waiting: Annotated[dict[Id, Literal["raised", "delivered"]], BeforeValidator(_how_far)]
    since: Number
    audience: tuple[Id, ...] | None


class SessionFence(HttpAnswer):
    """Who can do nothing in the session, by which signal, since which version, and what lifts it."""

    participant: Id
    signal: Id
    since: Number
    to_lift: str


class SessionApproval(HttpAnswer):
    """A question that waits for an answer."""

    approval: Id = Field(validation_alias="id")
    requester: Id
    task: Id | None
    question: str
    options: tuple[str, ...]
    own_words: bool
    answer_schema: JsonObject | None
    questions: tuple[Annotated[Question, component("Question")], ...]
    of: tuple[Id, ...] | None
    default: str | None
    due: datetime | None
    since: Number
    audience: tuple[Id, ...] | None


class SessionAnswer(HttpAnswer):
    """A session now: what is open in it, and what it has come to, as far as the reader may see it."""

    session: Id
    version: Number
    status: SessionStatus
    title: str | None
    labels: dict[str, str]
    metadata: JsonObject
    participants: list[SessionParticipant]
    open_messages: list[SessionMessage]
    open_calls: list[SessionCall]
    tasks: list[SessionTask]
    open_signals: list[SessionSignal]
    fences: list[SessionFence]
    open_approvals: list[SessionApproval]
    speakers: list[Id] | None
    state: JsonObject
    state_version: Number


_MAKERS = {
    name: maker_of(get_args(field.annotation)[0])
    for name, field in SessionAnswer.model_fields.items()
    if get_origin(field.annotation) is list
}
"""By the name of a list in the answer: what makes the members of each object in it."""


def session_answer(state: State, viewer: Viewer) -> SessionAnswer:
    """The session as a viewer may see it, checked."""
    return SessionAnswer.model_validate(_members(state, viewer))


async def session_json(state: State, viewer: Viewer) -> bytes:
    """The same as JSON, a little at a time: a session may have thousands of tasks, and other clients wait."""
    members = _members(state, viewer)
    for name, make in _MAKERS.items():
        written = [
            orjson.dumps([make(each) for each in few], default=members_of)[1:-1] async for few in slices(members[name])
        ]
        members[name] = orjson.Fragment(b"[%b]" % b",".join(written))
    return orjson.dumps(members)


def participants(state: State, viewer: Viewer) -> list[dict[str, Any]]:
    """Those of a session alone, as JSON has them: it may have thousands of tasks."""
    make, known = _MAKERS["participants"], state.tasks.known
    stalled = {id: known[id] for each in state.presence.values() for id in each.stalled if id in known}
    seen = {id: task for id, task in stalled.items() if visible(task.audience, viewer)}
    made: list[dict[str, Any]] = orjson.loads(
        orjson.dumps([make(each) for each in _participants(state, seen)], default=members_of)
    )
    return made


def _members(state: State, viewer: Viewer) -> dict[str, Any]:
    messages = [state.messages.known[id] for id in state.messages.open.of(None)]
    seen = [each for each in messages if visible(including(each.audience, each.author), viewer)]
    calls = [state.tools.known[id] for id in state.tools.open.of(None)]
    called = [each for each in calls if visible(including(each.audience, each.caller), viewer)]
    tasks = {id: task for id, task in state.tasks.known.items() if visible(task.audience, viewer)}
    signals = [state.signals.known[id] for id in sorted(state.signals.open)]
    asked = [state.approvals.known[id] for id in sorted(state.approvals.open)]
    document, document_version = seen_by(state.document, viewer)
    return {
        "session": state.id,
        "version": state.version,
        "status": state.session.status,
        "title": state.session.title,
        "labels": state.session.labels,
        "metadata": state.session.metadata,
        "participants": _participants(state, tasks),
        "open_messages": sorted(seen, key=lambda each: each.since),
        "open_calls": sorted(called, key=lambda each: each.since),
        "tasks": sorted(tasks.values(), key=lambda each: each.since),
        "open_signals": [each for each in signals if visible(each.audience, viewer)],
        "fences": [
            {"participant": id, "signal": fence.signal, "since": fence.since, "to_lift": HOW_TO_LIFT}
            for id, fence in sorted(fences(state).items())
        ],
        "open_approvals": [each for each in asked if visible(each.audience, viewer)],
        "speakers": None if state.floor is None else sorted(state.floor),
        "state": document,
        "state_version": document_version,
    }


def _participants(state: State, tasks: Mapping[str, Task]) -> list[Participant]:
    return [_participant(each, tasks) for each in sorted(state.presence.values(), key=lambda each: each.joined)]


def _participant(participant: Participant, tasks: Mapping[str, Task]) -> Participant:
    """Without the tasks that it is stalled in which are not for the viewer."""
    if participant.stalled.keys() <= tasks.keys():
        return participant
    return participant._replace(stalled={id: at for id, at in participant.stalled.items() if id in tasks})
