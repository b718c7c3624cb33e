"""The library's stored events as records of the log, and back, to the byte.

A state that is one of our envelopes (`EnvelopeMapper` makes them) is stored as it is. Any other is wrapped in an
envelope of the type `app.stored`, whose data is the topic and the state: `{"topic":"bank:Opened","state":{…}}` where
that is a JSON object, `"base64"` in place of `"state"` otherwise. So whatever the library writes can be served,
exported and imported like any other event; and a topic that is an import path was written by an application, for no
client can record this type.
"""

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from eventsourcing.persistence import DataError, Notification, StoredEvent

from ...domain import catalogue
from ...domain.concepts.custom import SUBJECT
from ...domain.envelope import decode, microseconds, timestamp
from ...domain.errors import Invalid
from ...domain.ids import NAME_PATTERN, Position, SessionId, Version, new_id
from ...domain.model import Event
from ..records import Draft, Record

STORED = "app.stored"
_MEMBERS = ("id", "type", "time", "actor", "task", "cause", "audience", "data")
_DATA = b',"data":'
_TOPIC = b'{"topic":'
_STATE = b',"state":'
_BASE64 = b',"base64":"'

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
                id = UUID(session)
            except ValueError:
                return session
            return id if str(id) == session else session  # the same UUID written otherwise is another session
        return session


def to_draft(event: StoredEvent, actor: str) -> Draft:
    """What is stored of an event. Raises DataError when it claims to be one of Stenogram's own and is not."""
    known = _envelope(event)
    if known is not None:
        return Draft(
            event.topic, known.data.subject(), event.state, microseconds(known.time), also=tuple(known.data.also())
        )
    if catalogue.model_of(event.topic) is not None:
        raise DataError(f"The state is not the envelope of a {event.topic}.")
    now = datetime.now(UTC)
    head = {"id": new_id(), "type": STORED, "time": timestamp(now), "actor": actor}
    return Draft(STORED, SUBJECT, _wrap(orjson.dumps(head), event), microseconds(now))


def to_stored(record: Record, id: Id) -> StoredEvent:
    """The event as it was inserted."""
    return StoredEvent(id, record.version, topic_of(record), _state(record))


def topic_of(record: Record) -> str:
    """The topic under which the event was inserted; what nobody inserted has its type."""
    if record.type != STORED:
        return record.type
    data = _data(record)
    topic: str = orjson.loads(data[len(_TOPIC) : _end_of_topic(data)])
    return topic


def to_notification(record: Record, ids: Ids) -> Notification:
    """The event with its place in the log."""
    return Notification(
        originator_id=ids.originator(record.session),
        originator_version=record.version,
        topic=topic_of(record),
        state=_state(record),
        id=record.position,
    )


def _envelope(event: StoredEvent) -> Event | None:
    """The event whose envelope the state is, in the form and order that the gateway relies on."""
    state = event.state
    if event.topic == STORED or not state.startswith(b'{"id":"') or not _is_one_line(state):
        return None
    try:
        members = orjson.loads(state)
        if members["type"] != event.topic or list(members) != [name for name in _MEMBERS if name in members]:
            return None
        return decode(state, Position(0), "", Version(event.originator_version))
    except (ValueError, KeyError, TypeError, AttributeError, Invalid):
        return None


def _wrap(head: bytes, event: StoredEvent) -> bytes:
    state = event.state
    wrapped = _STATE + state if _is_object(state) else _BASE64 + b64encode(state) + b'"'
    return head[:-1] + _DATA + _TOPIC + orjson.dumps(event.topic) + wrapped + b"}}"


def _state(record: Record) -> bytes:
    if record.type != STORED:
        return record.data
    data = _data(record)
    state = data[_end_of_topic(data) :]
    return b64decode(state[len(_BASE64) : -2]) if state.startswith(_BASE64) else state[len(_STATE) : -1]


def _data(record: Record) -> bytes:
    return record.data[record.data.index(_DATA) + len(_DATA) : -1]


def _end_of_topic(data: bytes) -> int:
    """The first comma before a quotation mark: inside of JSON text there is a backslash between the two."""
    return data.index(b',"')


def _is_object(state: bytes) -> bool:
    """Whether the state can stand as JSON in an envelope."""
    if not state.startswith(b"{") or not state.endswith(b"}") or not _is_one_line(state):
        return False
    try:
        return isinstance(orjson.loads(state), dict)
    except orjson.JSONDecodeError:
        return False


def _is_one_line(state: bytes) -> bool:
    """Envelopes stand in streams that are split at line ends."""
    return b"\n" not in state and b"\r" not in state
