"""Custom events: types of an application's own, named `x.…`.

An application registers a pydantic model for a type (`catalogue.register`) and has it validated; a type that nobody
registered here is stored and streamed all the same. The rules know nothing of them.

What is kept of them is for whom they were, as far as that was not everyone: `log.commit.visibility` asks for it.

Types named `app.…` no command can record: an application writes them into the log itself. So who reads one knows
that no client of a gateway has made it, also after an export and an import.
"""

from typing import Annotated, ClassVar

import orjson
from immutables import Map
from pydantic import JsonValue, StringConstraints

from ..audience import Audience, readers
from ..ids import Name
from ..model import Command, CommandData, Decision, Event, EventData, Fact
from ..wording.patterns import pattern

SUBJECT = "custom"
CUSTOM_PATTERN = pattern(r"^x(\.[a-z][a-z0-9_]*)+$", "x. and words in lower case with dots between them")
APPLICATION_PATTERN = r"^app(\.[a-z][a-z0-9_]*)+$"
CustomType = Annotated[str, StringConstraints(pattern=CUSTOM_PATTERN, max_length=128)]


class OpaqueData(EventData):
    """The payload of a type without a model: any JSON object, kept as it came."""

    type = "x"
    value: dict[str, JsonValue]

    def subject(self) -> str:
        return SUBJECT

    def json_bytes(self) -> bytes:
        return orjson.dumps(self.value)


class RecordCustom(CommandData):
    """Record an event of an application's own type. `about` narrows its subject, for conditional writes."""

    do = "custom.record"
    concept: ClassVar[str] = "custom"
    type: CustomType
    """The event type."""
    data: dict[str, JsonValue]
    """The payload; validated if the type is registered."""
    about: Name | None = None
    """Narrows the subject: `custom:<about>`."""
    audience: Audience | None = None
    """Who may see it; absent: everyone."""


Audiences = Map[tuple[str, ...], None]
"""For whom there are events, but for those that are for everyone."""
EMPTY: Audiences = Map()


def decide(_: Audiences, command: Command) -> Decision:
    """Anything goes: the session keeps what the application says."""
    data = command.data
    assert isinstance(data, RecordCustom)
    subject = f"{SUBJECT}:{data.about}" if data.about else SUBJECT
    return Decision((Fact(OpaqueData(value=data.data), data.audience, data.type, subject),))


def evolve(audiences: Audiences, event: Event) -> Audiences:
    """Fold one event."""
    restricted = readers(event.type, event.audience, event.actor)
    return audiences if restricted is None or restricted in audiences else audiences.set(restricted, None)
