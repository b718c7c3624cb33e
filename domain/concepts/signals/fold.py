"""What becomes of a signal by each event."""

from datetime import datetime, timedelta

from immutables import Map

from ...ids import ParticipantId, SignalId
from ...model import Event
from ..open_work import indexed, unindexed
from .board import Fence, Signal, Signals, wish_of
from .events import (
    SESSION,
    SignalAddressed,
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalRaised,
    SignalRefused,
    SignalWithdrawn,
)


def evolve(signals: Signals, event: Event) -> Signals:
    """Fold one event."""
    match event.data:
        case SignalRaised() as data:
            waiting = Map(dict.fromkeys(data.addressees, False))
            about = (data.signal, data.kind, data.target, event.actor, data.body, data.to, data.due)
            signal = Signal(*about, data.addressees, waiting, event.version, audience=event.audience, grace=data.grace)
            twins = signals.twins.raised(wish_of(signal), signal.id, signal.since)
            return _with(signals._replace(twins=twins, paused=_paused(signals.paused, data)), signal)
        case SignalDelivered() as data:
            signal = signals.known[data.signal]
            if event.actor in signal.waiting:
                signal = signal._replace(waiting=signal.waiting.set(event.actor, True))
            return _with(signals, signal)
        case SignalAddressed() as data:
            return _with(signals, _addressed(signals.known[data.signal], data.addressees, event.time))
        case SignalHonoured() | SignalRefused() as data:
            if isinstance(data, SignalHonoured) and data.new_run and event.actor in signals.fenced:
                lifted = signals.fenced[event.actor]
                signals = signals._replace(replaced=signals.replaced.set(event.actor, lifted))
            return _answered(signals, signals.known[data.signal], event.actor)
        case SignalWithdrawn() as data:
            return _with(signals, signals.known[data.signal]._replace(status="withdrawn", waiting=Map()))
        case SignalExpired() as data:
            signal = signals.known[data.signal]
            passed = dict.fromkeys(data.waiting, Fence(signal.id, event.version)) if signal.fences else {}
            fenced, waiting = signals.fenced.update(passed), signal.waiting
            for each in signal.late:
                waiting = waiting.delete(each) if each in waiting else waiting
            return _with(signals._replace(fenced=fenced), signal._replace(status="expired", waiting=waiting))
    return signals


def _addressed(signal: Signal, who: tuple[ParticipantId, ...], now: datetime) -> Signal:
    """A task has one holder: the one before need not answer any more. A session has many."""
    waiting = Map(dict.fromkeys(who, False))
    if signal.target == SESSION:
        # One who is told in the last moment has no chance to stop in good order, and is not fenced for that.
        if signal.due and signal.grace and signal.due - now < timedelta(seconds=signal.grace / 2):
            signal = signal._replace(late=(*signal.late, *who))
        waiting, who = signal.waiting.update(waiting), tuple(dict.fromkeys((*signal.addressees, *who)))
    return signal._replace(addressees=who, waiting=waiting)


def _paused(paused: Map[str, SignalId], data: SignalRaised) -> Map[str, SignalId]:
    if data.kind == "pause":
        return paused.set(data.target, data.signal)
    if data.kind == "resume":
        return Map() if data.target == SESSION else paused.delete(data.target) if data.target in paused else paused
    return paused


def _answered(signals: Signals, signal: Signal, actor: ParticipantId) -> Signals:
    if actor in signal.waiting:
        signal = signal._replace(waiting=signal.waiting.delete(actor))
    if not signal.waiting:
        signal = signal._replace(status="closed")
    fence = signals.fenced.get(actor)
    if fence is not None and fence.signal == signal.id:
        signals = signals._replace(fenced=signals.fenced.delete(actor))
    return _with(signals, signal)


def _with(signals: Signals, signal: Signal) -> Signals:
    known = signals.known.set(signal.id, signal)
    if signal.status == "open":
        aimed = indexed(signals.aimed, signal.target, signal.id)
        return signals._replace(known=known, open=signals.open.set(signal.id, None), aimed=aimed)
    if signal.id not in signals.open:
        return signals._replace(known=known)
    aimed = unindexed(signals.aimed, signal.target, signal.id)
    open = signals.open.delete(signal.id)
    return signals._replace(known=known, open=open, aimed=aimed, twins=signals.twins.closed(wish_of(signal), open))
