"""What goes into the log and what comes out of it.

A `Draft` is an event without its place; an `Append` is the drafts that enter one session together or not at all;
a `Record` is an event with its place, as stored. A record's `data` is the UTF-8 JSON of the event's envelope without
position, session and version, so that the wire form is made by splicing bytes, never by decoding and encoding again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from ..domain.ids import Position, SessionId, Version

ANYTHING = ""
"""The subject that every event of a session advances: its head is the session's version."""


@lru_cache(1_024)
def wire_template(session: SessionId) -> bytes:
    """Makes wire forms of a session's events: `template % (position, version, data[1:])`."""
    return b'{"position":%%d,"session":"%s","version":%%d,%%s' % session.encode().replace(b"%", b"%%")


class Draft(NamedTuple):
    """An event that asks to be appended.

    `subject` is what the event is about; `also` names further subjects whose heads it advances; `key` makes it unique
    in its session for good; `time` is in microseconds since 1970 (UTC).
    """

    type: str
    subject: str
    data: bytes
    time: int
    key: str | None = None
    also: tuple[str, ...] = ()


class Producer(NamedTuple):
    """Makes a stream of appends repeatable without a key for each: `seq` counts up within `epoch`, which rises when
    the producer starts again. A repeat is recognised by its `seq`; an older epoch is fenced."""

    id: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Append:
    """Drafts for one session, written together or not at all.

    `expect` maps subjects to the version at which each must stand (0: nothing yet). `first_version` places the drafts
    at explicit versions, for importers and for the eventsourcing library; otherwise they follow the session's head.
    Explicit versions need not follow on anything, they only must be free; in a hole they leave all heads as they are.
    `tracking` advances a named position in the same commit; an append may have a tracking and no drafts.
    """

    session: SessionId
    drafts: tuple[Draft, ...]
    expect: Mapping[str, Version] = field(default_factory=dict)
    producer: Producer | None = None
    first_version: int | None = None
    tracking: tuple[str, Position] | None = None


class Appended(NamedTuple):
    """The places that an append took. `repeated`: it had been written before, and these are its first places; there
    are none to tell when a producer's `seq` told the repeat."""

    versions: tuple[Version, ...]
    positions: tuple[Position, ...]
    repeated: bool = False


class Record(NamedTuple):
    """A stored event. `time` is in microseconds since 1970 (UTC)."""

    position: Position
    session: SessionId
    version: Version
    subject: str
    type: str
    data: bytes
    key: str | None
    time: int

    def wire(self) -> bytes:
        """The event's envelope as UTF-8 JSON, for every face of the product."""
        return wire_template(self.session) % (self.position, self.version, self.data[1:])


class ProducerState(NamedTuple):
    """The last append of a producer that the log knows: its `seq`, and the position of that append's last event; 0 when
    it wrote none, since its payload had been written before."""

    epoch: int
    seq: int
    position: Position


class Snapshot(NamedTuple):
    """The state of a session at a version, as bytes, and by which code it was folded."""

    session: SessionId
    version: Version
    code: str
    data: bytes


class Batch(NamedTuple):
    """What one commit writes: contiguous records, the heads they leave, the producers and trackings they advance.

    `live` says of sessions whether something may happen of itself in them from now on: a lease that runs out, a
    deadline. It applies only to a log whose last position is `after`; otherwise another process has written.
    """

    after: Position
    records: list[Record]
    heads: dict[tuple[SessionId, str], Version]
    producers: dict[tuple[SessionId, str], ProducerState]
    tracking: dict[str, Position]
    live: dict[SessionId, bool]


class GatewayHeartbeat(NamedTuple):
    """Which instances of participants one gateway hears, or has heard within their leases, and for how many
    milliseconds each has been silent; `beat` counts up as long as the gateway lives, and is negative
    once it has ended."""

    gateway: str
    beat: int
    attached: dict[str, int]
