"""Signals: interruptions that are kept until those whom they concern have answered.

    raised → delivered → honoured | refused
                 └─ expired, when the grace runs out; who is late may still honour it

A signal is an event, so that an agent which attaches late finds it. It concerns its *addressees*: whoever works on what
it is aimed at when it is raised, of a task also
whoever claims it afterwards, of a session that is being cancelled whoever joins. Each answers for itself; the signal is
open until the last of them has, or until its grace has run out. What then becomes of the target's work, `consequences`
says. An agent that lets the grace of a cancel run out which was aimed at it, or at the session, is fenced: it can do
nothing more until it has honoured the signal, or begun a new run (`fences`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, NamedTuple

import orjson
from immutables import Map
from pydantic import Field, JsonValue, StringConstraints

from ..audience import Audience, sees
from ..errors import Conflict, Forbidden, NoChange, NotFound, TooLarge
from ..ids import NAME_PATTERN, ParticipantId, SignalId, Version
from ..model import (
    DAY,
    Actor,
    Command,
    CommandData,
    Deadline,
    Decision,
    Event,
    EventData,
    Fact,
    Reason,
    decided,
    timer_id,
)
from ..timestamps import Time
from .open_work import Index, indexed, refuse_more, unindexed
from .twins import Twins, Wish, wish

SignalKind = Literal["cancel", "pause", "resume", "steer", "reroute"]
SESSION = "session"
TARGET_PATTERN = rf"^(session|(agent|task|message):{NAME_PATTERN[1:-1]})$"
Target = Annotated[str, StringConstraints(pattern=TARGET_PATTERN, max_length=160)]
Grace = Annotated[float, Field(ge=0, le=DAY, strict=True)]
GRACES: dict[str, float] = {"cancel": 10.0, "reroute": 10.0}
"""Seconds of grace where a signal names none; of the other kinds, none ever runs out."""
MAX_REROUTE_BYTES = 1_000
"""JSON of the new input when an agent is rerouted: each of its tasks gets it."""
STOPS = frozenset(GRACES)
"""Kinds after which the target's work ends, honoured or not."""


class _SignalEvent(EventData):
    signal: SignalId
    """Which signal."""

    def subject(self) -> str:
        return f"signal:{self.signal}"


class SignalRaised(_SignalEvent):
    """Someone wants something else than what is being done."""

    type = "signal.raised"
    kind: SignalKind
    """What is wanted."""
    target: Target
    """Of whom: `session`, or an `agent:…`, `task:…` or `message:…`."""
    addressees: tuple[ParticipantId, ...] = ()
    """Who must answer: those who work on the target now."""
    body: JsonValue = None
    """What goes with it: the instruction of a `steer`, the new input of a `reroute` (at an agent, which may
    have many tasks: at most 1,000 bytes)."""
    to: ParticipantId | None = None
    """Of a `reroute`: who alone may claim the work now."""
    grace: Grace | None = None
    """Seconds to answer; absent: any time."""
    due: Time | None = None
    """When these are over."""


class SignalDelivered(_SignalEvent):
    """The actor has got it."""

    type = "signal.delivered"


class SignalHonoured(_SignalEvent):
    """The actor does what was wanted."""

    type = "signal.honoured"
    reason: Reason | None = None
    """For people."""
    new_run: bool | None = None
    """Whether it was honoured by a new run of the actor: then earlier ones can do nothing more."""


class SignalRefused(_SignalEvent):
    """The actor will not."""

    type = "signal.refused"
    reason: Reason | None = None
    """Why, for people."""


class SignalExpired(_SignalEvent):
    """The grace ran out, or there is nobody to wait for. After a cancel or a reroute the work has ended all the
    same."""

    type = "signal.expired"
    waiting: tuple[ParticipantId, ...] = ()
    """Who had not answered."""


class SignalAddressed(_SignalEvent):
    """Others must answer: the task that it is aimed at has another holder now, or somebody joined whose session is
    being cancelled."""

    type = "signal.addressed"
    addressees: tuple[ParticipantId, ...]
    """Who."""


class _SignalCommand(CommandData):
    concept: ClassVar[str] = "signals"
    signal: SignalId
    """Which signal."""


class RaiseSignal(_SignalCommand):
    """Interrupt: cancel, pause, resume, steer or reroute. Anyone may, from any device. A signal at an `agent:` is for
    an agent or a service, or an id that nobody has joined under yet; people and the gateway are not interrupted."""

    do = "signal.raise"
    signal: SignalId
    """The signal's id: minted by whoever raises it, unique in the session."""
    kind: SignalKind
    """What you want."""
    target: Target
    """Of whom: `session`, or `agent:hotels`, `task:t-3`, `message:m1`."""
    body: JsonValue = None
    """What goes with it: the instruction of a `steer`, the new input of a `reroute` (at an agent, which may
    have many tasks: at most 1,000 bytes)."""
    to: ParticipantId | None = None
    """Of a `reroute`: who alone may claim the work now; absent: anyone."""
    grace: Grace | None = None
    """Seconds to stop in good order; 0: at once. Absent: 10 for `cancel` and `reroute`, else for ever."""
    audience: Audience | None = None
    """Who may see the signal and how it is answered, besides you and those whom it concerns. A signal at a task or a
    message has that one's audience and takes none; absent otherwise: everyone."""


class DeliverSignal(_SignalCommand):
    """Say that you have got it."""

    do = "signal.deliver"


class HonourSignal(_SignalCommand):
    """Say that you do what was wanted, or, after a cancel, that you have stopped. Late is better than never: it lifts
    your fence."""

    do = "signal.honour"
    reason: Reason | None = None
    """For people."""


class RefuseSignal(_SignalCommand):
    """Say that you will not."""

    do = "signal.refuse"
    reason: Reason | None = None
    """Why, for people."""


class ExpireSignal(_SignalCommand):
    """End the grace. Done by the gateway's clock."""

    do = "signal.expire"


class Signal(NamedTuple):
    """A signal as it stands; `waiting` are the addressees who have not answered, and whether they have got it;
    `audience` is who may see it and all that becomes of it."""

    id: SignalId
    kind: SignalKind
    target: str
    raiser: ParticipantId
    body: JsonValue
    to: ParticipantId | None
    due: datetime | None
    addressees: tuple[ParticipantId, ...]
    waiting: Map[ParticipantId, bool]
    since: Version
    status: Literal["open", "closed", "expired"] = "open"
    audience: tuple[str, ...] | None = None

    @property
    def fences(self) -> bool:
        """Whether an addressee who lets its grace run out can do nothing more before it has honoured it."""
        return self.kind == "cancel" and (self.target == SESSION or self.target.startswith("agent:"))


class Fence(NamedTuple):
    """By which signal somebody is fenced, and since which version."""

    signal: SignalId
    since: Version


class Signals(NamedTuple):
    """All signals; the open ones, and by their targets; the fence of each who let a cancel pass (`fences` says whom it
    holds); which say the same; for those who honoured one by beginning a new run, the fence that this lifted; and the
    pauses that hold, by target (`pauses` says what they hold back). `resume` of the session lifts all pauses, any other
    one that of the same target."""

    known: Map[SignalId, Signal] = Map()
    open: Map[SignalId, None] = Map()
    fenced: Map[ParticipantId, Fence] = Map()
    aimed: Index = Map()
    twins: Twins = Twins()
    replaced: Map[ParticipantId, Fence] = Map()
    paused: Map[str, SignalId] = Map()

    def open_at(self, target: str) -> list[Signal]:
        """The open signals that are aimed at this very target, in the order of their raising."""
        return sorted(map(self.known.__getitem__, self.aimed.get(target, ())), key=lambda each: each.since)


EMPTY = Signals()


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
    if data.kind == "reroute" and data.target.startswith("agent:") and len(orjson.dumps(data.body)) > MAX_REROUTE_BYTES:
        raise TooLarge(f"The body goes into each task of the agent; it has at most {MAX_REROUTE_BYTES:,} bytes.")
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
    twin = signals.twins.in_force(_wish(data), SESSION) if data.grace is None else None
    if twin is not None and sees(actor, signals.known[twin].audience):
        raise NoChange(f"Signal {twin!r} says the same, and is open.", signal=twin)


def _wish(signal: "RaiseSignal | Signal") -> Wish:
    return wish(signal.kind, signal.target, signal.to, signal.body)


def _waiting(signals: Signals, actor: Actor, id: SignalId) -> Signal:
    signal = signals.known.get(id)
    if signal is None or not sees(actor, signal.audience):
        raise NotFound(f"There is no signal {id!r}.")
    if actor.id not in signal.addressees:
        raise Forbidden(f"Signal {id!r} does not concern {actor.id!r}; it concerns {', '.join(signal.addressees)}.")
    if actor.id not in signal.waiting:
        raise NoChange(f"{actor.id!r} has answered signal {id!r}.")
    return signal


def _expire(signals: Signals, command: Command, data: ExpireSignal) -> Decision:
    signal = signals.known.get(data.signal)
    if signal is None or signal.status != "open" or signal.due is None or command.time < signal.due:
        raise NoChange(f"The grace of signal {data.signal!r} has not run out, or it is answered.")
    return decided(SignalExpired(signal=signal.id, waiting=tuple(sorted(signal.waiting))))


def evolve(signals: Signals, event: Event) -> Signals:
    """Fold one event."""
    match event.data:
        case SignalRaised() as data:
            waiting = Map(dict.fromkeys(data.addressees, False))
            about = (data.signal, data.kind, data.target, event.actor, data.body, data.to, data.due)
            signal = Signal(*about, data.addressees, waiting, event.version, audience=event.audience)
            twins = signals.twins.raised(_wish(signal), signal.id, signal.since)
            return _with(signals._replace(twins=twins, paused=_paused(signals.paused, data)), signal)
        case SignalDelivered() as data:
            signal = signals.known[data.signal]
            if event.actor in signal.waiting:
                signal = signal._replace(waiting=signal.waiting.set(event.actor, True))
            return _with(signals, signal)
        case SignalAddressed() as data:
            return _with(signals, _addressed(signals.known[data.signal], data.addressees))
        case SignalHonoured() | SignalRefused() as data:
            if isinstance(data, SignalHonoured) and data.new_run and event.actor in signals.fenced:
                lifted = signals.fenced[event.actor]
                signals = signals._replace(replaced=signals.replaced.set(event.actor, lifted))
            return _answered(signals, signals.known[data.signal], event.actor)
        case SignalExpired() as data:
            signal = signals.known[data.signal]
            late = dict.fromkeys(data.waiting, Fence(signal.id, event.version)) if signal.fences else {}
            fenced = signals.fenced.update(late)
            return _with(signals._replace(fenced=fenced), signal._replace(status="expired"))
    return signals


def _addressed(signal: Signal, who: tuple[ParticipantId, ...]) -> Signal:
    """A task has one holder: whoever had it before need not answer any more. A session has many."""
    waiting = Map(dict.fromkeys(who, False))
    if signal.target == SESSION:
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
    return signals._replace(known=known, open=open, aimed=aimed, twins=signals.twins.closed(_wish(signal), open))


def deadlines(signals: Signals) -> Iterator[Deadline]:
    """When the grace of open signals runs out."""
    for id in signals.open:
        due = signals.known[id].due
        if due is not None:
            yield Deadline(due, timer_id("signal", id), ExpireSignal(signal=id))
