"""The events of streams."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from ...ids import ParticipantId, SessionId
from ...json.explained import Explained
from ...model import Count, EventData
from ...timestamps import Time

SUBJECT = "stream"
ProducerId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
StreamSeq = Annotated[str, StringConstraints(min_length=1, max_length=256)]
MAX_TTL_S = 99_999_999
"""About three years."""
Ttl = Annotated[int, Field(ge=0, le=MAX_TTL_S, strict=True)]


class _Part(Explained):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StreamProducer(_Part):
    """Who numbers what they append, so that a repeat is recognised: an epoch, and in it 0, 1, 2 …"""

    id: ProducerId
    """Who; another participant's of the same id is another one."""
    epoch: Count
    """Which run of theirs; a newer one shuts the older ones out."""
    seq: Count
    """Which append of the run: 0, 1, 2 …"""

    @property
    def number(self) -> tuple[str, int, int]:
        """All of it."""
        return self.id, self.epoch, self.seq

    def of(self, participant: ParticipantId) -> "StreamProducer":
        """The same, told from what others number under this id."""
        return self.model_copy(update={"id": f"{participant}/{self.id}"})


class ForkPoint(_Part):
    """Where a stream was forked."""

    session: SessionId
    """The session of the stream that it was forked from."""
    since: Count
    """The version with which that stream began."""
    at: Count
    """The place behind which the two differ."""
    sub: Count = 0
    """How many bytes, or JSON messages, behind that place both have besides."""


class InheritedPart(_Part):
    """A part of another session's events that a fork begins with."""

    session: SessionId
    after: Count
    """The version behind which it begins."""
    upto: Count
    """Its last version."""
    shift: int
    """What makes places of these versions."""


class _StreamEvent(EventData):
    def subject(self) -> str:
        return SUBJECT


class StreamCreated(_StreamEvent):
    """A stream came to be, empty but for what it inherits."""

    type = "stream.created"
    content_type: str
    """Of what is appended."""
    ttl: Ttl | None = None
    """Seconds without a read or a write after which it is gone."""
    expires_at: Time | None = None
    """When it is gone."""
    fork: ForkPoint | None = None
    """What it was forked from."""
    inherited: tuple[InheritedPart, ...] | None = None
    """What it begins with, in order."""


class StreamAppended(_StreamEvent):
    """Something was appended, in one of three forms."""

    type = "stream.appended"
    producer: StreamProducer | None = None
    """Whose number it has, if it has one."""
    seq: StreamSeq | None = None
    """What its writer put it in order by: each is greater than the one before."""
    text: str | None = None
    """Bytes that are text in UTF-8."""
    base64: str | None = None
    """Any bytes, in Base64."""
    messages: tuple[JsonValue, ...] | None = None
    """JSON messages."""


class StreamClosed(_StreamEvent):
    """The stream has come to its end: nothing more is appended."""

    type = "stream.closed"
    at: Count
    """The place of its end."""
    producer: StreamProducer | None = None
    """Whose number the last append or the closing has, if it has one."""


class StreamRenewed(_StreamEvent):
    """The stream was read, and so its time to live begins again. Written once in a tenth of that time at most."""

    type = "stream.renewed"


class StreamForked(_StreamEvent):
    """Another stream is about to begin with what this one has. For who forked it."""

    type = "stream.forked"
    fork: SessionId
    """The session of that stream."""


class StreamDeleted(_StreamEvent):
    """The stream is gone. The log keeps what was in it, and so do forks."""

    type = "stream.deleted"
