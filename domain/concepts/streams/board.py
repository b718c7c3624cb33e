"""The stream of a session as it stands."""

from datetime import datetime, timedelta
from typing import NamedTuple

from immutables import Map

from ...ids import SessionId, Version
from .events import ForkPoint, InheritedPart, StreamProducer

RENEWED_AFTER = 0.1
"""The part of its time to live after which a read renews a stream. It lives as much longer, so as to be never gone too
early."""


class Producer(NamedTuple):
    """The last that one has appended."""

    epoch: int
    seq: int


class Stream(NamedTuple):
    """One stream. `since` is the version with which it began, `tail` the place behind its last content."""

    since: Version
    content_type: str
    audience: tuple[str, ...] | None
    ttl: int | None
    expires_at: datetime | None
    touched: datetime
    """When it was last read or written, as far as that is on record."""
    shift: int
    tail: int
    fork: ForkPoint | None = None
    inherited: tuple[InheritedPart, ...] = ()
    closed: bool = False
    closed_by: StreamProducer | None = None
    deleted: bool = False
    seq: str | None = None
    producers: Map[str, Producer] = Map()
    """By participant and id."""
    forks: Map[SessionId, None] = Map()

    @property
    def start(self) -> int:
        """The place in front of all that it holds."""
        first = self.inherited[0] if self.inherited else None
        return self.since + self.shift if first is None else first.after + first.shift

    def is_gone(self, now: datetime) -> bool:
        """Whether it was deleted, or has expired by then."""
        return self.deleted or now >= self.gone_at

    @property
    def gone_at(self) -> datetime:
        """When it expires, if nobody reads or writes it any more."""
        if self.expires_at is not None:
            return self.expires_at
        if self.ttl is not None:
            return self.touched + timedelta(seconds=self.ttl * (1 + RENEWED_AFTER))
        return datetime.max.replace(tzinfo=self.touched.tzinfo)

    def is_to_renew(self, now: datetime) -> bool:
        """Whether a read is to be put on record."""
        return self.ttl is not None and now >= self.touched + timedelta(seconds=self.ttl * RENEWED_AFTER)


class Streams(NamedTuple):
    """The stream that there is, or was last; None before there was one."""

    last: Stream | None = None

    def current(self, now: datetime) -> Stream | None:
        """The stream, unless it is gone by then."""
        return None if self.last is None or self.last.is_gone(now) else self.last


EMPTY = Streams()
