"""The commands of streams."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict

from ...audience import Audience
from ...ids import SessionId
from ...model import WHOLE, CommandData
from ...timestamps import Time
from .content import Content, ContentType
from .events import ForkPoint, InheritedPart, StreamProducer, StreamSeq, Ttl


class ProducerNumber(StreamProducer):
    """Numbers an append, so that a repeat is recognised: an epoch, and in it 0, 1, 2 …"""

    model_config = ConfigDict(extra="forbid")


class _StreamCommand(CommandData):
    concept: ClassVar[str] = "streams"


class CreateStream(_StreamCommand):
    """Create a stream, and with it its session if there is none. Refused with `conflict` where there is a stream, or a
    session without one."""

    do = "stream.create"
    revives = True
    content_type: ContentType = "application/octet-stream"
    """Of what is appended; with `application/json` it is JSON messages."""
    ttl: Annotated[Ttl, WHOLE] | None = None
    """Seconds without a read or a write after which it is gone."""
    expires_at: Time | None = None
    """When it is gone; not together with `ttl`."""
    content: Content | None = None
    """What it begins with."""
    closed: bool = False
    """Whether that is all."""
    audience: Audience | None = None
    """Who may read it, besides you; absent: everyone."""


class ForkStream(CreateStream):
    """Create a stream that begins with a part of another one. Made by the gateway, which knows that one."""

    do = "stream.fork"
    fork: ForkPoint
    inherited: tuple[InheritedPart, ...]
    prefix: Content | None = None


class AppendToStream(_StreamCommand):
    """Append to the stream. Refused with `conflict` when it is closed, of another content type, or the `seq` is not
    greater than the last; with `no_change` when the producer has appended this before."""

    do = "stream.append"
    content: Content
    """What to append."""
    content_type: ContentType | None = None
    """What the stream must be of; absent: whatever it is."""
    seq: StreamSeq | None = None
    """Puts what is appended in order: compared byte by byte, each must be greater than the one before."""
    producer: ProducerNumber | None = None
    """Numbers it, so that a repeat is recognised."""
    closed: bool = False
    """Whether this is the last."""


class CloseStream(_StreamCommand):
    """Close the stream: nothing more is appended. Refused with `no_change` when it is closed."""

    do = "stream.close"
    producer: ProducerNumber | None = None
    """Numbers it, so that a repeat is recognised."""


class DeleteStream(_StreamCommand):
    """Delete the stream: nobody reads it any more under its name, where another one may be created. Forks of it go on,
    and the log keeps what was in it."""

    do = "stream.delete"


class RenewStream(_StreamCommand):
    """Have the time to live begin again, because the stream was read. The gateway's."""

    do = "stream.renew"


class NoteFork(_StreamCommand):
    """Put on record that another stream is about to begin with what this one has. The gateway's."""

    do = "stream.note_fork"
    fork: SessionId
    since: int
    """The version with which the stream began that is meant."""
