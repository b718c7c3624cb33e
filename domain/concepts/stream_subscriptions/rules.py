"""What may be done to a stream subscription, and who is fenced.

At most one wake is under way. It has a generation, one more than the wake before it, and an id; whoever names another,
or comes when the lease is over, is fenced. So two gateways that both find work wake once, and a worker that comes back
late changes nothing. Every fact is for the participant alone whose subscription it is.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ...errors import Conflict, Fenced, Invalid, NoChange, NotFound
from ...ids import SessionId
from ...model import Command, CommandData, Decision, EventData, Fact
from ..lifecycle import SUBJECT as SESSION
from ..lifecycle import SessionOpened
from .board import StreamSubscriptions, Subscription, Wake, backoff
from .commands import (
    AckWork,
    ClaimWork,
    CreateSubscription,
    DeleteSubscription,
    FailDelivery,
    LinkStreams,
    ReleaseWork,
    UnlinkStream,
    WakeWorker,
)
from .events import (
    MAX_STREAMS,
    MAX_WOKEN,
    SUBJECT,
    StreamPlace,
    SubscriptionAcked,
    SubscriptionClaimed,
    SubscriptionConfirmed,
    SubscriptionCreated,
    SubscriptionDeleted,
    SubscriptionFailed,
    SubscriptionLinked,
    SubscriptionReleased,
    SubscriptionUnlinked,
    SubscriptionWoken,
)

LABELS = {"stream_subscription": "yes"}
"""Of a session that was made for one."""


def decide(subscriptions: StreamSubscriptions, command: Command, status: str) -> Decision:
    """Apply the rules to one command, in a session of this status."""
    found = subscriptions.current(command.session)
    if isinstance(command.data, CreateSubscription):
        return _create(found, command, command.data, status)
    if found is None:
        raise NotFound("There is no such subscription; create it with PUT.")
    return _RULES[type(command.data)](found, command, command.data)


def fenced() -> Fenced:
    """The refusal of who works, or wants to, by a wake that is over."""
    return Fenced("This wake is over: the lease has ended, or there was another since.", error={"code": "FENCED"})


def _decided(found: Subscription, *data: EventData) -> Decision:
    return Decision(tuple([Fact(each, (found.participant,)) for each in data]), (SUBJECT,))


def _create(found: Subscription | None, command: Command, data: CreateSubscription, status: str) -> Decision:
    if found is not None:
        if found.config != data.config:
            raise Conflict("There is a subscription of this name, and it is another one; delete it first.")
        if found.grant == data.grant:
            raise NoChange("The subscription is as it is wanted.")
        return _decided(found, SubscriptionConfirmed(grant=data.grant))
    refuse_too_many(len({each.session for each in data.links}))
    created = SubscriptionCreated(
        name=data.name,
        session=command.session,
        config=data.config,
        grant=data.grant,
        base=data.base,
        links=data.links,
    )
    facts = [Fact(SessionOpened(labels=LABELS))] if status == "none" else []
    return Decision((*facts, Fact(created, (command.actor.id,))), (SESSION, SUBJECT))


def _link(found: Subscription, _: Command, data: LinkStreams) -> Decision:
    gone = tuple([each for each in data.gone if each in found.links])
    links = tuple([each for each in data.links if _adds(found, each.session, each.explicit)])
    if not links and not gone:
        raise NoChange("They are linked already.")
    new = {each.session for each in links if each.session not in found.links}
    refuse_too_many(len(found.links) - len(gone) + len(new))
    return _decided(found, SubscriptionLinked(links=links, gone=gone or None))


def _adds(found: Subscription, session: SessionId, explicit: bool) -> bool:
    known = found.links.get(session)
    return known is None or not (known.explicit if explicit else known.glob)


def refuse_too_many(count: int) -> None:
    """Raise Conflict for more streams than a subscription may have."""
    if count > MAX_STREAMS:
        raise Conflict(f"A subscription has at most {MAX_STREAMS:,} streams; narrow its pattern.", most=MAX_STREAMS)


def _unlink(found: Subscription, _: Command, data: UnlinkStream) -> Decision:
    known = found.links.get(data.stream)
    if known is None or not known.explicit:
        raise NoChange("It is not among the streams that were named.")
    return _decided(found, SubscriptionUnlinked(session=data.stream))


def _wake(found: Subscription, command: Command, data: WakeWorker) -> Decision:
    at = found.may_wake_at()
    if at is None or command.time < at or not found.is_granted(command.time):
        raise NoChange("Nobody is to be woken now.")
    until = None if found.is_pull else command.time + _lease(found)
    streams = _linked_places(found, data.streams)
    if not streams:
        raise NoChange("There is no work.")
    woken = SubscriptionWoken(generation=found.generation + 1, wake=data.wake, streams=streams, until=until)
    return _decided(found, woken)


def _claim(found: Subscription, command: Command, data: ClaimWork) -> Decision:
    if not found.is_pull:
        raise Conflict("The gateway calls the worker of this subscription; there is nothing to claim.")
    wake, now = found.wake, command.time
    if wake is not None and found.is_held(now):
        said = {"code": "ALREADY_CLAIMED", "current_holder": wake.worker, "generation": found.generation}
        raise Conflict("Another worker has claimed the work; wait for the next wake.", error=said)
    until = now + _lease(found)
    if wake is not None and wake.until is None:
        return _decided(found, SubscriptionClaimed(generation=found.generation, worker=data.worker, until=until))
    streams = _linked_places(found, data.streams)
    if not streams:
        raise Conflict("There is no work; wait for the next wake.", error={"code": "NO_PENDING_WORK"})
    generation = found.generation + 1
    return _decided(
        found,
        SubscriptionWoken(generation=generation, wake=data.wake, streams=streams),
        SubscriptionClaimed(generation=generation, worker=data.worker, until=until),
    )


def _ack(found: Subscription, command: Command, data: AckWork) -> Decision:
    wake = _held(found, command, data.generation, data.wake)
    acks = data.acks
    if data.snapshot:
        acks = tuple([StreamPlace(session=session, place=place) for session, place in wake.streams])
    elif any(each.session not in found.links for each in acks):
        raise Invalid("A stream that is acked is none of the subscription's.")
    until = None if data.done else command.time + _lease(found)
    return _decided(found, SubscriptionAcked(generation=found.generation, acks=acks, until=until))


def _release(found: Subscription, command: Command, data: ReleaseWork) -> Decision:
    _held(found, command, data.generation, data.wake)
    return _decided(found, SubscriptionReleased(generation=found.generation))


def _fail(found: Subscription, command: Command, data: FailDelivery) -> Decision:
    wake = found.wake
    if wake is None or wake.heard or wake.worker or (found.generation, wake.id) != (data.generation, data.wake):
        raise NoChange("The worker was told all the same, or that wake is over.")
    retry_at = command.time + timedelta(seconds=backoff(found.failures + 1, data.jitter))
    failed = SubscriptionFailed(generation=found.generation, reason=data.reason, retry_at=retry_at)
    return _decided(found, failed)


def _delete(found: Subscription, _: Command, __: DeleteSubscription) -> Decision:
    return _decided(found, SubscriptionDeleted())


def _held(found: Subscription, command: Command, generation: int, wake: str) -> Wake:
    """The wake under way, if it is this one, and held."""
    under_way = found.wake
    if under_way is None or (generation, wake) != (found.generation, under_way.id) or not found.is_held(command.time):
        raise fenced()
    return under_way


def _lease(found: Subscription) -> timedelta:
    return timedelta(milliseconds=found.config.lease_ms)


def _linked_places(found: Subscription, streams: tuple[StreamPlace, ...]) -> tuple[StreamPlace, ...]:
    """Those that are still linked and not done, as many as one wake tells of."""
    links = found.links
    return tuple(
        [each for each in streams if (link := links.get(each.session)) is not None and each.place > link.acked]
    )[:MAX_WOKEN]


_RULES: dict[type[CommandData], Callable[[Subscription, Command, Any], Decision]] = {
    LinkStreams: _link,
    UnlinkStream: _unlink,
    WakeWorker: _wake,
    ClaimWork: _claim,
    AckWork: _ack,
    ReleaseWork: _release,
    FailDelivery: _fail,
    DeleteSubscription: _delete,
}
"""By command: what decides it."""
