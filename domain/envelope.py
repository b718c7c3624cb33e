"""The envelope as bytes: how an event is written once, and read back.

Stored form: the UTF-8 JSON of the envelope without position, session and version, its members in the order
`id, type, time, actor, task, cause, audience, data`, absent ones left out. The wire form puts the three in front. The
values before `data` come from alphabets that need no escaping, so both forms are made by joining bytes.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model

from . import catalogue
from .audience import KeptAudience, readers
from .errors import Invalid, TooLarge
from .ids import TYPE_PATTERN, CommandId, EventId, Name, ParticipantId, Position, SessionId, Version
from .json.checks import refuse_unwritable
from .model import Event, EventData, Fact
from .timestamps import Time
from .wording.wrong_input import explain

_MICROSECOND = 1_000_000
_EPOCH = datetime.fromtimestamp(0, UTC)

Place = Annotated[int, Field(ge=1, lt=2**63, strict=True)]

Contents = tuple[EventId, str, datetime, ParticipantId, EventData, str | None, CommandId | None, tuple[str, ...] | None]
"""`id, type, time, actor, data, task, cause, audience`, as an `Event` has them."""


class Envelope(BaseModel):
    """An event's envelope on the wire, validated: what importers read, and what the schemas are made from."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    position: Place
    session: SessionId
    version: Place
    id: EventId
    type: Annotated[str, Field(pattern=TYPE_PATTERN, max_length=128)]
    time: Time
    actor: ParticipantId
    task: Name | None = None
    cause: CommandId | None = None
    audience: KeptAudience | None = None
    data: dict[str, JsonValue]


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, with microseconds."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def microseconds(time: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z."""
    delta = time - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _MICROSECOND + delta.microseconds


def encode(id: EventId, fact: Fact, stamp: str, actor: ParticipantId, cause: CommandId | None = None) -> bytes:
    """The stored form of a decided event; `stamp` is its `timestamp`."""
    data, task, audience = fact.data, fact.task, fact.audience
    more = f',"task":"{task}"' if task else ""
    if cause:
        more += f',"cause":"{cause}"'
    if audience:
        more += f',"audience":{orjson.dumps(audience).decode()}'
    head = f'{{"id":"{id}","type":"{fact.type or data.type}","time":"{stamp}","actor":"{actor}"{more},"data":'
    return b"%b%b}" % (head.encode(), data.json_bytes())


def decode(stored: bytes, position: Position, session: SessionId, version: Version) -> Event:
    """Read the stored form back."""
    return Event(position, session, version, *contents(orjson.loads(stored)))


def contents(members: dict[str, Any]) -> Contents:
    """What an event is besides its place, of the members of either form. Raises Invalid on a payload that its type's
    model refuses."""
    type, audience = members["type"], members.get("audience")
    return (
        members["id"],
        type,
        datetime.fromisoformat(members["time"]),
        members["actor"],
        catalogue.payload(type, members["data"]),
        members.get("task"),
        members.get("cause"),
        None if audience is None else tuple(audience),
    )


def parse(wire: bytes | dict[str, Any]) -> Event:
    """Read the wire form that a trusted log or gateway sent. Raises Invalid on a payload that its type's model
    refuses, and TooLarge where it was left out because it is larger than the gateway's messages."""
    members = orjson.loads(wire) if isinstance(wire, bytes) else wire
    if "omitted" in members:
        raise TooLarge(
            f"Event {members['version']} of session {members['session']!r} has {members['omitted']} bytes, too many "
            f"for a message; read it from a page."
        )
    return Event(members["position"], members["session"], members["version"], *contents(members))


def validate(wire: object) -> Event:
    """Read a wire form that comes from outside, whatever it is; everything about it is checked. Raises Invalid and
    TooDeep."""
    refuse_unwritable(wire)
    try:
        envelope = Envelope.model_validate(wire)
    except ValidationError as error:
        raise Invalid(f"This is no event: {explain(error, Envelope)}.") from None
    members = {name: getattr(envelope, name) for name in Envelope.model_fields if name != "data"}
    return Event(**members, data=catalogue.payload(envelope.type, envelope.data))


def readers_of(stored: bytes) -> tuple[str, ...] | None:
    """Who may see an event, of the stored form or the wire form, without decoding the payload; None: everyone."""
    end = stored.index(b',"data":')
    head = orjson.loads(stored[:end] + b"}")
    audience = head.get("audience")
    return None if audience is None else readers(head["type"], tuple(audience), head["actor"])


def model_of_event(type: str, data: type[EventData]) -> type[Envelope]:
    """The envelope model of one event type, for schemas."""
    name = "".join(word.capitalize() for word in type.replace(".", "_").split("_"))
    fields: dict[str, Any] = {"type": (Literal[type], ...), "data": (data, ...)}
    return create_model(f"{name}Event", __base__=Envelope, __doc__=data.__doc__, **fields)
