"""The view `agents`: the status board of a session. Who is here, what each is doing, since when, and how that is known.

The rules of presence fold it, in the domain; here stands only what a board shows besides.
"""

from datetime import datetime
from operator import attrgetter
from typing import Any

from pydantic import BaseModel

from ...domain.concepts.messages import MessageDelta
from ...domain.concepts.presence import (
    ANONYMOUS,
    Instance,
    Participant,
    Presence,
    PresenceJoined,
    PresenceLeft,
    PresenceLost,
    PresenceRecovered,
    PresenceStalled,
    PresenceStatus,
    Status,
    evolve,
)
from ...domain.concepts.tasks import TaskCancelled, TaskClaimed, TaskCompleted, TaskFailed, TaskReleased
from ...domain.concepts.tools import ToolOutput
from ...domain.model import EventData, Kind
from ..authoring.document import DocProjection
from ..authoring.meta import Meta


class Evidence(BaseModel):
    """The event by which something is known."""

    type: str
    version: int
    time: datetime


class InstanceRow(BaseModel):
    """A run of a participant that is here."""

    joined: int
    """The version in which it came."""
    lease: float
    at: datetime
    status: Status
    activity: str | None = None
    until: datetime | None = None
    tasks: list[str] = []
    """What it holds."""


class AgentRow(BaseModel):
    """A participant."""

    id: str
    kind: Kind
    name: str | None
    present: bool
    status: Status
    activity: str | None
    since: int
    """The version of the transition by which it came to be as it is."""
    at: datetime
    """When it last showed itself, by what it said of itself."""
    joined: int
    """The version in which it came."""
    lease: float
    """Seconds of silence after which it is lost."""
    until: datetime | None = None
    """Until when it expects to wait."""
    stalled: dict[str, int] = {}
    """The tasks for which it shows nothing, and the versions that say so."""
    run: str | None = None
    """Which run of it began last, where that has a name."""
    instances: dict[str, InstanceRow] = {}
    """Its runs that are here, each a process; the one without a name under the empty key."""
    evidence: Evidence
    """That transition."""
    reason: str | None = None
    """What was said of it."""
    last: Evidence
    """The last thing that it did, streaming apart, that everyone may see."""
    tasks: list[str] = []
    """What it holds."""


class Agents(BaseModel):
    """Everyone who takes part or took part, by id."""

    agents: dict[str, AgentRow] = {}
    claims: dict[str, list[str]] = {}
    """What those hold who have not joined, by id."""


Transition = PresenceJoined | PresenceStatus | PresenceStalled | PresenceRecovered | PresenceLost | PresenceLeft
agents = DocProjection("agents", Agents, version=3)
agents.handlers.pass_over(MessageDelta, ToolOutput)


@agents.on
def _(doc: Agents, event: EventData, meta: Meta) -> None:
    if meta.actor in doc.agents:
        doc.agents[meta.actor].last = _evidence(meta)


@agents.on
def _(doc: Agents, event: Transition, meta: Meta) -> None:
    id, known, evidence = event.participant, doc.agents.get(event.participant), _evidence(meta)
    reason = getattr(event, "reason", None)
    if known is None:
        now = evolve(Presence(), meta.event(event))[id]
        tasks = doc.claims.pop(id, [])
        doc.agents[id] = AgentRow(**_fields(now), evidence=evidence, reason=reason, last=evidence, tasks=tasks)
        return
    before = _participant(known)
    _move(known, before, evolve(Presence().put(before), meta.event(event))[id])
    known.evidence, known.reason = evidence, reason
    if meta.actor == id:
        known.last = evidence


@agents.on
def _(doc: Agents, event: TaskClaimed, meta: Meta) -> None:
    known = doc.agents.get(meta.actor)
    tasks = doc.claims.setdefault(meta.actor, []) if known is None else known.tasks
    tasks.append(event.task)
    if known is not None and (instance := known.instances.get(event.run or ANONYMOUS)) is not None:
        instance.tasks.append(event.task)


@agents.on
def _(doc: Agents, event: TaskCompleted | TaskFailed | TaskReleased | TaskCancelled) -> None:
    for agent in doc.agents.values():
        if event.task in agent.tasks:
            agent.tasks.remove(event.task)
        for instance in agent.instances.values():
            if event.task in instance.tasks:
                instance.tasks.remove(event.task)
    doc.claims = {
        id: kept for id, held in doc.claims.items() if (kept := [each for each in held if each != event.task])
    }


_LEFT_OUT = ("about", "begun")
"""What an application says of its agents may be large, and would be written again with every transition. Which runs
began concerns the rules alone."""


def _move(row: AgentRow, before: Participant, now: Participant) -> None:
    """Bring a row from one state of its participant to the next."""
    for name, old, new in zip(Participant._fields, before, now, strict=True):
        if new is not old and name not in _LEFT_OUT and name != "instances":
            setattr(row, name, new)
    if now.instances is not before.instances:
        rows = row.instances
        row.instances = {
            key: rows[key] if each is before.instances.get(key) else _instance_row(each, rows.get(key))
            for key, each in now.instances.items()
        }


def _instance_row(instance: Instance, known: InstanceRow | None) -> InstanceRow:
    return InstanceRow(**instance._asdict(), tasks=[] if known is None else known.tasks)


def _participant(agent: AgentRow) -> Participant:
    instances = {key: Instance._make(_of_instance(each)) for key, each in agent.instances.items()}
    id, kind, name, *rest = _of_agent(agent)
    return Participant._make((id, kind, name, None, *rest, instances, {}))


_of_agent = attrgetter(*[name for name in Participant._fields if name not in (*_LEFT_OUT, "instances")])
_of_instance = attrgetter(*Instance._fields)


def _fields(participant: Participant) -> dict[str, Any]:
    instances = {key: each._asdict() for key, each in participant.instances.items()}
    return {name: value for name, value in participant._asdict().items() if name not in _LEFT_OUT} | {
        "instances": instances
    }


def _evidence(meta: Meta) -> Evidence:
    return Evidence(type=meta.type, version=meta.version, time=meta.time)
