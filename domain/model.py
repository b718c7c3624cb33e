"""What all events and commands share: the envelope, the actor, the decision.

An event's payload is an `EventData`, a command's a `CommandData`: one pydantic model per type, validated once at the
edge and trusted from there on. `Event` and `Command` are the envelopes around them. `Fact` is an event that has been
decided and has no place yet; a `Decision` is what `decide` answers.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .ids import CommandId, EventId, ParticipantId, Position, SessionId, Version

Kind = Literal["agent", "user", "service"]
KINDS: tuple[str, ...] = get_args(Kind)


def _whole(number: object) -> object:
    """JSON knows one kind of number, and writes some whole ones as 1.0."""
    if isinstance(number, float) and number.is_integer() and abs(number) <= 2**53:
        return int(number)
    return number


WHOLE = BeforeValidator(_whole)
"""Stands last at a strict int: no text, no fraction, no truth value passes for a whole number."""
Count = Annotated[int, Field(ge=0, le=2**53, strict=True), WHOLE]
"""A number that counts, exact to every JSON reader."""


class Actor(NamedTuple):
    """Who acts, as the authenticated token names them."""

    id: ParticipantId
    kind: Kind


class EventData(BaseModel):
    """The payload of one event type. Fields that an older or newer writer added are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True)

    type: ClassVar[str]

    def subject(self) -> str:
        """What the event is about inside its session: the unit of conditional writes. An application's own types need
        not say: the command that records one does."""
        return "custom"

    def also(self) -> tuple[str, ...]:
        """Further subjects whose heads the event advances."""
        return ()

    def json_bytes(self) -> bytes:
        """The payload as UTF-8 JSON; absent optional fields are left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class CommandData(BaseModel):
    """The payload of one command. Unknown fields are refused: a typing error must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    do: ClassVar[str]
    concept: ClassVar[str]
    keyed: ClassVar[bool] = True
    """Whether the command's id makes its first event unique; false where the payload tells repeats itself."""
    revives: ClassVar[bool] = False
    """Whether the command may be done to a session that is not open."""


class Event(NamedTuple):
    """An immutable fact with its place. `audience` is None when everyone may see it."""

    position: Position
    session: SessionId
    version: Version
    id: EventId
    type: str
    time: datetime
    actor: ParticipantId
    data: EventData
    task: str | None = None
    cause: str | None = None
    audience: tuple[str, ...] | None = None


class Command(NamedTuple):
    """A request to change a session. Time and id come in with it: the rules have neither clock nor chance."""

    id: CommandId
    session: SessionId
    actor: Actor
    time: datetime
    data: CommandData


class Fact(NamedTuple):
    """A decided event. `type` and `subject` stand where the payload's class does not fix them (custom events)."""

    data: EventData
    audience: tuple[str, ...] | None = None
    type: str | None = None
    subject: str | None = None


class Repeat(NamedTuple):
    """Says that a delta has been written before: it is the event about `subject` after version `since` whose payload
    has this `index`."""

    subject: str
    since: Version
    index: int  # type: ignore[assignment]  # it hides tuple.index, which nobody misses


class Decision(NamedTuple):
    """What a command comes to: facts to append, and the subjects whose heads must not have moved meanwhile."""

    facts: tuple[Fact, ...]
    reads: tuple[str, ...] = ()
    repeat: Repeat | None = None


def decided(*data: EventData, audience: tuple[str, ...] | None = None) -> Decision:
    """A decision that depends on the subjects which it writes."""
    facts = tuple(Fact(each, audience) for each in data)
    return Decision(facts, tuple(dict.fromkeys(each.subject() for each in data)))


JsonObject = dict[str, Any]
