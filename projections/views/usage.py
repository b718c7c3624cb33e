"""The view `usage`: what a session took. Messages, tokens and cost as agents reported them, and time, for each agent
and model; calls and time of each tool; what was reported of tasks.

The `usage` of a message, a tool call or a task is the application's own: every number at its top is added up under its
name, and the text `model` says which model it was; without one it is the model that the agent named `about` itself when
it joined. Messages, calls and tasks are added up apart: what an agent reports of both a message and its task counts in
both.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ...domain.audience import Viewer, including, visible
from ...domain.concepts.floor import FloorWithheld
from ...domain.concepts.messages import MessageAborted, MessageCompleted, MessagePosted, MessageStarted
from ...domain.concepts.presence import PresenceJoined
from ...domain.concepts.tasks import TaskCompleted, TaskFailed, TaskProgressed, TaskReleased
from ...domain.concepts.tools import ToolAbandoned, ToolCalled, ToolReturned
from ..authoring.document import DocProjection
from ..authoring.meta import Meta

MAX_AMOUNTS = 32
MAX_NAME = 200


class _Share(BaseModel):
    actor: str
    audience: tuple[str, ...] | None = None
    seconds: float = 0.0


class Spoken(_Share):
    """What one agent said to one audience with one model. `seconds` is how long it streamed; `amounts` is what it
    reported, added up."""

    model: str | None = None
    messages: int = 0
    aborted: int = 0
    amounts: dict[str, int | float] = {}


class Called(_Share):
    """One agent's calls of one tool for one audience, those that have ended. `seconds` is how long they took."""

    tool: str
    calls: int = 0
    failed: int = 0
    amounts: dict[str, int | float] = {}


class Worked(_Share):
    """What one agent reported of tasks for one audience with one model. `seconds` is not counted here."""

    model: str | None = None
    reports: int = 0
    amounts: dict[str, int | float] = {}


class Open(BaseModel):
    """What has begun and not ended."""

    actor: str
    began: datetime
    tool: str = ""


class Usage(BaseModel):
    """What a session took so far."""

    spoken: list[Spoken] = []
    called: list[Called] = []
    worked: list[Worked] = []
    open: dict[str, Open] = {}
    models: dict[str, str] = {}
    """The model that each agent named when it joined."""


usage = DocProjection("usage", Usage, version=2)


@usage.shown
def _(doc: Usage, viewer: Viewer) -> Usage:
    spoken = [share for share in doc.spoken if _sees(share, viewer)]
    called = [share for share in doc.called if _sees(share, viewer)]
    worked = [share for share in doc.worked if _sees(share, viewer)]
    return Usage(spoken=spoken, called=called, worked=worked, models=doc.models)


def _sees(share: _Share, viewer: Viewer) -> bool:
    return visible(including(share.audience, share.actor), viewer)


@usage.on
def _(doc: Usage, event: PresenceJoined) -> None:
    model = (event.about or {}).get("model")
    if isinstance(model, str):
        doc.models[event.participant] = model[:MAX_NAME]


@usage.on
def _(doc: Usage, event: MessageStarted, meta: Meta) -> None:
    doc.open[event.subject()] = Open(actor=meta.actor, began=meta.time)


@usage.on
def _(doc: Usage, event: MessagePosted, meta: Meta) -> None:
    reported = event.usage or {}
    share = _spoken(doc, meta.actor, meta, _model(doc, meta.actor, reported))
    share.messages += 1
    _add(share.amounts, reported)


@usage.on
def _(doc: Usage, event: MessageCompleted | MessageAborted, meta: Meta) -> None:
    message = doc.open.pop(event.subject())
    reported = event.usage or {}
    share = _spoken(doc, message.actor, meta, _model(doc, message.actor, reported))
    share.messages += 1
    share.aborted += isinstance(event, MessageAborted)
    share.seconds += _lasted(message, meta)
    _add(share.amounts, reported)


@usage.on
def _(doc: Usage, event: ToolCalled, meta: Meta) -> None:
    doc.open[event.subject()] = Open(actor=meta.actor, began=meta.time, tool=event.tool)


@usage.on
def _(doc: Usage, event: ToolAbandoned) -> None:
    del doc.open[event.subject()]


@usage.on
def _(doc: Usage, event: ToolReturned, meta: Meta) -> None:
    call = doc.open.pop(event.subject())
    share = _called(doc, call, meta)
    share.calls += 1
    share.failed += event.error is not None
    share.seconds += _lasted(call, meta)
    _add(share.amounts, event.usage or {})


@usage.on
def _(doc: Usage, event: TaskProgressed | TaskCompleted | TaskFailed | TaskReleased, meta: Meta) -> None:
    if event.usage:
        _worked(doc, event.usage, meta)


@usage.on
def _(doc: Usage, event: FloorWithheld, meta: Meta) -> None:
    reported = event.said.get("usage")
    if isinstance(reported, dict):
        _worked(doc, reported, meta)


def _model(doc: Usage, actor: str, reported: Mapping[str, Any]) -> str | None:
    model = reported.get("model")
    return model[:MAX_NAME] if isinstance(model, str) else doc.models.get(actor)


def _worked(doc: Usage, reported: Mapping[str, Any], meta: Meta) -> None:
    key = (meta.actor, meta.audience, _model(doc, meta.actor, reported))
    share = next((each for each in doc.worked if (each.actor, each.audience, each.model) == key), None)
    if share is None:
        share = Worked(actor=key[0], audience=key[1], model=key[2])
        doc.worked.append(share)
    share.reports += 1
    _add(share.amounts, reported)


def _spoken(doc: Usage, actor: str, meta: Meta, model: str | None) -> Spoken:
    for share in doc.spoken:
        if (share.actor, share.audience, share.model) == (actor, meta.audience, model):
            return share
    doc.spoken.append(Spoken(actor=actor, audience=meta.audience, model=model))
    return doc.spoken[-1]


def _called(doc: Usage, call: Open, meta: Meta) -> Called:
    for share in doc.called:
        if (share.actor, share.audience, share.tool) == (call.actor, meta.audience, call.tool):
            return share
    doc.called.append(Called(actor=call.actor, audience=meta.audience, tool=call.tool))
    return doc.called[-1]


def _lasted(open: Open, meta: Meta) -> float:
    return max(0.0, (meta.time - open.began).total_seconds())


def _add(amounts: dict[str, int | float], reported: Mapping[str, Any]) -> None:
    for name, value in reported.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        total = amounts.get(name, 0) + value
        known = name in amounts or len(amounts) < MAX_AMOUNTS
        if known and len(name) <= MAX_NAME and math.isfinite(total):
            amounts[name] = total
