"""The stream subscription of a session as it stands."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from immutables import Map

from ...ids import ParticipantId, SessionId
from .events import SubscriptionConfig, SubscriptionGrant

MAX_BACKOFF_S = 60.0
JITTER = 0.2
_ALWAYS = datetime.min.replace(tzinfo=UTC)


class Link(NamedTuple):
    """A stream that is followed: because it was named, because the pattern matches it, or both; `acked` is the place up
    to which it is done."""

    explicit: bool
    glob: bool
    acked: int


class Wake(NamedTuple):
    """What the worker was, or is to be, told. `until` is when its lease ends, None before it is claimed; `heard`:
    whether the worker has said anything since."""

    id: str
    woken: datetime
    streams: tuple[tuple[SessionId, int], ...]
    until: datetime | None = None
    worker: str | None = None
    heard: bool = False


class Subscription(NamedTuple):
    """One subscription. `failures` counts the wakes in a row of which nothing was heard."""

    name: str
    session: SessionId
    participant: ParticipantId
    config: SubscriptionConfig
    grant: SubscriptionGrant
    base: str
    created: datetime
    links: Map[SessionId, Link] = Map()
    generation: int = 0
    wake: Wake | None = None
    failures: int = 0
    retry_at: datetime | None = None
    deleted: bool = False

    @property
    def is_pull(self) -> bool:
        """Whether workers claim the work."""
        return self.config.delivery == "pull-wake"

    def may_wake_at(self) -> datetime | None:
        """The earliest time at which the next wake may come; None while a wake waits to be claimed, or for ever."""
        if self.deleted:
            return None
        wake = self.wake
        if wake is None:
            return self.retry_at or _ALWAYS
        if wake.until is None or self.is_pull or wake.heard:
            return wake.until
        return wake.until + timedelta(seconds=backoff(self.failures + 1))

    def is_granted(self, now: datetime) -> bool:
        """Whether the token by which it was confirmed last is still good."""
        return self.grant.expires is None or now.timestamp() < self.grant.expires

    def is_held(self, now: datetime) -> bool:
        """Whether a worker has the work."""
        return self.wake is not None and self.wake.until is not None and now < self.wake.until


class StreamSubscriptions(NamedTuple):
    """The subscription that there is, or was last; None before there was one."""

    last: Subscription | None = None

    def current(self, session: SessionId) -> Subscription | None:
        """The subscription of this session, which is no fork of its session, unless it is deleted."""
        last = self.last
        return None if last is None or last.deleted or last.session != session else last


EMPTY = StreamSubscriptions()


def backoff(failures: int, jitter: float = 0.0) -> float:
    """Seconds to wait after so many failures in a row: 1, 2, 4 … 60, a fifth more or less."""
    return min(MAX_BACKOFF_S, 2.0 ** min(failures - 1, 6)) * (1 + JITTER * jitter)
