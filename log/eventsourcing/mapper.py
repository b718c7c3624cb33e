"""Domain events as envelopes.

An event whose class has a name (`event_names`) is stored as one of our envelopes, so that a gateway serves it like any
other. A class without a name is stored in the library's own way, under its import path. Everything else, such as what a
client said in a session, is read as a `SessionEvent`: no class is looked for by its type, and nothing imported for it.
What became one of the application's classes has therefore been written by an application.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol, TAggregateID
from eventsourcing.persistence import (
    Mapper,
    MapperDeserialisationError,
    Notification,
    StoredEvent,
    find_id_convertor,
)
from eventsourcing.utils import get_topic
from pydantic import BaseModel

from ...domain.envelope import decode, timestamp
from ...domain.errors import Invalid
from ...domain.ids import Position, Version, new_id
from ...domain.model import Event
from .event_names import NamedEvent, find_class, find_name

_APART = ("originator_id", "originator_version", "originator_topic", "timestamp")
"""What an envelope says elsewhere, or a class's name does."""


@dataclass(frozen=True)
class SessionEvent:
    """An event that no class of the application stands for: one of Stenogram's own, of a client's, or of another
    application."""

    originator_id: UUID | str
    originator_version: int
    event: Event

    def mutate(self, aggregate: Any) -> Any:
        """Pass over the aggregate, whose next event comes after this one."""
        if aggregate is not None:
            aggregate.version = self.originator_version
        return aggregate


class EnvelopeMapper(Mapper[TAggregateID]):
    """Maps named event classes to envelopes, and everything else as the library does.

    With a compressor or a cipher an envelope's data is `{"sealed": "<base64>"}`; its type and time stay readable.
    """

    actor: str = "eventsourcing"

    def to_stored_event(self, domain_event: DomainEventProtocol[TAggregateID]) -> StoredEvent:
        """The event as it is stored; an envelope, if its class has a name."""
        named = find_name(type(domain_event))
        if named is None:
            return super().to_stored_event(domain_event)
        time = getattr(domain_event, "timestamp", None) or datetime.now(UTC)
        head = {"id": new_id(), "type": named.name, "time": timestamp(time), "actor": self.actor}
        state = orjson.dumps(head)[:-1] + b',"data":' + self._seal(self._data(domain_event)) + b"}"
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, named.name, state)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[TAggregateID]:
        """The event as it was; a `SessionEvent`, if its name is nobody's here."""
        named = find_class(stored_event.topic)
        if named is None and ":" in stored_event.topic:
            # An import path: it was in an `app.stored`, which no client can record.
            return super().to_domain_event(stored_event)
        try:
            event = self._session_event(stored_event) if named is None else self._named(stored_event, named)
        except Exception as error:
            raise MapperDeserialisationError(
                f"The {stored_event.topic} at version {stored_event.originator_version} of "
                f"{stored_event.originator_id} cannot be read: {error!r}"
            ) from error
        return cast("DomainEventProtocol[TAggregateID]", event)

    def _data(self, domain_event: DomainEventProtocol[TAggregateID]) -> bytes:
        if isinstance(domain_event, BaseModel):
            return orjson.dumps(domain_event.model_dump(mode="json", exclude=set(_APART)))
        state = {name: value for name, value in vars(domain_event).items() if name not in _APART}
        class_version = getattr(type(domain_event), "class_version", 1)
        if class_version > 1:
            state["class_version"] = class_version
        return self.transcoder.encode(state)

    def _named(self, stored_event: StoredEvent, named: NamedEvent) -> object:
        members = orjson.loads(stored_event.state)
        cls = named.cls
        data = self._unseal(stored_event.state, members["data"])
        place: dict[str, Any] = {
            "originator_id": _id(cls, stored_event.originator_id),
            "originator_version": stored_event.originator_version,
            "timestamp": datetime.fromisoformat(members["time"]),
        }
        if issubclass(cls, BaseModel):
            known = {name: value for name, value in place.items() if name in cls.model_fields}
            return cls.model_validate(orjson.loads(data) | known)
        state: dict[str, Any] = self.transcoder.decode(data)
        for version in range(state.pop("class_version", 1), getattr(cls, "class_version", 1)):
            getattr(cls, f"upcast_v{version}_v{version + 1}")(state)
        if named.aggregate is not None:
            place["originator_topic"] = get_topic(named.aggregate)
        event = object.__new__(cls)
        object.__setattr__(event, "__dict__", state | place)
        return event

    def _session_event(self, stored_event: StoredEvent) -> SessionEvent:
        id, version = stored_event.originator_id, stored_event.originator_version
        position = Position(stored_event.id if isinstance(stored_event, Notification) else 0)
        state = stored_event.state
        try:
            event = decode(state, position, str(id), Version(version))
        except Invalid:
            # A gateway that does not know the model of a custom type takes any payload.
            unread = orjson.dumps(orjson.loads(state) | {"type": "x.unread"})
            event = decode(unread, position, str(id), Version(version))._replace(type=stored_event.topic)
        return SessionEvent(id, version, event)

    def _seal(self, data: bytes) -> bytes:
        if not data.startswith(b"{"):
            raise Invalid("An event's state must be a JSON object; use the library's JSONTranscoder, or pydantic.")
        if self.compressor is None and self.cipher is None:
            return data
        if self.compressor is not None:
            data = self.compressor.compress(data)
        if self.cipher is not None:
            data = self.cipher.encrypt(data)
        return b'{"sealed":"%s"}' % b64encode(data)

    def _unseal(self, envelope: bytes, data: dict[str, Any]) -> bytes:
        if self.compressor is None and self.cipher is None:
            return envelope[envelope.index(b',"data":') + 8 : -1]
        opened = b64decode(data["sealed"])
        if self.cipher is not None:
            opened = self.cipher.decrypt(opened)
        return opened if self.compressor is None else self.compressor.decompress(opened)


def _id(cls: type[object], id: UUID | str) -> UUID | str:
    """The id as the class has it."""
    return find_id_convertor(cast("Any", cls), cast("Any", type(id)))(id)
