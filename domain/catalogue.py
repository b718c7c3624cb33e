"""The catalogue: every event type with its model, and those that an application registers."""

import re
from typing import Any

from pydantic import ValidationError

from .concepts import (
    approvals,
    document,
    floor,
    lifecycle,
    messages,
    presence,
    signals,
    stream_subscriptions,
    streams,
    tasks,
    tools,
)
from .concepts.custom import CUSTOM_PATTERN, OpaqueData
from .errors import Invalid
from .model import EventData
from .wording.wrong_input import explain

BUILT_IN: dict[str, type[EventData]] = {
    model.type: model
    for model in (
        lifecycle.SessionOpened,
        lifecycle.SessionForked,
        lifecycle.SessionDescribed,
        lifecycle.SessionLabelled,
        lifecycle.SessionClosed,
        lifecycle.SessionReopened,
        presence.PresenceJoined,
        presence.PresenceStatus,
        presence.PresenceStalled,
        presence.PresenceRecovered,
        presence.PresenceLost,
        presence.PresenceLeft,
        messages.MessagePosted,
        messages.MessageStarted,
        messages.MessageDelta,
        messages.MessageCompleted,
        messages.MessageAborted,
        tools.ToolCalled,
        tools.ToolOutput,
        tools.ToolReturned,
        tools.ToolAbandoned,
        document.StatePatched,
        document.StateMerged,
        document.StateIncremented,
        tasks.TaskCreated,
        tasks.TaskClaimed,
        tasks.TaskProgressed,
        tasks.TaskCompleted,
        tasks.TaskFailed,
        tasks.TaskReleased,
        tasks.TaskCancelled,
        tasks.TaskBlocked,
        tasks.TaskReady,
        tasks.TaskSteered,
        tasks.TaskFenced,
        signals.SignalRaised,
        signals.SignalAddressed,
        signals.SignalDelivered,
        signals.SignalHonoured,
        signals.SignalRefused,
        signals.SignalWithdrawn,
        signals.SignalExpired,
        approvals.ApprovalRequested,
        approvals.ApprovalAnswered,
        approvals.ApprovalExpired,
        approvals.ApprovalWithdrawn,
        approvals.ApprovalConfigured,
        floor.FloorMoved,
        floor.FloorWithheld,
        streams.StreamCreated,
        streams.StreamAppended,
        streams.StreamClosed,
        streams.StreamRenewed,
        streams.StreamForked,
        streams.StreamDeleted,
        stream_subscriptions.SubscriptionCreated,
        stream_subscriptions.SubscriptionConfirmed,
        stream_subscriptions.SubscriptionLinked,
        stream_subscriptions.SubscriptionUnlinked,
        stream_subscriptions.SubscriptionWoken,
        stream_subscriptions.SubscriptionClaimed,
        stream_subscriptions.SubscriptionAcked,
        stream_subscriptions.SubscriptionReleased,
        stream_subscriptions.SubscriptionFailed,
        stream_subscriptions.SubscriptionDeleted,
    )
}
_registered: dict[str, type[EventData]] = {}


def register(model: type[EventData]) -> type[EventData]:
    """Register a custom event type: a subclass of `EventData` whose `type` begins with `x.`. Usable as a decorator.

    From then on commands that record this type are validated against it, and events of it are decoded into it.
    """
    if not re.fullmatch(CUSTOM_PATTERN, model.type):
        raise ValueError(f"{model.type!r} is no custom type: those are named 'x.', then lower-case words between dots.")
    if _registered.setdefault(model.type, model) is not model:
        raise ValueError(f"{model.type!r} is registered already, by {_registered[model.type].__qualname__}")
    return model


def model_of(type: str) -> type[EventData] | None:
    """The model of an event type, or None when nobody registered one."""
    return BUILT_IN.get(type) or _registered.get(type)


def payload(type: str, data: dict[str, Any]) -> EventData:
    """Validate `data` as the payload of an event of `type`; unknown types are kept as they are."""
    model = model_of(type)
    try:
        return OpaqueData(value=data) if model is None else model.__pydantic_validator__.validate_python(data)
    except ValidationError as error:
        raise Invalid(f"This is no {type}: {explain(error, model)}.") from None
