"""What becomes of a stream subscription by each event."""

from ...ids import SessionId
from ...model import Event
from .board import Link, StreamSubscriptions, Subscription, Wake
from .events import (
    StreamLink,
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


def evolve(subscriptions: StreamSubscriptions, event: Event) -> StreamSubscriptions:
    """Fold one event."""
    last = subscriptions.last
    if isinstance(event.data, SubscriptionCreated):
        return StreamSubscriptions(_created(event, event.data, 0 if last is None else last.generation))
    if last is None or last.deleted:  # others than our gateways may have written it
        return subscriptions
    return StreamSubscriptions(_evolved(last, event))


def _created(event: Event, data: SubscriptionCreated, generation: int) -> Subscription:
    """It goes on counting where the one before it stopped, whose workers may still be there."""
    created = Subscription(
        data.name, data.session, event.actor, data.config, data.grant, data.base, event.time, generation=generation
    )
    return _linked(created, data.links)


def _evolved(last: Subscription, event: Event) -> Subscription:
    wake = last.wake
    match event.data:
        case SubscriptionConfirmed() as data:
            last = last._replace(grant=data.grant)
        case SubscriptionLinked() as data:
            last = _linked(_without(last, data.gone or ()), data.links)
        case SubscriptionUnlinked() as data:
            last = _unlinked(last, data)
        case SubscriptionWoken() as data:
            last = _woken(last, event, data)
        case SubscriptionClaimed() as data if wake is not None:
            last = last._replace(wake=wake._replace(worker=data.worker, until=data.until))
        case SubscriptionAcked() as data if wake is not None:
            last = _acked(last, wake, data)
        case SubscriptionReleased():
            last = last._replace(wake=None)
        case SubscriptionFailed() as data:
            last = last._replace(wake=None, failures=last.failures + 1, retry_at=data.retry_at)
        case SubscriptionDeleted():
            last = last._replace(deleted=True, wake=None, links=Subscription._field_defaults["links"])
    return last


def _without(last: Subscription, gone: tuple[SessionId, ...]) -> Subscription:
    links = last.links
    for each in gone:
        if each in links:
            links = links.delete(each)
    return last._replace(links=links)


def _linked(last: Subscription, added: tuple[StreamLink, ...]) -> Subscription:
    links = last.links
    for each in added:
        known = links.get(each.session)
        if known is None:
            link = Link(each.explicit, not each.explicit, each.acked)
        else:
            link = known._replace(explicit=known.explicit or each.explicit, glob=known.glob or not each.explicit)
        links = links.set(each.session, link)
    return last._replace(links=links)


def _unlinked(last: Subscription, data: SubscriptionUnlinked) -> Subscription:
    known = last.links.get(data.session)
    if known is None:
        return last
    if known.glob:
        return last._replace(links=last.links.set(data.session, known._replace(explicit=False)))
    return last._replace(links=last.links.delete(data.session))


def _woken(last: Subscription, event: Event, data: SubscriptionWoken) -> Subscription:
    silent = last.wake is not None and not last.wake.heard and not last.is_pull
    streams = tuple([(each.session, each.place) for each in data.streams])
    wake = Wake(data.wake, event.time, streams, data.until)
    failures = last.failures + silent
    return last._replace(generation=data.generation, wake=wake, failures=failures, retry_at=None)


def _acked(last: Subscription, wake: Wake, data: SubscriptionAcked) -> Subscription:
    links = last.links
    for each in data.acks:
        known = links.get(each.session)
        if known is not None and each.place > known.acked:
            links = links.set(each.session, known._replace(acked=each.place))
    going = None if data.until is None else wake._replace(until=data.until, heard=True)
    return last._replace(links=links, wake=going, failures=0)
