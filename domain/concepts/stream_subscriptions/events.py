"""The events of stream subscriptions. All of them are for the participant whose subscription it is, and nobody else."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ...ids import SessionId
from ...model import Count, EventData, Kind
from ...timestamps import Time

SUBJECT = "stream_subscription"
MIN_LEASE_MS, MAX_LEASE_MS, LEASE_MS = 1_000, 600_000, 30_000
MAX_STREAMS = 1_000
"""Streams of one subscription."""
MAX_WOKEN = 100
"""Streams that one wake tells of. What more there is comes with the next."""
Generation = Annotated[int, Field(ge=1, le=2**53, strict=True)]
WakeId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Worker = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Failure = Literal["answer", "connection", "refused", "timeout", "wake_stream"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, defer_build=True)


class SubscriptionConfig(_Part):
    """What is subscribed to, and how its worker is woken."""

    delivery: Literal["webhook", "pull-wake"]
    """How the worker is woken."""
    pattern: str | None = None
    """Paths of streams, with `*` for one segment and `**` for any number of them."""
    streams: tuple[SessionId, ...] = ()
    """The sessions of the streams that were named one by one."""
    webhook: str | None = None
    """The address that is called."""
    wake_stream: SessionId | None = None
    """The session of the stream into which it is written that there is work."""
    lease_ms: Annotated[int, Field(ge=MIN_LEASE_MS, le=MAX_LEASE_MS)] = LEASE_MS
    """For how long a worker has the work, in milliseconds, unless it says that it goes on."""
    description: str | None = None
    """What it is for, in the words of who made it."""


class SubscriptionGrant(_Part):
    """What the token allowed by which the subscription was made, or confirmed last: it tells of nothing else."""

    kind: Kind
    """Whether they are an agent, a user or a service."""
    read: tuple[str, ...]
    """Patterns of the sessions that they may read."""
    audit: tuple[str, ...] = ()
    """Patterns of the sessions in which they may see whatever the audience."""
    expires: float | None = None
    """When the token expires, in seconds since 1970. After that nobody is woken until it is confirmed again."""


class StreamLink(_Part):
    """A stream that a subscription is to follow."""

    session: SessionId
    """The session of the stream."""
    explicit: bool = False
    """Whether it was named; otherwise the pattern matches it."""
    acked: Count = 0
    """The place up to which it is done."""


class StreamPlace(_Part):
    """A place in a stream."""

    session: SessionId
    """The session of the stream."""
    place: Count
    """The place."""


class _SubscriptionEvent(EventData):
    def subject(self) -> str:
        return SUBJECT


class SubscriptionCreated(_SubscriptionEvent):
    """A subscription came to be. Before it, there may have been another one of the same name."""

    type = "stream_subscription.created"
    name: str
    """What its participant calls it."""
    session: SessionId
    """Its session: in a fork of that one there is none."""
    config: SubscriptionConfig
    """What is subscribed to."""
    grant: SubscriptionGrant
    """What it may tell of."""
    base: str
    """The address of the protocol at the gateway, as its clients know it."""
    links: tuple[StreamLink, ...] = ()
    """The streams that it begins with."""


class SubscriptionConfirmed(_SubscriptionEvent):
    """It was asked for again as it is, by a token that allows something else or expires at another time."""

    type = "stream_subscription.confirmed"
    grant: SubscriptionGrant
    """What it may tell of from now on."""


class SubscriptionLinked(_SubscriptionEvent):
    """Streams were added, and others left out that are gone."""

    type = "stream_subscription.linked"
    links: tuple[StreamLink, ...] = ()
    """What was added."""
    gone: tuple[SessionId, ...] | None = None
    """What was left out."""


class SubscriptionUnlinked(_SubscriptionEvent):
    """A stream that was named is so no longer. It stays if the pattern matches it."""

    type = "stream_subscription.unlinked"
    session: SessionId
    """The session of the stream."""


class SubscriptionWoken(_SubscriptionEvent):
    """There is work, and its worker is to be told. Whatever was woken before is fenced."""

    type = "stream_subscription.woken"
    generation: Generation
    """Which wake this is: 1, 2, 3 …"""
    wake: WakeId
    """The wake's own id."""
    streams: tuple[StreamPlace, ...]
    """Streams with something that is not done, and where each ended."""
    until: Time | None = None
    """When the lease ends; absent: it begins when a worker claims it."""


class SubscriptionClaimed(_SubscriptionEvent):
    """A worker has claimed the work."""

    type = "stream_subscription.claimed"
    generation: Generation
    """Of the wake."""
    worker: Worker
    """What the worker calls itself."""
    until: Time
    """When the lease ends."""


class SubscriptionAcked(_SubscriptionEvent):
    """The worker says what is done, and that it goes on, or has come to the end."""

    type = "stream_subscription.acked"
    generation: Generation
    """Of the wake."""
    acks: tuple[StreamPlace, ...] = ()
    """Up to where it is done."""
    until: Time | None = None
    """When the lease ends from now on; absent: it has ended by this."""


class SubscriptionReleased(_SubscriptionEvent):
    """The worker has given the work back."""

    type = "stream_subscription.released"
    generation: Generation
    """Of the wake."""


class SubscriptionFailed(_SubscriptionEvent):
    """The worker could not be told."""

    type = "stream_subscription.failed"
    generation: Generation
    """Of the wake."""
    reason: Failure
    """What went wrong: the answer was no success, there was no connection, the address is not allowed, no answer came
    in time, or the wake stream took nothing."""
    retry_at: Time
    """Not before then it is tried again."""


class SubscriptionDeleted(_SubscriptionEvent):
    """The subscription is gone, and whoever works for it is fenced."""

    type = "stream_subscription.deleted"
