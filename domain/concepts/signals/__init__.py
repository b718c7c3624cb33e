"""Signals: interruptions that are kept until those whom they concern have answered.

    raised → delivered → honoured | refused
                 ├─ expired, when the grace runs out; who is late may still honour it
                 └─ withdrawn, by its raiser, if it is a steer

A signal is an event, so that an agent which attaches late finds it. It concerns its *addressees*: those who work on
what it is aimed at when it is raised; of a task also those who claim it afterwards, of a session that is being
cancelled those who join. Each answers for itself; the signal is open until the last of them has, or until its grace has
run out. What then becomes of the target's work, `consequences`
says. An agent that lets the grace of a cancel run out which was aimed at it, or at the session, is fenced: it can do
nothing more until it has honoured the signal, or begun a new run (`fences`).
"""

from .board import EMPTY, Fence, Signal, Signals
from .commands import DeliverSignal, ExpireSignal, HonourSignal, RaiseSignal, RefuseSignal, WithdrawSignal
from .events import (
    GRACES,
    SESSION,
    STOPS,
    TARGET_PATTERN,
    Grace,
    SignalAddressed,
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalKind,
    SignalRaised,
    SignalRefused,
    SignalWithdrawn,
    Target,
)
from .fold import evolve
from .rules import deadlines, decide

__all__ = [
    "EMPTY",
    "GRACES",
    "SESSION",
    "STOPS",
    "TARGET_PATTERN",
    "DeliverSignal",
    "ExpireSignal",
    "Fence",
    "Grace",
    "HonourSignal",
    "RaiseSignal",
    "RefuseSignal",
    "Signal",
    "SignalAddressed",
    "SignalDelivered",
    "SignalExpired",
    "SignalHonoured",
    "SignalKind",
    "SignalRaised",
    "SignalRefused",
    "SignalWithdrawn",
    "Signals",
    "Target",
    "WithdrawSignal",
    "deadlines",
    "decide",
    "evolve",
]
