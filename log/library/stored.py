"""The library's stored events as records of the log, and back, to the byte.

A state that is one of our envelopes (`EnvelopeMapper` makes them) is stored as it is, about the subject that its type
has. Any other is wrapped: it becomes the `data` of an envelope whose type is the event's topic, about the subject
`stored`; as it is where it is a JSON object, in base64 otherwise. So whatever the library writes, a gateway can serve.
"""

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from eventsourcing.persistence import DataError, Notification, StoredEvent

from ...domain import catalogue
from ...domain.envelope import decode, microseconds, timestamp
from ...domain.errors import Invalid
from ...domain.ids import NAME_PATTERN, Position, SessionId, Version, new_id
from ...domain.model import Event
from ..records import Draft, Record

STORED = "stored"
_MEMBERS = ("id", "type", "time", "actor", "task", "cause", "audience", "data")
_DATA = b',"data":'
_BASE64 = b'{"base64":"'

Id = UUID | str


class Ids(NamedTuple):
    """What ids of aggregates are: UUIDs, or text. Where UUIDs are expected, other text stays as it is."""

    uuid: bool

    def session(self, id: Id) -> SessionId:
        """The session of an aggregate. Raises DataError when it cannot be called so."""
        name = str(id)
        if len(name) > 128 or re.match(NAME_PATTERN, name) is None:
            raise DataError(
                f"{name!r} cannot be the id of an aggregate here: use at most 128 of A-Z a-z 0-9 . _ : @ + -."
            )
        return name

    def originator(self, session: SessionId) -> Id:
        """The aggregate of a session."""
        if self.uuid:
            try:
                return UUID(session)
            except ValueError:
                return session
        return session


def to_draft(event: StoredEvent, actor: str) -> Draft:
    """What is stored of an event. Raises DataError when it claims to be one of Hansard's own and is not."""
    known = _envelope(event)
    if known is not None:
        return Draft(
            event.topic, known.data.subject(), event.state, microseconds(known.time), also=tuple(known.data.also())
        )
    if catalogue.model_of(event.topic) is not None:
        raise DataError(f"The state is not the envelope of a {event.topic}.")
    now = datetime.now(UTC)
    head = {"id": new_id(), "type": event.topic, "time": timestamp(now), "actor": actor}
    return Draft(event.topic, STORED, _wrap(orjson.dumps(head), event.state), microseconds(now))


def to_stored(record: Record, id: Id) -> StoredEvent:
    """The event as it was inserted."""
    return StoredEvent(id, record.version, record.type, _state(record))


def to_notification(record: Record, ids: Ids) -> Notification:
    """The event with its place in the log."""
    return Notification(
        originator_id=ids.originator(record.session),
        originator_version=record.version,
        topic=record.type,
        state=_state(record),
        id=record.position,
    )


def _envelope(event: StoredEvent) -> Event | None:
    """The event whose envelope the state is, in the form and order that the gateway relies on."""
    state = event.state
    if not state.startswith(b'{"id":"') or not _is_one_line(state):
        return None
    try:
        members = orjson.loads(state)
        if members["type"] != event.topic or list(members) != [name for name in _MEMBERS if name in members]:
            return None
        return decode(state, Position(0), "", Version(event.originator_version))
    except (ValueError, KeyError, TypeError, AttributeError, Invalid):
        return None


def _wrap(head: bytes, state: bytes) -> bytes:
    if not _is_object(state):
        state = _BASE64 + b64encode(state) + b'"}'
    return head[:-1] + _DATA + state + b"}"


def _state(record: Record) -> bytes:
    if record.subject != STORED:
        return record.data
    state = record.data[record.data.index(_DATA) + len(_DATA) : -1]
    return b64decode(state[len(_BASE64) : -2]) if state.startswith(_BASE64) else state


def _is_object(state: bytes) -> bool:
    """Whether the state can stand as JSON in an envelope, and is not mistaken for one in base64."""
    if not state.startswith(b"{") or state.startswith(_BASE64) or not _is_one_line(state):
        return False
    try:
        return isinstance(orjson.loads(state), dict)
    except orjson.JSONDecodeError:
        return False


def _is_one_line(state: bytes) -> bool:
    """Envelopes stand in streams that are split at line ends."""
    return b"\n" not in state and b"\r" not in state
