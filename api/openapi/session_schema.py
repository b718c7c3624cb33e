"""The JSON Schema of a session as one page: of what `shown` makes."""

from typing import Any, get_args, get_type_hints

from ...domain.concepts.lifecycle import Session
from ...domain.concepts.messages import MessageKind
from ...domain.concepts.presence import Status
from ...domain.concepts.signals import TARGET_PATTERN, SignalKind
from ...domain.concepts.tasks import Task
from ...domain.model import Kind
from .schemas import COUNT, LABELS, NAME, TEXT, TIME, Schema, array_of, object_of, or_null, ref

_ANY: Schema = {}
_OBJECT: Schema = {"type": "object"}
_SECONDS: Schema = {"type": "number", "minimum": 0}


def session_schema() -> Schema:
    """All of it."""
    return object_of(
        {
            "session": NAME,
            "version": COUNT,
            "status": _one_of(get_type_hints(Session)["status"]),
            "title": or_null(TEXT),
            "labels": LABELS,
            "metadata": _OBJECT,
            "participants": array_of(_participant()),
            "open_messages": array_of(_message()),
            "tasks": array_of(_task()),
            "open_signals": array_of(_signal()),
            "open_approvals": array_of(_approval()),
            "speakers": or_null(array_of(NAME)),
            "state": _OBJECT,
            "state_version": COUNT,
        }
    )


def _participant() -> Schema:
    return object_of(
        {
            "id": NAME,
            "kind": _one_of(Kind),
            "name": or_null(TEXT),
            "about": or_null(_OBJECT),
            "present": {"type": "boolean"},
            "status": _one_of(Status),
            "activity": or_null(TEXT),
            "since": COUNT,
            "at": TIME,
            "joined": COUNT,
            "lease": _SECONDS,
            "until": or_null(TIME),
            "stalled": or_null(NAME),
        }
    )


def _message() -> Schema:
    parts = array_of({"oneOf": [ref("TextPart"), ref("ReasoningPart")]})
    members = {"message": NAME, "author": NAME, "kind": _one_of(MessageKind), "task": or_null(NAME), "since": COUNT}
    return object_of({**members, "parts": parts})


def _task() -> Schema:
    return object_of(
        {
            "task": NAME,
            "title": TEXT,
            "status": _one_of(get_type_hints(Task)["status"]),
            "owner": or_null(NAME),
            "attempt": COUNT,
            "tries": COUNT,
            "max_attempts": or_null(COUNT),
            "priority": {"type": "integer"},
            "deadline": or_null(TIME),
            "not_before": or_null(TIME),
            "blocked_by": or_null(NAME),
            "last_error": or_null(TEXT),
            "steers": array_of(_ANY),
            "assignee": or_null(NAME),
            "parent": or_null(NAME),
            "needs": array_of(NAME),
            "input": _ANY,
            "since": COUNT,
        }
    )


def _signal() -> Schema:
    return object_of(
        {
            "signal": NAME,
            "kind": _one_of(SignalKind),
            "target": {"type": "string", "pattern": TARGET_PATTERN},
            "raiser": NAME,
            "body": _ANY,
            "to": or_null(NAME),
            "due": or_null(TIME),
            "waiting": {"type": "object", "additionalProperties": {"enum": ["raised", "delivered"]}},
            "since": COUNT,
        }
    )


def _approval() -> Schema:
    return object_of(
        {
            "approval": NAME,
            "requester": NAME,
            "task": or_null(NAME),
            "question": TEXT,
            "options": array_of(TEXT),
            "answer_schema": or_null(_OBJECT),
            "of": or_null(array_of(NAME)),
            "default": or_null(TEXT),
            "due": or_null(TIME),
            "since": COUNT,
        }
    )


def _one_of(literal: Any) -> Schema:
    return {"enum": list(get_args(literal))}
