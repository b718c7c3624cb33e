"""What all events and commands share: the envelope, the actor, the decision.

An event's payload is an `EventData`, a command's a `CommandData`: one pydantic model per type, validated once at the
edge and trusted from there on. `Event` and `Command` are the envelopes around them. `Fact` is an event that has been
decided and has no place yet; a `Decision` is what `decide` answers.
"""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from .errors import Refused
from .ids import CommandId, EventId, ParticipantId, Position, SessionId, TaskId, Version
from .json.explained import Explained

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
Attempt = Annotated[int, Field(ge=1, le=2**53, strict=True), WHOLE]
"""Which claim of a task: the fencing token of all that is done under it."""
DAY = 86_400.0
Reason = Annotated[str, StringConstraints(max_length=2_000)]
"""Why, for people."""


class Actor(NamedTuple):
    """Who acts, as the authenticated token names them."""

    id: ParticipantId
    kind: Kind


def instance_of(participant: ParticipantId, run: str | None) -> str:
    """What one process of a participant is called among those that are listened to; without a run it is unknown which
    process it is, and all that comes from the participant may come from it."""
    return participant if run is None else f"{participant}/{run}"


class EventData(Explained):
    """The payload of one event type. Fields that an older or newer writer added are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

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


class CommandData(Explained):
    """The payload of one command. Unknown fields are refused: a typing error must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    do: ClassVar[str]
    concept: ClassVar[str]
    keyed: ClassVar[bool] = True
    """Whether the command's id makes its first event unique; false where the payload tells repeats itself."""
    revives: ClassVar[bool] = False
    """Whether the command may be done to a session that is not open."""
    plain: ClassVar[bool] = False
    """Whether the command's own concept decides it alone, and nothing else follows from it."""


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
    task: TaskId | None = None
    """The task under which it is done, and which of its claims: the two come together."""
    attempt: int | None = None
    run: str | None = None
    """Which run of the actor sends it, where the actor says: a process, from its start to its end."""
    cause: str | None = None
    """The event or command of this session that caused it, where the actor says; otherwise events name the command."""
    recorded: bool = False
    """Whether it is written after the event, by who records it: ids of its events come from its own, so that recording
    live and importing afterwards give the same."""


class Fact(NamedTuple):
    """A decided event. `type` and `subject` stand where the payload's class does not fix them (custom events), `task`
    where it happened under one."""

    data: EventData
    audience: tuple[str, ...] | None = None
    type: str | None = None
    subject: str | None = None
    task: TaskId | None = None


class Repeat(NamedTuple):
    """Says that what was asked for has been written before: it is the event about `subject` after version `since`,
    the first one, or that of the delta with this `index`."""

    subject: str
    since: Version
    index: int | None = None  # type: ignore[assignment]  # it hides tuple.index, which nobody misses


class Decision(NamedTuple):
    """What a command comes to: facts to append, and the subjects whose heads must not have moved meanwhile.

    With a `refusal` the facts are what there is to record of it, and the actor is refused. Where deciding has found
    it out already, `after` is the state of the command's concept when the facts are folded; nothing else changes then.
    """

    facts: tuple[Fact, ...]
    reads: tuple[str, ...] = ()
    repeat: Repeat | None = None
    refusal: Refused | None = None
    after: Any = None


class Deadline(NamedTuple):
    """Something that happens of itself: at `when` the gateway carries out `data` under `id`, so that it happens once.

    With `silence` it is the silence of that instance (`instance_of`) that matters: it is not due before `after` seconds
    have passed since it was last heard of, or, with `under`, since a heartbeat last said that they make progress there.
    """

    when: datetime
    id: CommandId
    data: CommandData
    silence: str | None = None
    after: float = 0.0
    under: TaskId | None = None


TIMER = "stenogram:"
"""What the ids of commands begin with that the gateway's clock carries out; no client may mint such a one."""
TIMEKEEPER = Actor("stenogram", "service")
"""The actor of what happens of itself; no participant is called so."""


def timer_id(*parts: object) -> CommandId:
    """The id of a command that the clock carries out: the same for the same parts, in every process."""
    id = TIMER + ":".join(map(str, parts))
    return id if len(id) <= 128 else TIMER + sha256(id.encode()).hexdigest()


def decided(*data: EventData, audience: tuple[str, ...] | None = None) -> Decision:
    """A decision that depends on the subjects which it writes."""
    facts = tuple(Fact(each, audience) for each in data)
    return Decision(facts, tuple(dict.fromkeys(each.subject() for each in data)))


JsonObject = dict[str, Any]
