"""The signals of a session as they stand, the fences and the pauses."""

from datetime import datetime
from typing import Literal, NamedTuple

from immutables import Map
from pydantic import JsonValue

from ...ids import ParticipantId, SignalId, Version
from ..open_work import Index
from .commands import RaiseSignal
from .events import SESSION, SignalKind
from .twins import Twins, Wish, wish


class Signal(NamedTuple):
    """A signal as it stands; `waiting` are the addressees who have not answered, and whether they have got it;
    `late` are those who were told when less than half of the grace was left, and are not held to it; `audience` is who
    may see it and all that becomes of it."""

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
    status: Literal["open", "closed", "expired", "withdrawn"] = "open"
    audience: tuple[str, ...] | None = None
    grace: float | None = None
    late: tuple[ParticipantId, ...] = ()

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

    def in_order(self) -> list[Signal]:
        """The open signals, in the order of their raising."""
        return sorted(map(self.known.__getitem__, self.open), key=lambda each: each.since)

    def open_at(self, target: str) -> list[Signal]:
        """The open signals that are aimed at this very target, in the order of their raising."""
        return sorted(map(self.known.__getitem__, self.aimed.get(target, ())), key=lambda each: each.since)


EMPTY = Signals()


def wish_of(signal: "RaiseSignal | Signal") -> Wish:
    return wish(signal.kind, signal.target, signal.to, signal.body)
