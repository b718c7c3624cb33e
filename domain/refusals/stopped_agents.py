"""Fences of stopped agents: who can do nothing in a session until a stop is behind them.

(Writes from a stale attempt of a task are rejected by `concepts.tasks.fence`.)

An agent (or a service: they count as agents) that let the grace of a cancel run out which was aimed at it, or at the
session, is fenced. What is fenced is the run that was to stop. It can honour the signal late; or a new run of the agent
begins (`presence.join` with `new_run`), and the one that was to stop is over: should it still live, it stays fenced, as
far as runs have names (`Command.run`) by which they are told apart. People are never fenced, nor is the gateway itself,
even if a log says so: a person would be gagged, and without the gateway nothing would fall due any more.
"""

from ..concepts.presence import ANONYMOUS, Join
from ..concepts.signals import Fence
from ..errors import Fenced, Refused
from ..ids import ParticipantId
from ..model import TIMEKEEPER, Command
from ..state import State

HOW_TO_LIFT = "send signal.honour, or begin a new run: presence.join with new_run"
_ALWAYS = ("presence", "signals")
"""Concepts whose commands are never fenced: they are what it takes to honour a signal, and to begin a new run."""


def fences(state: State) -> dict[ParticipantId, Fence]:
    """Who is fenced, and by which signal."""
    return {id: fence for id, fence in state.signals.fenced.items() if not _is_exempt(state, id)}


def is_of_a_stop(refusal: Refused) -> bool:
    """Whether something was refused because its actor is fenced, so that a new run of it has to begin."""
    return isinstance(refusal, Fenced) and "signal" in refusal.extra


def _is_exempt(state: State, id: ParticipantId) -> bool:
    known = state.presence.get(id)
    return id == TIMEKEEPER.id or (known is not None and known.kind == "user")


def refuse_fenced(state: State, command: Command) -> None:
    """Raise Fenced when the actor did not honour a cancel in time, and has neither done so since nor begun a new run.
    After that the runs that have begun since can go on, and no others. That a session is open already is answered as to
    anyone: a new run asks that first."""
    actor, data = command.actor, command.data
    if actor.kind == "user" or actor == TIMEKEEPER or data.do == "session.open":
        return
    fence = state.signals.fenced.get(actor.id)
    if fence is None:
        _refuse_replaced(state, command)
    elif data.concept not in _ALWAYS:
        raise Fenced(
            f"{actor.id!r} did not honour signal {fence.signal!r} in time; stop. To go on, {HOW_TO_LIFT}.",
            signal=fence.signal,
        )


def _refuse_replaced(state: State, command: Command) -> None:
    id, data = command.actor.id, command.data
    fence, known = state.signals.replaced.get(id), state.presence.get(id)
    begins = isinstance(data, Join) and data.new_run
    if fence is None or known is None or begins:
        return
    if known.begun.get(command.run or ANONYMOUS, 0) < fence.since:
        raise Fenced(
            f"This run of {id!r} was to stop at signal {fence.signal!r}, and another has begun since; stop. To go on, "
            f"begin a new run: presence.join with new_run.",
            signal=fence.signal,
        )
