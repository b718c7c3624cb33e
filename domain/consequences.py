"""What follows from what happened, in the same commit, whoever did it.

Concepts do not know each other. Where one fact ends what belongs to another concept (a lost agent's tasks, the messages
open under a task that was taken away), the rule stands here: a function from the state before, and the fact, to further
facts. These may have consequences of their own. Nothing is ended twice: what has been ended by one fact of a decision,
another leaves alone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from .concepts.lifecycle import SessionForked
from .concepts.messages import MessageAborted, MessageCompleted
from .concepts.presence import PresenceLeft, PresenceLost, PresenceRecovered, PresenceStatus
from .concepts.signals import (
    SESSION,
    STOPS,
    Signal,
    SignalAddressed,
    SignalExpired,
    SignalHonoured,
    SignalKind,
    SignalRaised,
)
from .concepts.stalls import recovered
from .concepts.task_rules import DEAD, given_back
from .concepts.task_spec import OnNeedFailed
from .concepts.tasks import (
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskReleased,
    TaskSteered,
)
from .ids import ParticipantId, TaskId
from .model import Actor, EventData, Fact
from .signal_targets import cancelled, left_open, rerouted, under_way
from .state import State


def with_consequences(state: State, actor: Actor, facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts, and whatever follows from them."""
    done = list(facts)
    ended = {ending for fact in done for ending in _endings(fact)}
    further = [each for fact in done for each in _following(state, actor.id, fact, ended)]
    return (*done, *[each for each in further if not _blocks_what_ended(each, ended)])


def _blocks_what_ended(fact: Fact, ended: set[str]) -> bool:
    return isinstance(fact.data, TaskBlocked) and fact.data.subject() in ended


def _following(state: State, actor: ParticipantId, fact: Fact, ended: set[str]) -> Iterator[Fact]:
    for further in _of(state, actor, fact):
        endings = _endings(further)
        if ended.isdisjoint(endings):
            ended.update(endings)
            yield further
            yield from _following(state, actor, further, ended)


_NO_END = (SignalRaised, SignalAddressed, TaskCreated, TaskClaimed, TaskBlocked, TaskSteered, PresenceStatus)


def _endings(fact: Fact) -> tuple[str, ...]:
    """What the fact puts an end to, or speaks of for the last time in its decision."""
    data = fact.data
    if isinstance(data, _NO_END):
        return ()
    if isinstance(data, PresenceRecovered):
        return (f"stall:{data.participant}",)
    if isinstance(data, PresenceLost | PresenceLeft):
        return (data.subject(), f"stall:{data.participant}")
    return (fact.subject or data.subject(),)


def _of(state: State, actor: ParticipantId, fact: Fact) -> Iterator[Fact]:
    rule = _RULES.get(type(fact.data))
    if rule is not None:
        yield from rule(state, fact.data, actor)
    if fact.task is not None:
        yield from _goes_on(state, fact, actor)


def _goes_on(state: State, fact: Fact, actor: ParticipantId) -> Iterator[Fact]:
    """Whoever does something under a task is not stalled in it."""
    known = state.presence.get(actor)
    if known is not None and known.present and known.stalled == fact.task:
        yield Fact(recovered(known, "It goes on."))


def _said(state: State, data: PresenceStatus, _: ParticipantId) -> Iterator[Fact]:
    known = state.presence[data.participant]
    if known.stalled is not None:
        yield Fact(recovered(known, "It said what it does."))


def _gone(state: State, data: PresenceLost | PresenceLeft, _: ParticipantId) -> Iterator[Fact]:
    lost = isinstance(data, PresenceLost)
    reason = f"{data.participant} {'was lost' if lost else 'has left'}."
    for task in state.tasks.held_by(data.participant):
        yield Fact(given_back(task, "lost" if lost else "left", reason))
    yield from left_open(state, data.participant, reason)


def _forked(state: State, data: SessionForked, _: ParticipantId) -> Iterator[Fact]:
    """Nobody is present in a fork yet, and nothing is under way."""
    reason = f"The session was forked from {data.origin}."
    for participant in state.presence.values():
        if participant.present:
            yield Fact(PresenceLeft(participant=participant.id, reason=reason))
    for id in state.tasks.claimed:
        task = state.tasks.known[id]
        yield Fact(TaskReleased(task=id, attempt=task.attempt, why="left", assignee=task.assignee, reason=reason))
    yield from left_open(state, None, reason)
    for signal in state.signals.open:
        yield Fact(SignalExpired(signal=signal))


def _created(state: State, data: TaskCreated, _: ParticipantId) -> Iterator[Fact]:
    """What needs something that has failed already will not come up."""
    for need in data.needs:
        if state.tasks.known[need].status in DEAD:
            yield _unmet(data.task, need, state.tasks.known[need].status, data.on_need_failed)
            return


def _unmet(task: TaskId, need: TaskId, status: str, on_need_failed: OnNeedFailed) -> Fact:
    """A task needs one that will not be completed. What became of that one is for those to read who may see it."""
    if on_need_failed == "block":
        return Fact(TaskBlocked(task=task, need=need))
    return Fact(TaskFailed(task=task, error=f"It needs task {need}, which is {status}.", why="need"))


def _in_vain(state: State, need: TaskId, status: str) -> Iterator[Fact]:
    for id in state.tasks.dependants.get(need, ()):
        if state.tasks.known[id].unfinished:
            yield _unmet(id, need, status, state.tasks.known[id].policy.on_need_failed)


def _claimed(state: State, data: TaskClaimed, actor: ParticipantId) -> Iterator[Fact]:
    """Who takes a task over answers its signals."""
    for id in state.signals.open:
        if state.signals.known[id].target == f"task:{data.task}":
            yield Fact(SignalAddressed(signal=id, addressees=(actor,)))


def _over(state: State, data: TaskReleased | TaskFailed, _: ParticipantId) -> Iterator[Fact]:
    """An attempt is over; what was open under it ends, and its holder is not stalled any more."""
    if data.attempt is not None:
        yield from _attempt_over(state, data.task, f"Attempt {data.attempt} of task {data.task} is over.")
    if isinstance(data, TaskFailed) and not data.retryable:
        yield from _moot(state, f"task:{data.task}")
        yield from _in_vain(state, data.task, "failed")


def _finished(state: State, data: TaskCompleted | TaskCancelled, _: ParticipantId) -> Iterator[Fact]:
    """A task is over for good, and so are signals to it, and the parts of one that was cancelled."""
    status = "cancelled" if isinstance(data, TaskCancelled) else "completed"
    yield from _attempt_over(state, data.task, f"Task {data.task} is {status}.")
    yield from _moot(state, f"task:{data.task}")
    if isinstance(data, TaskCancelled):
        for task in state.tasks.known.values():
            if task.parent == data.task and task.status in ("open", "claimed"):
                attempt = task.attempt if task.owner else None
                reason = f"It was a part of task {data.task}."
                yield Fact(TaskCancelled(task=task.id, attempt=attempt, reason=reason))
        yield from _in_vain(state, data.task, "cancelled")


def _attempt_over(state: State, task: str, reason: str) -> Iterator[Fact]:
    yield from under_way(state, task, reason)
    holder = state.presence.get(state.tasks.known[task].owner or "")
    if holder is not None and holder.present and holder.stalled == task:
        yield Fact(recovered(holder, reason))


def _moot(state: State, target: str) -> Iterator[Fact]:
    """Nobody needs to answer signals to what has ended."""
    for id in state.signals.open:
        if state.signals.known[id].target == target:
            yield Fact(SignalExpired(signal=id))


def _message_over(state: State, data: MessageCompleted | MessageAborted, _: ParticipantId) -> Iterator[Fact]:
    return _moot(state, f"message:{data.message}")


def _raised(state: State, data: SignalRaised, actor: ParticipantId) -> Iterator[Fact]:
    if data.kind == "cancel" and data.target == SESSION:
        for task in state.tasks.known.values():
            if task.status == "open":
                yield Fact(TaskCancelled(task=task.id, reason=f"{actor} cancelled all work in the session."))
    if data.kind in STOPS and (data.grace == 0 or not data.addressees):
        reason = f"{actor} raised {data.kind} {data.signal}."
        yield from _stopped(state, data.kind, data.target, data.addressees, reason, to=data.to, input=data.body)
        yield Fact(SignalExpired(signal=data.signal, waiting=data.addressees))


def _honoured(state: State, data: SignalHonoured, actor: ParticipantId) -> Iterator[Fact]:
    signal = state.signals.known[data.signal]
    if signal.status == "open":
        reason = f"{actor} honoured {signal.kind} {signal.id}."
        yield from _stopped(state, signal.kind, signal.target, (actor,), reason, to=signal.to, input=signal.body)
        if signal.kind == "steer":
            yield from _steered(state, signal)


def _steered(state: State, signal: Signal) -> Iterator[Fact]:
    """An instruction about a task that was honoured is for later attempts, too."""
    task = state.tasks.known.get(signal.target.removeprefix("task:"))
    if task is not None and signal.target == f"task:{task.id}" and task.unfinished:
        yield Fact(TaskSteered(task=task.id, signal=signal.id, instruction=signal.body))


def _expired(state: State, data: SignalExpired, _: ParticipantId) -> Iterator[Fact]:
    signal = state.signals.known.get(data.signal)
    if signal is not None and data.waiting:
        reason = f"The grace of {signal.kind} {signal.id} ran out."
        yield from _stopped(state, signal.kind, signal.target, data.waiting, reason, to=signal.to, input=signal.body)


def _stopped(
    state: State,
    kind: SignalKind,
    target: str,
    who: tuple[ParticipantId, ...],
    reason: str,
    *,
    to: ParticipantId | None,
    input: JsonValue,
) -> Iterator[Fact]:
    """What becomes of the target's work."""
    if kind == "cancel":
        yield from cancelled(state, target, who, reason)
    elif kind == "reroute":
        yield from rerouted(state, target, to, input, reason)


_RULES: dict[type[EventData], Callable[[State, Any, ParticipantId], Iterator[Fact]]] = {
    SessionForked: _forked,
    PresenceLost: _gone,
    PresenceLeft: _gone,
    PresenceStatus: _said,
    TaskCreated: _created,
    TaskClaimed: _claimed,
    TaskCompleted: _finished,
    TaskCancelled: _finished,
    TaskFailed: _over,
    TaskReleased: _over,
    MessageCompleted: _message_over,
    MessageAborted: _message_over,
    SignalRaised: _raised,
    SignalHonoured: _honoured,
    SignalExpired: _expired,
}
