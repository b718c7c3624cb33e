"""Subscriptions of the Durable Streams protocol: durable cursors over streams that wake a worker when there is more.

    created → (woken → claimed → acked* → released)* → deleted        woken → failed → woken again

A subscription is a session of a kind of its own. Its cursors, wakes, leases and acks are events, so that any gateway
goes on where another stopped. The worker is called (a webhook), or finds a message in a stream and claims the work
(pull-wake).
"""

from .board import EMPTY, Link, StreamSubscriptions, Subscription, Wake, backoff
from .commands import (
    AckWork,
    ClaimWork,
    CreateSubscription,
    DeleteSubscription,
    FailDelivery,
    LinkStreams,
    ReleaseWork,
    SubscriptionCommand,
    UnlinkStream,
    WakeWorker,
)
from .events import (
    LEASE_MS,
    MAX_LEASE_MS,
    MAX_STREAMS,
    MAX_WOKEN,
    MIN_LEASE_MS,
    SUBJECT,
    Failure,
    StreamLink,
    StreamPlace,
    SubscriptionAcked,
    SubscriptionClaimed,
    SubscriptionConfig,
    SubscriptionConfirmed,
    SubscriptionCreated,
    SubscriptionDeleted,
    SubscriptionFailed,
    SubscriptionGrant,
    SubscriptionLinked,
    SubscriptionReleased,
    SubscriptionUnlinked,
    SubscriptionWoken,
    Worker,
)
from .fold import evolve
from .rules import decide, fenced, refuse_too_many

__all__ = [
    "EMPTY",
    "LEASE_MS",
    "MAX_LEASE_MS",
    "MAX_STREAMS",
    "MAX_WOKEN",
    "MIN_LEASE_MS",
    "SUBJECT",
    "AckWork",
    "ClaimWork",
    "CreateSubscription",
    "DeleteSubscription",
    "FailDelivery",
    "Failure",
    "Link",
    "LinkStreams",
    "ReleaseWork",
    "StreamLink",
    "StreamPlace",
    "StreamSubscriptions",
    "Subscription",
    "SubscriptionAcked",
    "SubscriptionClaimed",
    "SubscriptionCommand",
    "SubscriptionConfig",
    "SubscriptionConfirmed",
    "SubscriptionCreated",
    "SubscriptionDeleted",
    "SubscriptionFailed",
    "SubscriptionGrant",
    "SubscriptionLinked",
    "SubscriptionReleased",
    "SubscriptionUnlinked",
    "SubscriptionWoken",
    "UnlinkStream",
    "Wake",
    "WakeWorker",
    "Worker",
    "backoff",
    "decide",
    "evolve",
    "fenced",
    "refuse_too_many",
]
