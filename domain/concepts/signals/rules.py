"""Who may raise which signal, and who answers it; and when its grace is over."""

from collections.abc import Iterator
from datetime import timedelta

from ...audience import sees
from ...errors import Conflict, Forbidden, NoChange, NotFound
from ...ids import ParticipantId, SignalId
from ...model import Actor, Command, Deadline, Decision, Fact, decided, timer_id
from ..open_work import refuse_more
from .board import Signal, Signals, wish_of
from .commands import DeliverSignal, ExpireSignal, HonourSignal, RaiseSignal, RefuseSignal, WithdrawSignal
from .events import (
    GRACES,
    SESSION,
    STOPS,
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalRaised,
    SignalRefused,
    SignalWithdrawn,
)


def decide(signals: Signals, command: Command, addressees: tuple[ParticipantId, ...] = ()) -> Decision:
    """Apply the rules to one command; `addressees` are those whom a signal concerns that is being raised."""
    match command.data:
        case RaiseSignal() as data:
            if data.audience is not None and data.target.startswith(("task:", "message:")):
                raise Conflict(f"A signal at {data.target} has that one's audience; leave out `audience`.")
            if data.audience is not None and data.kind == "reroute":
                raise Conflict("A reroute changes tasks, which have audiences of their own; leave out `audience`.")
            return _raise(signals, command, data, addressees)
        case DeliverSignal() as data:
            signal = _waiting(signals, command.actor, data.signal)
            if signal.waiting[command.actor.id]:
                raise NoChange(f"That you have got signal {signal.id!r} is known.")
            return decided(SignalDelivered(signal=signal.id))
        case HonourSignal() as data:
            signal = _waiting(signals, command.actor, data.signal)
            return decided(SignalHonoured(signal=signal.id, reason=data.reason))
        case RefuseSignal() as data:
            signal = _waiting(signals, command.actor, data.signal)
            if signal.status == "expired" and signal.kind in STOPS:
                raise Conflict(f"The grace of signal {signal.id!r} has run out; honour it.")
            return decided(SignalRefused(signal=signal.id, reason=data.reason))
        case WithdrawSignal() as data:
            return _withdraw(signals, command.actor, data)
        case ExpireSignal() as data:
            return _expire(signals, command, data)
    raise NotImplementedError(command.data.do)


def _raise(signals: Signals, command: Command, data: RaiseSignal, addressees: tuple[ParticipantId, ...]) -> Decision:
    if data.signal in signals.known:
        raise Conflict(f"Signal {data.signal!r} exists already; choose another id.")
    if data.kind != "reroute" and data.to is not None:
        raise Conflict(f"Only a reroute goes `to` someone, not a {data.kind}.")
    if data.kind == "reroute" and not data.target.startswith(("task:", "agent:")):
        raise Conflict("Only a task can be rerouted, or an agent with its tasks.")
    _refuse_twin(signals, command.actor, data)
    refuse_more(len(signals.open), "open signals")
    grace = GRACES.get(data.kind) if data.grace is None else data.grace
    raised = SignalRaised(
        signal=data.signal,
        kind=data.kind,
        target=data.target,
        addressees=addressees,
        body=data.body,
        to=data.to,
        grace=grace,
        due=None if grace is None else command.time + timedelta(seconds=grace),
    )
    return Decision((Fact(raised, data.audience),), (raised.subject(), data.target))


def _refuse_twin(signals: Signals, actor: Actor, data: RaiseSignal) -> None:
    """Two devices of one user stop the same thing; the second hears that it has been done. Unless it is in a greater
    hurry, or the opposite was raised meanwhile."""
    twin = signals.twins.in_force(wish_of(data), SESSION) if data.grace is None else None
    if twin is not None and sees(actor, signals.known[twin].audience):
        raise NoChange(f"Signal {twin!r} says the same, and is open.", signal=twin)


def _withdraw(signals: Signals, actor: Actor, data: WithdrawSignal) -> Decision:
    signal = _known(signals, actor, data.signal)
    if signal.raiser != actor.id:
        raise Forbidden(f"Signal {signal.id!r} was raised by {signal.raiser!r}, who may withdraw it.")
    if signal.kind != "steer":
        raise Conflict(f"Signal {signal.id!r} is a {signal.kind}; only a steer can be withdrawn.")
    if signal.status != "open":
        raise Conflict(f"Signal {signal.id!r} is {signal.status} already.", status_now=signal.status)
    return decided(SignalWithdrawn(signal=signal.id, reason=data.reason))


def _known(signals: Signals, actor: Actor, id: SignalId) -> Signal:
    signal = signals.known.get(id)
    if signal is None or not sees(actor, signal.audience):
        raise NotFound(f"There is no signal {id!r}.")
    return signal


def _waiting(signals: Signals, actor: Actor, id: SignalId) -> Signal:
    signal = _known(signals, actor, id)
    if signal.status == "withdrawn":
        raise Conflict(f"Signal {id!r} was withdrawn.", status_now="withdrawn")
    if actor.id not in signal.addressees:
        raise Forbidden(f"Signal {id!r} does not concern {actor.id!r}; it concerns {', '.join(signal.addressees)}.")
    if actor.id not in signal.waiting:
        raise NoChange(f"{actor.id!r} has answered signal {id!r}.")
    return signal


def _expire(signals: Signals, command: Command, data: ExpireSignal) -> Decision:
    signal = signals.known.get(data.signal)
    if signal is None or signal.status != "open" or signal.due is None or command.time < signal.due:
        raise NoChange(f"The grace of signal {data.signal!r} has not run out, or it is answered.")
    return decided(SignalExpired(signal=signal.id, waiting=tuple(sorted({*signal.waiting} - {*signal.late}))))


def deadlines(signals: Signals) -> Iterator[Deadline]:
    """When the grace of open signals runs out."""
    for id in signals.open:
        due = signals.known[id].due
        if due is not None:
            yield Deadline(due, timer_id("signal", id), ExpireSignal(signal=id))
