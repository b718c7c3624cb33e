"""The commands of stream subscriptions: the gateway's, which knows streams and tokens. No client sends them."""

from typing import ClassVar

from ...ids import SessionId
from ...model import CommandData
from .events import Failure, StreamLink, StreamPlace, SubscriptionConfig, SubscriptionGrant, WakeId, Worker


class SubscriptionCommand(CommandData):
    """One of them."""

    concept: ClassVar[str] = "stream_subscriptions"


class CreateSubscription(SubscriptionCommand):
    """Create it, or confirm the one that is as it is wanted."""

    do = "stream_subscription.create"
    name: str
    config: SubscriptionConfig
    grant: SubscriptionGrant
    base: str
    links: tuple[StreamLink, ...] = ()


class LinkStreams(SubscriptionCommand):
    """Add streams to it, and leave out some that are gone."""

    do = "stream_subscription.link"
    links: tuple[StreamLink, ...] = ()
    gone: tuple[SessionId, ...] = ()


class UnlinkStream(SubscriptionCommand):
    """Take back that a stream was named."""

    do = "stream_subscription.unlink"
    stream: SessionId


class WakeWorker(SubscriptionCommand):
    """Say that there is work, where nobody is at work or about to be."""

    do = "stream_subscription.wake"
    wake: WakeId
    streams: tuple[StreamPlace, ...]


class ClaimWork(SubscriptionCommand):
    """Give a worker the work; `wake` and `streams` count where nobody was woken yet."""

    do = "stream_subscription.claim"
    wake: WakeId
    worker: Worker
    streams: tuple[StreamPlace, ...]


class _Leased(SubscriptionCommand):
    generation: int
    wake: WakeId


class AckWork(_Leased):
    """Say what is done. With `snapshot` that is all that the wake told of."""

    do = "stream_subscription.ack"
    acks: tuple[StreamPlace, ...] = ()
    snapshot: bool = False
    done: bool = False


class ReleaseWork(_Leased):
    """Give the work back."""

    do = "stream_subscription.release"


class FailDelivery(_Leased):
    """Say that the worker could not be told. `jitter`, from -1 to 1, spreads when it is tried again."""

    do = "stream_subscription.fail"
    reason: Failure
    jitter: float = 0.0


class DeleteSubscription(SubscriptionCommand):
    """Delete it."""

    do = "stream_subscription.delete"
